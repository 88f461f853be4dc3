"""Service clients of the harness's own: a request keeps its key until its reply is here.

The middleware numbers the requests of a client and gives each reply the number of its request, so that a
reply finds its key without any field in the message. rclpy's executor drops the middleware's receive stamp of
replies; here they are taken below it, by the loop of :mod:`.loop` or, where there is none, by who waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from harness.adapters.ros2 import vendor
from harness.clock import HostClock
from harness.model import ObservationFlag

MOST_KEPT = 100_000
"""Requests whose key is remembered, answered or not: a second reply, of a second server, is shown as well."""
_POLL_S = 0.002

Deliver = Callable[[int, Any, int, int, int], None]
"""Takes a reply: key, reply, received_ns (CLOCK_REALTIME), seen_ns (CLOCK_MONOTONIC), flags."""


class _Waiting:
    """Somebody waits for this reply, in place of a key."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.reply: Any = None


class Caller:
    """One client of the service ``name``. ``depth``: how many replies may wait to be taken.

    ``direct`` False: rclpy's own executor takes the replies, and their receive stamp is the instant the
    harness saw them. ``in_loop`` is set while a loop takes them; otherwise :meth:`call` does.
    """

    def __init__(
        self,
        node: Any,
        service: Any,
        name: str,
        deliver: Deliver,
        clock: HostClock,
        *,
        depth: int,
        direct: bool = True,
    ) -> None:
        profile = vendor.load("rclpy.qos").QoSProfile(depth=depth)
        self.client: Any = node.create_client(service, name, qos_profile=profile)
        self.in_loop = False
        self._handle = self.client.handle
        self._reply_class = service.Response
        self._deliver = deliver
        self._clock = clock
        self._direct = direct
        self._keys: dict[int, int | _Waiting] = {}
        self._lock = threading.Lock()

    @property
    def ready(self) -> bool:
        """Whether a server is known."""
        return bool(self.client.service_is_ready())

    def send(self, key: int | _Waiting, request: Any) -> tuple[int, int]:
        """Send one request; CLOCK_MONOTONIC in ns just before and just after."""
        now = self._clock.monotonic_ns
        if not self._direct:
            return self._send_by_future(key, request)
        # The reply may be taken before the number of its request is known here: its taker waits for the lock.
        with self._lock, self._handle:
            before = now()
            number = self._handle.send_request(request)
            after = now()
            self._keys[number] = key
            if len(self._keys) > MOST_KEPT:
                del self._keys[next(iter(self._keys))]
        return before, after

    def _send_by_future(self, key: int | _Waiting, request: Any) -> tuple[int, int]:
        clock = self._clock

        def done(future: Any) -> None:
            seen, received = clock.monotonic_ns(), clock.realtime_ns()
            self._give(key, future.result(), received, seen, ObservationFlag.NOT_MIDDLEWARE.value)

        before = clock.monotonic_ns()
        future = self.client.call_async(request)
        after = clock.monotonic_ns()
        future.add_done_callback(done)
        return before, after

    def take(self) -> None:
        """Take every reply that is here. By one thread only."""
        now, take = self._clock.monotonic_ns, self._handle.take_response
        while True:
            header, reply = take(self._reply_class)
            if header is None:
                return
            seen = now()
            with self._lock:
                key = self._keys.get(header.request_id.sequence_number)
            if key is None:
                continue
            received, flags = header.received_timestamp, 0
            if received <= 0:  # what rmw gives where the middleware has no such stamp
                received, flags = self._clock.realtime_ns(), ObservationFlag.NOT_MIDDLEWARE.value
            self._give(key, reply, received, seen, flags)

    def _give(self, key: int | _Waiting, reply: Any, received: int, seen: int, flags: int) -> None:
        if isinstance(key, _Waiting):
            key.reply = reply
            key.done.set()
        else:
            self._deliver(key, reply, received, seen, flags)

    def call(self, request: Any, timeout_ns: int) -> Any | None:
        """Send one request and wait for its reply; None when ``timeout_ns`` passed first."""
        waiting = _Waiting()
        self.send(waiting, request)
        deadline = self._clock.monotonic_ns() + timeout_ns
        while not waiting.done.wait(_POLL_S):
            if not self.in_loop:
                with self._handle:
                    self.take()
            if self._clock.monotonic_ns() >= deadline:
                break
        return waiting.reply
