"""Comparisons of runs that were made: loopback with a changed delay, and with a signal instead of an echo."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compare_bench import as_real

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from fault_bench import run_here

from harness.compare import choose, compare
from harness.compare.gates import parse
from harness.compare.traces import one_trial
from harness.model import Verdict

pytestmark = pytest.mark.slow

MATCH = {"kind": "onset", "direction": "with_command", "sigma": 6.0, "at_least": 0.05, "rest_ms": 50}
TRIALS = {"kind": "trials", "samples": 8, "stopping": "fixed", "warmup": 0, "quiet_ms": 60,
          "rest_timeout_s": 30, "dwell_ms": [5, 25], "follow_ms": 40}  # fmt: skip
SIGNAL = {
    "devices.robot.signal_hz": 400,
    "devices.robot.signal_tau_ms": 8.0,
    "devices.robot.ports.applied.response.match": MATCH,
    "scenarios.command.return_values": {"value": 0.0},
    "scenarios.command.timeout_ms": 1200.0,
    "scenarios.command.schedule": TRIALS,
}
PACED = {
    "devices.robot.jitter_ms": 2.0,
    "scenarios.command.schedule": {"kind": "paced", "rate_hz": 400, "samples": 400, "warmup_s": 0.1},
}


@pytest.fixture(autouse=True, scope="module")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        yield


def ran(folder: Path, changes: dict[str, Any]) -> Path:
    folder.mkdir()
    return run_here(folder, changes).folder


def test_a_delay_of_the_robot_is_found_and_named(tmp_path: Path) -> None:
    a = ran(tmp_path / "a", PACED)
    b = ran(tmp_path / "b", {**PACED, "devices.robot.delay_ms": 80.0})
    gates = [parse("p50:20ms", ["command"]), parse("p50:900ms", ["command"])]
    found = compare(choose([a, b]), gates)
    # Much longer than what a busy host does to half of the answers of either run.
    assert [each.verdict for each in found.decided] == [Verdict.FAIL, Verdict.PASS]
    assert found.scenarios[0].shifts[0].word == "larger"
    assert found.scenarios[0].effect.superiority.low > 0.5
    assert "--delay-ms 80.0" in found.changed["robot.behaviour"][1]


def test_signals_of_a_simulation_are_laid_over_those_of_reality(tmp_path: Path) -> None:
    # No robot is at hand: both are loopback, and one is marked as real.
    real = as_real(ran(tmp_path / "real", SIGNAL))
    later = ran(tmp_path / "later", {**SIGNAL, "devices.robot.dead_ms": 300.0})
    found = compare(choose([later, real], sim_to_real=True))
    assert [each.simulated for each in (found.chosen.a[0], found.chosen.b[0])] == [False, True]
    foretold = found.scenarios[0].foretold
    assert foretold is not None
    assert foretold.accuracy.estimate < 0.5
    traces = foretold.traces
    assert traces is not None
    assert traces.real.trials >= 3
    # One goes the whole way of 0.5 at once, the other only after 300 ms.
    assert traces.simulated.mean[-1] < 0.5 * traces.real.mean[-1]
    assert traces.largest_share > 0.4
    assert json.loads((real / "results.json").read_text(encoding="utf-8"))["simulated"] is False


def test_a_trial_begins_at_its_level_and_goes_upwards() -> None:
    seen = np.arange(0, 1000, 10) * 1_000_000
    value = np.where(seen >= 500_000_000, 1.0, 3.0)
    found = one_trial(seen, value, 480_000_000, np.linspace(0, 100, 11))
    assert found is not None
    assert found.tolist() == [0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    assert one_trial(seen, value, -5, np.linspace(0, 100, 11)) is None
    assert one_trial(seen, value, 2_000_000_000, np.linspace(0, 100, 11)) is None
