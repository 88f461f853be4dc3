from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.earlier import MOST, earlier_runs

SHA = "ab" * 32


def make(root: Path, number: int, results: Any = None, **run: Any) -> Path:
    folder = root / f"2026-01-31T12-00-{number:02d}Z-ab{number:02d}"
    folder.mkdir(parents=True)
    started = f"2026-01-31T12:00:{number:02d}+00:00"
    content = {"run_id": folder.name, "started": started, "rig": {"sha256": SHA}, **run}
    (folder / "run.json").write_text(json.dumps(content))
    if results is not None:
        (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_the_first_run_has_none(tmp_path: Path) -> None:
    assert earlier_runs(make(tmp_path, 1), SHA) == []
    assert earlier_runs(tmp_path / "gone" / "run", SHA) == []


def test_earlier_runs_are_listed_newest_first_with_their_verdicts(tmp_path: Path) -> None:
    make(tmp_path, 1, {"verdict": "FAIL"})
    make(tmp_path, 2, {"verdict": "PASS"}, rig={"sha256": "cd" * 32})
    make(tmp_path, 3)
    now = make(tmp_path, 4)
    found = earlier_runs(now, SHA)
    assert [each["run_id"][-4:] for each in found] == ["ab03", "ab02", "ab01"]
    assert [each["verdict"] for each in found] == [
        "none: the run did not come to its end",
        "PASS",
        "FAIL",
    ]
    assert [each["same_rig_file"] for each in found] == ["yes", "no", "yes"]
    assert found[2]["started"] == "2026-01-31T12:00:01+00:00"


def test_at_most_the_newest_are_listed(tmp_path: Path) -> None:
    for number in range(MOST + 3):
        make(tmp_path, number)
    found = earlier_runs(make(tmp_path, 50), SHA)
    assert len(found) == MOST
    assert found[0]["run_id"].endswith(f"ab{MOST + 2:02d}")


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_run_is_listed_as_such(tmp_path: Path, damage: bytes) -> None:
    (make(tmp_path, 1) / "run.json").write_bytes(damage)
    (make(tmp_path, 2) / "results.json").write_bytes(damage)
    make(tmp_path, 3, rig="odd")
    (tmp_path / "notes.txt").write_text("not a run")
    (tmp_path / "empty").mkdir()
    found = earlier_runs(make(tmp_path, 4), SHA)
    assert [each["verdict"].split(":")[0] for each in found] == [
        "none",
        "none",
        "its run.json cannot be read",
    ]
    assert [each["same_rig_file"] for each in found] == ["unknown", "yes", "unknown"]


def test_looking_ends_in_time(tmp_path: Path) -> None:
    for number in range(4):
        make(tmp_path, number, {"verdict": "PASS"})
    ticks = iter([0.0, 0.5, 0.9, 1.5, 2.0])
    found = earlier_runs(make(tmp_path, 9), SHA, limit_s=1.0, clock=lambda: next(ticks))
    assert [each["verdict"] for each in found[:2]] == ["PASS", "PASS"]
    assert all("took too long" in each["verdict"] for each in found[2:])
    assert len(found) == 4
