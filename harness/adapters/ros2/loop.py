"""The thread that takes answers from the middleware.

rclpy's executor builds a wait set, a coroutine and a task for every message; :class:`DirectLoop` keeps one
wait set and hands the bytes straight to the callback, which halves what the harness itself costs
(``benchmarks/ros2_round_trip.py --loops`` shows both). It uses classes of rclpy that are not documented, so
:func:`make` falls back to :class:`ExecutorLoop` where they are missing.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

from harness.adapters.ros2 import vendor
from harness.adapters.ros2.calls import Caller
from harness.model import Finding, Severity

_LOOK_NS = 500_000_000


class _Loop:
    def __init__(
        self,
        context: Any,
        node: Any,
        report: Callable[[Finding], None],
        callers: Sequence[Caller] = (),
    ) -> None:
        self._callers = tuple(callers)
        self._context = context
        self._node = node
        self._report = report
        self._stop_asked = threading.Event()
        self._thread = threading.Thread(target=self._guarded, name="harness-ros2-reader", daemon=True)

    def start(self) -> None:
        """Begin to take answers."""
        self._thread.start()

    def subscriptions_changed(self) -> None:
        """Look at the node's subscriptions anew."""

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the thread. Repeatable."""
        self._stop_asked.set()
        self._wake()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    @property
    def _stopping(self) -> bool:
        return self._stop_asked.is_set()

    def _wake(self) -> None:
        raise NotImplementedError

    def _run(self) -> None:
        raise NotImplementedError

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            if not self._stopping:
                message = f"the thread that takes answers ended: {type(error).__name__}: {error}"
                self._report(
                    Finding("reader ended", Severity.ERROR, message, remedy="report this with the traceback")
                )
                raise


class DirectLoop(_Loop):
    """One wait set, kept; callbacks called directly."""

    def __init__(
        self,
        context: Any,
        node: Any,
        report: Callable[[Finding], None],
        callers: Sequence[Caller] = (),
    ) -> None:
        super().__init__(context, node, report, callers)
        self._implementation = vendor.load("rclpy.impl.implementation_singleton").rclpy_implementation
        self._guard = vendor.load("rclpy.guard_condition").GuardCondition(None, None, context=context)
        self._changed = threading.Event()

    @staticmethod
    def available() -> bool:
        """Whether this rclpy has what is used here."""
        implementation = vendor.load("rclpy.impl.implementation_singleton").rclpy_implementation
        wait_set, subscription = (
            getattr(implementation, "WaitSet", None),
            getattr(implementation, "Subscription", None),
        )
        methods = ("add_subscription", "add_client", "add_guard_condition", "clear_entities", "is_ready")
        client = getattr(implementation, "Client", None)
        taking = hasattr(subscription, "take_message") and hasattr(client, "take_response")
        return taking and all(hasattr(wait_set, one) for one in (*methods, "wait"))

    def subscriptions_changed(self) -> None:
        """Rebuild the wait set."""
        self._changed.set()
        self._wake()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the thread. Repeatable."""
        super().stop(timeout_s)
        if not self._thread.is_alive():
            self._guard.destroy()

    def _wake(self) -> None:
        with contextlib.suppress(Exception):  # already destroyed: nobody is left to wake
            self._guard.trigger()

    def _run(self) -> None:
        while not self._stopping:
            self._changed.clear()
            self._serve(list(self._node.subscriptions))

    def _serve(self, subscriptions: list[Any]) -> None:
        """Serve these subscriptions until they change. Their handles are held, so none is destroyed
        meanwhile."""
        events = [event for one in subscriptions for event in one.event_handlers]
        with contextlib.ExitStack() as held:
            for thing in (
                *(one.handle for one in subscriptions),
                *(one.client.handle for one in self._callers),
                *events,
                self._guard.handle,
                self._context.handle,
            ):
                held.enter_context(thing)
            wait_set = self._implementation.WaitSet(
                len(subscriptions), 1, 0, len(self._callers), 0, len(events), self._context.handle
            )
            takers = [
                (one.handle, one.handle.take_message, one.msg_type, one.callback) for one in subscriptions
            ]
            while not self._stopping and not self._changed.is_set():
                wait_set.clear_entities()
                wait_set.add_guard_condition(self._guard.handle)
                numbered = [(wait_set.add_subscription(taker[0]), taker) for taker in takers]
                calling = [(wait_set.add_client(one.client.handle), one) for one in self._callers]
                for event in events:
                    event.add_to_wait_set(wait_set)
                wait_set.wait(_LOOK_NS)
                for index, (_, take, message, callback) in numbered:
                    if wait_set.is_ready("subscription", index):
                        while (taken := take(message, True)) is not None:
                            callback(*taken)
                for index, caller in calling:
                    if wait_set.is_ready("client", index):
                        caller.take()
                for event in events:
                    if event.is_ready(wait_set) and (data := event.take_data()) is not None:
                        event.callback(data)


class ExecutorLoop(_Loop):
    """rclpy's own single-threaded executor."""

    def __init__(
        self,
        context: Any,
        node: Any,
        report: Callable[[Finding], None],
        callers: Sequence[Caller] = (),
    ) -> None:
        super().__init__(context, node, report, callers)
        self._executor = vendor.load("rclpy.executors").SingleThreadedExecutor(context=context)
        self._executor.add_node(node)

    def _wake(self) -> None:
        self._executor.wake()

    def _run(self) -> None:
        while not self._stopping:
            self._executor.spin_once(timeout_sec=_LOOK_NS * 1e-9)

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the thread. Repeatable."""
        super().stop(timeout_s)
        self._executor.shutdown(timeout_sec=timeout_s)


def make(context: Any, node: Any, report: Callable[[Finding], None], callers: Sequence[Caller] = ()) -> _Loop:
    """The faster loop that this rclpy allows. ``callers``: clients of the node whose replies it takes."""
    kind = DirectLoop if DirectLoop.available() else ExecutorLoop
    return kind(context, node, report, callers)
