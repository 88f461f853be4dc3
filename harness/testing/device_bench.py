"""The bench on which the conformance suite tries a device: its peer, helpers that poll, a sink that keeps."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from harness.model import NO_STAMP, Finding
from harness.ports import Device, DeviceContext, KeyKind, Response, Sink, Stimulus


class Recorder:
    """A sink that keeps what it is given: one dict per observation, and the threads it was called on."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def __call__(
        self,
        key: int,
        stamp_ns: int = NO_STAMP,
        received_ns: int = NO_STAMP,
        seen_ns: int = NO_STAMP,
        value: float = float("nan"),
        flags: int = 0,
    ) -> None:
        """Keep one observation."""
        self.rows.append(
            {
                "key": key,
                "stamp_ns": stamp_ns,
                "received_ns": received_ns,
                "seen_ns": seen_ns,
                "value": value,
                "flags": flags,
                "called_ns": time.monotonic_ns(),
            }
        )

    @property
    def keys(self) -> list[int]:
        """The keys, in the order of arrival."""
        return [row["key"] for row in self.rows]


class DeviceBench:
    """A device under test and its peer: what a subclass gives, and helpers for the checks."""

    stimulus_port: str
    response_port: str
    values: Mapping[str, Any] = {}
    """One set of values that the stimulus takes."""
    wrong_values: Sequence[Mapping[str, Any]]
    """Sets that it must refuse when they are prepared: a misspelt name, a wrong type."""
    burst = 200
    """Stimuli handed over without a pause, all of whose answers have to arrive."""
    deadline_s = 30.0
    """How long a check waits for something that does happen on a loaded machine."""
    stop_is_acknowledged = False
    """Whether the robot acknowledges a stop, so that one which does not is a failure of the stop."""
    condition: tuple[str, str] | None = None
    """A condition for ``ready:`` that holds once the peer runs, e.g. ``("publishes", "/odom")``."""

    def make(self, context: DeviceContext) -> Device:
        """A new device, not yet open."""
        raise NotImplementedError

    def start_peer(self, silent: bool) -> None:
        """Start the robot that the device talks to, if the device does not start it itself."""
        raise NotImplementedError

    def end_peer(self) -> None:
        """Make the robot die at once, as a crash would. Repeatable, and harmless where there is none."""
        raise NotImplementedError

    # Helpers

    @pytest.fixture
    def findings(self) -> list[Finding]:
        """What the device reported."""
        return []

    @pytest.fixture
    def context(self, findings: list[Finding]) -> DeviceContext:
        """What the device is told: a run of its own."""
        return DeviceContext(run_id=f"conformance-{uuid.uuid4().hex[:8]}", report=findings.append)

    @pytest.fixture(autouse=True)
    def _peer_ends(self) -> Iterator[None]:
        yield
        self.end_peer()

    @contextlib.contextmanager
    def opened(self, context: DeviceContext, silent: bool = False, answers: bool = True) -> Iterator[Device]:
        """An open device with its peer; where it ``answers``, only once it does."""
        self.start_peer(silent)
        device = self.make(context)
        device.open()
        try:
            if answers and not silent:
                self.until_answered(device)
            yield device
        finally:
            device.close()

    def ports(self, device: Device) -> tuple[Stimulus, Response]:
        """The two ports under test."""
        return device.stimulus(self.stimulus_port), device.response(self.response_port)

    def key(self, stimulus: Stimulus, number: int) -> int:
        """A key such as the harness would give the stimulus of that number."""
        return time.time_ns() if stimulus.key_kind is KeyKind.STAMP else number

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for ``condition``; fail with ``what`` at the deadline."""
        deadline = time.monotonic() + self.deadline_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {self.deadline_s:g} s: {what}"
            time.sleep(0.005)

    def until_answered(self, device: Device) -> None:
        """Send probes until one is answered: discovery may take a while. Then wait for the answers to the
        others, which are not what a test counts; where some were sent to nobody, until none has come for a
        while."""
        stimulus, response = self.ports(device)
        answered = threading.Event()
        answers = Recorder()

        def sink(*args: Any, **kwargs: Any) -> None:
            answers(*args, **kwargs)
            answered.set()

        checked: Sink = sink
        response.listen(checked)
        prepared = stimulus.prepare(self.values)
        deadline = time.monotonic() + self.deadline_s
        probes = 0
        while not answered.wait(0.05):
            assert time.monotonic() < deadline, f"no probe was answered within {self.deadline_s:g} s"
            stimulus.send(self.key(stimulus, 0), prepared)
            probes += 1
        if len(answers.rows) != probes:
            self.until_quiet(response, 0.5)

    def until_quiet(self, response: Response, quiet_s: float = 0.15) -> None:
        """Wait until nothing has arrived for a while."""
        recorder = Recorder()
        response.listen(recorder)
        deadline = time.monotonic() + self.deadline_s
        seen, since = 0, time.monotonic()
        while time.monotonic() - since < quiet_s:
            assert time.monotonic() < deadline, f"answers keep coming for {self.deadline_s:g} s"
            time.sleep(0.01)
            if len(recorder.rows) != seen:
                seen, since = len(recorder.rows), time.monotonic()

    def send(self, stimulus: Stimulus, count: int, pause_s: float = 0.0) -> list[tuple[int, int, int]]:
        """Hand over ``count`` stimuli; (key, before, after) of each."""
        prepared = stimulus.prepare(self.values)
        found: list[tuple[int, int, int]] = []
        for number in range(count):
            key = self.key(stimulus, number)
            if found and stimulus.key_kind is KeyKind.STAMP:
                key = max(key, found[-1][0] + 1)
            found.append((key, *stimulus.send(key, prepared)))
            if pause_s:
                time.sleep(pause_s)
        return found

    def until_taken(self, device: Device) -> None:
        """Wait until a silent peer is there to take commands, as far as the device can tell."""
        if self.condition is not None:
            condition = self.condition
            self.until(lambda: device.is_ready(*condition), f"is_ready{condition}")
