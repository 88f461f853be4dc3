"""The rig files for real robots, but for numbers and names unchanged, against simulated ones."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import domains
import pytest
from diff_drive_peer import RobotProcess

from harness.adapters.ros2.shm import clean_shared_memory
from harness.config import find_rig, load_rig
from harness.folder import RunFolder
from harness.results import Results
from harness.runner import RunOptions, run_rig

pytestmark = [pytest.mark.ros, pytest.mark.slow]

OVERRIDES = {
    "base_twist": ("scenarios.start.schedule.stopping=fixed", "scenarios.start.schedule.rest_timeout_s=60"),
    "base_stamped": ("scenarios.command.probing.consecutive=5", "scenarios.command.schedule.warmup_s=0.2"),
}
ARM = (
    "devices.arm.ports.move.stimulus.type=harness_interfaces/action/FollowTrajectory",
    "devices.arm.ports.move.stimulus.action=/arm/follow_trajectory",
    *(
        f"scenarios.{name}.{key}"
        for name in ("accept", "motion")
        for key in (
            "schedule.stopping=fixed",
            "schedule.warmup=0",
            "schedule.rest_timeout_s=60",
            "probing.consecutive=1",
            "timeout_ms=5000",
        )
    ),
    "host.floor_s=0",
    "host.max_load_per_cpu=1000",
)
"""The type and the name that the simulated arm has, and short scenarios."""
SAMPLES = {"base_twist": 6, "base_stamped": 150}
ROBOT = {"base_twist": ("--plain-twist", "--odom-hz", "50"), "base_stamped": ()}


class Bench:
    """One short run of a worked rig. ``truth``: what the simulated base knows of the commands it got."""

    def __init__(self, name: str, folder: Path, domain: int) -> None:
        robot = RobotProcess(folder, ROBOT[name], "", domain)
        try:
            loaded = load_rig(
                find_rig(name), (*OVERRIDES[name], "host.floor_s=0", "host.max_load_per_cpu=1000")
            )
            options = RunOptions(
                out=folder,
                samples=SAMPLES[name],
                operator="Ada",
                armed=True,
                confirm=lambda question: self.asked.append(question) or True,
                report=False,
                anyway=True,
            )
            self.asked: list[str] = []
            outcome = run_rig(loaded, options)
            assert outcome.results is not None, outcome.error
            self.results: Results = outcome.results
            self.folder = RunFolder.open(outcome.folder)
            robot.stop()
            self.truth = robot.truth()
        finally:
            robot.close()
            clean_shared_memory()


@pytest.fixture(scope="module", params=sorted(ROBOT))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp(request.param)
    with domains.taken() as domain, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(folder / "locks"))
        patch.setenv("ROS_DOMAIN_ID", str(domain))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield Bench(request.param, folder, domain)


def test_every_command_is_answered(bench: Bench) -> None:
    (scenario,) = bench.results.scenarios.values()
    assert not bench.results.aborted, bench.results.abort_reason
    assert not bench.results.simulated
    assert scenario.sent + scenario.skipped == SAMPLES[bench.results.rig["name"].replace("-", "_")]
    assert scenario.answered == scenario.sent


def test_the_operator_was_told_what_would_move(bench: Bench) -> None:
    (question,) = bench.asked
    assert "REAL" in question and "linear.x" in question and "Ada" in question


def test_the_report_warns_of_what_was_not_written_down(bench: Bench) -> None:
    messages = [each["message"] for each in bench.results.findings if each["name"] == "not written down"]
    assert len(messages) == 2


def test_the_base_got_what_was_recorded_and_stands_at_the_end(bench: Bench) -> None:
    recorded = json.dumps(bench.folder.run["scenarios"][0]["variants"])
    speed = 0.15 if bench.results.rig["name"] == "base-twist" else 0.05
    assert {entry["linear_mps"] for entry in bench.truth} == {speed, -speed, 0.0}
    assert str(speed) in recorded
    assert bench.truth[-1]["linear_mps"] == 0.0


def test_the_arm_moves_from_where_it_is_and_is_stopped_by_a_cancel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ros_domain: int
) -> None:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    monkeypatch.setenv("ROS_DOMAIN_ID", str(ros_domain))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    log = tmp_path / "arm.log"
    with log.open("wb") as output:
        arm = subprocess.Popen([sys.executable, "-m", "harness.sim.arm"], stdout=output, stderr=output)
    try:
        options = RunOptions(
            out=tmp_path,
            samples=3,
            operator="Ada",
            armed=True,
            confirm=lambda question: True,
            report=False,
            anyway=True,
        )
        outcome = run_rig(load_rig(find_rig("arm_trajectory"), ARM), options)
    finally:
        arm.send_signal(signal.SIGINT)
        arm.wait(40)
    assert outcome.results is not None, outcome.error
    assert not outcome.results.aborted, outcome.results.abort_reason
    for scenario in outcome.results.scenarios.values():
        assert (scenario.answered, scenario.lost, scenario.rejected) == (3, 0, 0)
    variants = RunFolder.open(outcome.folder).run["scenarios"][1]["variants"]
    away, back = (variant["trajectory.points"][0]["positions"] for variant in variants)
    assert away[0] - back[0] == pytest.approx(0.05)
    assert away[1:] == back[1:]
    assert {each["name"] for each in outcome.results.findings} >= {"not written down"}
