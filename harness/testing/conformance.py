"""What every device has to do, as tests: the author of an adapter or rig driver runs them on it.

Subclass :class:`DeviceConformance` in a test file and say how to make the device and its peer::

    class TestMyRobot(DeviceConformance):
        stimulus_port, response_port = "command", "applied"
        values, wrong_values = {"speed": 0.1}, [{"sped": 0.1}, {"speed": "fast"}]

        def make(self, context): return MyDevice("robot", Options(...), context)
        def start_peer(self, silent): ...     # a robot that answers, or takes commands and answers none
        def end_peer(self): ...               # kill it; repeatable; called after every test as well

Every check polls for what it waits for; none asserts on wall time.
"""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from harness.errors import ConfigurationError, HarnessError, OperationError, UnavailableError
from harness.model import HOST_MONOTONIC, HOST_REALTIME, NO_KEY, NO_STAMP, ClockInfo, Finding
from harness.ports import Device, DeviceContext, KeyKind, Role
from harness.testing.device_bench import DeviceBench, Recorder
from harness.testing.leftovers import Leftovers

REALTIME_TOLERANCE_NS = 50_000_000
"""CLOCK_REALTIME is slewed and may be set a little while a test runs; beyond that, a stamp is wrong."""


class DeviceConformance(DeviceBench):
    """The suite; :class:`.device_bench.DeviceBench` lists what a subclass gives."""

    # What it is

    def test_making_one_touches_nothing(self, context: DeviceContext) -> None:
        """A device is made for `harness check` and for schemas; only `open` may start or connect anything."""
        before = Leftovers.now()
        device = self.make(context)
        assert isinstance(device, Device)
        assert before.new() == []
        device.close()  # closing what was never opened is allowed

    def test_identity_is_words(self, context: DeviceContext) -> None:
        """The report prints it: strings, none of them empty."""
        with self.opened(context) as device:
            identity = device.identity()
        assert identity
        for name, text in identity.items():
            assert isinstance(name, str) and isinstance(text, str), (name, text)
            assert name.strip() and text.strip(), (name, text)

    def test_clocks_are_listed(self, context: DeviceContext) -> None:
        """Every stamp's clock is one of the host's or one that the device lists, each once."""
        with self.opened(context) as device:
            clocks = device.clocks()
            assert all(isinstance(clock, ClockInfo) for clock in clocks)
            names = [clock.name for clock in clocks]
            assert len(set(names)) == len(names)
            assert not {HOST_MONOTONIC, HOST_REALTIME} & set(names), "the host's clocks are known already"
            stimulus, response = self.ports(device)
            recorder = Recorder()
            response.listen(recorder)
            self.send(stimulus, 1)
            self.until(lambda: bool(recorder.rows), "an answer")
            known = {HOST_MONOTONIC, HOST_REALTIME, *names}
            if recorder.rows[0]["stamp_ns"] != NO_STAMP:
                assert response.stamp_clock in known
            if recorder.rows[0]["received_ns"] != NO_STAMP:
                assert response.received_clock in known
            assert response.received_is.strip()

    def test_exchanges_are_in_order(self, context: DeviceContext) -> None:
        """Of a clock that can be asked: T1 <= T4 here, T2 <= T3 there. Of others, None."""
        with self.opened(context) as device:
            assert device.exchange("no such clock") is None
            for clock in device.clocks():
                before_ns = time.monotonic_ns()
                exchange = device.exchange(clock.name)
                after_ns = time.monotonic_ns()
                if exchange is not None:
                    t1_ns, t2_ns, t3_ns, t4_ns = exchange
                    assert before_ns <= t1_ns <= t4_ns <= after_ns
                    assert t2_ns <= t3_ns

    # Opening and closing

    def test_open_and_close_again_and_again(self, context: DeviceContext) -> None:
        """Both are repeatable, and a device that was closed opens again and works."""
        self.start_peer(silent=False)
        device = self.make(context)
        try:
            for _ in range(2):
                device.close()
                device.open()
                self.until_answered(device)
                device.close()
                device.close()
        finally:
            device.close()

    def test_two_close_in_any_order(self, context: DeviceContext) -> None:
        """Closing one device leaves another of the same kind at work."""
        other_context = DeviceContext(run_id=context.run_id + "-b", report=context.report)
        for first_closes_first in (True, False):
            with self.opened(context) as one:
                other = self.make(other_context)
                other.open()
                try:
                    early, late = (one, other) if first_closes_first else (other, one)
                    early.close()
                    self.until_answered(late)
                finally:
                    other.close()
            self.end_peer()

    def test_close_after_failed_open(self, context: DeviceContext, monkeypatch: pytest.MonkeyPatch) -> None:
        """When opening fails half-way, closing still lets go of everything."""
        before = Leftovers.now()
        device = self.make(context)
        monkeypatch.setattr(threading.Thread, "start", _refuse)
        with contextlib.suppress(HarnessError, RuntimeError):
            device.open()
        device.close()
        monkeypatch.undo()
        device.close()
        self.end_peer()
        self.until(lambda: before.new() == [], f"left behind: {before.new()}")

    def test_nothing_left_behind(self, context: DeviceContext) -> None:
        """Threads, child processes and file descriptors are what they were before."""
        with self.opened(context) as device:  # libraries open what they keep for good on first use
            self.send(device.stimulus(self.stimulus_port), 3)
        self.end_peer()
        before = Leftovers.now()
        with self.opened(context) as device:
            recorder = Recorder()
            device.response(self.response_port).listen(recorder)
            self.send(device.stimulus(self.stimulus_port), 20)
            device.safe_stop()
        self.end_peer()
        self.until(lambda: before.new() == [], f"left behind: {before.new()}")

    # Sending and listening

    def test_unknown_ports_are_named(self, context: DeviceContext) -> None:
        """A misspelt port is a ConfigurationError that names it and the nearest that exists."""
        with self.opened(context, answers=False) as device:
            for ask, good in ((device.stimulus, self.stimulus_port), (device.response, self.response_port)):
                wrong = good + "x"
                with pytest.raises(ConfigurationError) as caught:
                    ask(wrong)
                assert wrong in str(caught.value)
                assert good in str(caught.value).replace(wrong, "")
            with pytest.raises(ConfigurationError):
                device.fault("no_such_fault")

    def test_wrong_values_are_refused_at_prepare(self, context: DeviceContext) -> None:
        """A wrong name or type is found before anything is sent."""
        assert self.wrong_values, "give wrong_values: sets that prepare() must refuse"
        with self.opened(context) as device:
            stimulus = device.stimulus(self.stimulus_port)
            for values in self.wrong_values:
                with pytest.raises(ConfigurationError):
                    stimulus.prepare(values)

    def test_sending_never_waits_for_the_answer(self, context: DeviceContext) -> None:
        """A robot that answers nothing takes a burst as fast as one that answers."""
        with self.opened(context, silent=True) as device:
            stimulus, response = self.ports(device)
            recorder = Recorder()
            response.listen(recorder)
            self.until_taken(device)
            sent = self.send(stimulus, self.burst)
            assert len(sent) == self.burst
            assert recorder.rows == []

    def test_instants_are_in_order(self, context: DeviceContext) -> None:
        """before <= after; an answer is seen after its stimulus was handed over, and received before it was
        seen."""
        with self.opened(context) as device:
            stimulus, response = self.ports(device)
            recorder = Recorder()
            response.listen(recorder)
            entered_ns = time.monotonic_ns()
            sent = self.send(stimulus, 30, pause_s=0.002)
            left_ns = time.monotonic_ns()
            self.until(lambda: len(recorder.rows) >= 30, f"30 answers, got {len(recorder.rows)}")
        instants = [instant for _, before, after in sent for instant in (before, after)]
        assert entered_ns <= instants[0] and instants[-1] <= left_ns
        assert instants == sorted(instants)
        distance_ns = time.time_ns() - time.monotonic_ns()
        for (_, before_ns, _), row in zip(sent, recorder.rows, strict=False):
            assert before_ns <= row["seen_ns"] <= row["called_ns"]
            if response.received_clock == HOST_MONOTONIC:
                assert before_ns <= row["received_ns"] <= row["seen_ns"]
            elif response.received_clock == HOST_REALTIME:
                received_ns = row["received_ns"] - distance_ns
                assert before_ns - REALTIME_TOLERANCE_NS <= received_ns
                assert received_ns <= row["seen_ns"] + REALTIME_TOLERANCE_NS

    def test_a_burst_arrives_whole_and_keys_unchanged(
        self, context: DeviceContext, findings: list[Finding]
    ) -> None:
        """Readers are deep: every answer of a burst reaches every sink once, with its key, or the device says
        that it lost some, which a bench at rest does not."""
        with self.opened(context) as device:
            stimulus, response = self.ports(device)
            one, two = Recorder(), Recorder()
            response.listen(one)
            response.listen(two)
            sent = self.send(stimulus, self.burst)
            for recorder in (one, two):
                self.until(
                    lambda recorder=recorder: len(recorder.rows) >= self.burst,  # type: ignore[misc]
                    f"{self.burst} answers; findings: {findings}",
                )
            self.until_quiet(response)
        keys = [key for key, _, _ in sent]
        for recorder in (one, two):
            if set(recorder.keys) == {NO_KEY}:  # a robot that echoes nothing; then the count is all there is
                assert len(recorder.rows) == self.burst
            else:
                assert sorted(recorder.keys) == keys
        assert [finding for finding in findings if finding.name == "messages lost"] == []

    def test_keys_may_be_large(self, context: DeviceContext) -> None:
        """Stamps are 19 digits long; a key that went through a float comes back changed."""
        with self.opened(context) as device:
            stimulus, response = self.ports(device)
            recorder = Recorder()
            response.listen(recorder)
            key = time.time_ns() // 2 * 2 + 1 if stimulus.key_kind is KeyKind.STAMP else 2**31 - 1
            stimulus.send(key, stimulus.prepare(self.values))
            self.until(lambda: len(recorder.rows) >= 1, "an answer")
        assert recorder.keys in ([key], [NO_KEY])

    # Stopping

    def test_safe_stop_from_every_state(self, context: DeviceContext) -> None:
        """After opening, while answers are under way, twice in a row, and never blocking the close."""
        with self.opened(context) as device:
            device.safe_stop()
            self.send(device.stimulus(self.stimulus_port), 10)
            device.safe_stop()
            device.safe_stop()
            self.until_answered(device)  # a stop is no end: the next scenario goes on
            device.safe_stop()

    def test_safe_stop_of_a_silent_robot(self, context: DeviceContext) -> None:
        """The stop does not wait for ever for an answer that may never come; where robots of this kind
        acknowledge a stop, it says that this one did not."""
        with self.opened(context, silent=True) as device:
            self.until_taken(device)
            if self.stop_is_acknowledged:
                with pytest.raises(OperationError):
                    device.safe_stop()
            else:
                device.safe_stop()

    def test_guardian_reaches_the_stop_while_the_harness_is_open(self, context: DeviceContext) -> None:
        """A second instance, in the guardian's role, delivers the stop and lets go; the first goes on."""
        guarded = DeviceContext(run_id=context.run_id, role=Role.GUARDIAN, report=context.report)
        with self.opened(context) as device:
            before = Leftovers.now()
            guardian = self.make(guarded)
            guardian.open()
            try:
                guardian.safe_stop()
                guardian.safe_stop()
            finally:
                guardian.close()
            self.until(lambda: before.new() == [], f"the guardian left behind: {before.new()}")
            self.until_answered(device)

    def test_guardian_starts_no_robot(self, context: DeviceContext) -> None:
        """Where there is no robot, the guardian's instance starts none; it may say that nobody is there."""
        before = Leftovers.now()
        guardian = self.make(DeviceContext(run_id=context.run_id, role=Role.GUARDIAN))
        with contextlib.suppress(UnavailableError):
            guardian.open()
        assert [each for each in before.new() if each.startswith("process")] == []
        guardian.close()

    # Looking

    def test_checking_sends_nothing(self, context: DeviceContext) -> None:
        """In the role CHECK it opens, looks and closes; what it finds is findings, not exceptions."""
        device = self.make(DeviceContext(run_id=context.run_id, role=Role.CHECK))
        device.open()
        try:
            assert all(isinstance(finding, Finding) for finding in device.preflight())
        finally:
            device.close()

    def test_preflight_and_readiness(self, context: DeviceContext) -> None:
        """With a robot there, preflight finds no error, and a condition nobody knows is refused."""
        with self.opened(context) as device:
            errors = [each for each in device.preflight() if each.severity.value == "error"]
            assert errors == []
            self.until_taken(device)
            with pytest.raises(ConfigurationError):
                device.is_ready("no such condition", "")

    # When the robot dies

    def test_usable_after_the_robot_died(self, context: DeviceContext) -> None:
        """Then calls return or raise HarnessError: no crash, no hang, and closing works."""
        with self.opened(context) as device:
            stimulus = device.stimulus(self.stimulus_port)
            prepared = stimulus.prepare(self.values)
            self.end_peer()
            for number in range(20):
                with contextlib.suppress(HarnessError):
                    stimulus.send(self.key(stimulus, number), prepared)
                time.sleep(0.005)
            for act in (device.safe_stop, device.identity, device.clocks, device.preflight):
                with contextlib.suppress(HarnessError):
                    act()
            for clock in device.clocks():
                with contextlib.suppress(HarnessError):
                    device.exchange(clock.name)


def _refuse(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
