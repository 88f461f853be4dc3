"""``ros2 launch harness rig.launch.py rig:=NAME``: one run of a rig, as ``harness run`` does it.

``ros2 launch`` ends with the status of the run. Needs ``launch`` alone, so that it also works beside the
wheels of rclpy, and does not import the harness, which may live in another environment than ``ros2``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import launch.logging
from launch import Action, LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnShutdown
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration

TEXTS = {
    "samples": ("--samples", "number of measured stimuli; empty: the rig file's"),
    "out": ("--out", "where run folders go; empty: reports/ in the working directory"),
    "operator": ("--operator", "who runs it; goes into the report"),
}
LISTS = {
    "scenario": ("--scenario", ",", "only these scenarios, separated by commas; empty: all"),
    "set": ("--set", ";", "values of the rig file to change, as 'key=value; key=value'"),
}
SWITCHES = {
    "arm": ("--arm", "let a real rig move"),
    "confirm": (
        "--confirm-area-clear",
        "the operator has confirmed, before this call, that the area is clear and the e-stop at hand:"
        " a launched program has no terminal to ask at",
    ),
    "anyway": ("--anyway", "run although some requirement cannot pass"),
    "quiet": ("--quiet", "no progress; one line at the end"),
}
MEANINGS = {
    0: "PASS",
    1: "FAIL",
    2: "a mistake in the arguments or the rig file",
    3: "INCONCLUSIVE",
    4: "ERROR, aborted or refused",
}
LOGGER = launch.logging.get_logger("rig.launch")


def generate_launch_description() -> LaunchDescription:
    """The arguments mirror the command line of ``harness run``."""
    arguments = [DeclareLaunchArgument("rig", description="name of a rig, or path of a rig file")]
    for name, (_, text) in TEXTS.items():
        arguments.append(DeclareLaunchArgument(name, default_value="", description=text))
    for name, (_, _, text) in LISTS.items():
        arguments.append(DeclareLaunchArgument(name, default_value="", description=text))
    for name, (_, text) in SWITCHES.items():
        choices = ["true", "false", "True", "False"]
        arguments.append(
            DeclareLaunchArgument(name, default_value="false", choices=choices, description=text)
        )
    arguments.append(
        DeclareLaunchArgument(
            "namespace",
            # What PushRosNamespace of a surrounding group leaves behind.
            default_value=LaunchConfiguration("ros_namespace", default=""),
            description="namespace of the ROS 2 devices, put before their relative topic names",
        )
    )
    arguments.append(
        DeclareLaunchArgument(
            "stop_timeout",
            default_value="60",
            description="seconds that a run has, after Ctrl-C, to stop the robot and write its report",
        )
    )
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[Action]:
    """The run, and what ends ``ros2 launch`` with its status."""
    given = context.launch_configurations
    grace = given["stop_timeout"]
    run = ExecuteProcess(
        cmd=[*command(), "run", *options(given), "--", given["rig"]],
        name="harness",
        output="screen",
        output_format="{line}",
        # The run ends as on Ctrl-C when its launcher is killed, which `launch` could not see to.
        additional_env={"HARNESS_ENDS_WITH": str(os.getpid())},
        sigterm_timeout=grace,
        sigkill_timeout=grace,
    )
    outcome = Outcome(run, float(grace))
    return [run, RegisterEventHandler(OnShutdown(on_shutdown=outcome.interrupt)), outcome, outcome.hold]


def command() -> list[str]:
    """The command of the installation that this file belongs to: colcon's or pip's, else a checkout's."""
    # Not resolved: `colcon build --symlink-install` makes a link of this file.
    here = Path(__file__).absolute().parents
    places = [here[1] / ".venv" / "bin" / "harness"]
    if len(here) > 3:
        places = [here[3] / "lib" / "harness" / "harness", here[3] / "bin" / "harness", *places]
    for place in places:
        if os.access(place, os.X_OK):
            return [str(place)]
    return [sys.executable, "-m", "harness"]


