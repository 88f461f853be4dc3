"""Opinions in the report: marked as such, with everything that a reader needs to doubt them."""

from __future__ import annotations

from typing import Any

from harness.report.opinions import opinions
from harness.results import Action, Bottlenecks, Cause, Considered, Results, Skill

CAUSE = Cause(
    kind="stopped process", subject="robot", words="robot was stopped", evidence="it covers 80 %", share=0.8,
    chance=0.1, weight=0.7, p=0.005, importance=0.4, explained=12, p99_ms=60.0, p99_without_ms=3.0,
    since="from 1.0 s to 5.0 s of 6.0 s",
    actions=[Action(what="find who stops it", command="grep State /proc/1/status", expected="p99 to 3 ms",
                    verify="harness why", caution="looks only")],
)  # fmt: skip
FOUND = Bottlenecks(
    scenario="command", n=1000, slow=50, threshold_ms=5.0, middle_ms=1.0, excess_ms=20.0, looks=130,
    skill=Skill(auc=0.9, folds=[0.9] * 5, enough=True), causes=[CAUSE], words=["50 of 1000 are slow"],
    considered=[Considered(kind="disk wait", subject="", share=0.1, chance=0.1, p=0.5, importance=None)],
)  # fmt: skip


def results(found: list[Bottlenecks]) -> Results:
    return Results.model_construct(bottlenecks=found)


def text_of(tree: Any) -> str:
    if isinstance(tree, dict):
        return " ".join(text_of(each) for each in tree.values())
    if isinstance(tree, list):
        return " ".join(text_of(each) for each in tree)
    return str(tree)


def test_the_section_says_that_it_holds_opinions() -> None:
    blocks = opinions(results([FOUND]))
    assert blocks[0] == {"kind": "heading", "level": 1, "text": "Opinions and interpretations"}
    assert "no part of any verdict" in blocks[1]["text"]


def test_a_cause_comes_with_evidence_action_expectation_proof_and_price() -> None:
    text = text_of(opinions(results([FOUND])))
    for part in ("1. robot was stopped", "It covers 80 %.", "p99 to 3 ms", "harness why", "Looks only."):
        assert part in text, part
    assert "grep State /proc/1/status" in text
    assert "AUC 0.90" in text


def test_a_model_without_skill_is_said_to_have_none() -> None:
    dull = FOUND.model_copy(update={"causes": [], "skill": Skill(auc=0.5, folds=[0.5] * 5, enough=False)})
    assert "no better than chance" in text_of(opinions(results([dull])))


def test_a_run_in_which_nothing_was_looked_for_has_no_section() -> None:
    assert opinions(results([])) == []
