"""Two hundred random failures of a walking Spot: after each it stood still in time, and its run was whole.

What happened is printed by kind, with the longest times: ``pytest -m soak -s`` shows it. Kinds, instants and
durations are drawn from a seed; the robot's own log of its body decides.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "adapters" / "spot"))

from spot_bench import (
    BRAKE_S,
    END_S,
    ESTOP_S,
    FASTEST_MPS,
    LEASE_S,
    NS,
    SIT_S,
    NotWalking,
    Robot,
    Walker,
    until,
)
from spot_runs import CREDENTIALS, Cli, call, lines, walking_run

from harness.errors import HarnessError

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

SEED = 20261125
BLOCKS, RUN_BLOCKS = 14, 8
FOUND_S = 5.0
"""A failure that the device has to find is found by then: it believes in a lost robot after 1.5 s."""
CLOSED_S = 25.0
"""The safe stop and the closing have ended by then, answered or not."""
LONGEST_CUT_S = 7.0
ATTEMPTS, NOT_BEGUN = 3, "did not come to walk"
"""On a host so busy that the robot itself stops for want of check-ins there is nothing to break."""
AREA_M = 0.5
MARGIN_M = 0.5 * (FOUND_S + END_S + BRAKE_S)
AT_ONCE = "take_lease", "estop cut", "estop settle", "own cut", "own settle", "behavior_fault", "forget_time"
"""After these the robot takes no command from the instant on."""
FOUND = "expire_tokens", "battery", "area"
KINDS = ("silence", "cut_network", "cut and estop", *AT_ONCE, *FOUND)
SIGNALS = {
    "kill -9": signal.SIGKILL,
    "Ctrl-C": signal.SIGINT,
    "SIGTERM": signal.SIGTERM,
    "closed terminal": signal.SIGHUP,
}
RUN_KINDS = (*SIGNALS, "hang", "run: cut_network", "run: estop", "run: take_lease")


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    """One robot for all of it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        one = Robot(tmp_path_factory.mktemp("spot"))
        yield one
        one.peer.end()


class Figures:
    """By kind: how often, the longest times, and what was not as it should be."""

    def __init__(self) -> None:
        self.count: dict[str, int] = defaultdict(int)
        self.longest: dict[str, dict[str, float]] = defaultdict(dict)
        self.wrong: list[str] = []

    def note(self, kind: str, **seconds: float) -> None:
        for name, value in seconds.items():
            self.longest[kind][name] = max(value, self.longest[kind].get(name, 0.0))

    def attempt(self, kind: str, act: Callable[[], None]) -> None:
        """Do it; what goes wrong is kept, for the others say more about it than an early end."""
        self.count[kind] += 1
        number = sum(self.count.values())
        try:
            for _ in range(ATTEMPTS):
                with contextlib.suppress(NotWalking):
                    return act()
                self.count[NOT_BEGUN] += 1
            raise NotWalking(f"not in {ATTEMPTS} attempts")
        except (AssertionError, HarnessError) as error:
            self.wrong.append(f"{number} {kind}: {type(error).__name__}: {error}"[:600])
            print(self.wrong[-1], flush=True)

    def show(self) -> None:
        print(f"\nload {os.getloadavg()[0]:.2f} over {os.cpu_count()} cores")
        for kind, count in self.count.items():
            worst = ", ".join(f"{name} {value:.2f} s" for name, value in self.longest[kind].items())
            print(f"{kind:18} {count:4}   at most: {worst}")
        total = sum(self.count.values()) - self.count[NOT_BEGUN]
        print(f"{total} failures, {len(self.wrong)} not as they should be", flush=True)


@pytest.fixture(scope="module")
def figures() -> Iterator[Figures]:
    found = Figures()
    yield found
    found.show()


def fail(walker: Walker, kind: str, chance: random.Random) -> float:
    """Bring about a failure of that kind; how long, in s, before the sender gives up by itself."""
    robot = walker.robot
    if kind == "silence":
        walker.fall_silent()
        time.sleep(chance.uniform(0.0, 2.0))
    elif kind == "cut_network":
        cut_s = chance.uniform(0.05, LONGEST_CUT_S)
        robot.do("cut_network", s=cut_s)
        return cut_s if cut_s < 2.5 else FOUND_S
    elif kind == "cut and estop":
        robot.do("cut_network", s=chance.uniform(0.3, 3.0))
        robot.do("estop", by="operator", level=chance.choice(["cut", "settle"]))
    elif kind.startswith("estop"):
        robot.do("estop", by="operator", level=kind.split()[1])
    elif kind.startswith("own"):
        walker.press(kind.split()[1])
    elif kind == "battery":
        robot.do("battery", percent=chance.uniform(3, 19))
    elif kind != "area":  # where it simply walks on
        robot.do(kind)
    return FOUND_S


