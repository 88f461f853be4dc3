"""A command goes in, the robot's answer to it comes out: probe, warm up, measure, drain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.config.schema import OpenLoop, Paced, ScenarioBase, Trials
from harness.errors import DeadlineError, OperationError
from harness.live_signal import SignalTracker
from harness.model import StimulusFlag
from harness.scenarios.background import Streams
from harness.scenarios.sender import Sender, send_from_a_thread
from harness.scenarios.trials import TrialSteps
from harness.scenarios.wiring import Wiring
from harness.schedule import (
    NANO,
    KeyMaker,
    PacedLine,
    Stopped,
    largest_lateness_ns,
    paced,
    paced_offsets,
    sleep_until,
)

if TYPE_CHECKING:
    from harness.bench import Bench

DRAIN_EXTRA_S = 0.05
PATIENCE_S = 0.5
"""Longest wait for an answer without keeping house."""


class CommandRoundTripDriver:
    """Drives one scenario of an open bench whose stimuli are answered, or the same against a twin.

    Called in this order: ``probe`` until the device answers, ``measure`` (warm-up included), ``drain``; all
    of it within :meth:`background`.
    """

    def __init__(
        self,
        bench: Bench,
        index: int,
        name: str,
        spec: ScenarioBase,
        keys: KeyMaker,
        wiring: Wiring | None = None,
    ) -> None:
        wiring = wiring or Wiring.of_rig(bench, name, spec)
        self._bench = bench
        self._index = index
        self._name = name
        self._spec = spec
        self._look = wiring.look
        self._match = wiring.match
        self._planned = wiring.planned
        self._replayed = wiring.replayed
        self._sender = Sender(bench, index, name, spec, keys, wiring)
        self._streams = Streams(name, spec.stimulus, self._sender.stream, wiring.others)
        self.tracker = self._sender.tracker
        self.recorded = self._sender.recorded
        self._timeout_ns = int(spec.timeout_ms * 1e6)

    @property
    def prepared(self) -> list[Any]:
        """The value sets as the port has them ready."""
        return self._sender.prepared

    @contextmanager
    def background(self) -> Iterator[None]:
        """What sensors send between stimuli goes on in the ``with`` block, and is an event afterwards."""
        with self._streams.running(self._bench):
            yield

    def probe(self) -> int:
        """Send probes until enough of them in a row were answered; returns how many were sent.

        Discovery after an unclean exit can take 25 s, so readiness is an answer, not a name that appears.
        Raises DeadlineError when nobody answers, or too seldom, within the time of the rig file.
        """
        probing, clock, bench = self._spec.probing, self._bench.clock, self._bench
        schedule = self._spec.schedule
        steps = self._steps(schedule) if isinstance(schedule, Trials) else None
        bench.tick()  # opening and looking may have taken longer than sending goes on unwatched
        deadline = clock.monotonic_ns() + int(probing.timeout_s * NANO)
        in_a_row = sent = answered = 0
        while in_a_row < probing.consecutive:
            due = clock.monotonic_ns()
            if due > deadline:
                raise self._nobody(sent, answered)
            if self._probed(steps, due):
                in_a_row += 1
                answered += 1
            else:
                in_a_row = 0
            sent += 1
            bench.sleep_until(due + int(NANO / probing.rate_hz))
        return sent

    def _probed(self, steps: TrialSteps | None, due: int) -> bool:
        """Send one probe; whether it was answered. An onset can only be told from rest."""
        if steps is None or not isinstance(self.tracker, SignalTracker):
            return self._answered_in_time(self._sender.send_next(due, StimulusFlag.PROBE))
        steps.rest(self._house_kept)
        least_ns = int(max(steps.schedule.dwell_ms[0], self._match.rest_ms) * 1e6)
        due = self._bench.clock.monotonic_ns() + least_ns
        return bool(steps.stimulate(due, StimulusFlag.PROBE, self._house_kept))

    def _answered_in_time(self, key: int) -> bool:
        """Wait for the answer to a probe while keeping house: a robot may take long to its first one."""
        end = self._bench.clock.monotonic_ns() + self._timeout_ns
        while True:
            self._house_kept()
            left_s = max(0.0, (end - self._bench.clock.monotonic_ns()) * 1e-9)
            last = left_s <= PATIENCE_S
            if self.tracker.wait_answer(key, min(left_s, PATIENCE_S), forget=last):
                return True
            if last or not self.tracker.is_pending(key):  # refused, so that no answer will come
                return False

    def _house_kept(self) -> bool:
        """Keep house while something waits on the main thread; nothing ends it but what is raised."""
        self._bench.tick()
        self._streams.check()
        return False

    def _nobody(self, sent: int, answered: int) -> DeadlineError:
        probing = self._spec.probing
        hints = [f"{finding.message}" for finding in self._look()]
        share = "none of them was" if not answered else f"only {answered} were"
        return DeadlineError(
            f"scenario {self._name!r}: {sent} probes went to {self._spec.stimulus} "
            f"in {probing.timeout_s:g} s, {share} answered on {self._spec.response} within "
            f"{self._spec.timeout_ms:g} ms ({probing.consecutive} in a row are needed)",
            hint="; ".join(hints)
            or (
                "where the robot leaves some commands unanswered on purpose, ask for fewer in a row: "
                f"scenarios.{self._name}.probing.consecutive; it is {probing.consecutive}"
                if answered
                else "is the robot's program running, and does it answer every command on that port?"
            ),
        )

    def measure(self, seed: int) -> None:
        """Warm up and measure by the schedule of the rig file, from a thread of its own."""
        self.tracker.forget()
        schedule = self._spec.schedule

        def loop(stopped: Stopped) -> None:
            if isinstance(schedule, OpenLoop):
                self._paced(schedule, seed, stopped)
            else:
                self._trials(schedule, seed, stopped)

        send_from_a_thread(self._bench, loop, self.check)

    def drain(self) -> None:
        """Wait until every stimulus was answered or has timed out."""
        end = self._bench.clock.monotonic_ns() + self._timeout_ns + int(DRAIN_EXTRA_S * NANO)
        self._bench.wait(lambda: not self.tracker.pending() or self._bench.clock.monotonic_ns() >= end)

    def line(self, seed: int) -> PacedLine:
        """The whole paced schedule, to be sent beside those of other scenarios. Nothing is looked at before
        its end."""
        schedule = self._spec.schedule
        assert isinstance(schedule, OpenLoop)
        offsets, warm_up = self._due(schedule, seed)
        return self._line(schedule, offsets, warm_up, 0)

    def _line(
        self, schedule: OpenLoop, offsets: npt.NDArray[np.int64], warm_up: int, begin: int
    ) -> PacedLine:
        """``offsets`` of the stimuli from number ``begin`` on; the first ``warm_up`` of all do not count."""

        def flags_of(number: int) -> int:
            return int(StimulusFlag.WARM_UP) if begin + number < warm_up else 0

        def send(number: int, due: int) -> None:
            self._sender.send_next(due, flags_of(number))

        def skip(number: int, due: int) -> None:
            self._sender.skip(due, flags_of(number))

        own_gaps = self._replayed is not None
        return PacedLine(offsets, largest_lateness_ns(schedule), send, skip, own_gaps=own_gaps)

    def _paced(self, schedule: OpenLoop, seed: int, stopped: Stopped) -> None:
        offsets, warm_up = self._due(schedule, seed)
        planned = self._planned
        looks = [warm_up + stage for stage in planned.stages] if planned else []
        for begin, end in pairwise([0, *looks, len(offsets)]):
            if begin and (not self._settled(stopped) or (planned and planned.enough(begin - warm_up))):
                return
            part = self._line(schedule, offsets[begin:end] - offsets[begin], warm_up, begin)
            paced([part], self._bench.clock, stopped)

    def _due(self, schedule: OpenLoop, seed: int) -> tuple[npt.NDArray[np.int64], int]:
        """When each stimulus is due after the first, in ns, and how many of them are warm-up."""
        if self._replayed is not None:
            return self._replayed.offsets_ns, self._replayed.warm_up
        assert isinstance(schedule, Paced)
        warm_up = round(schedule.warmup_s * schedule.rate_hz)
        return paced_offsets(schedule, warm_up + schedule.samples, seed), warm_up

    def _settled(self, stopped: Stopped) -> bool:
        """Wait until every stimulus was answered or has timed out; False when the sending has to end."""
        clock = self._bench.clock
        end = clock.monotonic_ns() + self._timeout_ns + int(DRAIN_EXTRA_S * NANO)
        while self.tracker.pending() and (now := clock.monotonic_ns()) < end:
            if not sleep_until(clock, now + 1_000_000, stopped):
                return False
        return not stopped()

    def _trials(self, schedule: Trials, seed: int, stopped: Stopped) -> None:
        rng = np.random.default_rng(seed)
        clock, planned, steps = self._bench.clock, self._planned, self._steps(schedule)
        before = self._bench.done.get(self._name, 0)
        for number in range(schedule.warmup + schedule.samples - before):
            if not steps.rest(stopped):
                return
            done = before + number - schedule.warmup
            if planned and number >= schedule.warmup and done > 0 and planned.enough(done):
                return
            due = clock.monotonic_ns() + int(rng.uniform(*schedule.dwell_ms) * 1e6)
            flags = int(StimulusFlag.WARM_UP) if number < schedule.warmup else 0
            if steps.stimulate(due, flags, stopped) is None:
                return

    def _steps(self, schedule: Trials) -> TrialSteps:
        return TrialSteps(
            self._name,
            self._spec,
            schedule,
            self.tracker,
            self._bench.clock,
            self._sender.send_next,
            self._sender.bring_back if self._spec.returns else None,
            self._sender.side,
        )

    def check(self) -> None:
        """Raise what ended a background stream, or OperationError where the robot stopped answering."""
        self._streams.check()
        missing = self.tracker.unanswered_in_a_row(self._bench.clock.monotonic_ns(), self._timeout_ns)
        if missing > self._spec.max_unanswered:
            raise OperationError(
                f"scenario {self._name!r}: {missing} commands in a row were not answered "
                f"on {self._spec.response} (max_unanswered is {self._spec.max_unanswered})",
                hint="the robot stopped answering: look at processes/*.log and at the robot",
            )