def options(given: dict[str, str]) -> list[str]:
    """The launch arguments as options of ``harness run``."""
    words = [f"{flag}={given[name]}" for name, (flag, _) in TEXTS.items() if given[name]]
    for name, (flag, separator, _) in LISTS.items():
        words += [f"{flag}={part.strip()}" for part in given[name].split(separator) if part.strip()]
    words += [flag for name, (flag, _) in SWITCHES.items() if given[name].lower() == "true"]
    if given["namespace"].strip("/"):
        words.append(f"--namespace={given['namespace']}")
    return words


class Hold(Action):
    """Something that is not finished: ``launch`` does not end for want of work meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.future: asyncio.Future[None] | None = None

    def execute(self, context: LaunchContext) -> None:
        """Begin to hold."""
        self.future = context.asyncio_loop.create_future()

    def get_asyncio_future(self) -> asyncio.Future[None] | None:
        """What ``launch`` waits for; an exception in it ends ``launch``."""
        return self.future


class Outcome(Hold):
    """Ends everything else when the run has ended, then ``ros2 launch`` with the run's status.

    ``launch`` itself knows the statuses 0 and 1. It takes an exception out of a future that it waits for,
    and one that is no error (SystemExit) ends it at once; so it is put there when no child is left.
    """

    def __init__(self, run: ExecuteProcess, grace_s: float) -> None:
        super().__init__()
        self.hold = Hold()
        self._run = run
        self._grace_s = grace_s
        self._give_up = 0.0
        self._ended = False

    def execute(self, context: LaunchContext) -> None:
        """Wait for the run, which was executed before."""
        super().execute(context)
        self._context = context
        self._loop = context.asyncio_loop
        ended = self._run.get_asyncio_future()
        if ended is None:  # shut down before it began
            self._loop.call_soon(self._finish, 4)
        else:
            ended.add_done_callback(self._on_end)

    def interrupt(self, _event: Shutdown, _context: LaunchContext) -> None:
        """Tell the run to stop the robot. At a terminal ``launch`` leaves it to the terminal to do so, and a
        SIGINT that came by ``kill`` would reach nobody."""
        details = self._run.process_details
        if not self._ended and details is not None and "pid" in details and self._run.return_code is None:
            try:
                os.kill(details["pid"], signal.SIGINT)
            except ProcessLookupError:
                pass

    def _on_end(self, _future: asyncio.Future[None]) -> None:
        self._ended = True
        code = self._run.return_code
        status = 4 if code is None else code if code >= 0 else 128 - code
        text = f"the run ended with status {status}: {MEANINGS.get(status, 'killed')}"
        (LOGGER.info if status == 0 else LOGGER.error)(text)
        if not self._context.is_shutdown:
            self._context.emit_event_sync(Shutdown(reason=text))
        if status == 0:  # launch's own way to end; it waits for the others
            self._loop.call_soon(self._finish, status)
            return
        # The others are killed after launch's own timeouts of 5 s each, unless they were given longer ones.
        self._give_up = time.monotonic() + 2 * self._grace_s + 10
        self._loop.call_later(0.05, self._wait_for_children, status)

    def _wait_for_children(self, status: int) -> None:
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            left = time.monotonic() < self._give_up
        except ChildProcessError:
            left = False
        if left:
            self._loop.call_later(0.05, self._wait_for_children, status)
        else:
            self._loop.call_later(0.05, self._finish, status)

    def _finish(self, status: int) -> None:
        if self.future is None or self.hold.future is None:
            return
        if status == 0:
            self.future.set_result(None)
            self.hold.future.set_result(None)
            return
        self._loop.set_exception_handler(_ignore_exit)
        self.future.set_exception(SystemExit(status))
        # Should `launch` have been busy with an event just then, it has not seen it, and the other future
        # keeps it waiting.
        self._loop.call_later(1.0, sys.exit, status)


def _ignore_exit(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Nobody retrieves the exception of launch's own task when it ends by SystemExit: not worth a message."""
    if not isinstance(context.get("exception"), SystemExit):
        loop.default_exception_handler(context)
