"""``ros2 launch harness swarm.launch.py``: the reference swarm, to look at; with ``rig:=`` the run that
measures one.

Needs ``launch`` alone, as rig.launch.py beside it, from which it takes how the harness is called.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource

BESIDE = Path(__file__).absolute().parent / "rig.launch.py"
VALUES = {
    "robots": ("5", "--robots", "number of robots, 3 to 64"),
    "names": (
        "",
        "--names",
        "their names: red,green,blue or a pattern like cf{}; empty: robot1, robot2, ...",
    ),
    "namespace": ("", "--namespace", "put before all topics"),
    "formation": ("wedge", "--formation", "wedge, line, ring or grid"),
    "heartbeat_ms": ("5", "--heartbeat-ms", "between two heartbeats of the leader"),
    "status_hz": ("100", "--status-hz", "how often each robot tells of itself without a change"),
    "poses_hz": ("0", "--poses-hz", "/poses of all robots, as motion capture gives them; 0: none"),
    "monitor_hz": ("0", "--monitor-hz", "/swarm/status of all robots in one message; 0: none"),
    "realtime": ("0", "--realtime", "real-time priority of the robots (root); 0: none"),
    "restart_after_s": (
        "0",
        "--restart-after-s",
        "dead robots are started again so long after; 0: when asked",
    ),
    "misbehave": ("", "--misbehave", "KIND:ROBOT, a robot that is broken on purpose: docs/sim-swarm.md"),
    "log_truth": ("", "--log-truth", "folder of a log of what each robot does"),
    "seed": ("0", "--seed", "of everything that is drawn"),
}
SWITCHES = {
    "network_namespace": ("--network-namespace", "a network namespace for each robot (root)"),
    "control": ("--control", "the service /swarm/restart, which starts dead robots again"),
}


def generate_launch_description() -> LaunchDescription:
    """The arguments mirror those of the reference swarm."""
    arguments = [
        DeclareLaunchArgument(
            "rig",
            default_value="",
            description="name or path of a rig: measure it, as rig.launch.py does; empty: start a swarm",
        )
    ]
    for name, (default, _, text) in VALUES.items():
        arguments.append(DeclareLaunchArgument(name, default_value=default, description=text))
    for name, (_, text) in SWITCHES.items():
        choices = ["true", "false", "True", "False"]
        arguments.append(
            DeclareLaunchArgument(name, default_value="false", choices=choices, description=text)
        )
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[Action]:
    """The swarm; or the run of a rig, which starts its own."""
    given = context.launch_configurations
    if given["rig"]:
        # The run starts the swarm, and breaks no robot but its own.
        rig = PythonLaunchDescriptionSource(str(BESIDE))
        passed = {"rig": given["rig"], "namespace": given["namespace"]}
        return [IncludeLaunchDescription(rig, launch_arguments=passed.items())]
    return [
        ExecuteProcess(
            cmd=[*beside().command(), "sim", "swarm", *options(given)],
            name="swarm",
            output="screen",
            output_format="{line}",
        )
    ]


def options(given: dict[str, str]) -> list[str]:
    """The launch arguments as options of the reference swarm."""
    words = []
    for name, (_, flag, _) in VALUES.items():
        if given[name]:
            words += [flag, given[name]]
    return words + [flag for name, (flag, _) in SWITCHES.items() if given[name].lower() == "true"]


def beside() -> ModuleType:
    """The launch file of rigs, as a module."""
    found = importlib.util.spec_from_file_location("harness_rig_launch", BESIDE)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
