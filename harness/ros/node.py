"""The node: parameters, topics and services around a run that is a process of its own."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PointStamped
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from std_srvs.srv import Trigger

from harness.adapters.ros2.shm import clean_shared_memory
from harness.errors import ConfigurationError
from harness.ros import messages, settings
from harness.ros.watched import Snapshot, WatchedRun

STATUS_PERIOD_S = 0.5
TICK_S = 0.05
DEPTH = 4096
"""Latencies kept for a reader that is slow, about two seconds of them at the highest rate."""
BEGIN_S = 60.0


class HarnessNode(Node):  # type: ignore[misc]
    """One run at a time; the newest one is shown until the next begins.

    Raises ConfigurationError for parameters that are wrong when it starts.
    """

    def __init__(self, **overrides: Any) -> None:
        super().__init__("harness", **overrides)
        self.run: WatchedRun | None = None
        self._waiting: list[tuple[Any, float, Future]] = []
        self._declare()
        self.add_on_set_parameters_callback(self._on_parameters)
        self._status = self.create_publisher(DiagnosticArray, "~/status", 10)
        self._latency = self.create_publisher(PointStamped, "~/latency", QoSProfile(depth=DEPTH))
        # A coroutine holds its group until it returns; each service has to answer while another one waits.
        for name, act in (("start", self._start), ("stop", self._stop), ("abort", self._abort)):
            self.create_service(Trigger, f"~/{name}", act, callback_group=ReentrantCallbackGroup())
        # Not the node's own clock: with use_sim_time it stands still while a simulation is paused.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(TICK_S, self._tick, clock=steady)
        self.create_timer(STATUS_PERIOD_S, self.publish_status, clock=steady)

    # -- parameters ---------------------------------------------------------------------------------------

    def _declare(self) -> None:
        for each in settings.SETTINGS:
            descriptor = ParameterDescriptor(description=each.text, read_only=each.fixed)
            if each.bounds is not None:
                low, high = each.bounds
                if isinstance(each.default, float):
                    descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
                else:
                    span = IntegerRange(from_value=int(low), to_value=int(high), step=1)
                    descriptor.integer_range = [span]
            try:
                self.declare_parameter(each.name, each.default, descriptor)
            except Exception as error:
                raise ConfigurationError(f"parameter {each.name}: {error}", hint=each.text) from error
        if wrong := settings.check(self.values()):
            raise ConfigurationError(wrong)

    def values(self) -> dict[str, Any]:
        """The parameters by name."""
        return {each.name: self.get_parameter(each.name).value for each in settings.SETTINGS}

    def _on_parameters(self, changes: Sequence[Parameter]) -> SetParametersResult:
        known = self.values()
        changed = {each.name: each.value for each in changes if each.name in known}
        wrong = settings.check({**known, **changed}) if changed.keys() - {"confirm"} else ""
        return SetParametersResult(successful=not wrong, reason=wrong)

    # -- services -----------------------------------------------------------------------------------------

    def begin(self) -> str:
        """Start a run; what keeps it from being started, in words, else empty."""
        if self.run is not None and not self.run.over:
            return f"a run is going on: {self.run.snapshot.phase}, {self.run.folder or self.run.rig}"
        values = self.values()
        if not values["rig"]:
            return "no rig is given: set the parameter rig"
        if wrong := settings.check(values):
            return wrong
        self.forget()
        self.run = WatchedRun(settings.arguments(values), values["rig"])
        if values["confirm"]:
            self.set_parameters([Parameter("confirm", value=False)])
        return ""

    async def _start(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if refused := self.begin():
            return _answer(response, False, refused)
        run = self._current()
        await self._until(lambda: run.begun, BEGIN_S)
        if run.folder is not None:
            return _answer(response, True, f"run folder: {run.folder}")
        why = run.snapshot.error or f"no run folder after {BEGIN_S:g} s; it goes on trying"
        return _answer(response, False, why)

    async def _stop(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        run = self.run
        if run is None or run.over:
            return _answer(response, False, "no run is going on")
        run.interrupt()
        await self._until(lambda: run.over)
        shown = run.snapshot
        words = f"{run.stop_words()}; {shown.phase}"
        if shown.folder is not None:
            words += f", verdict {shown.verdict}; report in {shown.folder}"
        return _answer(response, not run.stop_failed, words)

    async def _abort(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        run = self.run
        if run is None or run.over:
            return _answer(response, False, "no run is going on")
        run.interrupt()
        patience = float(self.get_parameter("abort_patience_s").value)
        if await self._until(lambda: run.robot_stopped, patience):
            after = "" if run.over else "; the report is being written"
            return _answer(response, not run.stop_failed, run.stop_words() + after)
        run.kill()
        await self._until(lambda: run.over)
        # The guardian may still be at it.
        await self._until(lambda: run.guardian_done, patience)
        words = f"no safe stop within {patience:g} s: the run was killed; {run.stop_words()}"
        return _answer(response, not run.stop_failed, words)

    def _current(self) -> WatchedRun:
        assert self.run is not None
        return self.run

    async def _until(self, condition: Any, patience_s: float = float("inf")) -> bool:
        """Wait without keeping anything else from being done; false when it took too long."""
        future = Future(executor=self.executor)
        self._waiting.append((condition, time.monotonic() + patience_s, future))
        return bool(await future)

    # -- topics -------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        for entry in list(self._waiting):
            condition, deadline, future = entry
            if (holds := condition()) or time.monotonic() > deadline:
                self._waiting.remove(entry)
                future.set_result(bool(holds))
        run = self.run
        if run is None:
            return
        for line in run.process.new_lines():
            self.get_logger().info(line)
        offset_ns = time.time_ns() - time.monotonic_ns()
        most = int(float(self.get_parameter("latency_rate_hz").value) * TICK_S)
        for _ in range(min(most, len(run.samples))):
            self._latency.publish(messages.latency(run.samples.popleft(), offset_ns))

    def publish_status(self) -> None:
        """What is known now."""
        run = self.run
        shown = run.snapshot if run is not None else Snapshot()
        rig = run.rig if run is not None else str(self.get_parameter("rig").value)
        self._status.publish(messages.status(shown, rig, time.time_ns()))

    def forget(self) -> None:
        """Let go of the run, which is over or is interrupted and waited for."""
        run, self.run = self.run, None
        if run is not None:
            run.interrupt()
            run.close()


def _answer(response: Trigger.Response, success: bool, message: str) -> Trigger.Response:
    response.success, response.message = success, message
    return response


def spin(arguments: Sequence[str]) -> int:
    """Be the node until SIGINT or SIGTERM, then end the run that is going on in good order."""
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    clean_shared_memory()
    rclpy.init(args=["harness", *arguments], signal_handler_options=SignalHandlerOptions.NO)
    node: HarnessNode | None = None
    try:
        node = HarnessNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        if node.get_parameter("autostart").value and (refused := node.begin()):
            raise ConfigurationError(refused)
        told = False
        while not asked or (node.run is not None and not node.run.over) or (node.run and node.run.samples):
            executor.spin_once(timeout_sec=0.2)
            if asked and node.run is not None and not told:
                node.get_logger().info("ending: the run stops the robot and writes its report first")
                node.run.interrupt()
                told = True
        node.publish_status()
        return 0
    finally:
        if node is not None:
            node.forget()
            with contextlib.suppress(Exception):
                node.destroy_node()
        rclpy.try_shutdown()
        sys.stdout.flush()
