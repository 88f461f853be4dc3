"""The simulated arm: its joints and trajectories, and what the harness makes of its goals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.config import load_rig
from harness.folder import RunFolder
from harness.model import NO_STAMP, SampleFlag, StimulusFlag
from harness.results import Results, ScenarioResult
from harness.runner import RunOptions, run_rig

RIG = Path(__file__).parents[2] / "rig_configs" / "sim_arm.yaml"
COMMAND = ["python", "-m", "harness.sim.arm"]
HOME = (0.4, -0.8, 0.2)
GOALS, REJECT_EVERY, ABORT_EVERY = 24, 5, 6


# -- its parts


def trajectory(*points: tuple[tuple[float, ...], float], names: tuple[str, ...] = ()) -> Any:
    from builtin_interfaces.msg import Duration
    from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

    made = JointTrajectory(joint_names=list(names or ("shoulder", "elbow", "wrist")))
    for positions, at_s in points:
        at = Duration(sec=int(at_s), nanosec=round(at_s % 1 * 1e9))
        made.points.append(JointTrajectoryPoint(positions=list(positions), time_from_start=at))
    return made


@pytest.mark.ros
def test_joints_are_put_in_their_order_and_points_joined_by_lines() -> None:
    from harness.sim.arm.trajectory import read

    read_as = read(trajectory(((1.0, 0.2, 0.0), 2.0), names=("elbow", "wrist", "shoulder")), (0.0, 0.0, 0.0))
    assert read_as.goal == (0.0, 1.0, 0.2)
    positions, speeds = read_as.at(0.5)
    assert positions == pytest.approx((0.0, 0.25, 0.05))
    assert speeds == pytest.approx((0.0, 0.5, 0.1))
    assert read_as.at(2.0) == ((0.0, 1.0, 0.2), (0.0, 0.0, 0.0))


@pytest.mark.ros
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"points": [((0.0,) * 3, 1.0)], "names": ("shoulder", "elbow", "tool")}, "joint_names"),
        ({"points": [((0.0,) * 3, 1.0)], "names": ("shoulder", "elbow")}, "joint_names"),
        ({"points": []}, "points"),
        ({"points": [((0.0, 0.0), 1.0)]}, r"points\[0\].positions: 2"),
        ({"points": [((0.0, 0.0, 3.0), 1.0)]}, r"points\[0\].positions: beyond"),
        ({"points": [((0.0, 0.0, float("nan")), 1.0)]}, r"points\[0\].positions: beyond"),
        ({"points": [((0.0,) * 3, 0.0)]}, r"points\[0\].time_from_start"),
        ({"points": [((0.0,) * 3, 1.0), ((0.1,) * 3, 1.0)]}, r"points\[1\].time_from_start"),
    ],
)
def test_what_the_arm_cannot_follow_it_refuses(given: dict[str, Any], words: str) -> None:
    from harness.sim.arm.trajectory import RefusedError, read

    with pytest.raises(RefusedError, match=words):
        read(trajectory(*given["points"], names=given.get("names", ())), HOME)


@pytest.mark.ros
def test_a_task_is_followed_within_the_limits_and_ends_where_it_says() -> None:
    from harness.sim.arm.joints import ACCELERATION_LIMIT_RADPS2, SPEED_LIMIT_RADPS, Joints
    from harness.sim.arm.motion import GOAL_TOLERANCE_RAD, Motion, Task
    from harness.sim.arm.trajectory import read

    motion, dt = Motion(Joints(HOME)), 0.004
    goal = (0.9, -0.5, 0.2)
    motion.task = Task(1, read(trajectory((goal, 0.5)), HOME), 10.0, 1.0)
    before, ended, now = list(motion.joints.speeds), None, 9.9
    while ended is None and now < 12.0:
        ended = motion.turn(now, dt)
        for old, new in zip(before, motion.joints.speeds, strict=True):
            assert abs(new) <= SPEED_LIMIT_RADPS + 1e-9
            assert abs(new - old) <= ACCELERATION_LIMIT_RADPS2 * dt + 1e-9
        if now < 10.0:
            assert motion.joints.positions == list(HOME)
        before, now = list(motion.joints.speeds), now + dt
    assert ended == "succeeded"
    assert now >= 10.5
    assert motion.joints.positions == pytest.approx(goal, abs=GOAL_TOLERANCE_RAD)


@pytest.mark.ros
def test_a_stop_on_the_way_comes_to_rest_without_turning_back() -> None:
    from harness.sim.arm.joints import Joints
    from harness.sim.arm.motion import Motion, Task
    from harness.sim.arm.trajectory import read

    motion, dt = Motion(Joints(HOME)), 0.004
    motion.task = Task(1, read(trajectory(((1.4, -0.8, 0.2), 1.0)), HOME), 0.0, 1.0)
    for turn in range(125):
        assert motion.turn(turn * dt, dt) is None
    at = motion.joints.positions[0]
    assert 0.7 < at < 0.95
    motion.stop()
    for turn in range(125, 400):
        assert motion.turn(turn * dt, dt) is None
    assert max(map(abs, motion.joints.speeds)) < 1e-3
    assert at <= motion.joints.positions[0] < at + 0.1


@pytest.mark.ros
def test_an_arm_that_cannot_keep_up_says_so() -> None:
    from harness.sim.arm.joints import Joints
    from harness.sim.arm.motion import Motion, Task
    from harness.sim.arm.trajectory import read

    motion = Motion(Joints(HOME))
    motion.task = Task(1, read(trajectory(((-2.5, -0.8, 0.2), 0.1)), HOME), 0.0, 1.0)
    ends = [motion.turn(turn * 0.004, 0.004) for turn in range(50)]
    assert "path" in ends


def test_the_rig_file_asks_for_each_kind_of_arrival_by_itself() -> None:
    rig = load_rig(RIG).rig
    assert rig.rig.simulated and rig.processes["arm"].command == COMMAND
    asked = {each.scenario: each.id for each in rig.requirements}
    assert sorted(asked) == sorted(rig.scenarios)
    assert len({spec.response for spec in rig.scenarios.values()}) == len(rig.scenarios)
    stop = rig.devices["arm"].stop
    assert (stop.port, stop.cancel) == ("move", True)


# -- runs


def rig_file(
    folder: Path,
    arguments: list[str],
    scenarios: dict[str, dict[str, Any]],
    time_s: float,
    offsets: tuple[float, float],
) -> Path:
    """The rig with these scenarios of it, changed. Its goals are at ``offsets`` rad, ``time_s`` away."""
    rig = yaml.safe_load(RIG.read_text())
    rig["processes"]["arm"]["command"] = [*COMMAND, *arguments]
    rig["scenarios"] = {name: rig["scenarios"][name] | more for name, more in scenarios.items()}
    rig["requirements"] = [each for each in rig["requirements"] if each["scenario"] in scenarios]
    for each in rig["requirements"]:
        each |= {"quantile": 0.5}
    points = rig["devices"]["arm"]["ports"]["move"]["stimulus"]["values"]["trajectory.points"]["alternate"]
    for (point,), offset in zip(points, offsets, strict=True):
        point["time_from_start"] = time_s
        point["positions"][0] = {"relative_to": "arm.shoulder", "offset": offset}
    rig["host"] = {"realtime": False, "max_load_per_cpu": 1000, "floor_s": 0}
    file = folder / "rig.yaml"
    file.write_text(yaml.safe_dump(rig, sort_keys=False))
    return file


def log_of(run: Path) -> list[dict[str, Any]]:
    lines = (run / "processes" / "arm.log").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


class Measured:
    """A short run: goals that are preempted, rejected and aborted, and the arm's own log of it."""

    def __init__(self, folder: Path) -> None:
        paced = {"kind": "paced", "rate_hz": 8, "samples": GOALS, "warmup_s": 0}
        probing = {"consecutive": 1, "rate_hz": 2, "timeout_s": 60}
        file = rig_file(
            folder,
            ["--reject-every", str(REJECT_EVERY), "--abort-every", str(ABORT_EVERY)],
            {
                "accept": {"schedule": paced | {"rate_hz": 16}, "probing": probing, "timeout_ms": 400},
                "arrive": {"schedule": paced, "probing": probing, "timeout_ms": 900},
            },
            time_s=0.15,
            offsets=(0.05, 0.0),
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HARNESS_LOCK_DIR", str(folder / "locks"))
            outcome = run_rig(load_rig(file), RunOptions(out=folder / "out", report=False, anyway=True))
        assert outcome.results is not None, outcome.error
        self.results: Results = outcome.results
        self.folder = RunFolder.open(outcome.folder)
        self.log = log_of(outcome.folder)
        self.variants = {each["name"]: each["variants"] for each in self.folder.run["scenarios"]}

    def scenario(self, name: str) -> ScenarioResult:
        return self.results.scenarios[name]

    def goals(self, event: str, how: str | None = None) -> set[int]:
        """Numbers of the goals, from 1, that this befell."""
        return {
            line["goal"]
            for line in self.log
            if line["event"] == event and how in (None, line.get("how")) and line["goal"]
        }

    def answered(self, index: int) -> tuple[set[int], set[int]]:
        """Numbers, among all goals that were sent, of those that scenario measured, and of the answered."""
        stimuli = self.folder.stimuli()
        sent = stimuli[stimuli["sent_ns"] != NO_STAMP]
        numbers = {int(key): number for number, key in enumerate(sent["key"], start=1)}
        rows = self.folder.samples()
        unmeasured = StimulusFlag.PROBE | StimulusFlag.WARM_UP | StimulusFlag.SKIPPED
        rows = rows[(rows["scenario"] == index) & (rows["stimulus_flags"] & unmeasured == 0)]
        lost = rows["flags"] & SampleFlag.LOST != 0
        return {numbers[int(key)] for key in rows["key"]}, {numbers[int(key)] for key in rows["key"][~lost]}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return Measured(tmp_path_factory.mktemp("arm"))


@pytest.mark.ros
@pytest.mark.slow
class TestGoals:
    def test_a_rejected_goal_is_no_answer(self, measured: Measured) -> None:
        sent, answered = measured.answered(0)
        assert answered == sent & measured.goals("accepted")
        assert sent - answered == sent & measured.goals("rejected") != set()
        assert measured.scenario("accept").lost == len(sent - answered)

    def test_an_aborted_or_preempted_goal_is_no_answer_and_no_result_of_another(
        self, measured: Measured
    ) -> None:
        sent, answered = measured.answered(1)
        assert answered == sent & measured.goals("ended", "succeeded")
        assert sent & measured.goals("ended", "aborted") - answered != set()
        assert sent & measured.goals("ended", "preempted") - answered != set()
        assert measured.scenario("arrive").duplicates == 0

    def test_no_result_comes_before_its_trajectory_is_over(self, measured: Measured) -> None:
        rows = measured.folder.samples()
        good = rows[(rows["scenario"] == 1) & (rows["flags"] & SampleFlag.LOST == 0)]
        good = good[good["stimulus_flags"] == 0]
        assert len(good)
        assert ((good["arrived_ns"] - good["sent_ns"]) >= 150_000_000).all()

    def test_poses_count_from_where_the_arm_was_and_are_recorded_as_sent(self, measured: Measured) -> None:
        for variants in measured.variants.values():
            there, back = (each["trajectory.points"][0]["positions"] for each in variants)
            assert back == pytest.approx(HOME, abs=0.002)
            assert there == pytest.approx([back[0] + 0.05, back[1], back[2]], abs=1e-9)
            assert variants[0]["trajectory.joint_names"] == ["shoulder", "elbow", "wrist"]


@pytest.mark.ros
@pytest.mark.slow
def test_ctrl_c_amid_a_goal_cancels_it_and_the_arm_holds(tmp_path: Path) -> None:
    """Goals of 20 s, there and back: the last one may not go on when the harness is gone."""
    scenario = {"schedule": {"kind": "paced", "rate_hz": 4, "samples": 400, "warmup_s": 0}}
    probing = {"probing": {"consecutive": 1, "rate_hz": 2, "timeout_s": 60}, "timeout_ms": 1000}
    file = rig_file(tmp_path, [], {"accept": scenario | probing}, time_s=20.0, offsets=(0.3, -0.3))
    command = [sys.executable, "-m", "harness", "run", str(file), "--out", str(tmp_path / "out"), "--anyway"]
    environment = {**os.environ, "HARNESS_LOCK_DIR": str(tmp_path / "locks")}
    with (tmp_path / "told.txt").open("w") as told:
        harness = subprocess.Popen(command, env=environment, stdout=told, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 90.0
            while not _has_begun(tmp_path / "out", goals=4):
                assert harness.poll() is None, (tmp_path / "told.txt").read_text()
                assert time.monotonic() < deadline, "no goal was begun"
                time.sleep(0.05)
            harness.send_signal(signal.SIGINT)
            assert harness.wait(60.0) == 4
        finally:
            if harness.poll() is None:
                harness.kill()
                harness.wait()
    (run,) = (tmp_path / "out" / "sim-arm").iterdir()
    assert json.loads((run / "run.json").read_text())["abort_kind"] == "interrupt"
    log = log_of(run)
    ends = [line for line in log if line["event"] == "ended" and line["goal"]]
    assert [line["how"] for line in ends[:-1]] == ["preempted"] * (len(ends) - 1)
    assert ends[-1]["how"] == "canceled"
    after = log[log.index(ends[-1]) + 1 :]
    (rest,) = [line for line in after if line["event"] == "rest"]
    assert abs(rest["positions"][0] - HOME[0]) < 0.2  # the goal was 0.3 away
    assert [line["event"] for line in after] == ["rest"]


def _has_begun(out: Path, goals: int) -> bool:
    for log in out.glob("sim-arm/*/processes/arm.log"):
        return sum('"event": "began"' in line for line in log.read_text().splitlines()) > goals
    return False
