"""Round trips through the harness's own devices against an echo: what a run finds with no robot at all."""

from __future__ import annotations

import os
import random
import select
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness import adapters
from harness.clock import HostClock
from harness.config.schema import Host
from harness.doctor.measure import Timing, timing
from harness.errors import DeadlineError, HarnessError
from harness.model import HOST_MONOTONIC, HOST_REALTIME, NO_STAMP
from harness.ports import Device, DeviceContext, KeyKind
from harness.realtime import QuietHost

RATE_HZ = 200.0
PROBES = 20
"""Answered in a row before anything counts."""
WARM_UP_S = 30.0
"""Longest wait for them: discovery after an unclean exit can take 25 s."""
ANSWER_S = 2.0
"""Longest wait for the last answer; what is later counts as lost."""
_READY_S = 30.0
_MESSAGE = "geometry_msgs/msg/TwistStamped"


class _Answers:
    """A sink that keeps when each key was answered first."""

    def __init__(self, received_clock: str) -> None:
        self.arrived: dict[int, int] = {}
        self._real = received_clock == HOST_REALTIME
        self._known = received_clock in (HOST_REALTIME, HOST_MONOTONIC)

    def __call__(
        self,
        key: int,
        stamp_ns: int = NO_STAMP,
        received_ns: int = NO_STAMP,
        seen_ns: int = NO_STAMP,
        value: float = float("nan"),
        flags: int = 0,
    ) -> None:
        self.arrived.setdefault(key, received_ns if self._known and received_ns != NO_STAMP else seen_ns)

    def on_realtime(self) -> bool:
        """Whether arrivals are on CLOCK_REALTIME."""
        return self._real


class _Sender:
    def __init__(self, device: Device, stimulus: str, response: str, clock: HostClock) -> None:
        port = device.response(response)
        self.answers = _Answers(port.received_clock)
        port.listen(self.answers)
        self._stimulus = device.stimulus(stimulus)
        self._prepared = self._stimulus.prepare({})
        self._clock = clock
        self._last = 0
        self.sent: dict[int, int] = {}

    def send(self) -> int:
        """Send one; its instant is on the clock that arrivals are on. Returns the key."""
        real_ns = self._clock.realtime_ns()
        stamp = self._stimulus.key_kind is KeyKind.STAMP
        self._last = key = max(real_ns, self._last + 1) if stamp else self._last + 1
        before_ns, _ = self._stimulus.send(key, self._prepared)
        self.sent[key] = real_ns if self.answers.on_realtime() else before_ns
        return key

    def until_answered(self, key: int, seconds: float) -> bool:
        end = self._clock.monotonic_ns() + round(seconds * 1e9)
        while key not in self.answers.arrived:
            if self._clock.monotonic_ns() > end:
                return False
            time.sleep(0.001)
        return True


def through(
    name: str,
    device: Device,
    stimulus: str,
    response: str,
    seconds: float,
    *,
    rate_hz: float = RATE_HZ,
    realtime: bool = True,
    warm_up_s: float = WARM_UP_S,
    clock: HostClock | None = None,
) -> Timing:
    """Round trips through an open ``device`` for ``seconds`` at a mean of ``rate_hz``, jittered as in a run.

    From just before the hand-over to the middleware's receive stamp where there is one, else to the instant
    the harness saw the answer. Raises DeadlineError when nobody answers within ``warm_up_s``.
    """
    clock = clock or HostClock()
    sender = _Sender(device, stimulus, response, clock)
    answered, end = 0, clock.monotonic_ns() + round(warm_up_s * 1e9)
    while answered < PROBES:
        if clock.monotonic_ns() > end:
            raise DeadlineError(
                f"{name}: nobody answered within {warm_up_s:g} s",
                hint="see whether a firewall or an interface without multicast is in the way",
            )
        answered = answered + 1 if sender.until_answered(sender.send(), 0.1) else 0
    keys: list[int] = []
    with QuietHost(Host(realtime=realtime)) as quiet:
        quiet.promote_thread()
        draw = random.Random(2).uniform
        due = start = clock.monotonic_ns()
        while due < start + seconds * 1e9:
            due += round(draw(0.5, 1.5) * 1e9 / rate_hz)
            clock.sleep_until(due)
            due = max(due, clock.monotonic_ns())
            keys.append(sender.send())
    if keys:
        sender.until_answered(keys[-1], ANSWER_S)
    arrived = dict(sender.answers.arrived)
    delays = [arrived[key] - sender.sent[key] for key in keys if key in arrived]
    return timing(name, delays, lost=len(keys) - len(delays))


def loopback(seconds: float, **how: Any) -> Timing:
    """Through the loopback device and its echo process. ``how``: as of :func:`through`."""
    kind = adapters.entry("loopback")
    options = adapters.load(kind.options).model_validate(
        {
            "adapter": "loopback",
            "received_clock": "monotonic",
            "ports": {
                "command": {"stimulus": {"key": "sequence"}},
                "applied": {"response": {"of": "command", "match": {"kind": "sequence"}}},
            },
        }
    )
    device: Device = adapters.load(kind.device)("doctor", options, DeviceContext(_run_id()))
    return _opened("round trip, loopback", device, "command", "applied", seconds, how)


def ros2(seconds: float, **how: Any) -> Timing:
    """Through the middleware, in a domain of its own on this host only, against ``harness.sim.ros2_echo``."""
    name = "round trip, ROS 2"
    topics = ("/harness_doctor/out", "/harness_doctor/back")
    ports = {
        "out": {"stimulus": {"topic": topics[0], "type": _MESSAGE, "key": "header.stamp"}},
        "back": {
            "response": {
                "topic": topics[1],
                "type": _MESSAGE,
                "match": {"kind": "stamp", "path": "header.stamp"},
            }
        },
    }
    kind = adapters.entry("ros2")
    options = adapters.load(kind.options).model_validate(
        {"adapter": "ros2", "domain_id": "auto", "discovery": "localhost", "ports": ports}
    )
    try:
        device: Device = adapters.load(kind.device)("doctor", options, DeviceContext(_run_id()))
        environment = {**os.environ, **device.process_environment()}
        bound = seconds + how.get("warm_up_s", WARM_UP_S) + _READY_S + 10
        with _echo(topics, environment, bound):
            return _opened(name, device, "out", "back", seconds, how)
    except HarnessError as error:
        return Timing(name, note=f"not available: {error.message}")


def _run_id() -> str:
    return f"doctor-{uuid.uuid4().hex[:8]}"


def _opened(
    name: str, device: Device, stimulus: str, response: str, seconds: float, how: dict[str, Any]
) -> Timing:
    try:
        device.open()
        return through(name, device, stimulus, response, seconds, **how)
    except HarnessError as error:
        return Timing(name, note=f"not available: {error.message}")
    finally:
        device.close()


@contextmanager
def _echo(topics: tuple[str, str], environment: dict[str, str], seconds: float) -> Iterator[None]:
    """The echo process. It ends when its standard input closes, so that it never outlives this one."""
    command = [sys.executable, "-m", "harness.sim.ros2_echo", "--listen", topics[0], "--answer", topics[1]]
    command += ["--type", _MESSAGE, "--until-eof", "--seconds", f"{seconds:g}"]
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        ready, _, _ = select.select([process.stdout], [], [], _READY_S)
        if not ready or not process.stdout.readline():
            raise DeadlineError(
                "the ROS 2 echo did not start", hint="python -m harness.sim.ros2_echo says why"
            )
        yield
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
