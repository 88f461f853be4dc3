"""The real ``ros2 launch``, where it is installed: statuses, Ctrl-C, a killed launcher, namespaces."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

try:
    # Not `launch` alone: a folder of that name, as the project's own, can be imported too.
    import launch.actions  # noqa: F401
    import ros2launch  # noqa: F401
except ImportError:
    pytest.skip("no ros2 launch", allow_module_level=True)

from ros_package import Installed

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0
STATUS = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "ERROR": 4}
SHORT = "scenarios.command.schedule.samples=60; scenarios.command.schedule.warmup_s=0"
ARGUMENTS = "rig samples out operator scenario set arm confirm anyway quiet namespace stop_timeout"


class Bench:
    """Runs ``ros2 launch`` in a folder that has no rig, on the installed package."""

    def __init__(self, installed: Installed, folder: Path) -> None:
        self.folder = folder
        self.launch_file = installed.prefix / "share" / "harness" / "launch" / "rig.launch.py"
        self.env = {
            **installed.environment,
            "HARNESS_LOCK_DIR": str(folder / "locks"),
            "ROS_LOG_DIR": str(folder / "log"),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        }
        self.env.pop("GITHUB_STEP_SUMMARY", None)
        beside = Path(sys.executable).parent / "ros2"
        self.ros2 = str(beside) if beside.is_file() else str(shutil.which("ros2"))
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *words: str) -> subprocess.Popen[str]:
        with (self.folder / "told.txt").open("w") as told:
            process = subprocess.Popen(
                [self.ros2, *words], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                stdout=told, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            )  # fmt: skip
        self.started.append(process)
        return process

    def call(self, *words: str) -> tuple[int, str]:
        status = self.start(*words).wait(PATIENCE_S)
        return status, self.told()

    def launch(self, *words: str) -> tuple[int, str]:
        return self.call("launch", "harness", "rig.launch.py", *words)

    def told(self) -> str:
        return (self.folder / "told.txt").read_text()

    def run_folder(self) -> Path:
        (found,) = (self.folder / "reports").glob("*/*/run.json")
        return found.parent

    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.run_folder() / "events.jsonl").read_text().splitlines()]

    def left(self) -> list[str]:
        """Programs of this bench that are still there, told by their environment."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("HARNESS_LOCK_DIR") == self.env["HARNESS_LOCK_DIR"]:
                    found.append(" ".join(process.cmdline()))
            except (psutil.Error, OSError):
                continue
        return found


@pytest.fixture
def bench(installed: Installed, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(installed, tmp_path)
    yield bench
    for process in bench.started:
        if process.poll() is None:
            process.kill()
            process.wait()
    until(lambda: not bench.left(), "nothing is left")


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.05)


def measuring(bench: Bench) -> Callable[[], bool]:
    def reached() -> bool:
        found = list((bench.folder / "reports").glob("*/*/events.jsonl"))
        return bool(found) and '"name": "measuring"' in found[0].read_text()

    return reached


def test_it_says_what_may_be_given(bench):
    status, told = bench.launch("-s")
    assert status == 0
    assert re.findall(r"^    '(\w+)':", told, re.MULTILINE) == ARGUMENTS.split()


@pytest.mark.parametrize(
    ("changes", "verdicts"),
    [
        ("", {"PASS", "INCONCLUSIVE"}),
        # INCONCLUSIVE where the host is overloaded; status 1 has a test of its own below.
        ("devices.robot.delay_ms=200; scenarios.command.timeout_ms=2000", {"FAIL", "INCONCLUSIVE"}),
        ("scenarios.command.schedule.samples=1", {"INCONCLUSIVE"}),
        ("devices.robot.die_after=20", {"ERROR"}),
    ],
    ids=["pass", "fail", "inconclusive", "error"],
)
def test_it_ends_with_the_status_of_the_run(bench, changes, verdicts):
    status, told = bench.launch("rig:=loopback", f"set:={SHORT}; {changes}", "anyway:=true", "quiet:=true")
    verdict = json.loads((bench.run_folder() / "results.json").read_text())["verdict"]
    assert verdict in verdicts
    assert status == STATUS[verdict], told
    assert f"the run ended with status {status}" in told
    assert "Traceback" not in told and "never retrieved" not in told, told
    assert (bench.run_folder() / "report.pdf").stat().st_size > 0


