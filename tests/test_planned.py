"""Runs that end by their plan: a sequential test, declared stages, several requirements, an abort."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "faults"))

from fault_bench import Ran, run_here, until

from harness import planned
from harness.conclude import rerender
from harness.folder import RunFolder
from harness.model import Verdict

pytestmark = pytest.mark.slow

# From rest at once; the median at a limit far beyond what a busy host does to an echo.
TRIALS = {"kind": "trials", "samples": 300, "warmup": 1, "quiet_ms": 0.5, "dwell_ms": [0.5, 1.0]}
MEDIAN = {"id": "R", "scenario": "command", "quantile": 0.5, "limit": 1000, "unit": "ms"}


@pytest.fixture(autouse=True, scope="module")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        yield


def ran(tmp_path: Path, schedule: dict[str, Any], *more: dict[str, Any], **changes: Any) -> Ran:
    told = {"scenarios.command.schedule": schedule, "requirements": [MEDIAN, *more], **changes}
    return run_here(tmp_path, told)


def looks(run: Ran) -> list[tuple[int, bool]]:
    return [(event["n"], event["decided"]) for event in run.event("looked")]


def test_a_sequential_test_ends_the_trials_as_soon_as_it_passes(tmp_path):
    run = ran(tmp_path, TRIALS)
    (result,) = run.results.requirements
    # log(20) / log(0.95 / 0.5) = 4.7: the median of 1/2 against 1/20.
    assert (run.scenario.scheduled, result.n, result.exceedances) == (5, 5, 0)
    assert (result.verdict, run.outcome.verdict) == (Verdict.PASS, Verdict.PASS)
    assert looks(run)[-1] == (5, True) and len(looks(run)) <= 2
    assert result.sampling_plan == (
        "a sequential test, declared before the run: planned at most 300, ended after 5 trials"
    )
    assert (result.upper_bound, result.lower_bound, result.headroom) == (None, None, None)
    before = run.results
    rerender(run.folder)
    assert run.results.requirements == before.requirements


def test_a_sequential_test_ends_the_trials_as_soon_as_it_fails(tmp_path):
    slow = {"devices.robot.delay_ms": 150.0, "requirements": [{**MEDIAN, "limit": 100}]}
    run = ran(tmp_path, TRIALS, **slow)
    (result,) = run.results.requirements
    # log(20) / log(1.5) = 7.4: 3/4 against 1/2.
    assert (run.scenario.scheduled, result.exceedances_sent, result.fail_from) == (8, 8, 8)
    assert result.verdict is Verdict.FAIL


def test_the_run_goes_on_until_every_requirement_is_decided(tmp_path):
    run = ran(tmp_path, TRIALS, {**MEDIAN, "id": "HARDER", "quantile": 0.9})
    first, second = run.results.requirements
    assert (first.verdict, first.n) == (Verdict.PASS, 5)
    assert (second.n, run.scenario.scheduled) == (32, 32) or second.exceedances > 0
    assert second.verdict is Verdict.PASS or "hang together" in second.reasons[0]


def test_a_fixed_number_of_trials_is_never_looked_at(tmp_path):
    run = ran(tmp_path, {**TRIALS, "samples": 30, "stopping": "fixed"})
    assert (run.scenario.scheduled, looks(run)) == (30, [])


@pytest.mark.parametrize("schedule", [TRIALS, {"kind": "paced", "rate_hz": 100, "warmup_s": 0.02}])
def test_stages_go_on_to_the_look_that_decides(tmp_path, schedule):
    run = ran(tmp_path, {**schedule, "samples": 300, "stages": [4, 150, 300]})
    (result,) = run.results.requirements
    # Trials on a busy host may hang together; paced samples may be skipped.
    hang = "hang together" in result.reasons[0]
    assert (result.verdict is Verdict.PASS and 75 < result.n <= 150) or (
        hang and schedule["kind"] == "trials"
    )
    assert looks(run)[0] == (4, False)
    # What ended without a verdict is known to have ended at the look after it.
    assert looks(run)[1:] == [(150, not hang)]
    assert run.scenario.scheduled == (300 if hang else 150)
    assert "planned at most 300, ended after 150" in result.sampling_plan


def test_what_was_decided_before_an_abort_stands(tmp_path):
    def interrupt(folder: RunFolder) -> None:
        def later() -> None:
            until(
                lambda: any(e["event"] == "looked" and e["n"] >= 5 for e in folder.events()),
                "a look after the median was decided",
            )
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=later, daemon=True).start()

    changes = {
        "scenarios.command.schedule": {**TRIALS, "samples": 3000, "dwell_ms": [10.0, 20.0]},
        "requirements": [MEDIAN, {**MEDIAN, "id": "LATER", "quantile": 0.999}],
    }
    run = run_here(tmp_path, changes, on_folder=interrupt)
    run.assert_aborted("interrupt")
    first, later = run.results.requirements
    assert (first.verdict, first.n, later.verdict) == (Verdict.PASS, 5, Verdict.ERROR)
    assert "before the run was cut short" in first.reasons[0]


def test_a_look_that_fails_ends_nothing(tmp_path, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("no table")

    monkeypatch.setattr(planned, "look", broken)
    run = ran(tmp_path, {**TRIALS, "samples": 20})
    assert run.scenario.scheduled == 20
    assert [event["reason"] for event in run.event("look_failed")] == ["no table"]
    (result,) = run.results.requirements
    assert (result.verdict, result.n) == (Verdict.PASS, 5)  # later trials are not looked at
