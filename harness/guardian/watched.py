"""One device as the guardian holds it: on a thread of its own, so that one that hangs cannot keep the
others."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness.adapters import entry, load
from harness.guardian.protocol import Message, describe_error
from harness.model import Finding
from harness.ports import Device, DeviceContext, Role

STOP_REPEATS = 5
"""A stop may be lost on the way, or be followed by a command that was already under way."""
STOP_INTERVAL_S = 0.2


@dataclass
class Attempt:
    """One call of ``safe_stop``: the instants around it (CLOCK_MONOTONIC; None while it has not returned)."""

    before_ns: int
    after_ns: int | None = None
    error: str | None = None


@dataclass
class Order:
    """Something the device's thread was asked to do, and how far it came."""

    work: Callable[[Order], None]
    done: threading.Event = field(default_factory=threading.Event)
    attempts: list[Attempt] = field(default_factory=list)
    error: Message | None = None


class WatchedDevice:
    """Builds, opens, stops and closes one device. Every method returns at once; the thread does it in
    turn."""

    def __init__(self, name: str, adapter: str, options: Message, run_id: str) -> None:
        self.name = name
        self._adapter = adapter
        self._options = options
        self._run_id = run_id
        self._device: Device | None = None
        self.settled = threading.Event()
        """Set when opening has succeeded or failed."""
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        # A daemon: the guardian ends when it has done what it can, hanging thread or not.
        threading.Thread(target=self._work, name=f"device {name}", daemon=True).start()

    def open(self, then: Callable[[Message | None], None]) -> None:
        """Build and open the device; ``then(error or None)`` is called on its thread."""

        def work(order: Order) -> None:
            try:
                device = self._build()
                device.open()
                self._device = device
            finally:
                self.settled.set()

        self._give(work, then)

    def stop(self) -> Order:
        """``safe_stop`` several times over about a second; failures do not end it."""

        def work(order: Order) -> None:
            if self._device is None:
                order.attempts.append(Attempt(time.monotonic_ns(), time.monotonic_ns(), "never opened"))
                return
            for number in range(STOP_REPEATS):
                if number:
                    time.sleep(STOP_INTERVAL_S)
                attempt = Attempt(time.monotonic_ns())
                order.attempts.append(attempt)
                try:
                    self._device.safe_stop()
                except Exception as error:
                    attempt.error = f"{type(error).__name__}: {error}"
                attempt.after_ns = time.monotonic_ns()

        return self._give(work)

    def close(self) -> Order:
        """Close the device if it was opened."""

        def work(order: Order) -> None:
            device, self._device = self._device, None
            if device is not None:
                device.close()

        return self._give(work)

    def _build(self) -> Device:
        where = entry(self._adapter)
        options = load(where.options).model_validate(self._options)
        context = DeviceContext(run_id=self._run_id, role=Role.GUARDIAN, report=_ignore)
        device: Any = load(where.device)(self.name, options, context)
        return device  # type: ignore[no-any-return]

    def _give(
        self, work: Callable[[Order], None], then: Callable[[Message | None], None] | None = None
    ) -> Order:
        def whole(order: Order) -> None:
            try:
                work(order)
            except BaseException as error:
                order.error = describe_error(error)
            if then is not None:
                then(order.error)

        order = Order(whole)
        self._orders.put(order)
        return order

    def _work(self) -> None:
        while True:
            order = self._orders.get()
            order.work(order)
            order.done.set()


def _ignore(finding: Finding) -> None:
    """What a device finds while the guardian holds it changes nothing about the stop."""
