"""The large benchmark refuses a disk that is too small, and a finding that is missing."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks import large, synthetic
from harness.folder import RunFolder
from harness.history import History


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(tmp_path: Path) -> None:
    large.room(tmp_path, 0)
    with pytest.raises(SystemExit, match="TMPDIR"):
        large.room(tmp_path, 1 << 60)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "missing", "fine"),
    [
        ([("run-06", "run-08")], 0, True),
        ([("run-01", "run-02"), ("run-07", "run-07")], 0, True),
        ([("run-08", "run-09")], 0, False),
        ([], 0, False),
        ([], 10, True),
    ],
)
def test_a_change_that_is_not_told_ends_it(changes: list[tuple[str, str]], missing: int, fine: bool) -> None:
    folders = [Path(f"run-{number:02}") for number in range(10)]
    told: dict[str, Any] = {
        "requirements": [
            {
                "runs_missing": missing,
                "changes": [{"earliest": earliest, "latest": latest} for earliest, latest in changes],
            }
        ]
    }
    if fine:
        large.look_at_the_change(told, folders)
    else:
        with pytest.raises(SystemExit, match="was not told"):
            large.look_at_the_change(told, folders)


@pytest.mark.slow
def test_runs_are_of_their_time_commit_and_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    made = large.make(large.Plan(tmp_path / "reports", 4, datetime.now(timezone.utc)), 3000)
    with History.open(tmp_path / "reports") as history:
        runs = history.runs("loopback")
    assert [each.path for each in runs] == made
    assert [b.started - a.started for a, b in pairwise(runs)] == [large.APART] * 3
    middle = [each.scenarios["command"].p50_ms or 0.0 for each in runs]
    assert middle[1] == middle[2] == middle[0]  # copies
    assert middle[3] == pytest.approx(large.SLOWER * middle[0], rel=0.15)
    assert [RunFolder.open(each).verify_raw() for each in made] == [[]] * 4
    assert [each.scenarios["command"].sent > 2900 for each in runs] == [True] * 4
    assert {each.commit for each in runs} == {"0" * 40}
    assert runs[0].scenarios["command"].response == synthetic.PORT
