"""Ten thousand velocity commands to a simulated Spot at 50 and at 200 Hz: none lost, none mistaken."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from soak_bench import ROOT, check_nothing_left

from harness.config import load_rig
from harness.folder import RunFolder
from harness.model import NO_STAMP
from harness.runner import RunOptions, run_rig

pytestmark = pytest.mark.soak
COMMANDS = 10_000


@pytest.mark.parametrize("rate_hz", [50, 200])
def test_ten_thousand_commands(rate_hz: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    rig = yaml.safe_load((ROOT / "rig_configs" / "sim_spot.yaml").read_text())
    truth = tmp_path / "truth.jsonl"
    rig["processes"]["spot"]["command"] += ["--truth", str(truth)]
    rig["scenarios"] = {"command": rig["scenarios"]["command"]}
    rig["scenarios"]["command"]["schedule"] |= {"rate_hz": rate_hz, "samples": COMMANDS}
    rig["requirements"] = [one for one in rig["requirements"] if one["scenario"] == "command"]
    rig["host"] |= {"max_load_per_cpu": 1000}
    file = tmp_path / "rig.yaml"
    file.write_text(yaml.safe_dump(rig, sort_keys=False))
    outcome = run_rig(load_rig(file), RunOptions(out=tmp_path / "out"))
    assert outcome.error is None and outcome.results is not None
    scenario = outcome.results.scenarios["command"]
    assert scenario.sent + scenario.skipped == COMMANDS
    assert (scenario.lost, scenario.duplicates, scenario.rejected) == (0, 0, 0)
    assert scenario.answered == scenario.sent

    folder = RunFolder.open(outcome.folder)
    samples = folder.samples()
    samples = samples[samples["scenario"] == 0]  # without those of the floor
    received = {int(row["key"]): int(row["received_ns"]) for row in folder.observations()["spot.received"]}
    rows = [json.loads(line) for line in truth.read_text().splitlines()]
    real = {row["robot_ns"]: row for row in rows if row["what"] == "command"}
    # The stamp that came back under a command's key is of the request that was sent under it.
    distance_ns = np.array([row["robot_ns"] - row["monotonic_ns"] for row in real.values()])
    assert np.ptp(distance_ns) < 40e-6 * 400e9  # the drift of 40 ppm over the run, and no more
    off = []
    for row in samples:
        if row["arrived_ns"] == NO_STAMP:
            continue
        true = real[received[int(row["key"])]]
        off.append(int(row["arrived_ns"]) - true["monotonic_ns"])
        assert row["sent_ns"] <= true["monotonic_ns"] <= row["seen_ns"]
    (clock,) = [one for one in outcome.results.clocks if one.name == "spot.robot"]
    assert clock.bound_ms is not None and np.abs(off).max() <= clock.bound_ms * 1e6
    stamps = [received[int(row["key"])] for row in samples if row["arrived_ns"] != NO_STAMP]
    assert len(stamps) == len(set(stamps))
    check_nothing_left("sim-spot", folder.run_id)
    worst_ms, p50 = np.abs(off).max() * 1e-6, scenario.latency_ms.p50
    # Calls that follow each other closely are taken by several threads of the robot: some overtake others.
    print(f"{rate_hz} Hz: {scenario.answered} answered, {scenario.out_of_order} overtook another")
    print(f"p50 {p50:.3f} ms; off the robot's log by at most {worst_ms:.3f} ms of {clock.bound_ms:.3f} ms")
