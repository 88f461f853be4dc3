"""The reference swarm as it is run: robots that are processes, and somebody who watches their status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import domains
import pytest
from diff_drive_peer import eventually

from harness.adapters.ros2.shm import clean_shared_memory
from harness.sim.swarm import truth
from harness.sim.swarm.phases import reorganisation
from harness.sim.swarm.settings import State
from harness.sim.swarm.status import FIELDS

pytestmark = [pytest.mark.ros, pytest.mark.slow]
NAMES = tuple(f"robot{number}" for number in range(1, 6))


class Watcher:
    """Subscribes to the status of all robots, as a harness would."""

    def __init__(self, domain: int) -> None:
        with warnings.catch_warnings():
            # lark, far below rclpy, imports a deprecated module of the standard library.
            warnings.simplefilter("ignore", DeprecationWarning)
            import rclpy
            import rosidl_generator_py  # noqa: F401
        from rclpy.signals import SignalHandlerOptions
        from std_msgs.msg import Int64MultiArray

        self.kind = Int64MultiArray
        self.context = rclpy.Context()
        rclpy.init(
            args=[], context=self.context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO
        )
        self.node = rclpy.create_node("watcher", context=self.context, enable_rosout=False)
        self.readers = {
            name: self.node.create_subscription(
                Int64MultiArray, f"/{name}/status", lambda message: None, 1000
            )
            for name in NAMES
        }
        self.seen: dict[str, list[dict[str, int]]] = {name: [] for name in NAMES}

    def spin(self) -> None:
        for name, reader in self.readers.items():
            while (taken := reader.handle.take_message(self.kind, False)) is not None:
                numbers = [int(number) for number in taken[0].data]
                self.seen[name].append(dict(zip(FIELDS, numbers, strict=True)))

    def stable(self, names: set[str]) -> dict[str, dict[str, int]]:
        """The newest word of each of these, where they agree; nothing where they do not."""
        self.spin()
        last = {name: self.seen[name][-1] for name in names if self.seen[name]}
        roles = {(one["leader"], one["term"], one["slot_term"], one["version"]) for one in last.values()}
        slots = {one["slot"] for one in last.values()}
        states = {one["state"] for one in last.values()}
        good = len(last) == len(names) == len(slots) and len(roles) == 1 and -1 not in slots
        leading = any(one["leader"] == one["robot"] and one["agreed"] for one in last.values())
        return last if good and leading and states <= {State.FOLLOWING, State.LEADING} else {}

    def close(self) -> None:
        self.node.destroy_node()
        self.context.shutdown()


@dataclass
class Seen:
    """What one short life of a swarm left behind."""

    before: dict[str, dict[str, int]] = field(default_factory=dict)
    after: dict[str, dict[str, int]] = field(default_factory=dict)
    again: dict[str, dict[str, int]] = field(default_factory=dict)
    fault_ns: int = 0
    end_ns: int = 0
    status: int = -1
    orphans: list[int] = field(default_factory=list)
    log: Path = Path()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Start five robots, kill the leader, start it again, stop all."""
    log = tmp_path_factory.mktemp("swarm")
    found = Seen(log=log)
    command = [sys.executable, "-m", "harness.sim.swarm", "--robots", "5", "--log-truth", str(log)]
    with domains.taken() as domain:
        environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        }
        swarm = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            watcher = Watcher(domain)
            try:
                found.before = eventually(lambda: watcher.stable(set(NAMES)), "five robots agree")
                leader = NAMES[next(iter(found.before.values()))["leader"] - 1]
                rest = set(NAMES) - {leader}
                pid = found.before[leader]["pid"]
                found.fault_ns = time.monotonic_ns()
                os.kill(pid, signal.SIGKILL)

                def new() -> Any:
                    last = watcher.stable(rest)
                    return last if last and next(iter(last.values()))["leader"] != int(leader[5:]) else {}

                found.after = eventually(new, "the survivors agree on another leader")
                found.end_ns = time.monotonic_ns()
                time.sleep(0.1)
                swarm.send_signal(signal.SIGUSR1)
                fresh = watcher.seen[leader] = []
                found.again = eventually(
                    lambda: watcher.stable(set(NAMES)) if fresh else watcher.spin(), "it is back"
                )
            finally:
                watcher.close()
        finally:
            swarm.send_signal(signal.SIGINT)
            found.status = swarm.wait(40)
        pids = [entry["pid"] for entry in truth.read(log) if entry["event"] == "started"]
        found.orphans = [pid for pid in pids if _runs(pid)]
    clean_shared_memory()
    yield found


def _runs(pid: int) -> bool:
    try:
        return b"harness.sim.swarm" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_survivors_follow_one_new_leader_of_a_newer_term(seen: Seen) -> None:
    term = {one["term"] for one in seen.before.values()}
    assert len(term) == 1 and min(one["term"] for one in seen.after.values()) > term.pop()
    assert sorted(one["slot"] for one in seen.after.values()) == [0, 1, 2, 3]


def test_status_is_what_the_robots_logged(seen: Seen) -> None:
    logged = {
        (robot, event.leader, event.term, event.slot, event.version)
        for robot, event in truth.events(seen.log)
        if event.name in ("holds", "assigned")
    }
    for one in (*seen.before.values(), *seen.after.values(), *seen.again.values()):
        said = (one["robot"], one["leader"], one["term"], one["slot"], one["version"])
        assert said in logged
        assert one["stamp_ns"] >= one["changed_ns"]


def test_truth_tells_the_phases(seen: Seen) -> None:
    survivors = {one["robot"] for one in seen.after.values()}
    found = reorganisation(truth.events(seen.log), survivors, seen.fault_ns, seen.end_ns)
    assert found is not None
    assert found.leader == next(iter(seen.after.values()))["leader"]
    marks = [found.noticed_ns, found.stands_ns, found.elected_ns, found.followed_ns, found.held_ns]
    assert marks == sorted(marks) and seen.fault_ns < marks[0] and marks[-1] <= seen.end_ns


def test_killed_robot_came_back_with_its_memory_and_follows(seen: Seen) -> None:
    lives = [entry for entry in truth.read(seen.log) if entry["event"] == "started"]
    back = [entry for entry in lives if entry["at_ns"] > seen.fault_ns]
    assert len(lives) == 6 and len(back) == 1
    assert back[0]["memory"] and back[0]["term"] >= 1
    assert sorted(one["slot"] for one in seen.again.values()) == [0, 1, 2, 3, 4]


def test_no_two_leaders_in_a_term_and_no_second_vote(seen: Seen) -> None:
    leaders: dict[int, set[int]] = {}
    votes: dict[tuple[int, int], set[int]] = {}
    for robot, event in truth.events(seen.log):
        if event.name == "elected":
            leaders.setdefault(event.term, set()).add(robot)
        if event.name in ("votes", "stands"):
            votes.setdefault((robot, event.term), set()).add(event.other or robot)
    assert leaders and all(len(one) == 1 for one in leaders.values())
    assert votes and all(len(one) == 1 for one in votes.values())


def test_all_ended_with_the_launcher(seen: Seen) -> None:
    assert seen.status == 0 and seen.orphans == []
