"""What a benchmark reports, and the arithmetic that all of them share."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Figure:
    """One figure of a benchmark. ``at_most`` is its target, None for one that is shown for information.

    ``load``: load average of the last minute when it was measured. ``note``: what to know when reading it.
    """

    name: str
    value: float
    unit: str
    at_most: float | None = None
    load: float = 0.0
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        return None if self.at_most is None else self.value <= self.at_most


@dataclass(frozen=True)
class Outcome:
    """All figures of one benchmark, what it could not do, and its raw material for ``--json``."""

    benchmark: str
    figures: Sequence[Figure]
    missing: Sequence[str] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cost:
    """What one process took: wall and CPU time in seconds, peak resident memory in GB; its exit status, and
    what it wrote to standard output."""

    seconds: float
    cpu: float
    gb: float
    status: int
    said: str = ""

    def expect(self, *statuses: int) -> Cost:
        """Itself. Raises SystemExit where its exit status is none of ``statuses``."""
        if self.status not in statuses:
            raise SystemExit(f"harness ended with status {self.status}; it said {self.said[-500:]!r}")
        return self


def cost(*arguments: str | Path) -> Cost:
    """``harness ARGUMENTS`` in a process of its own."""
    launch = [sys.executable, "-I", "-S", str(ROOT / "benchmarks" / "launch.py")]
    command = [*launch, sys.executable, "-m", "harness", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    errors, _, last = done.stderr.rstrip("\n").rpartition("\n")
    print(errors, end="", file=sys.stderr)
    took = json.loads(last)
    # Linux counts in KiB, see getrusage(2).
    return Cost(took["seconds"], took["cpu"], took["peak_kib"] * 1024 / 1e9, took["status"], done.stdout)


def load() -> float:
    """Load average of the last minute."""
    return os.getloadavg()[0]


def interleave(arms: Mapping[str, Callable[[], Any]], turns: int) -> dict[str, list[Any]]:
    """Run all ``arms`` by turns; every other turn in reverse order, so that a drift of the host favours none.

    Returns, by arm, what its calls returned, in the order of the turns.
    """
    found: dict[str, list[Any]] = {name: [] for name in arms}
    for turn in range(turns):
        for name in list(arms)[:: 1 if turn % 2 == 0 else -1]:
            found[name].append(arms[name]())
    return found


def middle(values: Sequence[float]) -> float:
    """Median of the blocks' figures."""
    return float(statistics.median(values))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of ours over median of theirs; +inf where theirs is nothing."""
    base = middle(theirs)
    return middle(ours) / base if base > 0 else float("inf")


def table(outcomes: Sequence[Outcome]) -> str:
    """Figures with their targets, for people."""
    lines = [f"{'figure':58}{'value':>12} {'unit':10}{'target':>10}  {'':8}{'load':>5}"]
    for outcome in outcomes:
        lines.append(f"-- {outcome.benchmark}")
        for each in outcome.figures:
            target = "" if each.at_most is None else f"<= {each.at_most:g}"
            word = {None: "", True: "met", False: "MISSED"}[each.met]
            line = f"{each.name:58}{each.value:12.4g} {each.unit:10}{target:>10}  {word:8}{each.load:5.2f}"
            lines.append(line.rstrip() + (f"  {each.note}" if each.note else ""))
        lines += [f"missing: {each}" for each in outcome.missing]
    return "\n".join(lines)
