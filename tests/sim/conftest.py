"""What the tests of the simulated robots share."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import domains
import pytest
from diff_drive_peer import Peer, RobotProcess, Start

from harness.adapters.ros2.shm import clean_shared_memory

# The tests of the adapter have the simulated Spot as a process; those of the robot itself use it, too.
sys.path.insert(0, str(Path(__file__).parents[1] / "adapters" / "spot"))
_numbers = itertools.count()


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """``start(*arguments, namespace=...)``: a robot and a peer; both are ended with the test."""
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    opened: list[tuple[RobotProcess, Peer]] = []
    taken = contextlib.ExitStack()

    def start_pair(*arguments: str, namespace: str | None = None) -> tuple[RobotProcess, Peer]:
        number = next(_numbers)
        domain = taken.enter_context(domains.taken())
        name = f"/t{os.getpid()}_{number}" if namespace is None else namespace
        robot = RobotProcess(tmp_path, arguments, name, domain)
        try:
            opened.append((robot, Peer(robot, name, domain)))
        except BaseException:
            robot.close()
            raise
        return opened[-1]

    yield start_pair
    for robot, peer in opened:
        robot.close()
        peer.close()
        clean_shared_memory()  # of the robots that died on purpose
    taken.close()
