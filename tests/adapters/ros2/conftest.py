from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ros2_bench import Bench
from ros2_bench import bench as _bench


@pytest.fixture(autouse=True)
def nobody_else_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests have domains of their own, and wait for whom they start: each would take 3 s longer.

    tests/faults/test_faults_ros2.py shows what is waited for.
    """
    monkeypatch.setattr("harness.adapters.ros2.looking._ANNOUNCED_NS", 0)
    monkeypatch.setattr("harness.adapters.ros2.elsewhere.LOOK_S", 1.0)


@pytest.fixture
def bench(ros_domain: int) -> Iterator[Bench]:
    yield from _bench(ros_domain)
