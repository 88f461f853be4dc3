"""The live display: it moves while nothing is sent, and leaves what ended the run to the outcome."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness import progress
from harness.progress import Figures, Watch, line, panel


class Events:
    """A run folder that has nothing but its events."""

    path = Path("nowhere")

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def events(self) -> list[dict[str, Any]]:
        return list(self.found)


def watch(now: list[float], *events: dict[str, Any]) -> Watch:
    folder = Events()
    folder.found += events
    made = Watch(folder, clock=lambda: now[0])  # type: ignore[arg-type]
    made.read_events()
    return made


def test_the_phase_and_its_time_are_shown_before_anything_is_sent() -> None:
    now = [100.0]
    made = watch(now, {"event": "process_started", "process": "robot"})
    assert line(made, Figures()) == "starting robot, 0 s"
    now[0] = 107.2
    assert line(made, Figures()) == "starting robot, 7 s"
    made.folder.found.append({"event": "phase", "name": "probing", "scenario": "command"})  # type: ignore[attr-defined]
    made.read_events()
    assert line(made, Figures()) == "probing command, 0 s"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_panel_fits_the_terminal_and_moves(width: int) -> None:
    now = [0.0]
    made = watch(now, {"event": "phase", "name": "measuring", "scenario": "command"})
    figures = Figures("command", 840, 2000, 3, 1, 1.25, 12.5, 0.125)
    drawn = []
    for seconds in (1.0, 2.0):
        now[0] = seconds
        console = Console(file=io.StringIO(), width=width, color_system=None)
        console.print(panel(made, figures, width))
        assert isinstance(console.file, io.StringIO)
        drawn.append(console.file.getvalue())
    assert all(len(row.rstrip()) <= width for row in drawn[0].splitlines())
    assert "840/2000" in drawn[0]
    assert "lateness p99 0.125" in drawn[0].replace("\n", " ")
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("phase", ["floor after", "floor before", "judging, writing the report"])
def test_the_floor_and_judging_show_no_counts_of_a_scenario(phase: str) -> None:
    made = watch([0.0], {"event": "phase", "name": phase})
    figures = Figures("command", 840, 2000, 3, 1, 1.25, 12.5, 0.125)
    assert line(made, figures) == f"{phase}, 0 s"
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(panel(made, figures, 80))
    assert isinstance(console.file, io.StringIO)
    assert "840" not in console.file.getvalue() and "p99" not in console.file.getvalue()


def test_what_ends_the_run_is_left_to_the_outcome() -> None:
    made = watch(
        [0.0],
        {"event": "finding", "severity": "warning", "name": "load", "message": "busy"},
        {"event": "finding", "severity": "error", "name": "messages lost", "message": "2 lost"},
        {"event": "finding", "severity": "error", "name": "nobody answers", "message": "nobody"},
        {"event": "ended", "kind": "device", "reason": "nobody"},
    )
    assert made.notes == ["warning: busy", "error: 2 lost"]
    assert made.phase == "judging, writing the report"


def test_costly_figures_do_not_stop_the_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    made = watch(now)
    looks = []

    def look(one: Watch) -> Figures:
        looks.append(now[0])
        now[0] += 0.2
        return Figures("command", len(looks), 10)

    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "_figures", look)
    paced = progress._Paced(made)
    for _ in range(20):
        paced.figures()
        now[0] += 0.5
    assert len(looks) == 4  # twice at first, then a twentieth of the time: every 4 s
    made.folder.found.append({"event": "guardian_started"})  # type: ignore[attr-defined]
    before = len(looks)
    paced.figures()
    assert (made.phase, len(looks)) == ("opening the devices", before)
    assert paced.figures(fresh=True) == Figures("command", before + 1, 10)


def test_a_folder_that_cannot_be_read_yet_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(_: Path) -> Any:
        raise json.JSONDecodeError("half a line", "", 0)

    monkeypatch.setattr(progress.RunFolder, "open", damaged)
    assert progress._figures(watch([0.0])) is None
