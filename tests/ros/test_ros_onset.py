"""A run whose answers are onsets or edges: shown while it grows is what its report has at the end."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from node_bench import PATIENCE_S, ROOT, counted

from harness.analysis.samples import latency_ms
from harness.folder import SAMPLES
from harness.model import FLOOR_SCENARIOS, SAMPLE_DTYPE, StimulusFlag
from harness.parquet import read_records
from harness.ros.tracker import Known
from harness.ros.watched import WatchedRun

pytestmark = pytest.mark.slow
TRIALS = 25
RIG = {
    "rig": {"name": "signal-rig", "simulated": True},
    "devices": {
        "robot": {
            "adapter": "loopback",
            "signal_hz": 400,
            "dead_ms": 5,
            "received_clock": "monotonic",
            "ports": {
                "command": {"stimulus": {"key": "sequence", "values": {"value": {"alternate": [1.0, 0.0]}}}},
                "onset": {
                    "response": {
                        "of": "command",
                        "match": {
                            "kind": "onset",
                            "direction": "with_command",
                            "threshold": 0.2,
                            "rest_ms": 25,
                        },
                    }
                },
                "edge": {"response": {"of": "command", "match": {"kind": "edge", "rest_ms": 25}}},
            },
        }
    },
    "requirements": [
        {"id": name.upper(), "scenario": name, "quantile": 0.5, "limit": 250} for name in ("onset", "edge")
    ],
    "host": {"floor_s": 0, "realtime": False, "max_load_per_cpu": 1000},
}


def scenario(name: str) -> dict[str, object]:
    schedule = {"kind": "trials", "samples": TRIALS, "stopping": "fixed", "warmup": 1, "quiet_ms": 25}
    return {
        "kind": "command_round_trip",
        "stimulus": "robot.command",
        "response": f"robot.{name}",
        "timeout_ms": 500,
        "probing": {"consecutive": 1},
        "schedule": {**schedule, "dwell_ms": [5, 15], "follow_ms": 5, "rest_timeout_s": 60},
    }


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Known], WatchedRun]:
    """The samples as they came while the run went on, and the run."""
    folder = tmp_path_factory.mktemp("onset")
    file = folder / "signal-rig.yaml"
    rig = {**RIG, "scenarios": {name: scenario(name) for name in ("onset", "edge")}}
    file.write_text(yaml.safe_dump(rig, sort_keys=False))
    taken: list[Known] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(folder / "locks"))
        patch.setenv("PYTHONPATH", str(ROOT))
        run = WatchedRun([f"--out={folder / 'reports'}", "--anyway", "--quiet", "--", str(file)], file.stem)
        deadline = time.monotonic() + PATIENCE_S
        try:
            while not run.over or run.samples:
                assert time.monotonic() < deadline, run.snapshot
                while run.samples:
                    taken.append(run.samples.popleft())
                time.sleep(0.02)
        finally:
            run.interrupt()
            run.close()
    return taken, run


def test_every_trial_comes_once_with_the_latency_of_the_report(
    watched: tuple[list[Known], WatchedRun],
) -> None:
    taken, run = watched
    assert run.folder is not None, run.snapshot
    rows = counted(run.folder)
    assert [each.scenario for each in taken] == ["onset"] * TRIALS + ["edge"] * TRIALS
    assert [each.at_ns for each in taken] == [row["sent_ns"] for row in rows]
    samples = read_records(run.folder / SAMPLES, SAMPLE_DTYPE)[0]
    skipped = int(StimulusFlag.WARM_UP | StimulusFlag.PROBE | StimulusFlag.RETURN)
    samples = samples[(samples["stimulus_flags"] & skipped == 0) & (samples["scenario"] < FLOOR_SCENARIOS)]
    reported = [value if math.isfinite(value) else math.nan for value in latency_ms(samples).tolist()]
    assert [each.latency_ms for each in taken] == pytest.approx(reported, nan_ok=True, abs=1e-9)
    assert sum(math.isfinite(value) for value in reported) >= TRIALS


def test_the_last_figures_are_those_of_the_last_scenario(watched: tuple[list[Known], WatchedRun]) -> None:
    _, run = watched
    assert run.folder is not None, run.snapshot
    found = json.loads((run.folder / "results.json").read_text())["scenarios"]["edge"]
    figures = run.snapshot.figures
    assert (figures.scenario, figures.done, figures.planned) == ("edge", TRIALS, TRIALS)
    assert (figures.lost, figures.skipped) == (found["lost"], 0)
    assert run.snapshot.phase == "finished"
