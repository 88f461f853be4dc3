"""Live progress, rendered by a process of its own that reads the journal: the sender's process draws nothing.

Rendering takes milliseconds of Python; in the harness's own process they would be lateness of the next
stimulus.
``python -m harness.progress RUN_DIR`` watches any run that is going on, until its standard input closes.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.config.together import groups
from harness.errors import HarnessError
from harness.folder import RunFolder
from harness.live_anomalies import Unusual
from harness.model import FLOOR_SCENARIOS, NO_STAMP, NOT_COUNTED, SampleFlag, StimulusFlag

LAST_TRIALS = 40
"""The same of trials of a swarm, each of which is looked at in the whole of what all robots said."""
WINDOW_ROWS = 20_000
"""Running figures are of this many newest stimuli: enough for a p99, little enough to cost nothing."""
TERMINAL_PERIOD_S = 0.5
PLAIN_PERIOD_S = 5.0
PAUSE_TIMEOUT_S = 3.0
LONGEST_STALE_S = 5.0
"""Running figures are at most this old, however long they take to derive."""
_PHASE_OF = {
    "guardian_started": "opening the devices",
    "guardian_ready": "looking at the bench",
    "process_started": "starting {process}",
    "process_ready": "opening the devices",
    "ended": "judging, writing the report",
}
_COUNTING = {"measuring", "drain"}
"""Phases of a scenario in which something is counted."""
_GOES_ON = {"messages lost"}
"""Errors that a run outlives."""


class Display:
    """Shows the progress of a run on standard error while the ``with`` block lasts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Display:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "harness.progress", str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A session of its own: Ctrl-C is for the harness, which then shows what it does about it.
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        child, self._child = self._child, None
        assert child is not None and child.stdin is not None and child.stdout is not None
        with contextlib.suppress(OSError):
            child.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=10)
        if child.poll() is None:
            child.kill()
            child.wait()
        child.stdout.close()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is drawn inside the ``with`` block, so that a question stays where it was written."""
        self._tell(b"p")
        try:
            yield
        finally:
            self._tell(b"r")

    def _tell(self, order: bytes) -> None:
        child = self._child
        if child is None or child.stdin is None or child.stdout is None:
            return
        with contextlib.suppress(OSError):
            os.write(child.stdin.fileno(), order)
            if select.select([child.stdout], [], [], PAUSE_TIMEOUT_S)[0]:
                os.read(child.stdout.fileno(), 1)


@dataclass
class Figures:
    """What the newest part of a run looks like."""

    scenario: str = ""
    due: int = 0
    planned: int = 0
    lost: int = 0
    skipped: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    lateness_p99_ms: float | None = None


@dataclass
class Watch:
    """Reads a run folder again and again while it grows."""

    folder: RunFolder
    phase: str = "starting"
    notes: list[str] = field(default_factory=list)
    clock: Callable[[], float] = time.monotonic
    unusual: Unusual = field(default_factory=Unusual)
    _events: int = 0
    _since: float | None = None

    @property
    def elapsed_s(self) -> float:
        """How long the phase has lasted."""
        now = self.clock()
        if self._since is None:
            self._since = now
        return now - self._since

    @property
    def counting(self) -> bool:
        """Whether figures belong to the phase: they are of a scenario, and not of the floor or of judging."""
        return self.phase.split(" ")[0] in _COUNTING

    def look(self) -> Figures:
        """The running figures of the scenario that is being measured."""
        self.read_events()
        stimuli = self.folder.stimuli()
        if not len(stimuli):
            return Figures()
        index = int(stimuli["scenario"][-1])
        if index >= FLOOR_SCENARIOS:
            return Figures()
        rig = self.folder.run["rig"]["resolved"]
        resolved, names = rig["scenarios"], list(rig["scenarios"])
        # Of what is measured at the same time, one is shown all along.
        name = next(group for group in groups(names, rig["together"]) if names[index] in group)[0]
        index = names.index(name)
        spec = resolved[name]
        counted = (stimuli["scenario"] == index) & (stimuli["flags"] & NOT_COUNTED == 0)
        figures = Figures(name, int(counted.sum()), spec["schedule"]["samples"])
        if figures.due:
            self._measure(figures, spec, stimuli[counted][-WINDOW_ROWS:])
        return figures

    def _measure(self, figures: Figures, spec: dict[str, Any], rows: np.ndarray[Any, Any]) -> None:
        from harness.analysis.clocks import Clocks
        from harness.analysis.samples import build
        from harness.config import rig_from_resolved

        rig = rig_from_resolved(self.folder.run["rig"]["resolved"])
        timebase = Clocks(self.folder.run, rig, self.folder.clocks()).timebase
        if spec["kind"] == "swarm_reorganization":
            from harness.analysis.swarm_sampling import sample_of_folder

            samples = sample_of_folder(
                self.folder, rig, figures.scenario, rows[-LAST_TRIALS:], timebase, time.monotonic_ns()
            )
            self._fill(figures, rows, samples)
            return  # too few trials for what is usual to be known
        device, _, port = spec["response"].partition(".")
        rule = rig.devices[device].ports[port].response.match
        observations = self.folder.observations()[spec["response"]]
        observations = observations[observations["seen_ns"] >= rows["intended_ns"][0]]
        until = time.monotonic_ns()
        samples = build(
            rows,
            observations,
            timebase,
            rule,
            int(spec["timeout_ms"] * 1e6),
            arrival=spec["arrival"],
            recorded_until_ns=until,
        ).samples
        self._fill(figures, rows, samples)
        self.notes += self.unusual.look(figures.scenario, samples)

    @staticmethod
    def _fill(figures: Figures, rows: np.ndarray[Any, Any], samples: np.ndarray[Any, Any]) -> None:
        answered = samples["arrived_ns"] != NO_STAMP
        sent = samples["sent_ns"] != NO_STAMP
        figures.lost = int(((samples["flags"] & SampleFlag.LOST) != 0).sum())
        figures.skipped = int((rows["flags"] & StimulusFlag.SKIPPED != 0).sum())
        latency = (samples["arrived_ns"] - samples["sent_ns"])[answered] * 1e-6
        if len(latency):
            figures.p50_ms, figures.p99_ms = (
                float(np.quantile(latency, q, method="higher")) for q in (0.5, 0.99)
            )
        lateness = (samples["sent_ns"] - samples["intended_ns"])[sent] * 1e-6
        if len(lateness):
            figures.lateness_p99_ms = float(np.quantile(lateness, 0.99, method="higher"))

    def read_events(self) -> None:
        """Which phase the run is in, and what was found. Cheap, unlike :meth:`look`."""
        events = self.folder.events()
        before = self.phase
        for event in events[self._events :]:
            kind = event.get("event")
            if kind == "phase":
                self.phase = f"{event['name']} {event.get('scenario', '')}".strip()
            elif kind == "finding" and (event["severity"] != "error" or event["name"] in _GOES_ON):
                # What ends a run is not said here as well: it is the first line of the outcome.
                self.notes.append(f"{event['severity']}: {event['message']}")
            elif kind in _PHASE_OF:
                self.phase = _PHASE_OF[kind].format(**event)
        self._events = len(events)
        if self.phase != before or self._since is None:
            self._since = self.clock()


def line(watch: Watch, figures: Figures) -> str:
    """One line for a log."""
    lasted = f"{watch.phase}, {watch.elapsed_s:.0f} s"
    if not figures.due or not watch.counting:
        return lasted
    parts = [f"{lasted}: {figures.due}/{figures.planned}"]
    parts += [f"{name} {value:.3f} ms" for name, value in _named(figures) if value is not None]
    return ", ".join([*parts, f"lost {figures.lost}", f"skipped {figures.skipped}"])


def _named(figures: Figures) -> list[tuple[str, float | None]]:
    return [("p50", figures.p50_ms), ("p99", figures.p99_ms), ("lateness p99", figures.lateness_p99_ms)]


def panel(watch: Watch, figures: Figures, width: int) -> Table:
    """The same for a terminal, with a bar while something is counted."""
    table = Table.grid()
    figures = figures if watch.counting else Figures()
    share = figures.due / figures.planned if figures.planned else 0.0
    cells = max(10, min(30, width - 60))
    done = min(cells, round(share * cells))
    first = Text.assemble((watch.phase, "bold"), f"  {watch.elapsed_s:.0f} s  ")
    if figures.planned:
        first.append("█" * done, style="cyan").append("░" * (cells - done), style="dim")
        first.append(f"  {figures.due}/{figures.planned}")
    table.add_row(first)
    if figures.due:
        shown_figures = "  ".join(
            f"{name} {value:.3f} ms" if value is not None else f"{name} -" for name, value in _named(figures)
        )
        missed = Text(
            f"lost {figures.lost}  skipped {figures.skipped}", style="yellow" if figures.lost else ""
        )
        # Broken between figures, never inside one.
        table.add_row(Text(shown_figures.replace(" ms", "\u00a0ms")) + Text("  ") + missed)
    return table


def main(argv: list[str]) -> int:
    """Watch the run folder named by the first argument until standard input closes."""
    with contextlib.suppress(OSError):
        os.nice(10)
    console = Console(stderr=True)
    watch = Watch(RunFolder.open(Path(argv[0])))
    if console.is_terminal:
        _draw(watch, console)
    else:
        _log(watch, console)
    return 0


class _RunEndedError(Exception):
    """The run has ended."""


def _next_order(timeout_s: float | None) -> bytes:
    """What the harness says in that time: ``p`` (pause), ``r`` (go on), nothing. Raises _RunEndedError."""
    if not select.select([sys.stdin], [], [], timeout_s)[0]:
        return b""
    order = os.read(sys.stdin.fileno(), 1)
    if not order:
        raise _RunEndedError
    return order


def _acknowledge() -> None:
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), b".")


def _rest() -> None:
    """Until the harness says that it may be drawn again."""
    _acknowledge()
    while _next_order(None) != b"r":
        pass
    _acknowledge()


def _figures(watch: Watch) -> Figures | None:
    try:
        watch.folder = RunFolder.open(watch.folder.path)
        return watch.look()
    except (HarnessError, OSError, KeyError, json.JSONDecodeError):
        # A table that is just being made, or was just turned into Parquet: look again next time.
        return None


class _Paced:
    """Figures as often as they are cheap: deriving them takes a twentieth of the time, drawing goes on."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._next = 0.0
        self._last: Figures | None = None

    def figures(self, *, fresh: bool = False) -> Figures | None:
        """The newest ones, or with ``fresh`` those of now; the phase is always looked at."""
        begun = time.monotonic()
        if begun < self._next and not fresh:
            with contextlib.suppress(HarnessError, OSError):
                self._watch.read_events()
            return self._last
        first = self._last is None or not self._last.due
        self._last = _figures(self._watch) or self._last
        took = time.monotonic() - begun
        # The first figures load the analysis, which takes longer than using it.
        self._next = begun + took + (0.0 if first else min(20 * took, LONGEST_STALE_S))
        return self._last


