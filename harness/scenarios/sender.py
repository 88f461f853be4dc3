"""Sends the stimuli of one scenario and keeps their rows: value sets, keys, who was answered so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.config import check_limits, cycles, expand_variants
from harness.config.changing import plain_or_length
from harness.config.in_time import course
from harness.config.match import CALL, commanded_field, commanded_numbers
from harness.config.schema import ScenarioBase, SensorToAction
from harness.config.values import back_set, sent_values, settled
from harness.errors import ConfigurationError
from harness.live import Tracker
from harness.live_signal import SignalTracker, signal_tracker
from harness.model import NO_STAMP, StimulusFlag
from harness.scenarios.background import BackgroundStream, Course
from harness.scenarios.wiring import Wiring
from harness.schedule import KeyMaker, SendingThread, Stopped

if TYPE_CHECKING:
    from harness.bench import Bench


def send_from_a_thread(bench: Bench, loop: Callable[[Stopped], None], check: Callable[[], None]) -> None:
    """Run a sending loop on a thread of its own, and keep house until it ends; ``check`` is called now and
    then. Raises what either of them raises."""

    def promoted(stopped: Stopped) -> None:
        bench.promote_thread()
        loop(stopped)

    bench.tick()
    sender = SendingThread(promoted)
    sender.start()
    try:
        bench.wait(sender.finished.is_set, each=check)
    finally:
        sender.stop()
    if sender.failure is not None:
        raise sender.failure


class Sender:
    """Every stimulus of a scenario, probes and returns included, is handed over here, from one thread at a
    time.

    ``tracker`` knows who answered so far; ``stream`` is what the port sends between stimuli, if anything.
    """

    def __init__(
        self, bench: Bench, index: int, name: str, spec: ScenarioBase, keys: KeyMaker, wiring: Wiring
    ) -> None:
        self._bench = bench
        self._index = index
        self._keys = keys
        self._limits, self._where = wiring.limits, f"scenarios.{name}: {spec.stimulus}"
        self._stimulus = wiring.stimulus
        values, limits, match = wiring.values, wiring.limits, wiring.match
        sent, back = sent_values(spec, values), back_set(spec, values)
        # Once for all: what is sent must not drift with the robot that it moves.
        observed = cache(wiring.observed)
        self.variants: list[dict[str, Any]] = [settled(each, observed) for each in expand_variants(sent)]
        for variant in self.variants:
            check_limits(limits, variant, self._where)
        self._cycles = cycles(sent)
        self._count = len(self.variants)
        """Value sets that are measured; the one that brings the robot back comes after them."""
        if back is not None:
            back = settled(back, observed)
            self.variants.append(back)
            check_limits(limits, back, f"scenarios.{name}: what brings {spec.stimulus} back")
        self.prepared = [self._stimulus.prepare(variant) for variant in self.variants]
        self.recorded = [
            {field: plain_or_length(value) for field, value in variant.items()} for variant in self.variants
        ]
        """The value sets as run.json names them: of long arrays their length alone."""
        self.stream: BackgroundStream | None = None
        if wiring.background_hz is not None:
            self.stream = BackgroundStream(
                self._stimulus, keys, self.prepared[self._count], wiring.background_hz, bench
            )
            self._stimulus = self.stream
            if isinstance(spec, SensorToAction):
                self._spread(spec, self.variants[self._count])
        self._turn = self.stream.turn if self.stream is not None else nullcontext()
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
            signal_tracker(match)
            if match.of_signal
            else Tracker(keyed=match.keyed, latest=match.answers == "latest", one_reply=match.kind == CALL)
        )
        self._last_variant: int | None = None
        table = bench.stimuli
        self._append = table.append
        self._amend = table.amender("sent_ns", "handed_ns")
        self._amend_flags = table.amender("sent_ns", "handed_ns", "flags")
        self._cycle = 0
        self._replayed = wiring.replayed.prepared if wiring.replayed is not None else None
        self._due = 0
        if self._replayed is not None:
            self.prepared, self.recorded = [self._replayed[0]], [{}]

    def _spread(self, spec: SensorToAction, rest: dict[str, Any]) -> None:
        """Stimuli that take several messages of the stream."""
        for index, variant in enumerate(self.variants[: self._count]):
            *on_the_way, _ = course(rest, spec.stimulus_values, variant)
            if on_the_way:
                messages = [self._stimulus.prepare(values) for values in on_the_way]
                self.prepared[index] = Course((*messages, self.prepared[index]))

    def side(self) -> int:
        """Which way the next stimulus commands the signal, +1, -1 or 0, as far as the live view has to
        know."""
        fixed = {"rising": 1, "falling": -1}.get(self._match.direction, 0)
        if fixed or self._match.direction != "with_command" or self._last_variant is None:
            return fixed
        name = commanded_field(self.variants, self._match.field)
        after = commanded_numbers(self.variants[self._next_variant()]).get(name, 0.0)
        before = commanded_numbers(self.variants[self._last_variant]).get(name, 0.0)
        return int(np.sign(after - before))

    def send_next(self, intended_ns: int, flags: int) -> int:
        """Send the next value set now; returns its key."""
        with self._turn:
            key = self._keys.next_key()
            variant, prepared = self._replay(flags) if self._replayed is not None else self._next()
            self._hand_over(key, intended_ns, int(flags), variant, prepared)
        return key

    def _next(self) -> tuple[int, Any]:
        variant = self._next_variant()
        self._cycle += 1
        return variant, self.prepared[variant]

    def _replay(self, flags: int) -> tuple[int, Any]:
        """The recorded message that is due; a probe is the first one again."""
        assert self._replayed is not None
        if flags & StimulusFlag.PROBE:
            return 0, self._replayed[0]
        self._due += 1
        return 0, self._replayed[self._due - 1]

    def send_prepared(self, prepared: Any, variant: int, intended_ns: int, flags: int) -> int:
        """Send what :meth:`prepare` made ready, as value set ``variant``; returns its key."""
        with self._turn:
            key = self._keys.next_key()
            self._hand_over(key, intended_ns, int(flags), variant, prepared)
        return key

    def prepare(self, changed: Mapping[str, Any]) -> tuple[Any, int]:
        """The first value set with some fields ``changed``, made ready; and the number it is recorded
        under. Raises SafetyError for a value beyond its limit."""
        values = {**self.variants[0], **changed}
        check_limits(self._limits, values, self._where)
        self.variants.append(values)
        self.recorded.append({field: plain_or_length(value) for field, value in values.items()})
        return self._stimulus.prepare(values), len(self.variants) - 1

    def bring_back(self, intended_ns: int, flags: int) -> int:
        """Send the return values now; returns their key. They are no trial: nobody waits for an answer."""
        with self._turn:
            key = self._keys.next_key()
            back = self._count
            self._hand_over(key, intended_ns, int(flags | StimulusFlag.RETURN), back, self.prepared[back])
        return key

    def skip(self, intended_ns: int, flags: int) -> None:
        """Record a stimulus that was due while the harness was late, and is not sent."""
        flags |= int(StimulusFlag.SKIPPED)
        self._due += 1  # a recorded message that was not sent when it was due is not sent later
        self._append(self._keys.skipped_key(), intended_ns, NO_STAMP, NO_STAMP, flags, self._index, 0)

    def _next_variant(self) -> int:
        return self._cycle % self._count if self._cycles else min(self._cycle, self._count - 1)

    def _hand_over(self, key: int, intended_ns: int, flags: int, variant: int, prepared: Any) -> None:
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
            before, after = self._stimulus.send(key, prepared)
        except Exception:
            self._amend_flags(NO_STAMP, NO_STAMP, flags | StimulusFlag.UNSENT)
            raise
        self._amend(before, after)
