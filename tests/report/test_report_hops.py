"""Hop by hop in the report: what is said, and what is said of what is missing."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pypdf
import pytest
import report_data as data

from harness.report.hops import hop_by_hop
from harness.report.pdf import render_pdf
from harness.report.summary import render_summary
from harness.results import HopResult, HopsTail, ScenarioResult, StageShare

PORTS = ("sent", "planner.in", "planner.out", "robot.applied")
SENTENCE = "the tail (30 slowest of 2992) is made by planner.in → planner.out: 82 % of the excess"


def hop(place: int, values: np.ndarray[Any, Any], since: np.ndarray[Any, Any], **changes: Any) -> HopResult:
    fields: dict[str, Any] = {
        "name": PORTS[place],
        "from": PORTS[place - 1],
        "arrival_is": "middleware receive stamp",
        "missing": 0,
        "clock_steps": 0,
        "negative": 0,
        "correlation": None if place == 1 else -0.12,
        "stage_ms": data.distribution(values),
        "since_sent_ms": data.distribution(since),
    }
    return HopResult.model_validate({**fields, **changes})


def share(place: int, middle: float, tail: float, share: float | None, largest: int) -> StageShare:
    return StageShare(
        name=PORTS[place],
        from_=PORTS[place - 1],
        middle_ms=middle,
        tail_ms=tail,
        share=share,
        largest=largest,
    )


def tail_of(*stages: StageShare, words: str = SENTENCE) -> HopsTail:
    return HopsTail(
        quantile=0.99,
        n=2992,
        slowest=30,
        threshold_ms=3.2,
        middle_ms=sum(stage.middle_ms for stage in stages),
        tail_ms=sum(stage.tail_ms for stage in stages),
        stages=list(stages),
        words=words,
    )


def with_hops(scenario: ScenarioResult, **changes: Any) -> ScenarioResult:
    rng = np.random.default_rng(5)
    parts = [rng.gamma(4, scale, 2992) for scale in (0.05, 0.08, 0.03)]
    sums = np.cumsum(parts, axis=0)
    hops = [hop(place + 1, part, total) for place, (part, total) in enumerate(zip(parts, sums, strict=True))]
    hops[1] = hops[1].model_copy(update={"missing": 7, "negative": 3, "clock_steps": 2})
    fields: dict[str, Any] = {
        "hops": hops,
        "hops_lost": {"sent": 1, "planner.in": 5, "planner.out": 0, "robot.applied": 2},
        "hops_tail": [
            tail_of(share(1, 0.2, 0.5, 0.15, 2), share(2, 0.3, 1.94, 0.82, 27), share(3, 0.1, 0.16, 0.03, 1))
        ],
        "hops_words": ["of 8 lost, 1 was sent and not seen at planner.in; 5 were seen at planner.in"],
    }
    return scenario.model_copy(update={**fields, **changes})


@pytest.fixture(scope="module")
def plain() -> ScenarioResult:
    return data.scenario_result(data.samples())


def text_of(blocks: list[Any]) -> str:
    return re.sub(r"\s+", " ", str(blocks))


def test_a_scenario_without_stages_has_no_such_section(plain: ScenarioResult, tmp_path: Path) -> None:
    assert list(hop_by_hop("x", plain, tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_is_shown(plain: ScenarioResult, tmp_path: Path) -> None:
    blocks = list(hop_by_hop("x", with_hops(plain), tmp_path))
    assert [block["kind"] for block in blocks] == [
        *("heading", "figure", "table", "bullets", "paragraph", "figure", "table")
    ]
    stages, shares = (block for block in blocks if block["kind"] == "table")
    assert [row[0]["text"] for row in stages["rows"]] == [f"{a} → {b}" for a, b in pairwise(PORTS)]
    assert [row[2] for row in stages["rows"]] == [
        {"text": "0", "tone": "plain"},
        {"text": "7", "tone": "warn"},
        {"text": "0", "tone": "plain"},
    ]
    assert "2 instants are left out" in stages["caption"]
    assert [row[4]["text"] for row in shares["rows"]] == ["15.0", "82.0", "3.0", "100.0"]
    assert [row[4]["tone"] for row in shares["rows"]] == ["plain", "strong", "plain", "plain"]
    assert f"Beyond p99: {SENTENCE}." in text_of(blocks)
    for block in blocks:
        if block["kind"] == "figure":
            drawn = (tmp_path / block["file"]).read_text()
            assert "planner.in → planner.out" in drawn
            assert block["alt"].count("planner") >= 2


@pytest.mark.slow
def test_a_share_below_zero_and_a_negative_mean_are_shown_as_they_are(
    plain: ScenarioResult, tmp_path: Path
) -> None:
    tail = tail_of(share(1, 0.2, 0.5, 0.3, 5), share(2, 0.3, 1.2, 0.9, 25), share(3, -0.1, -0.3, -0.2, 0))
    blocks = list(hop_by_hop("x", with_hops(plain, hops_tail=[tail]), tmp_path))
    assert "−20.0" in text_of(blocks) and "−0.300" in text_of(blocks)
    assert [block["kind"] for block in blocks].count("figure") == 1  # bars of negative lengths would mislead


def test_no_shares_and_no_stages(plain: ScenarioResult, tmp_path: Path) -> None:
    nothing = np.zeros(0)
    hops = [hop(1, nothing, nothing), hop(3, nothing, nothing)]
    tail = tail_of(share(1, 1.0, 1.0, None, 0), share(3, 1.0, 1.0, None, 30), words="no excess to attribute")
    blocks = list(hop_by_hop("x", with_hops(plain, hops=hops, hops_tail=[tail]), tmp_path))
    assert [block["kind"] for block in blocks] == ["heading", "paragraph", "bullets", "paragraph"]
    assert "there are no stages" in text_of(blocks) and "no excess to attribute" in text_of(blocks)


def test_instants_of_different_kinds_are_named(plain: ScenarioResult, tmp_path: Path) -> None:
    one = np.ones(3)
    hops = [hop(1, one, one), hop(3, one, one, arrival_is="the instant the harness saw it")]
    blocks = list(hop_by_hop("x", with_hops(plain, hops=hops, hops_tail=[]), tmp_path))
    assert "planner.in: middleware receive stamp; robot.applied: the instant the harness saw it" in text_of(
        blocks
    )


@pytest.mark.slow
def test_a_report_with_hops_is_set(tmp_path: Path) -> None:
    results, samples, run = data.whole()
    scenario = with_hops(results.scenarios["command"])
    out = tmp_path / "report.pdf"
    render_pdf(results.model_copy(update={"scenarios": {"command": scenario}}), samples, run, out, [])
    text = re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pypdf.PdfReader(out).pages))
    for expected in ("Hop by hop", "82 % of the excess", "5 were seen at planner.in", "Below 0"):
        assert expected in text


def test_the_summary_says_it_in_a_line(plain: ScenarioResult) -> None:
    results, _, _ = data.whole()
    assert "beyond" not in render_summary(results)
    text = render_summary(results.model_copy(update={"scenarios": {"command": with_hops(plain)}}))
    assert f"- command: beyond p99: {SENTENCE}.".replace(">", "\\>") in text
    assert "- command: of 8 lost, 1 was sent and not seen at planner.in" in text
