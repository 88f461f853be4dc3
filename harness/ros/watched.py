"""A run and what is known of it: read from its folder by a thread of low priority, which never touches it."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.eventlog import read_events
from harness.folder import EVENTS, RunFolder
from harness.progress import Watch
from harness.ros.child import RunProcess
from harness.ros.tracker import Figures, Known, Tracker

PERIOD_S = 0.1
COST = 20
"""Reading takes at most one part in so many of the time (up to waits of ``LONGEST_S``)."""
LONGEST_S = 5.0
BATCH = 2000
"""Samples that are taken out of the tables, and held, at once."""
NOTES = 20
GUARDIAN = "guardian.jsonl"
NOTHING = Figures()


@dataclass(frozen=True)
class Snapshot:
    """What is known of the newest run. ``verdict`` and ``requirements`` once there are results; ``error``:
    what ended it early or kept it from beginning."""

    phase: str = "idle"
    figures: Figures = NOTHING
    folder: Path | None = None
    notes: tuple[str, ...] = ()
    verdict: str = ""
    requirements: dict[str, str] = field(default_factory=dict)
    error: str = ""


class WatchedRun:
    """One run from its start to its last sample. Make it in the main thread (see :class:`RunProcess`)."""

    def __init__(self, arguments: Sequence[str], rig: str) -> None:
        self.rig = rig
        self.snapshot = Snapshot(phase="starting")
        self.process = RunProcess(arguments)
        self.samples: deque[Known] = deque()
        """Not yet published; at most twice ``BATCH`` of them."""
        self._stops_before = 0
        self._interrupted = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="harness-node-watch", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """The process has ended and everything was read."""
        return self.process.status is not None and not self._thread.is_alive()

    @property
    def folder(self) -> Path | None:
        """The run folder, as soon as there is one."""
        return self.snapshot.folder or self.process.folder

    @property
    def begun(self) -> bool:
        """There is a run folder, or there never will be one."""
        return self.folder is not None or self.over

    # -- ending -------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Have the robot stopped, the report written, the run ended."""
        if not self._interrupted:
            self._stops_before = len(self._stops())
        self._interrupted = True
        self.process.interrupt()

    def kill(self) -> None:
        """Leave the robot to the guardian."""
        self.process.kill()

    @property
    def robot_stopped(self) -> bool:
        """The run told the devices to stop since :meth:`interrupt`, or had ended before it."""
        return len(self._stops()) > self._stops_before or self._said("ended") or self.over

    @property
    def guardian_done(self) -> bool:
        """The guardian stopped the robot, and has said so."""
        return any(line.get("event") == "done" for line in self._guardian())

    def stop_words(self) -> str:
        """What was done to stop the robot, in words."""
        if self.folder is None:
            return "nothing had been started"
        if lines := self._guardian():
            acts = [f"{line.get('event')} {line.get('device') or ''}".strip() for line in lines]
            return f"the guardian acted: {', '.join(acts)}"
        if (stop := self._last_stop()) is None:
            return "no stop of the devices is recorded"
        devices = ", ".join(stop.get("devices") or ()) or "no device was open"
        failures = "; ".join(map(str, stop.get("failures") or ()))
        return f"safe stop failed: {failures}" if failures else f"safe stop done: {devices}"

    @property
    def stop_failed(self) -> bool:
        """Something in the stop failed, or none is recorded although there is a run."""
        if self.folder is None:
            return False
        if lines := self._guardian():
            return any(line.get("event") == "device NOT stopped" for line in lines)
        stop = self._last_stop()
        return stop is None or bool(stop.get("failures"))

    def _last_stop(self) -> dict[str, Any] | None:
        """The one that an interrupt led to, or the one at the end; the one between a run and its second floor
        is none of them."""
        stops = self._stops()
        asked = stops[self._stops_before :] if self._interrupted else []
        return asked[-1] if asked else stops[-1] if stops and self._said("ended") else None

    def _guardian(self) -> list[dict[str, Any]]:
        return _events(self.folder / GUARDIAN) if self.folder is not None else []

    def _stops(self) -> list[dict[str, Any]]:
        return [each for each in self._events() if each.get("event") == "safe_stop"]

    def _said(self, event: str) -> bool:
        return any(each.get("event") == event for each in self._events())

    def _events(self) -> list[dict[str, Any]]:
        return _events(self.folder / EVENTS) if self.folder is not None else []

    def close(self) -> None:
        """Let go of thread and output once the run is over; what was not published is forgotten."""
        self._done.set()
        self._thread.join()
        self.process.close()

    # -- watching -----------------------------------------------------------------------------------------

    def _watch(self) -> None:
        with contextlib.suppress(OSError):
            # Of this thread alone: what the main thread starts must not be nice.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        watch: Watch | None = None
        tracker: Tracker | None = None
        loaded = False
        while not self._done.is_set():
            ended = self.process.status is not None
            # Processor time: what the machine does meanwhile is no reason to wait.
            begun = time.thread_time()
            folder = self.process.folder
            if folder is not None:
                if watch is None or tracker is None:
                    watch, tracker = Watch(RunFolder(folder, {})), Tracker(folder)
                self._look(watch, tracker, folder)
            if ended:
                self._conclude(tracker)
                return
            took = time.thread_time() - begun
            # The first look at samples loads the analysis, which takes longer than using it.
            first, loaded = not loaded, loaded or (tracker is not None and tracker.figures.planned > 0)
            self._rest(PERIOD_S if first else min(COST * took, LONGEST_S))

    def _rest(self, duration_s: float) -> None:
        """Until then, at least ``PERIOD_S``, or until the run ends."""
        until = time.monotonic() + duration_s
        while not self._done.wait(PERIOD_S) and time.monotonic() < until and self.process.status is None:
            pass

    def _look(self, watch: Watch, tracker: Tracker, folder: Path) -> None:
        with contextlib.suppress(HarnessError, OSError):
            watch.read_events()
        if len(self.samples) < BATCH:
            self.samples.extend(tracker.look(BATCH))
        del watch.notes[:-NOTES]
        self.snapshot = replace(
            self.snapshot,
            phase=watch.phase,
            notes=tuple(watch.notes),
            figures=tracker.figures,
            folder=folder,
        )

    def _conclude(self, tracker: Tracker | None) -> None:
        for batch in tracker.rest(BATCH) if tracker is not None else ():
            while len(self.samples) >= BATCH and not self._done.wait(PERIOD_S):
                pass
            self.samples.extend(batch)
            assert tracker is not None
            self.snapshot = replace(self.snapshot, figures=tracker.figures)
        folder = self.snapshot.folder
        if folder is None:
            error = self.process.last_words() or f"the run ended with status {self.process.status}"
            phase = "ended before it began" if self._interrupted else "refused"
            self.snapshot = replace(self.snapshot, phase=phase, error=error)
            return
        results, run = _json(folder / "results.json"), _json(folder / "run.json")
        phase, error = str(run.get("status", "aborted")), str(run.get("abort_reason") or "")
        verdict = str(results.get("verdict", "ERROR"))
        if phase == "running":
            phase, verdict = "killed", "ERROR"
            error = f"the run was killed; harness recover {folder} writes its report"
        self.snapshot = replace(
            self.snapshot,
            phase=phase,
            verdict=verdict,
            error=error,
            requirements={each["id"]: _words(each) for each in results.get("requirements", ())},
        )


def _words(requirement: dict[str, Any]) -> str:
    estimate = requirement["estimate"]
    shown = "-" if estimate is None else f"{estimate:.3f}"
    return f"{requirement['verdict']}: {shown}, limit {requirement['limit']:g} {requirement['unit']}"


def _events(path: Path) -> list[dict[str, Any]]:
    try:
        return read_events(path)
    except HarnessError:
        return []


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
