"""Levels, sizes and what has to be done next, in words: the same in the terminal and in plots."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from harness.history import PastRequirement, PastRun
from harness.regressions.placing import CONFIDENCE, Effect
from harness.regressions.watching import Suspicion


def level_words(asked: PastRequirement, level: float | None) -> str:
    """``2.003 ms``; where no run has a finite figure, why."""
    if level is None:
        return "among the lost"
    return f"{level:.4g}" if asked.unit == "1" else f"{level:.4g} {asked.unit}"


def size_words(asked: PastRequirement, effect: Effect) -> str:
    """``+5.1 % (+4.1 to +6.2)``, or in the unit; empty where one level has no figure."""
    if effect.change is None or effect.low is None or effect.high is None:
        return ""
    if effect.relative:
        change, low, high = (f"{100 * each:+.1f}" for each in (effect.change, effect.low, effect.high))
        return f"{change} % ({low} to {high})"
    unit = "" if asked.unit == "1" else f" {asked.unit}"
    return f"{effect.change:+.3g}{unit} ({effect.low:+.3g} to {effect.high:+.3g})"


CONFIDENCE_WORDS = f"in brackets: {100 * CONFIDENCE:g} % confidence interval"


def run_words(run: PastRun) -> str:
    """The run with its commit: ``2026-11-03T02-00-00Z-ab12 (commit 1a2b3c4d5)``."""
    return f"{run.run_id} (commit {run.commit_words})" if run.commit else run.run_id


def what_decides(waiting: Suspicion) -> str:
    """How many more runs a suspicion waits for."""
    if waiting.next_look == waiting.last_look:
        return f"{waiting.last_look} more decide"
    return f"{waiting.next_look} more may decide, {waiting.last_look} do"


def to_do(newest: PastRun, rig: str, reports: str, waiting: Sequence[Suspicion]) -> list[str]:
    """The commands that bring the runs a suspicion waits for; for a real rig, what a person has to do."""
    most = max(each.last_look for each in waiting)
    where = [] if reports == "reports" else ["--reports", reports]
    again = shlex.join(["harness", "regressions", rig, *where])
    if newest.simulated:
        return [f"{again} --confirm {most}"]
    out = [] if reports == "reports" else ["--out", reports]
    sets = [word for each in newest.overrides for word in ("--set", each)]
    run = shlex.join(["harness", "run", rig, *sets, *out, "--arm", "--operator", "YOU"])
    fewest = min(each.next_look for each in waiting)
    times = f"{most} times" if most == fewest else f"{fewest} times, up to {most}"
    return [f"{times}, with nothing changed and a person at the e-stop:", f"  {run}", "then:", f"  {again}"]
