"""A series of trials that is interrupted and resumed: the parts together are one series under one plan."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "faults"))
from fault_bench import RIG, rig_file

from harness.analysis.derive import derive
from harness.conclude import RunOutcome, rerender
from harness.config import load_rig
from harness.errors import ConfigurationError
from harness.folder import RunFolder
from harness.model import NO_STAMP, SAMPLE_DTYPE, Verdict
from harness.report.series import joined
from harness.resuming import may_go_on, prepare
from harness.runner import RunOptions, run_rig

pytestmark = pytest.mark.slow
TRIALS = 6
FILE = "rig.yaml"
CHANGES: dict[str, Any] = {
    # Probes and trials of a part; then the robot dies, until the last part is short enough.
    "devices.robot.die_after": 8,
    "scenarios.command.schedule": {
        "kind": "trials",
        "samples": TRIALS,
        "stopping": "fixed",
        "dwell_ms": [1, 4],
    },
}


def run(folder: Path, *, resumed: Path | None = None) -> RunOutcome:
    earlier = None if resumed is None else prepare(resumed, folder / FILE)
    loaded = earlier.loaded if earlier is not None else load_rig(rig_file(folder, CHANGES))
    options = RunOptions(out=folder / "out", report=False, anyway=True, resumed=earlier)
    return run_rig(loaded, options)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[RunOutcome]:
    """The same series, again and again, until it is whole."""
    folder = tmp_path_factory.mktemp("resumed")
    found = [run(folder)]
    while found[-1].results is not None and found[-1].results.aborted and len(found) < 6:
        found.append(run(folder, resumed=found[-1].folder))
    return found


def test_every_trial_counts_once(parts: list[RunOutcome]) -> None:
    assert len(parts) > 1
    # The trial in which the robot died has no outcome, and is made again.
    known = [each.results.requirements[0].n for each in parts if each.results is not None]
    assert known == sorted(known) and known[0] > 0 and known[-1] == TRIALS
    last = parts[-1].results
    assert last is not None and not last.aborted
    assert last.requirements[0].n == TRIALS
    assert last.requirements[0].verdict is Verdict.PASS or last.requirements[0].exceedances > 0
    alone = RunFolder.open(parts[-1].folder).samples()
    assert len(alone) < TRIALS + 8  # its own table has its own trials


def test_the_evidence_of_all_parts_is_in_the_last_folder(parts: list[RunOutcome]) -> None:
    folder = RunFolder.open(parts[-1].folder)
    names = [each.run_id for each in folder.parts()]
    assert names == [each.folder.name for each in parts[:-1]]
    assert [each["run_id"] for each in folder.run["parts"]] == names
    assert all(each["abort_reason"] for each in folder.run["parts"])
    for earlier, outcome in zip(folder.parts(), parts, strict=False):
        original = RunFolder.open(outcome.folder)
        assert earlier.verify_raw() == []
        assert np.array_equal(earlier.stimuli(), original.stimuli())
    said = [each["message"] for each in folder.run["findings"] if each["name"] == "resumed series"]
    assert any(names[-1] in words and "which count" in words for words in said)


def test_it_can_be_derived_again_from_the_folder_alone(parts: list[RunOutcome]) -> None:
    before = parts[-1].results
    again = derive(RunFolder.open(parts[-1].folder))
    assert before is not None and again.requirements == before.requirements


def test_the_report_draws_all_parts(parts: list[RunOutcome]) -> None:
    outcome = rerender(parts[-1].folder)
    assert outcome.error is None
    assert (parts[-1].folder / "report.pdf").stat().st_size > 10_000


def test_what_cannot_be_resumed_is_refused(parts: list[RunOutcome], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ended by its plan"):
        prepare(parts[-1].folder)
    with pytest.raises(ConfigurationError, match=f"was resumed already, by {parts[1].folder.name}"):
        prepare(parts[0].folder, parts[0].folder.parents[2] / FILE)
    with pytest.raises(ConfigurationError, match="is not here") as caught:
        prepare(parts[0].folder)
    assert "--rig FILE" in str(caught.value.hint)
    with pytest.raises(ConfigurationError, match="no run folder"):
        prepare(tmp_path)


def test_the_plan_has_to_be_the_same(tmp_path: Path) -> None:
    first = run(tmp_path)
    assert may_go_on(RunFolder.open(first.folder))
    rig_file(tmp_path, {**CHANGES, "scenarios.command.timeout_ms": 2500.0})
    with pytest.raises(ConfigurationError, match="is not what it was") as caught:
        prepare(first.folder, tmp_path / FILE)
    assert "same plan" in str(caught.value.hint)
    folder = RunFolder.open(first.folder)
    folder.save_run(status="running")
    with pytest.raises(ConfigurationError, match="was never closed") as caught:
        prepare(first.folder, tmp_path / FILE)
    assert "harness recover" in str(caught.value.hint)


def test_a_paced_run_is_no_series(tmp_path: Path) -> None:
    loaded = load_rig(rig_file(tmp_path, {"devices.robot.die_after": 20}))
    outcome = run_rig(loaded, RunOptions(out=tmp_path / "out", report=False, anyway=True))
    assert not may_go_on(RunFolder.open(outcome.folder))
    with pytest.raises(ConfigurationError, match="only a run of one scenario of trials"):
        prepare(outcome.folder)
    assert RIG["scenarios"]["command"]["schedule"]["kind"] == "paced"


def test_parts_are_drawn_one_after_the_other() -> None:
    first, second = np.zeros(2, SAMPLE_DTYPE), np.zeros(1, SAMPLE_DTYPE)
    first["intended_ns"], first["sent_ns"] = [9_000, 10_000], [9_010, 10_010]
    first["handed_ns"], first["arrived_ns"] = [9_020, 10_020], [9_500, NO_STAMP]
    second["intended_ns"] = 4_000  # after a restart of the host the clock began anew
    whole = joined([first, second])
    assert list(whole["intended_ns"] - whole["intended_ns"][0]) == [0, 1_000, 1_000 + 20 + 1_000_000_000]
    assert whole["arrived_ns"][1] == NO_STAMP
    assert whole["arrived_ns"][0] - whole["intended_ns"][0] == 500