@pytest.mark.parametrize("status", [0, 1, 2, 3, 4, 70])
def test_it_ends_with_any_status(bench, status):
    prefix = bench.folder / "other"
    command = prefix / "lib" / "harness" / "harness"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\necho "told: $*"\nexit {status}\n')
    command.chmod(0o755)
    folder = prefix / "share" / "harness" / "launch"
    folder.mkdir(parents=True)
    file = shutil.copy(bench.launch_file, folder)
    ended, told = bench.call("launch", str(file), "rig:=-odd name")
    assert ended == status, told
    assert "told: run -- -odd name" in told and f"the run ended with status {status}" in told
    assert "Traceback" not in told and "never retrieved" not in told, told


def test_arguments_reach_the_run(bench):
    status, told = bench.launch(
        "rig:=loopback", "samples:=50", "out:=reports/deep", "operator:=Ada L", "scenario:=command",
        "set:=rig.description=of mine ; devices.robot.jitter_ms=1", "anyway:=True", "quiet:=true",
    )  # fmt: skip
    assert status in (0, 1, 3), told  # whatever the host makes of it
    (file,) = (bench.folder / "reports" / "deep").glob("*/*/run.json")
    text = file.read_text()
    assert json.loads((file.parent / "results.json").read_text())["scenarios"]["command"]["scheduled"] == 50
    assert '"Ada L"' in text and '"of mine"' in text


def test_a_rig_that_is_not_there_is_named_and_nothing_is_left(bench):
    status, told = bench.launch("rig:=nowhere")
    assert status == 2
    assert "there is no rig 'nowhere'" in told and "sim_diff_drive" in told
    assert bench.left() == []


def test_a_rig_is_asked_for(bench):
    status, told = bench.launch()
    assert status == 1
    assert "'rig'" in told and "process started" not in told


def test_the_reference_swarm_runs_until_it_is_interrupted(bench):
    process = bench.start("launch", "harness", "swarm.launch.py", "robots:=3", "status_hz:=20")
    until(lambda: "3 robots started" in bench.told(), "the swarm has started")
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE_S)
    until(lambda: not bench.left(), "nothing is left")


def test_a_swarm_is_measured_as_any_other_rig(bench):
    status, told = bench.call("launch", "harness", "swarm.launch.py", "rig:=no_such_rig")
    assert status == 2 and "no_such_rig" in told


@pytest.mark.parametrize("words", [(), ("arm:=true",), ("arm:=true", "operator:=Ada"), ("confirm:=true",)])
def test_a_real_rig_does_not_move_unasked(bench, words):
    status, told = bench.launch("rig:=loopback", f"set:={SHORT}; rig.simulated=false", "anyway:=true", *words)
    assert status == 4, told
    assert "measuring" not in told


def test_a_real_rig_moves_when_it_is_armed_and_the_operator_has_confirmed(bench):
    words = ("arm:=true", "operator:=Ada", "confirm:=true")
    status, told = bench.launch("rig:=loopback", f"set:={SHORT}; rig.simulated=false", "anyway:=true", *words)
    assert status in (0, 3), told
    assert '"Ada"' in (bench.run_folder() / "run.json").read_text()


LONG = "set:=scenarios.command.schedule.samples=40000"


@pytest.mark.parametrize("whom", ["launch", "all"], ids=["kill", "terminal"])
def test_ctrl_c_stops_the_robot_and_keeps_the_evidence(bench, whom):
    process = bench.start("launch", "harness", "rig.launch.py", "rig:=loopback", LONG)
    until(measuring(bench), "measuring")
    (os.kill if whom == "launch" else os.killpg)(process.pid, signal.SIGINT)
    assert process.wait(PATIENCE_S) == 4, bench.told()
    names = [event["event"] for event in bench.events()]
    assert "safe_stop" in names
    results = json.loads((bench.run_folder() / "results.json").read_text())
    assert results["aborted"] and results["verdict"] == "ERROR"
    assert (bench.run_folder() / "report.pdf").is_file()
    assert "escalating" not in bench.told()
    assert bench.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_launcher_that_is_killed_leaves_no_robot_moving(bench, number):
    process = bench.start("launch", "harness", "rig.launch.py", "rig:=loopback", LONG)
    until(measuring(bench), "measuring")
    process.send_signal(number)
    process.wait(PATIENCE_S)
    until(lambda: not bench.left(), "the run ends")
    (stop,) = (event for event in bench.events() if event["event"] == "safe_stop")
    assert stop["failures"] == []
    assert json.loads((bench.run_folder() / "results.json").read_text())["aborted"]


