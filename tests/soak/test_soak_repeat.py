"""The same rig many times over in one process: every run whole, and nothing is left behind by any of them."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from soak_bench import check_nothing_left, check_whole, ownerless_shared_memory, run, until

from harness.testing.leftovers import Leftovers

pytestmark = pytest.mark.soak

GROWTH_MIB = 60
"""What the process may grow by once its caches are full. Typst keeps what it has set for some ten documents,
which makes 150 MiB, and lets go of it afterwards."""
FULL_AFTER = 20


def _rss_mib() -> float:
    return float(psutil.Process().memory_info().rss) / (1 << 20)


@pytest.mark.parametrize(("rig", "times"), [("loopback", 50), ("sim_diff_drive", 10)])
def test_a_rig_many_times(rig: str, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    shared_before = ownerless_shared_memory()
    settled: Leftovers | None = None
    full_mib = 0.0
    for turn in range(times):
        outcome = run(rig, tmp_path / "reports")
        check_whole(outcome)
        check_nothing_left(rig.replace("_", "-"), outcome.folder.name)
        if turn == 1:
            settled = Leftovers.now()
        if turn == FULL_AFTER:
            full_mib = _rss_mib()
    left = settled
    assert left is not None
    until(lambda: not left.new(), lambda: f"after {times} runs there are no new {left.new()}")
    until(
        lambda: ownerless_shared_memory() <= shared_before,
        lambda: f"shared memory is gone: {ownerless_shared_memory() - shared_before}",
    )
    if full_mib:
        assert _rss_mib() - full_mib < GROWTH_MIB
    assert len(list((tmp_path / "reports").glob("*/*"))) == times