def _draw(watch: Watch, console: Console) -> None:
    paced = _Paced(watch)
    with (
        Live(console=console, transient=True, auto_refresh=False) as live,
        contextlib.suppress(_RunEndedError),
    ):
        while True:
            live.update(panel(watch, paced.figures() or Figures(), console.width), refresh=True)
            while watch.notes:
                live.console.print(Text(watch.notes.pop(0), style="yellow"))
            if _next_order(TERMINAL_PERIOD_S) == b"p":
                live.stop()
                _rest()
                live.start()
    for note in watch.notes:
        console.print(note)


def _log(watch: Watch, console: Console) -> None:
    paced = _Paced(watch)
    last, next_line, phase, ended = "", 0.0, "", False
    while not ended:
        try:
            if _next_order(TERMINAL_PERIOD_S) == b"p":
                _rest()
        except _RunEndedError:
            ended = True
        figures = paced.figures(fresh=ended)
        while watch.notes:
            console.print(watch.notes.pop(0), highlight=False, markup=False, soft_wrap=True)
        if ended or watch.phase != phase or time.monotonic() >= next_line:
            text = line(watch, figures or Figures())
            if text != last:
                console.print(text, highlight=False, markup=False, soft_wrap=True)
            last, phase, next_line = text, watch.phase, time.monotonic() + PLAIN_PERIOD_S


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