def one_failure(robot: Robot, kind: str, chance: random.Random, figures: Figures) -> None:
    """Walk, break, end as a run does, and hold the robot's log against the bounds."""
    robot.heal()
    begun_ns = time.monotonic_ns()
    robot.forget(begun_ns)
    options = {"area_m": AREA_M} if kind == "area" else {}
    with Walker(robot, f"campaign-{begun_ns}", **options) as walker:
        walker.walk(**({"v_x": 0.5} if kind == "area" else {}))
        walker.wait_ended(chance.uniform(0.0, 0.8))
        broken_ns = time.monotonic_ns()
        patience_s = fail(walker, kind, chance)
        found = walker.wait_ended(patience_s)
        silent_ns = walker.fall_silent()
        _, stop_s = walker.stop()
        stopped = time.monotonic()
    close_s = time.monotonic() - stopped
    alone = kind in AT_ONCE or kind in ("silence", "cut and estop")
    alone |= kind == "cut_network" and patience_s == FOUND_S  # a short cut lets it walk on
    still_ns = broken_ns if alone else silent_ns
    stood_s = robot.assert_stood(still_ns)
    robot.assert_off(broken_ns, CLOSED_S + max(ESTOP_S, LEASE_S) + SIT_S)
    figures.note(kind, found=(silent_ns - broken_ns) / NS, still=stood_s, stop=stop_s, close=close_s)
    if kind in FOUND or (kind in AT_ONCE and not kind.startswith("own")):
        assert found, f"nothing found within {patience_s} s: {walker.findings}"
    assert stop_s + close_s < CLOSED_S
    assert_kept_its_limits(robot, begun_ns, AREA_M if kind == "area" else 2.0)
    if kind == "take_lease":
        assert robot.state["lease"] != walker.device.name
        assert robot.taken(broken_ns + NS // 20) + robot.taken(broken_ns + NS // 20, "stop") == []


def assert_kept_its_limits(robot: Robot, begun_ns: int, area_m: float) -> None:
    """Never faster than it may, never out of its area by more than it walks before that is found."""
    seen = robot.body(begun_ns, time.monotonic_ns() - NS // 20)
    assert max(row["ground"] for row in seen) < FASTEST_MPS
    away = max(((row["x"] - seen[0]["x"]) ** 2 + (row["y"] - seen[0]["y"]) ** 2) ** 0.5 for row in seen)
    assert away < area_m + MARGIN_M, f"{away:.2f} m away"


def started() -> list[threading.Thread]:
    """Threads of the SDK's and the adapter's."""
    mine = threading._DummyThread, threading._MainThread
    return [one for one in threading.enumerate() if not isinstance(one, mine)]


@pytest.mark.parametrize("block", range(BLOCKS))
def test_devices_whose_robot_fails_while_it_walks(robot: Robot, figures: Figures, block: int) -> None:
    chance, wrong = random.Random(SEED + block), len(figures.wrong)
    for kind in chance.sample(KINDS, len(KINDS)):
        figures.attempt(kind, lambda kind=kind: one_failure(robot, kind, chance, figures))
    assert figures.wrong[wrong:] == []
    # Threads that Python did not start are gRPC's, which keeps a few for as long as the process lives.
    until(lambda: not started(), lambda: f"threads have ended: {started()}")


def break_run(run: Cli, robot: Robot, kind: str, chance: random.Random) -> int:
    """Break a run; the instant at which its robot heard the last that moves it."""
    broken_ns = time.monotonic_ns()
    if kind in SIGNALS:
        os.kill(run.popen.pid, SIGNALS[kind])
    elif kind == "hang":
        os.kill(run.popen.pid, signal.SIGSTOP)
        robot.assert_off(broken_ns, max(ESTOP_S, LEASE_S) + SIT_S)
        until(lambda: lines(run.run_dir / "guardian.jsonl"), "the guardian acts")
        os.kill(run.popen.pid, signal.SIGCONT)
    elif kind == "run: cut_network":
        robot.do("cut_network", s=chance.uniform(3.0, LONGEST_CUT_S))
    elif kind == "run: estop":
        robot.do("estop", by="operator", level=chance.choice(["cut", "settle"]))
    else:
        robot.do("take_lease")
    run.finish()
    return broken_ns


def one_run(robot: Robot, folder: Path, kind: str, chance: random.Random, figures: Figures) -> None:
    """The same with ``harness run``, whose folder has to be whole afterwards."""
    robot.heal()
    begun_ns = time.monotonic_ns()
    robot.forget(begun_ns)
    folder = folder / str(begun_ns)
    with walking_run(robot, folder, "spot-campaign") as run:
        time.sleep(chance.uniform(0.0, 1.5))
        broken_ns = break_run(run, robot, kind, chance)
        ended_s = (time.monotonic_ns() - broken_ns) / NS
        stood_s = robot.assert_stood(broken_ns, END_S + BRAKE_S + (0.5 if kind in SIGNALS else 0.0))
        robot.assert_off(broken_ns, CLOSED_S + max(ESTOP_S, LEASE_S) + SIT_S)
        evidence = run.evidence
        if kind == "kill -9":
            until(
                lambda: [one for one in lines(run.run_dir / "guardian.jsonl") if one["event"] == "done"],
                "done",
            )
    figures.note(kind, ended=ended_s, still=stood_s)
    if kind == "kill -9":
        assert robot.taken(broken_ns, "stop"), "no stop of the guardian's was taken"
        recovered = call(folder, "recover", str(evidence.folder))
        assert (evidence.folder / "results.json").exists(), recovered.stderr
    assert evidence.run["ended"] and evidence.results.aborted
    evidence.assert_whole()
    again = call(folder, "report", str(evidence.folder))
    assert again.finish() == 4, again.stderr
    assert len(evidence.samples)
    assert_kept_its_limits(robot, begun_ns, 2.0)


@pytest.mark.parametrize("block", range(RUN_BLOCKS))
def test_runs_that_are_broken_while_they_walk(
    robot: Robot, figures: Figures, block: int, tmp_path: Path
) -> None:
    chance, wrong = random.Random(SEED + block), len(figures.wrong)
    half = len(RUN_KINDS) // 2
    for kind in RUN_KINDS[:half] if block % 2 else RUN_KINDS[half:]:
        folder = tmp_path / kind.replace(": ", "-")
        figures.attempt(kind, lambda kind=kind, to=folder: one_run(robot, to, kind, chance, figures))
    assert figures.wrong[wrong:] == []
