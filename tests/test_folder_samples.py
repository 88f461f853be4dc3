"""The samples table of a run folder, and how much a million of them cost."""

import resource
import subprocess
import sys
from datetime import datetime, timezone

import numpy as np
import pandas as pd
import pytest

from harness.errors import RecordingError
from harness.folder import RunFolder
from harness.model import (
    NO_STAMP,
    SAMPLE_DTYPE,
)

START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=timezone.utc)


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder.create(tmp_path / "reports", "arm", START, "ab12")


def some_samples() -> np.ndarray:
    samples = np.zeros(4, SAMPLE_DTYPE)
    samples["key"] = [1, 2, 3, 4]
    samples["intended_ns"] = 10**18 + 1  # beyond what a float holds exactly
    samples["sent_ns"] = [10**18 + 500_001, 10**18 + 1, NO_STAMP, 10**18 + 1]
    samples["arrived_ns"] = [10**18 + 1_500_001, NO_STAMP, NO_STAMP, 10**18 + 2]
    samples["scenario"] = [0, 1, 1, 9]
    return samples


def test_samples_come_back_and_are_readable_for_people(folder):
    folder.save_run(
        scenarios=[{"name": "command"}, {"name": "sensor"}],
        rig={
            "resolved": {
                "scenarios": {"command": {"response": "robot.applied"}, "sensor": {"response": "board.led"}}
            }
        },
    )
    samples = some_samples()
    folder.write_samples(samples)
    folder.write_samples(samples)
    assert folder.samples().tobytes() == samples.tobytes()
    frame = pd.read_parquet(folder.path / "samples.parquet")
    nan = float("nan")
    np.testing.assert_allclose(frame["latency_ms"], [1.0, nan, nan, 1e-6], rtol=1e-12)
    np.testing.assert_allclose(frame["latency_from_intent_ms"], [1.5, nan, nan, 1e-6], rtol=1e-12)
    np.testing.assert_allclose(frame["lateness_ms"], [0.5, 0.0, nan, 0.0], rtol=1e-12)
    assert frame["scenario_name"].astype(object).where(frame["scenario_name"].notna(), None).tolist() == [
        "command",
        "sensor",
        "sensor",
        None,
    ]
    assert frame["port"].astype(object).where(frame["port"].notna(), None).tolist() == [
        "robot.applied",
        "board.led",
        "board.led",
        None,
    ]


def test_samples_of_a_run_that_knows_no_scenarios(folder):
    folder.write_samples(some_samples())
    folder.write_samples(some_samples()[:0])
    assert folder.samples().tolist() == []


def test_no_samples_yet(folder):
    with pytest.raises(RecordingError, match="harness report"):
        folder.samples()


MILLION = """
import resource, sys
from datetime import datetime, timezone
from pathlib import Path
import numpy as np
from harness.folder import RunFolder
from harness.model import SAMPLE_DTYPE
n = 1_000_000
folder = RunFolder.create(Path(sys.argv[1]), "arm", datetime.now(timezone.utc), "ab12")
stimuli, observations = folder.create_table("stimuli", n), folder.create_table("a.b", 1000)
for i in range(n):
    stimuli.append(i, i, i, i, 0, 0, 0)
    observations.append(i, i, i, i, 1.5, 0, 0, 0)
folder.finalise_raw()
folder = RunFolder.open(folder.path)
samples = np.zeros(len(folder.stimuli()), SAMPLE_DTYPE)
samples["key"] = folder.observations()["a.b"]["key"]
folder.write_samples(samples)
assert folder.verify_raw() == []
assert np.array_equal(folder.samples()["key"], np.arange(n))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_million_samples_fit_into_a_gigabyte(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MILLION, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert int(done.stdout) << 10 < 1_000_000_000
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0
