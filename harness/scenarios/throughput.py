"""The agreed rate first, by itself; then the search for the highest rate or size that the robot sustains."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.analysis.clocks import Clocks
from harness.analysis.samples import build
from harness.analysis.throughput import step_result
from harness.config.measuring import Throughput
from harness.config.schedules import Paced
from harness.model import OBSERVATION_DTYPE, StimulusFlag
from harness.results import SearchStep
from harness.scenarios.command_round_trip import CommandRoundTripDriver
from harness.scenarios.searching import Ladder
from harness.scenarios.sender import send_from_a_thread
from harness.schedule import NANO, PacedLine, Stopped, largest_lateness_ns, paced, paced_offsets

if TYPE_CHECKING:
    from harness.bench import Bench

MOST_UNANSWERED = 20
"""In a row: the robot is overloaded, and the step ends."""
SPARE = 1.1
QUIET_S, SETTLE_S = 0.3, 10.0
"""After a step: so long without an answer counts as done with it; it is waited for at most that long."""


@dataclass(frozen=True)
class _Step:
    value: float
    schedule: Paced
    prepared: Any | None
    variant: int


class ThroughputDriver(CommandRoundTripDriver):
    """What is judged is measured as any command round trip. The search follows in :meth:`measure`, so that it
    can change nothing of it; ``searched`` are its steps as run.json has them."""

    def __init__(self, bench: Bench, *arguments: Any, **named: Any) -> None:
        super().__init__(bench, *arguments, **named)
        self.searched: list[dict[str, Any]] = []

    def measure(self, seed: int) -> None:
        """Warm up, measure at the agreed rate, and search."""
        super().measure(seed)
        self.drain()
        spec = self._spec
        assert isinstance(spec, Throughput)
        clock, folder = self._bench.clock, self._bench.folder
        search, ladder = spec.search, Ladder(spec.search)
        longest_ns = int((search.step_s + spec.timeout_ms * 1e-3) * NANO)
        end_ns = clock.monotonic_ns() + int(search.at_most_s * NANO)
        while (value := ladder.next()) is not None:
            self._settle()
            if clock.monotonic_ns() + longest_ns > end_ns:
                folder.event("search_out_of_time", scenario=self._name, next=value, unit=search.unit)
                break
            folder.event("phase", name="searching", scenario=f"{self._name} {value:g} {search.unit}")
            found = self._try(self._step(value), seed + len(self.searched) + 1)
            ladder.outcome(value, found.outcome)
            folder.event("searched", scenario=self._name, **found.model_dump(mode="json"))
        self._settle()

    def _step(self, value: float) -> _Step:
        spec, schedule = self._spec, self._spec.schedule
        assert isinstance(spec, Throughput)
        assert isinstance(schedule, Paced)
        search = spec.search
        rate = value if search.rate_hz is not None else schedule.rate_hz
        # Some more than needed: a few that the harness skips do not leave the step undecided.
        samples = max(round(rate * search.step_s), math.ceil(search.least_samples * SPARE))
        chosen = schedule.model_copy(update={"rate_hz": rate, "samples": samples})
        if search.path is None:
            return _Step(value, chosen, None, 0)
        prepared, variant = self._sender.prepare({search.path: [search.element] * round(value)})
        return _Step(value, chosen, prepared, variant)

    def _try(self, step: _Step, seed: int) -> SearchStep:
        """Send one step, wait for what is still on its way, and see what became of it."""
        clock, sender, begin_ns = self._bench.clock, self._sender, self._bench.clock.monotonic_ns()
        self.tracker.forget()
        cut: list[str] = []

        def send(number: int, due: int) -> None:
            if step.prepared is None:
                sender.send_next(due, StimulusFlag.SEARCH)
            else:
                sender.send_prepared(step.prepared, step.variant, due, StimulusFlag.SEARCH)

        def skip(number: int, due: int) -> None:
            sender.skip(due, int(StimulusFlag.SEARCH))

        schedule = step.schedule
        line = PacedLine(
            paced_offsets(schedule, schedule.samples, seed % 2**32), largest_lateness_ns(schedule), send, skip
        )

        def loop(stopped: Stopped) -> None:
            paced([line], clock, lambda: stopped() or bool(cut))

        send_from_a_thread(self._bench, loop, self._overload(cut))
        self.drain()
        record = {
            "value": step.value,
            "rate_hz": schedule.rate_hz,
            "begin_ns": begin_ns,
            "end_ns": clock.monotonic_ns(),
            "cut": cut[0] if cut else "",
        }
        self.searched.append(record)
        return self._outcome(record)

    def _overload(self, cut: list[str]) -> Callable[[], None]:
        """Adds to ``cut`` why the step ends early, if it does."""

        def check() -> None:
            missing = self.tracker.unanswered_in_a_row(self._bench.clock.monotonic_ns(), self._timeout_ns)
            if missing > MOST_UNANSWERED and not cut:
                cut.append(f"more than {MOST_UNANSWERED} in a row were not answered in time")

        return check

    def _outcome(self, record: dict[str, Any]) -> SearchStep:
        bench, spec, folder = self._bench, self._spec, self._bench.folder
        assert isinstance(spec, Throughput)
        stimuli = folder.stimuli()
        rows = stimuli[(stimuli["scenario"] == self._index) & (stimuli["intended_ns"] >= record["begin_ns"])]
        observed = folder.observations().get(spec.response, np.empty(0, OBSERVATION_DTYPE))
        samples = build(
            rows,
            observed[observed["seen_ns"] >= record["begin_ns"]],
            Clocks(folder.run, bench.rig, folder.clocks()).timebase,
            self._match,
            self._timeout_ns,
            arrival=spec.arrival,
        ).samples
        return step_result(samples, record, spec.search)

    def _settle(self) -> None:
        """Let the robot come to the end of what waits for it."""
        clock, tracker = self._bench.clock, self.tracker
        end = clock.monotonic_ns() + int(SETTLE_S * NANO)
        quiet_ns = int(QUIET_S * NANO)
        begun = clock.monotonic_ns()
        self._bench.wait(
            lambda: (now := clock.monotonic_ns()) >= end or max(tracker.last_seen_ns, begun) + quiet_ns < now
        )
