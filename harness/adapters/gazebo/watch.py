"""Watches the simulation: its clock, how fast it runs, whether it runs at all, and who paused it.

The real-time factor is that of the clock's stamps against the wall clock: what ``/stats`` says of it lags
behind (0.80 where the stamps showed 0.43).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.adapters.gazebo import messages
from harness.adapters.gazebo.response import SignalResponse
from harness.clock import HostClock
from harness.model import NO_KEY, Finding, Severity

PERIOD_S = 0.1
WINDOW_NS = 1_000_000_000
SLOW = 0.99
"""Below it simulated and wall time part, and requirements in wall time are not decided."""
SETTLED = 10
"""Looks at the clock before anything is said of how fast it runs."""
CLOCK_HZ = 100
"""Of the clock's ticks, where nobody needs each: a Python program that takes a thousand messages a second is
a load that a simulation on the same host feels."""


class Watch:
    """Takes clock and statistics of one world, and tells the device's signals. ``steered``: the harness has
    paused, stepped or slowed the simulation itself, so that standing still is no fault. ``silence_s``: what
    says nothing for so long hangs."""

    def __init__(
        self,
        name: str,
        world: str,
        clock: HostClock,
        signals: Mapping[str, Sequence[SignalResponse]],
        report: Callable[[Finding], None],
        silence_s: float,
    ) -> None:
        self._name, self._world, self._clock = name, world, clock
        self._signals, self._report = signals, report
        self._silence_ns = round(silence_s * 1e9)
        self._clock_message = messages.message_class("gz.msgs.Clock")
        self._stats_message = messages.message_class("gz.msgs.WorldStatistics")
        self._tells_step = "step_size" in self._stats_message.DESCRIPTOR.fields_by_name
        self._every_tick = True
        self.sim_ns = 0
        """The last simulated time that was seen."""
        self.ticks = 0
        self.repeats = 0
        """How often the clock has told the present instant again, which it does while paused."""
        self.step_ns = 0
        """The physics step: what the statistics say, or the smallest distance of two ticks of the clock."""
        self.lowest: float | None = None
        self.paused: bool | None = None
        self.iterations = 0
        self.steered = threading.Event()
        self.resets = 0
        """How often the harness itself has reset the world, or is about to."""
        self.was_reset = 0
        """How often simulated time was seen to go back."""
        self.moved = threading.Condition()
        self._heard_ns = self._tick_ns = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._told: set[str] = set()
        self._looks: deque[tuple[int, int]] = deque()
        self._looked = 0
        self._steered_ns = 0

    # -- what the transport's thread calls -------------------------------------------------------------------

    def per_second(self, every_tick: bool) -> int | None:
        """How many ticks of the clock to subscribe to; None: all, for who steps by them or records them."""
        self._every_tick = every_tick or bool(self._signals.get("sim_time")) or not self._tells_step
        return None if self._every_tick else CLOCK_HZ

    def on_clock(self, data: bytes) -> None:
        """One tick of the simulation's clock."""
        seen = self._clock.monotonic_ns()
        message = self._clock_message()
        message.ParseFromString(data)
        sim = message.sim.sec * 1_000_000_000 + message.sim.nsec
        step = sim - self.sim_ns
        if self._every_tick and self.ticks and step > 0 and (step < self.step_ns or not self.step_ns):
            self.step_ns = step
        self.ticks += 1
        self._heard_ns = seen
        if step < 0:
            self._went_back(sim)
        with self.moved:
            self.sim_ns, self._tick_ns = sim, seen
            self.repeats = 0 if step else self.repeats + 1
            self.moved.notify_all()
        if not step:
            return  # paused: the clock tells the same instant again and again
        for one in self._signals.get("sim_time", ()):
            one.tell(NO_KEY, sim, seen, sim * 1e-9)

    def on_stats(self, data: bytes) -> None:
        """Statistics, ten times a second, whether it runs or is paused."""
        seen = self._clock.monotonic_ns()
        message = self._stats_message()
        message.ParseFromString(data)
        self._heard_ns = seen
        self.paused, self.iterations = bool(message.paused), int(message.iterations)
        if self._tells_step and not self._every_tick:
            step = message.step_size.sec * 1_000_000_000 + message.step_size.nsec
            self.step_ns = step if step > 0 else self.step_ns  # none while paused, and back at a reset
        sim = message.sim_time.sec * 1_000_000_000 + message.sim_time.nsec
        for one in self._signals.get("paused", ()):
            one.tell(NO_KEY, sim, seen, float(self.paused))
        for one in self._signals.get("iterations", ()):
            one.tell(NO_KEY, sim, seen, float(self.iterations))

    # -- watching --------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Begin to watch. Raises RuntimeError where no thread can be started."""
        thread = threading.Thread(target=self._run, name=f"gazebo-watch-{self._name}", daemon=True)
        thread.start()
        self._thread = thread

    def close(self) -> None:
        """Watch no more. Repeatable."""
        self._ended.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(5.0)

    def _run(self) -> None:
        while not self._ended.wait(PERIOD_S):
            self.look(self._clock.monotonic_ns())

    def look(self, now_ns: int) -> None:
        """Once: how fast does it run, and does it run?"""
        if not self._heard_ns:
            return  # nothing was heard yet; the preflight says that nobody is there
        if now_ns - self._heard_ns > self._silence_ns:
            self._silent(now_ns)
        elif "silent" in self._told:
            self._told.discard("silent")
        with self.moved:
            sim, tick_ns = self.sim_ns, self._tick_ns
        if now_ns - tick_ns > PERIOD_S * 1e9:
            tick_ns = now_ns  # it stands, or hangs
        factor = self._factor(tick_ns, sim)
        if factor is None:
            return
        for one in self._signals.get("real_time_factor", ()):
            one.tell(NO_KEY, sim, tick_ns, factor)
        if self.steered.is_set():
            self._steered_ns = now_ns
            return
        if self._steered_ns and now_ns - self._steered_ns <= WINDOW_NS + 2e9 * PERIOD_S:
            return  # the window reaches back to what the harness itself did
        self.lowest = factor if self.lowest is None else min(self.lowest, factor)
        if self.paused and factor == 0.0:
            self._once(
                "simulation paused",
                Severity.ERROR,
                f"{self._name}: world {self._world} was paused by somebody else, at"
                f" {self.sim_ns * 1e-9:.3f} s of simulated time",
                "who else talks to this simulator? give the rig a partition of its own (`partition: auto`)",
            )
        elif factor < SLOW and self._looked >= SETTLED:
            self._once(
                "simulation runs slow",
                Severity.WARNING,
                f"{self._name}: simulated time ran at {factor:.3f} of the wall clock during a second",
                "free the host, make the world simpler or the physics step longer; or measure in simulated"
                " time (`time: simulated`), stepped (`stepping`)",
            )

    def _factor(self, now_ns: int, sim: int) -> float | None:
        """Simulated over wall time in the last second, from when each tick was seen; None while there is
        none."""
        if not self.ticks or (self._looks and now_ns <= self._looks[-1][0]):
            return None
        if self._looks and sim < self._looks[-1][1]:
            self._looks.clear()  # the world was reset
        self._looks.append((now_ns, sim))
        self._looked += 1
        while len(self._looks) > 2 and now_ns - self._looks[1][0] >= WINDOW_NS:
            self._looks.popleft()
        first_ns, first = self._looks[0]
        if now_ns - first_ns < WINDOW_NS:
            return None
        return (sim - first) / (now_ns - first_ns)

    def _went_back(self, sim_ns: int) -> None:
        """The world was reset: by the harness, or by somebody else."""
        self.was_reset += 1
        ours = self.was_reset <= self.resets
        self.resets = max(self.resets, self.was_reset)
        went = f"simulated time went back from {self.sim_ns * 1e-9:.3f} s to {sim_ns * 1e-9:.3f} s"
        if ours:
            self._once(
                "world reset",
                Severity.INFO,
                f"{self._name}: the harness reset world {self._world}: {went}",
                "latencies in simulated time across it are not counted",
            )
        else:
            self._once(
                "world reset by another",
                Severity.ERROR,
                f"{self._name}: world {self._world} was reset by somebody else: {went}",
                "who else talks to this simulator? give the rig a partition of its own (`partition: auto`)",
            )

    def _silent(self, now_ns: int) -> None:
        if "silent" in self._told:
            return
        self._told.add("silent")
        self._report(
            Finding(
                "simulator silent",
                Severity.ERROR,
                f"{self._name}: the simulator of world {self._world} has said nothing for"
                f" {(now_ns - self._heard_ns) * 1e-9:.1f} s: it hangs, or is gone",
                remedy="look at processes/*.log of the run",
            )
        )

    def _once(self, name: str, severity: Severity, message: str, remedy: str) -> None:
        if name not in self._told:
            self._told.add(name)
            self._report(Finding(name, severity, message, remedy=remedy))

    def wait_beyond(self, sim_ns: int, timeout_s: float, resets: int = 0) -> bool:
        """Whether simulated time got beyond ``sim_ns``, or more than ``resets`` resets were seen, within that
        time."""
        with self.moved:
            return self.moved.wait_for(lambda: self.sim_ns > sim_ns or self.was_reset > resets, timeout_s)

    def wait_done(self, timeout_s: float) -> bool:
        """Whether the present step is over: its instant is told when it begins, and again, while the
        simulation is paused, when the next turn of the simulator's loop begins."""
        with self.moved:
            return self.moved.wait_for(lambda: self.repeats > 0, timeout_s)

    def words(self) -> dict[str, str]:
        """For the report."""
        told: dict[str, Any] = {}
        if self.step_ns:
            told["physics step"] = f"{self.step_ns / 1e6:g} ms"
        if self.was_reset:
            told["world resets"] = str(self.was_reset)
        if self.lowest is not None:
            told["real-time factor, lowest"] = f"{self.lowest:.3f} over a second, by the stamps of the clock"
        return told
