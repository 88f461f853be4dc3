"""A swarm that only plays a script, and writes down what it did when: a fake, to hold measurements against.

``python -m harness.sim.scripted_swarm --robots 5 --log DIRECTORY``: robots that are processes and rclpy
nodes of their own and say of themselves what the reference swarm says (docs/sim-swarm.md), but elect
nobody. When the process of a robot has ended, the launcher tells the others at which instants
to notice it, to stand, to follow and to hold a role, drawn with ``--seed``; SIGUSR1 starts it again. Each
change is logged with the instant (CLOCK_MONOTONIC, ns) just before it was published: one JSON object a
line, one file per robot. ``--periodic`` publishes nothing at a change, only at the next tick of
``--status-hz``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

NANO = 1_000_000_000
POSE_NS = 10_000_000
DRIVE_NS = 150_000_000
"""A robot that has a new role drives for so long, at 1 m/s."""
FOLLOWING, CANDIDATE, LEADING = 1, 3, 4
"""Numbers of `state`, as those of the reference swarm."""


@dataclass(frozen=True)
class Line:
    """From ``at_ns`` on the robot says this."""

    at_ns: int
    leader: int
    term: int
    slot: int
    slot_term: int
    state: int


def play(
    seed: int, term: int, lost: int, survivors: list[int], t0_ns: int
) -> tuple[int, dict[int, list[Line]]]:
    """Who leads after the loss of ``lost``, and what each survivor says when. The first one notices 6 to 16
    ms after ``t0_ns`` and stands, and leads 1 to 6 ms later; the others follow within 3 ms and hold their
    roles within 4 more."""
    draw = random.Random(f"{seed} {term}")
    order = draw.sample(survivors, len(survivors))
    leader, others = order[0], order[1:]
    notices = t0_ns + round(draw.uniform(6.0, 16.0) * 1e6)
    leads = notices + round(draw.uniform(1.0, 6.0) * 1e6)
    lines = {
        leader: [
            Line(notices, 0, term, 1, term - 1, CANDIDATE),
            Line(leads, leader, term, 0, term, LEADING),
        ]
    }
    for slot, robot in enumerate(others, 1):
        follows = leads + round(draw.uniform(0.3, 3.0) * 1e6)
        holds = follows + round(draw.uniform(0.5, 4.0) * 1e6)
        lines[robot] = [
            Line(follows, leader, term, slot, term - 1, FOLLOWING),
            Line(holds, leader, term, slot, term, FOLLOWING),
        ]
    return leader, lines


class Player:
    """One robot: plays the lines that come through the pipe ``orders``."""

    def __init__(self, told: argparse.Namespace) -> None:
        from harness.sim.swarm.node import RobotNode  # rclpy takes a second

        self._told = told
        names = [f"robot{number}" for number in range(1, told.robots + 1)]
        self._node = RobotNode(names, told.robot, "", reliable=False)
        self._lines: list[Line] = []
        self._now = Line(0, told.leader, told.term, told.slot, told.term, told.state)
        self._log = (told.log / f"robot{told.robot}.jsonl").open("a", buffering=1) if told.log else None
        self._rest = b""
        self._x, self._goes = 0.0, (0, 0)

    def run(self) -> None:
        """Until the launcher is gone."""
        period = round(NANO / self._told.status_hz)
        due = pose = time.monotonic_ns() + period
        self._say()
        while True:
            at = min(due, pose, self._lines[0].at_ns if self._lines else due)
            wait_s = max(0.0, (at - time.monotonic_ns()) / NANO)
            if select.select([self._told.orders], [], [], wait_s)[0] and not self._hear():
                return
            now = time.monotonic_ns()
            while self._lines and self._lines[0].at_ns <= now:
                self._change(self._lines.pop(0))
            if now >= pose:
                self._drive(now)
                pose += POSE_NS * (1 + (now - pose) // POSE_NS)
            if now >= due:
                self._say()
                due += period * (1 + (now - due) // period)

    def _hear(self) -> bool:
        data = os.read(self._told.orders, 1 << 16)
        *whole, self._rest = (self._rest + data).split(b"\n")
        for text in whole:
            self._lines = [Line(*numbers) for numbers in json.loads(text)]
        return bool(data)

    def _change(self, line: Line) -> None:
        self._now = line
        at_ns = time.monotonic_ns()
        if not self._told.periodic:
            self._say()
        if line.slot_term == line.term:
            self._goes = (at_ns, at_ns + DRIVE_NS)
        if self._log is not None:
            entry: dict[str, Any] = {**vars(line), "robot": self._told.robot, "at_ns": at_ns}
            self._log.write(json.dumps(entry) + "\n")

    def _drive(self, now_ns: int) -> None:
        """Where it is now: it drives for a while at 1 m/s when it has a new role."""
        since, until = self._goes
        drawn = self._x + max(0, min(now_ns, until) - since) * 1e-9
        if now_ns >= until and until:
            self._x, self._goes = drawn, (0, 0)
        self._node.publish_pose(time.time_ns(), (drawn, float(self._told.robot)), 0.0)

    def _say(self) -> None:
        now, stamp = self._now, time.time_ns()
        numbers = (stamp, self._told.robot, now.leader, now.term, now.slot, now.slot_term, 1, now.state)
        self._node.publish_status([*numbers, 0, os.getpid(), stamp])


class Launcher:
    """Starts the players, and has them play when the one that leads has ended."""

    def __init__(self, told: argparse.Namespace) -> None:
        self._told = told
        self._leader, self._term = 1, 1
        self._players: dict[int, subprocess.Popen[bytes]] = {}
        self._orders: dict[int, int] = {}
        self._stopped = self._restart = False
        self._known: set[int] = set()
        self._environment: dict[str, str] = {}

    def run(self) -> None:
        """Until SIGINT or SIGTERM."""
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGUSR1, self._again)
        if self._told.log:
            self._told.log.mkdir(parents=True, exist_ok=True)
        from harness.sim.swarm.launcher import transport

        with tempfile.TemporaryDirectory(prefix="harness-scripted-") as temporary:
            # At the shared memory of a robot that was killed the others would wait for a second.
            self._environment = {**os.environ, **transport(Path(temporary), dict(os.environ))}
            try:
                for number in range(1, self._told.robots + 1):
                    self._start(number, number - 1)
                print(f"{self._told.robots} robots started", flush=True)
                while not self._stopped:
                    self._look()
                    time.sleep(0.0005)
            finally:
                for one in self._players.values():
                    one.kill()
                    one.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopped = True

    def _again(self, number: int, frame: FrameType | None) -> None:
        self._restart = True

    def _start(self, number: int, slot: int) -> None:
        reader, self._orders[number] = os.pipe()
        state = LEADING if number == self._leader else FOLLOWING
        words = [
            sys.executable,
            "-m",
            "harness.sim.scripted_swarm",
            f"--robot={number}",
            f"--orders={reader}",
        ]
        words += [f"--leader={self._leader}", f"--term={self._term}", f"--slot={slot}", f"--state={state}"]
        words += [f"--robots={self._told.robots}", f"--status-hz={self._told.status_hz}"]
        words += ["--periodic"] if self._told.periodic else []
        words += [f"--log={self._told.log}"] if self._told.log else []
        self._players[number] = subprocess.Popen(
            words, pass_fds=[reader], stdin=subprocess.DEVNULL, env=self._environment
        )
        os.close(reader)

    def _look(self) -> None:
        dead = [number for number, one in self._players.items() if one.poll() is not None]
        lost = [number for number in dead if number not in self._known]
        self._known = set(dead)
        if lost:
            self._term += 1
            alive = [number for number in self._players if number not in dead]
            self._leader, lines = play(self._told.seed, self._term, lost[0], alive, time.monotonic_ns())
            for number, mine in lines.items():
                text = json.dumps([list(vars(line).values()) for line in mine])
                os.write(self._orders[number], text.encode() + b"\n")
        if self._restart:
            self._restart = False
            for number in dead:
                os.close(self._orders[number])
                self._start(number, self._told.robots - 1)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.sim.scripted_swarm", description=__doc__)
    add = parser.add_argument
    add("--robots", type=int, default=5, help="3 to 64")
    add("--status-hz", type=float, default=100.0)
    add("--periodic", action="store_true", help="publish at the ticks alone, and nothing at a change")
    add("--seed", type=int, default=0)
    add("--log", type=Path, help="folder of the logs of what each robot did")
    for name in ("robot", "orders", "leader", "term", "slot", "state"):
        add(f"--{name}", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """A robot with ``--robot``, else the launcher."""
    told = arguments()
    if told.robot:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        Player(told).run()
    else:
        Launcher(told).run()


if __name__ == "__main__":
    main()