def test_a_run_that_is_killed_ends_the_launch(bench):
    process = bench.start("launch", "harness", "rig.launch.py", "rig:=loopback", LONG)
    until(measuring(bench), "measuring")
    (run,) = psutil.Process(process.pid).children()
    run.kill()
    assert process.wait(PATIENCE_S) == 128 + signal.SIGKILL
    assert "the run ended with status 137: killed" in bench.told()
    until(lambda: not bench.left(), "the guardian has ended the rest")
    assert "stop" in (bench.run_folder() / "guardian.jsonl").read_text()


GROUP = """
import sys
from launch import LaunchDescription
from launch.actions import ExecuteProcess, GroupAction, IncludeLaunchDescription, SetLaunchConfiguration
from launch.launch_description_sources import PythonLaunchDescriptionSource

COMPANION = '''
import time
try:
    time.sleep(100)
except KeyboardInterrupt:
    time.sleep(1)
    print("the companion has ended", flush=True)
'''


def generate_launch_description():
    return LaunchDescription([
        ExecuteProcess(cmd=[sys.executable, "-c", COMPANION], name="companion", output="screen"),
        GroupAction([
            # What PushRosNamespace of launch_ros sets.
            SetLaunchConfiguration("ros_namespace", {namespace!r}),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource({file!r}), launch_arguments={arguments!r}.items()
            ),
        ]),
    ])
"""


def in_a_group(bench: Bench, namespace: str, arguments: dict[str, str]) -> tuple[int, str]:
    text = GROUP
    values = {"namespace": namespace, "file": str(bench.launch_file), "arguments": arguments}
    for name, value in values.items():
        text = text.replace(f"{{{name}!r}}", repr(value))
    (bench.folder / "group.launch.py").write_text(text)
    return bench.call("launch", "group.launch.py")


def test_in_a_group_it_ends_the_others_and_then_with_its_status(bench):
    arguments = {"rig": "loopback", "set": f"{SHORT}; devices.robot.die_after=20", "anyway": "true"}
    status, told = in_a_group(bench, "", arguments)
    assert status == 4, told
    assert told.index("the run ended with status 4") < told.index("the companion has ended")
    assert "Traceback" not in told and "never retrieved" not in told, told
    assert bench.left() == []


@pytest.mark.parametrize("how", ["argument", "group"])
def test_a_namespace_that_would_change_nothing_is_refused(bench, how):
    if how == "argument":
        status, told = bench.launch("rig:=sim_diff_drive", "namespace:=/robot1")
    else:
        status, told = in_a_group(bench, "/robot1", {"rig": "sim_diff_drive"})
    assert status == 2
    assert "namespace /robot1 would change nothing" in told and "/cmd_vel" in told


@pytest.mark.ros
def test_a_robot_in_a_namespace_is_measured(bench, installed):
    text = (installed.prefix / "share" / "harness" / "rig_configs" / "sim_diff_drive.yaml").read_text()
    for old, new in (
        ("topic: /", "topic: "),
        ("publishes: /odom", "publishes: /robot1/odom"),
        ("harness.sim.diff_drive]", "harness.sim.diff_drive, --namespace, /robot1]"),
    ):
        assert old in text
        text = text.replace(old, new)
    (bench.folder / "mine.yaml").write_text(text)
    arguments = {"rig": "mine.yaml", "set": SHORT, "anyway": "true", "quiet": "true"}
    status, told = in_a_group(bench, "/robot1", arguments)
    assert status in (0, 3), told
    results = json.loads((bench.run_folder() / "results.json").read_text())
    assert results["scenarios"]["command"]["answered"] > 0
    assert '"/robot1/cmd_vel' in (bench.run_folder() / "run.json").read_text()


def test_ros2_run_is_the_command(bench):
    status, told = bench.call("run", "harness", "harness", "list")
    assert status == 0
    assert "loopback" in told and "sim_diff_drive" in told
