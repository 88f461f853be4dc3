"""The search for what a robot sustains: where it looks, what a step says, and that no verdict rests on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.throughput import search_result, step_result
from harness.config import load_rig, rig_from_text
from harness.config.problems import RigFileError
from harness.config.searching import Search
from harness.folder import RunFolder
from harness.model import NO_STAMP, NOT_COUNTED, SAMPLE_DTYPE, SampleFlag, StimulusFlag
from harness.report.throughput import curve, searched
from harness.results import Results, ScenarioResult
from harness.runner import RunOptions, run_rig
from harness.scenarios.searching import Ladder

RATES = Search(rate_hz=(50, 1000), within_ms=10, quantile=0.9, step_s=1, at_most_s=60)


def climb(search: Search, outcome: Any) -> list[tuple[float, str]]:
    ladder, found = Ladder(search), []
    while (value := ladder.next()) is not None:
        found.append((value, outcome(value)))
        ladder.outcome(*found[-1])
        assert len(found) < 40
    return found


@given(capacity=st.floats(10, 1500), resolution=st.floats(0.02, 1))
def test_the_search_ends_close_to_what_the_robot_can(capacity: float, resolution: float) -> None:
    search = RATES.model_copy(update={"resolution": resolution})
    steps = climb(search, lambda value: "sustained" if value <= capacity else "not sustained")
    held = max((value for value, outcome in steps if outcome == "sustained"), default=None)
    failed = min((value for value, outcome in steps if outcome != "sustained"), default=None)
    assert all(50 <= value <= 1000 for value, _ in steps)
    if capacity < 50:
        assert (held, failed) == (None, 50)
    elif capacity >= 1000:
        assert (held, failed) == (1000, None)
    else:
        assert held is not None and failed is not None
        assert held <= capacity < failed <= held * (1 + resolution) * 1.001


def test_sizes_are_whole_and_none_is_tried_twice() -> None:
    search = Search(elements=(1, 9), path="data", within_ms=10, resolution=0.01)
    values = [value for value, _ in climb(search, lambda n: "sustained" if n <= 4 else "not sustained")]
    assert values == sorted(set(values), key=values.index)
    assert all(value == round(value) for value in values)
    assert {4.0, 5.0} <= set(values)


def test_what_is_undecided_is_tried_once_more_and_then_counts_as_not_sustained() -> None:
    steps = climb(RATES, lambda value: "undecided" if value > 100 else "sustained")
    above = [value for value, _ in steps if value > 100]
    assert all(above.count(value) == 2 for value in above)
    assert max(value for value, outcome in steps if outcome == "sustained") <= 100


def samples(latency_ms: list[float], *, lost: int = 0, skipped: int = 0, late_ms: float = 0.1) -> Any:
    rows = np.zeros(len(latency_ms) + lost + skipped, SAMPLE_DTYPE)
    rows["stimulus_flags"] = int(StimulusFlag.SEARCH)
    rows["intended_ns"] = 1000 + np.arange(len(rows))
    rows["sent_ns"] = rows["intended_ns"] + round(late_ms * 1e6)
    rows["arrived_ns"] = NO_STAMP
    n = len(latency_ms)
    rows["arrived_ns"][:n] = rows["sent_ns"][:n] + np.round(np.array(latency_ms) * 1e6).astype(int)
    rows["flags"][n : n + lost] = int(SampleFlag.LOST)
    rows["flags"][n + lost :] = int(SampleFlag.NOT_SENT)
    rows["sent_ns"][n + lost :] = NO_STAMP
    rows["stimulus_flags"][n + lost :] |= int(StimulusFlag.SKIPPED)
    return rows


RECORD = {"value": 100.0, "rate_hz": 100.0, "begin_ns": 0, "end_ns": 10**9, "cut": ""}
GOOD = [1.0 + 0.01 * (i * 37 % 50) for i in range(50)]


@pytest.mark.parametrize(
    ("rows", "cut", "outcome"),
    [
        (samples(GOOD), "", "sustained"),
        (samples(GOOD[:46] + [30.0] * 4), "", "sustained"),
        (samples(GOOD[:44] + [30.0] * 6), "", "not sustained"),
        (samples(GOOD, lost=1), "", "not sustained"),
        (samples(GOOD[:20]), "overloaded", "not sustained"),
        (samples(GOOD[:20], skipped=5), "overloaded", "undecided"),
        (samples(GOOD[:20], late_ms=50.0), "overloaded", "undecided"),
        (samples(GOOD[:9]), "", "undecided"),  # too few for the quantile
        (samples(GOOD, skipped=1), "", "undecided"),
        (samples(GOOD, late_ms=2.0), "", "undecided"),
        (samples([]), "", "undecided"),
    ],
)
def test_when_a_step_is_sustained(rows: Any, cut: str, outcome: str) -> None:
    assert step_result(rows, {**RECORD, "cut": cut}, RATES).outcome == outcome


def test_a_step_has_only_its_own_stimuli() -> None:
    rows = samples(GOOD)
    rows["stimulus_flags"][:5] = 0
    rows["intended_ns"][5:10] = 2 * 10**9
    assert step_result(rows, RECORD, RATES).sent == 40


def records(*values: float) -> list[dict[str, Any]]:
    return [{**RECORD, "value": value, "begin_ns": i, "end_ns": i} for i, value in enumerate(values)]


def test_the_words_say_at_least_where_nothing_failed() -> None:
    found = search_result(samples([]), [], RATES)
    assert found.words[0] == "The search was not begun."
    step = {**RECORD, "value": 1000.0}
    assert "at least that" in search_result(samples(GOOD), [step], RATES).words[0]
    unsure = samples(GOOD, skipped=5)
    both = np.concatenate([unsure, samples([50.0] * 50)])
    both["intended_ns"][len(unsure) :] += 10**6
    halves = [{**RECORD, "end_ns": 10**5}, {**RECORD, "begin_ns": 10**6}]
    assert search_result(unsure, halves[:1], RATES).words[-2].startswith("At 100 Hz the harness itself")
    assert len(search_result(both, halves, RATES).words) == 2
    slow = search_result(samples([50.0] * 50), [{**RECORD, "value": 50.0}], RATES)
    assert slow.words[0] == "Not even 50 Hz was sustained."
    assert (slow.sustained, slow.not_sustained) == (None, 50.0)


def content(folder: Path) -> dict[str, Any]:
    """A robot that is busy for 20 ms with each command: it cannot take 1000 a second."""
    return {
        "rig": {"name": "busy", "simulated": True},
        "devices": {
            "robot": {
                "adapter": "loopback",
                "busy_ms": 20,
                "ports": {
                    "command": {"stimulus": {"key": "sequence"}},
                    "applied": {"response": {"of": "command", "match": {"kind": "sequence"}}},
                },
            }
        },
        "scenarios": {
            "load": {
                "kind": "throughput",
                "stimulus": "robot.command",
                "response": "robot.applied",
                "timeout_ms": 500,
                "schedule": {"kind": "paced", "rate_hz": 20, "samples": 20, "warmup_s": 0.1},
                "probing": {"consecutive": 2, "rate_hz": 20, "timeout_s": 20},
                "search": {
                    "rate_hz": [10, 1000],
                    "within_ms": 400,
                    "quantile": 0.5,
                    "step_s": 0.4,
                    "resolution": 1,
                    "at_most_s": 20,
                },
            }
        },
        "requirements": [{"id": "R", "scenario": "load", "quantile": 0.5, "limit": 400}],
        "host": {"realtime": False, "max_load_per_cpu": 1000, "floor_s": 0},
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rate_hz": None}, "one of `rate_hz"),
        ({"elements": [1, 2]}, "one of `rate_hz"),
        ({"rate_hz": [100, 10]}, "does not ascend"),
        ({"at_most_s": 0.5}, "less than two steps"),
        ({"quantile": 0.999}, "needs 1000"),
        ({"path": "data"}, "need each other"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    rig = content(tmp_path)
    rig["scenarios"]["load"]["search"] |= change
    with pytest.raises(RigFileError) as refused:
        rig_from_text(json.dumps(rig), "rig.yaml")
    assert words in str(refused.value)


class Measured:
    def __init__(self, folder: Path) -> None:
        file = folder / "rig.yaml"
        file.write_text(yaml.safe_dump(content(folder), sort_keys=False))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HARNESS_LOCK_DIR", str(folder / "locks"))
            outcome = run_rig(load_rig(file), RunOptions(out=folder / "out", report=False, anyway=True))
        assert outcome.results is not None, outcome.error
        self.results: Results = outcome.results
        self.scenario: ScenarioResult = outcome.results.scenarios["load"]
        self.folder = RunFolder.open(outcome.folder)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return Measured(tmp_path_factory.mktemp("busy"))


@pytest.mark.slow
def test_a_robot_that_falls_behind_is_found_out(measured: Measured) -> None:
    assert not measured.results.aborted, measured.results.abort_reason
    search = measured.scenario.search
    assert search is not None
    # 90 commands in 0.4 s are 1.8 s of work: half of them wait longer than 0.4 s, whatever the host does.
    assert search.sustained is None or search.sustained < 225
    assert all(step.outcome != "sustained" for step in search.steps if step.value >= 225)


@pytest.mark.slow
def test_what_is_judged_has_nothing_of_the_search_in_it(measured: Measured) -> None:
    scenario, search = measured.scenario, measured.scenario.search
    assert search is not None
    assert (scenario.scheduled, measured.results.requirements[0].n) == (20, scenario.sent)
    stimuli = measured.folder.stimuli()
    of_search = stimuli["flags"] & StimulusFlag.SEARCH != 0
    assert sum(step.sent + step.skipped for step in search.steps) == of_search.sum()
    judged = stimuli[stimuli["flags"] & NOT_COUNTED == 0]
    assert len(judged) == 20
    assert judged["intended_ns"].max() < stimuli["intended_ns"][of_search].min()


@pytest.mark.slow
def test_the_report_shows_the_curve_and_every_step(measured: Measured, tmp_path: Path) -> None:
    blocks = list(searched("curve", measured.scenario, tmp_path))
    assert [block["kind"] for block in blocks][:2] == ["heading", "bullets"]
    search = measured.scenario.search
    assert search is not None
    assert len(blocks[-1]["rows"]) == len(search.steps)
    if len(search.steps) > 1:
        assert "<svg" in curve(search)
