"""Eight stimulus ports at 100 Hz each for a minute, and their responses: no row is lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scenarios"))
from lanes_bench import echo, measure, rig, ros2
from test_together import check_eight

pytestmark = [pytest.mark.soak, pytest.mark.ros]
SECONDS = 60


def test_a_minute_of_eight_ports_at_100_hz_loses_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    content = rig(ros2(8), [100.0] * 8, SECONDS)
    content["processes"] = {"robot": echo(8, 600.0)}
    content["host"]["realtime"] = True
    results, folder = measure(content, tmp_path)
    check_eight(results, folder, samples=100 * SECONDS)
    worst = max(each.lateness_ms.p99 or 0.0 for each in results.scenarios.values())
    print(f"lateness p99 of the worst port: {worst:.3f} ms")
