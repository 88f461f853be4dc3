"""The history of a reports folder of one thousand runs: asked again, asked first, and one run more."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from benchmarks import synthetic
from benchmarks.figures import Figure, Outcome, load, middle

RUNS = 1000
RIGS = 4
SECONDS = 1.0
FIRST = datetime(2026, 1, 1, tzinfo=timezone.utc)


def reports_of(template: Path, reports: Path, count: int) -> list[Path]:
    """Folders of ``count`` runs with the results.json and run.json of a real one: 33 and 20 kB, of which
    name, time, commit and figures differ. The tables are left out: no history reads them."""
    rng = random.Random(1)
    return [
        synthetic.like(
            template,
            reports,
            f"rig-{number % RIGS}",
            FIRST + timedelta(hours=number),
            f"{number:04x}",
            f"{number // 20:040x}",
            rng.lognormvariate(0, 0.03),
        )
        for number in range(count)
    ]


def timed(act: Callable[[], Any]) -> float:
    """Seconds of one call."""
    start = time.monotonic()
    act()
    return time.monotonic() - start


def ask(reports: Path, expected: int, *, rebuild: bool = False) -> None:
    """What every command does: look at the folders, take the runs of one rig."""
    from harness.history import History

    with History.open(reports, rebuild=rebuild) as history:
        found = history.runs("rig-1")
    if len(found) != expected:
        raise SystemExit(f"{len(found)} runs were found where there are {expected}")


def command(reports: Path, expected: int) -> None:
    """``harness history RIG --json`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", "history", "rig-1", "--reports", str(reports), "--json"],
        cwd=synthetic.ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    if len(json.loads(done.stdout)["runs"]) != expected:
        raise SystemExit("the command did not show all runs")


def run(quick: bool) -> Outcome:
    count, turns = (100, 3) if quick else (RUNS, 7)
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as place:
        from harness.history import record

        out = Path(place)
        reports = out / "many"
        real = synthetic.real_run(out / "one")
        folders = reports_of(out / "one" / "loopback" / real["run_id"], reports, count)
        expected = len([each for each in folders if each.parent.name == "rig-1"])
        before = load()
        first = timed(lambda: ask(reports, expected))
        again = [timed(lambda: ask(reports, expected)) for _ in range(turns)]
        rebuilt = [timed(lambda: ask(reports, expected, rebuild=True)) for _ in range(3)]
        recorded = [timed(lambda each=each: record(each)) for each in folders[-turns:]]  # type: ignore[misc]
        commands = [timed(lambda: command(reports, expected)) for _ in range(turns)]
        size = (reports / ".history.sqlite").stat().st_size / 1e6
    target = None if quick else SECONDS
    figures = [
        Figure(f"history of {count} runs, asked", middle(again), "s", target, before),
        Figure(f"history of {count} runs, harness history --json", middle(commands), "s", None, before),
        Figure(f"history of {count} runs, never asked before", first, "s", None, before),
        Figure(f"history of {count} runs, made anew", middle(rebuilt), "s", None, before),
        Figure("one run more at its end", 1e3 * middle(recorded), "ms", None, before),
        Figure(f"index of {count} runs", size, "MB", None, before),
    ]
    return Outcome("history", figures, raw={"asked": again, "command": commands, "anew": rebuilt})
