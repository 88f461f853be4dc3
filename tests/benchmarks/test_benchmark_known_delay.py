"""A robot whose true delay is known, through the whole of a run; and the arithmetic of the comparison."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.known_delay import LIMIT_MS, Compared, figures_of, measure, served
from harness.adapters.loopback import Options
from harness.model import Verdict

ADDED = np.linspace(0.05, 0.15, 1000)
RUN = Compared(
    delay_ms=5.0,
    quantile=0.99,
    reported_ms=5.0 + ADDED,
    true_ms=np.full(1000, 5.0),
    lost=0,
    unlogged=0,
    uncertainty_ms=0.001,
    floor_ms=0.2,
    verdict=Verdict.PASS,
    reasons=(),
    load=0.0,
)


def missed(run: Compared) -> list[str]:
    return [each.name.split(": ")[1] for each in figures_of(run.delay_ms, [run]) if each.met is False]


@pytest.mark.slow
@pytest.mark.parametrize("delay_ms", [5.0, 11.0])
def test_no_sample_is_reported_shorter_than_it_was(delay_ms, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    run = measure(delay_ms, tmp_path, samples=150, quantile=0.95)
    assert len(run.reported_ms) + run.lost >= 75, "most of what was due was sent"
    assert run.unlogged == 0
    assert run.below == 0, f"least reported - true: {run.added_ms.min():.4f} ms"
    assert (run.true_ms >= delay_ms).all()
    # The middle of the samples is no matter of noise, but what the bench adds has to be what it says it adds.
    assert run.bound_ms is not None and run.uncertainty_ms is not None
    assert run.added_at(0.5) <= run.bound_ms
    assert not run.wrong
    assert run.verdict in (Verdict.PASS if delay_ms < LIMIT_MS else Verdict.FAIL, Verdict.INCONCLUSIVE)


def test_a_true_delay_is_read_from_the_robots_log(tmp_path):
    log = tmp_path / "robot.jsonl"
    lines = [
        {"event": "command", "key": 4},
        {"event": "served", "key": 4, "taken_ns": 10, "answered_ns": 2_000_010},
        {"event": "served", "key": 5, "taken_ns": 3_000_000, "answered_ns": 8_000_000},
    ]
    log.write_text("".join(json.dumps(each) + "\n" for each in lines))
    assert served(log) == pytest.approx({4: 2.0, 5: 5.0})


def test_a_faithful_run_misses_nothing():
    assert missed(RUN) == []
    assert (RUN.below, RUN.above, RUN.allowed_above) == (0, 0, 5)


def test_one_sample_reported_too_short_is_a_miss():
    short = ADDED.copy()
    short[500] = -0.0011
    assert missed(replace(RUN, reported_ms=5.0 + short)) == ["samples below true - U"]
    short[500] = -0.0009  # within U
    assert missed(replace(RUN, reported_ms=5.0 + short)) == []


def test_more_samples_above_than_the_floor_explains_are_a_miss():
    long = ADDED.copy()
    long[:5] = 0.3
    assert missed(replace(RUN, reported_ms=5.0 + long)) == []
    long[:6] = 0.3
    assert missed(replace(RUN, reported_ms=5.0 + long)) == ["samples above true + U + J"]


def test_a_quantile_that_is_off_is_a_miss():
    assert missed(replace(RUN, reported_ms=5.25 + ADDED)) == [
        "samples above true + U + J",
        "reported - true, p50",
        "reported - true, p99",
    ]


@pytest.mark.parametrize(
    ("delay_ms", "verdict", "wrong"),
    [
        (9.0, Verdict.FAIL, True),
        (9.0, Verdict.INCONCLUSIVE, False),
        (11.0, Verdict.PASS, True),
        (11.0, Verdict.INCONCLUSIVE, False),
        (11.0, Verdict.FAIL, False),
    ],
)
def test_only_the_opposite_verdict_is_wrong_and_undecided_ones_are_shown(delay_ms, verdict, wrong):
    run = replace(RUN, delay_ms=delay_ms, verdict=verdict)
    by_name = {each.name.split(": ")[1]: each for each in figures_of(delay_ms, [run])}
    assert (by_name["wrong verdicts"].value, by_name["wrong verdicts"].met) == (wrong, not wrong)
    assert by_name["undecided runs"].value == (verdict is Verdict.INCONCLUSIVE)
    assert verdict.value in by_name["wrong verdicts"].note


def test_without_a_floor_nothing_is_judged_against_it():
    run = replace(RUN, floor_ms=None, uncertainty_ms=None, reported_ms=9.0 + ADDED)
    assert run.above is None and missed(run) == []


def test_a_busy_robot_does_nothing_else():
    ports = {
        "command": {"stimulus": {}},
        "applied": {"response": {"of": "command", "match": {"kind": "sequence"}}},
    }
    with pytest.raises(ValueError, match="busy_ms does not go with delay_ms, latest"):
        Options.model_validate(
            {"adapter": "loopback", "ports": ports, "busy_ms": 1, "delay_ms": 1, "latest": True}
        )
