"""Opinions on where slow answers come from and what to do; marked as such (ISO/IEC 17025:2017, 7.8.7)."""

from __future__ import annotations

from harness.report import text as t
from harness.report.blocks import Block, Column, bullets, cell, code, heading, pairs, paragraph, table
from harness.results import Bottlenecks, Cause, Results
from harness.wording import sentence

TITLE = "Opinions and interpretations"
MARK = (
    "What follows are opinions, drawn by the program from the data of this run alone (ISO/IEC 17025:2017, "
    "7.8.7). They are no part of any verdict, which would be the same without them. A cause is named where a "
    "condition covers more of the slow answers than it would by chance. That is no proof; the verification "
    "beside each action is."
)


def opinions(results: Results) -> list[Block]:
    """The section, none of a run in which nothing was looked for."""
    if not results.bottlenecks:
        return []
    blocks = [heading(TITLE), paragraph(MARK, "muted")]
    for each in results.bottlenecks:
        blocks += _scenario(each)
    return blocks


def _scenario(found: Bottlenecks) -> list[Block]:
    blocks = [heading(f"Bottlenecks: {found.scenario}", 2), bullets(sentence(each) for each in found.words)]
    for place, cause in enumerate(found.causes, 1):
        blocks += _cause(place, cause)
    if found.considered:
        blocks.append(_considered(found))
    return blocks


def _cause(place: int, cause: Cause) -> list[Block]:
    rows = [("Evidence", sentence(cause.evidence))]
    if cause.since:
        rows.append(("When", sentence(cause.since)))
    if cause.actions:
        rows.append(("Expected of mending it", cause.actions[0].expected))
    blocks: list[Block] = [paragraph(f"{place}. {cause.words}", "strong"), pairs(rows)]
    if not cause.actions:
        return blocks
    columns: list[Column] = [("Action", "left", 1.2), ("How to verify", "left", 1), ("Caution", "left", 1)]
    numbered = list(enumerate(cause.actions, 1))
    told = [[f"{number}. {sentence(each.what)}", each.verify, sentence(each.caution)]
            for number, each in numbered]  # fmt: skip
    lines = "\n".join(f"# {number}. {each.what}\n{each.command}" for number, each in numbered)
    return [*blocks, table(columns, told), code(lines, "Commands and settings")]


def _considered(found: Bottlenecks) -> Block:
    rows = [
        [
            each.kind,
            each.subject or "host",
            cell(
                f"{100 * each.share:.0f} %",
                "strong" if each.share > 2 * each.chance and each.p <= 0.01 else "plain",
            ),
            f"{100 * each.chance:.0f} %",
            f"{each.p:.3f}",
            t.number(each.importance, 3) if each.importance is not None else "-",
        ]
        for each in found.considered
    ]
    skill = found.skill
    said = (
        "no model: too few slow answers"
        if skill is None
        else f"model of the slow answers by these conditions: AUC {skill.auc:.2f} cross-validated"
        + ("" if skill.enough else ", no better than chance, so none of them is named")
    )
    return table(
        [("Condition", "left", 1), ("Of", "left", 1), ("Covers", "right"), ("By chance", "right"),
         ("p", "right"), ("Importance", "right")],
        rows,
        f"All that was looked at, in {t.integer(found.looks)} looks at the host. Covers: share of the "
        "excess of the slow answers. By chance: the same with the conditions shifted in time. Importance: "
        f"loss of AUC without it; {said}.",
    )  # fmt: skip
