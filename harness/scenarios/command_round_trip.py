"""A command goes in, the robot's answer to it comes out: probe, warm up, measure, drain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.config import check_limits, cycles, expand_variants
from harness.config.changing import plain_or_length
from harness.config.devices import background_of
from harness.config.match import commanded_field
from harness.config.schema import Match, Paced, ScenarioBase, Trials
from harness.config.values import back_set, sent_values
from harness.errors import ConfigurationError, DeadlineError, OperationError
from harness.live import Tracker
from harness.live_signal import SignalTracker
from harness.model import NO_STAMP, Finding, StimulusFlag
from harness.planned import Planned
from harness.ports import Stimulus
from harness.scenarios.background import BackgroundStream
from harness.scenarios.trials import TrialSteps
from harness.schedule import (
    NANO,
    KeyMaker,
    SendingThread,
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


@dataclass(frozen=True)
class Wiring:
    """What a driver sends on and how it is answered: ports of the rig, or those of a twin of its device.

    ``values`` and ``limits`` as in the rig file; ``look`` tells what the device finds when nobody answers;
    ``planned`` None: nothing is looked at before the schedule ends; ``background_hz`` None: nothing is sent
    between stimuli.
    """

    stimulus: Stimulus
    values: Mapping[str, Any]
    limits: Mapping[str, float]
    match: Match
    look: Callable[[], list[Finding]]
    planned: Planned | None = None
    background_hz: float | None = None

    @classmethod
    def of_rig(cls, bench: Bench, name: str, spec: ScenarioBase) -> Wiring:
        """The ports that the rig file names."""
        device, _, port = spec.stimulus.partition(".")
        background = background_of(bench.rig.devices[device].ports[port])
        return cls(
            bench.devices[device].stimulus(port),
            bench.stimulus_values(device, port),
            bench.rig.devices[device].limits,
            bench.match_of(spec.response),
            bench.look,
            Planned(bench, name),
            background.rate_hz if background is not None else None,
        )


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
        self._bench = bench
        self._index = index
        self._name = name
        self._spec = spec
        self._keys = keys
        wiring = wiring or Wiring.of_rig(bench, name, spec)
        self._stimulus = wiring.stimulus
        self._look = wiring.look
        values, limits, match = wiring.values, wiring.limits, wiring.match
        sent, back = sent_values(spec, values), back_set(spec, values)
        self.variants: list[dict[str, Any]] = expand_variants(sent)
        for variant in self.variants:
            check_limits(limits, variant, f"scenarios.{name}: {spec.stimulus}")
        self._cycles = cycles(sent)
        self._count = len(self.variants)
        """Value sets that are measured; the one that brings the robot back comes after them."""
        if back is not None:
            self.variants.append(back)
            check_limits(limits, back, f"scenarios.{name}: what brings {spec.stimulus} back")
        self.prepared = [self._stimulus.prepare(variant) for variant in self.variants]
        self.recorded = [
            {field: plain_or_length(value) for field, value in variant.items()} for variant in self.variants
        ]
        """The value sets as run.json names them: of long arrays their length alone."""
        self._stream: BackgroundStream | None = None
        if wiring.background_hz is not None:
            self._stream = BackgroundStream(
                self._stimulus, keys, self.prepared[self._count], wiring.background_hz, bench
            )
            self._stimulus = self._stream
        self._turn = self._stream.turn if self._stream is not None else nullcontext()
        carried = self._stimulus.key_kind.value
        if match.keyed and match.kind != carried:
            raise ConfigurationError(
                f"scenarios.{name}: answers on {spec.response} are matched by {match.kind}, "
                f"but the key of {spec.stimulus} is of the kind {carried}",
                hint=f"match by {carried}"
                if carried != "none"
                else "give the stimulus a key, or match by order or onset",
            )
        self._match = match
        self.tracker = (
            SignalTracker(match)
            if match.kind == "onset"
            else Tracker(keyed=match.keyed, latest=match.answers == "latest")
        )
        self._last_variant: int | None = None
        self._timeout_ns = int(spec.timeout_ms * 1e6)
        table = bench.stimuli
        self._append = table.append
        self._amend = table.amender("sent_ns", "handed_ns")
        self._amend_flags = table.amender("sent_ns", "handed_ns", "flags")
        self._cycle = 0
        self._planned = wiring.planned

    @contextmanager
    def background(self) -> Iterator[None]:
        """What the port sends between stimuli goes on in the ``with`` block, and is an event afterwards."""
        if self._stream is None:
            yield
            return
        try:
            with self._stream.running():
                yield
        finally:
            self._bench.folder.event(
                "background",
                scenario=self._name,
                port=self._spec.stimulus,
                sent=self._stream.sent,
                left_out=self._stream.left_out,
            )

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
            return self._answered_in_time(self._send_next(due, StimulusFlag.PROBE))
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
            if last:
                return False

    def _house_kept(self) -> bool:
        """Keep house while something waits on the main thread; nothing ends it but what is raised."""
        self._bench.tick()
        if self._stream is not None:
            self._stream.check()
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
            self._bench.promote_thread()
            if isinstance(schedule, Paced):
                self._paced(schedule, seed, stopped)
            else:
                self._trials(schedule, seed, stopped)

        self._bench.tick()
        sender = SendingThread(loop)
        sender.start()
        try:
            self._bench.wait(sender.finished.is_set, each=self._check_answers)
        finally:
            sender.stop()
        if sender.failure is not None:
            raise sender.failure

    def drain(self) -> None:
        """Wait until every stimulus was answered or has timed out."""
        end = self._bench.clock.monotonic_ns() + self._timeout_ns + int(DRAIN_EXTRA_S * NANO)
        self._bench.wait(lambda: not self.tracker.pending() or self._bench.clock.monotonic_ns() >= end)

    def _paced(self, schedule: Paced, seed: int, stopped: Stopped) -> None:
        warm_up = round(schedule.warmup_s * schedule.rate_hz)

        def flags_of(number: int) -> int:
            return int(StimulusFlag.WARM_UP) if number < warm_up else 0

        offsets = paced_offsets(schedule, warm_up + schedule.samples, seed)
        planned = self._planned
        looks = [warm_up + stage for stage in planned.stages] if planned else []
        for begin, end in pairwise([0, *looks, len(offsets)]):
            if begin and (not self._settled(stopped) or (planned and planned.enough(begin - warm_up))):
                return

            def send(number: int, due: int, begin: int = begin) -> None:
                self._send(self._keys.next_key(), due, flags_of(begin + number))

            def skip(number: int, due: int, begin: int = begin) -> None:
                self._skip(due, flags_of(begin + number))

            paced(
                offsets=offsets[begin:end] - offsets[begin],
                largest_lateness_ns=largest_lateness_ns(schedule),
                send=send,
                skip=skip,
                clock=self._bench.clock,
                stopped=stopped,
            )

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
        for number in range(schedule.warmup + schedule.samples):
            if not steps.rest(stopped):
                return
            if planned and number > schedule.warmup and planned.enough(number - schedule.warmup):
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
            self._send_next,
            self._bring_back if self._spec.returns else None,
            self._side,
        )

    def _side(self) -> int:
        """Which way the next stimulus commands the signal, as far as the live view has to know."""
        fixed = {"rising": 1, "falling": -1}.get(self._match.direction, 0)
        if fixed or self._match.direction != "with_command" or self._last_variant is None:
            return fixed
        name = commanded_field(self.variants, self._match.field)
        change = self.variants[self._next_variant()].get(name, 0.0)
        change -= self.variants[self._last_variant].get(name, 0.0)
        return int(np.sign(change))

    def _send_next(self, intended_ns: int, flags: int) -> int:
        """Send the next value set now; returns its key."""
        with self._turn:
            key = self._keys.next_key()
            self._send(key, intended_ns, int(flags))
        return key

    def _next_variant(self) -> int:
        return self._cycle % self._count if self._cycles else min(self._cycle, self._count - 1)

    def _bring_back(self, intended_ns: int, flags: int) -> int:
        """Send the return values now; returns their key. They are no trial: nobody waits for an answer."""
        with self._turn:
            key = self._keys.next_key()
            self._hand_over(key, intended_ns, int(flags | StimulusFlag.RETURN), self._count)
        return key

    def _send(self, key: int, intended_ns: int, flags: int) -> None:
        variant = self._next_variant()
        self._cycle += 1
        self._hand_over(key, intended_ns, flags, variant)

    def _hand_over(self, key: int, intended_ns: int, flags: int, variant: int) -> None:
        self._last_variant = variant
        now = self._bench.clock.monotonic_ns()
        self._bench.require_housekeeping(now)
        # The row is there before the stimulus is on its way: a harness killed in between has sent nothing
        # unrecorded.
        self._append(key, intended_ns, now, NO_STAMP, flags, self._index, variant)
        if not flags & StimulusFlag.RETURN:
            self.tracker.sent(key, now)
        elif isinstance(self.tracker, SignalTracker):
            self.tracker.moved(now)
        try:
            before, after = self._stimulus.send(key, self.prepared[variant])
        except Exception:
            self._amend_flags(NO_STAMP, NO_STAMP, flags | StimulusFlag.UNSENT)
            raise
        self._amend(before, after)

    def _skip(self, intended_ns: int, flags: int) -> None:
        flags |= int(StimulusFlag.SKIPPED)
        self._append(self._keys.skipped_key(), intended_ns, NO_STAMP, NO_STAMP, flags, self._index, 0)

    def _check_answers(self) -> None:
        if self._stream is not None:
            self._stream.check()
        missing = self.tracker.unanswered_in_a_row(self._bench.clock.monotonic_ns(), self._timeout_ns)
        if missing > self._spec.max_unanswered:
            raise OperationError(
                f"scenario {self._name!r}: {missing} commands in a row were not answered "
                f"on {self._spec.response} (max_unanswered is {self._spec.max_unanswered})",
                hint="the robot stopped answering: look at processes/*.log and at the robot",
            )
