"""What was found in the history of a rig, with names instead of places: for the terminal, JSON and plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.history import PastRun, what_changed
from harness.regressions.series import Series
from harness.regressions.watching import Change, Watched, watch

ALARMS = 0.2
"""False alarms per ALARM_RUNS comparable runs of a rig, all its requirements together, at most: measured in
docs/regressions.md. Where a run resembles the one before (AR(0.3)), ALARMS_IF_CORRELATED."""
ALARMS_IF_CORRELATED = 0.4
ALARM_RUNS = 500


@dataclass(frozen=True)
class Examined:
    """One requirement: its series and what watching it shows."""

    series: Series
    watched: Watched

    @property
    def regressions(self) -> list[Change]:
        """Changes for the worse."""
        return [each for each in self.watched.changes if self.worse(each.up)]

    @property
    def in_force(self) -> Change | None:
        """The newest change, if it is one for the worse: nothing has made it good since."""
        newest = self.watched.changes[-1:]
        return newest[0] if newest and self.worse(newest[0].up) else None

    def worse(self, up: bool) -> bool:
        """Whether a change in that direction is one for the worse."""
        return up == self.series.higher_is_worse


def examine(found: Sequence[Series]) -> list[Examined]:
    """Watch each series; the false-alarm rate is shared among them."""
    return [Examined(each, watch(each.values, family=len(found))) for each in found]


def word(examined: Examined, up: bool) -> str:
    """What a change in that direction is called."""
    return "regression" if examined.worse(up) else "improvement"


def commits(runs: Sequence[PastRun], change: Change) -> list[str]:
    """Commits of the runs that may be the first of the new level, in the order of time, each once."""
    words = [each.commit_words for each in runs[change.earliest : change.latest + 1]]
    return [each for each in dict.fromkeys(words) if each != "-"]


def commit_range(runs: Sequence[PastRun], change: Change) -> str | None:
    """``GOOD..BAD`` for git: after the last run before the interval, up to the last one in it. None without
    commits, or where the commit did not change."""
    if change.earliest == 0:
        return None
    good, bad = runs[change.earliest - 1].commit, runs[change.latest].commit
    return f"{good[:12]}..{bad[:12]}" if good and bad and good != bad else None


def circumstances(runs: Sequence[PastRun], change: Change) -> dict[str, tuple[str, str]]:
    """What else became different from the last run before the interval to the last run in it."""
    if change.earliest == 0:
        return {}
    changed = what_changed(runs[change.earliest - 1], runs[change.latest])
    return {name: pair for name, pair in changed.items() if name != "commit"}


def as_dict(rig: str, examined: Sequence[Examined], reruns: Sequence[str]) -> dict[str, Any]:
    """All of it for ``--json``; the keys are told in docs/regressions.md."""
    return {
        "rig": rig,
        "false_alarms": {"at_most": ALARMS, "in_runs": ALARM_RUNS},
        "reruns": list(reruns),
        "requirements": [_requirement(each) for each in examined],
    }


def _requirement(examined: Examined) -> dict[str, Any]:
    series, watched = examined.series, examined.watched
    runs, asked = series.runs, series.requirement
    waiting = watched.suspicion
    return {
        "id": asked.id,
        "scenario": asked.scenario,
        "quantity": asked.quantity,
        "quantile": asked.quantile,
        "unit": asked.unit,
        "runs": len(runs),
        "left_out": [{"why": why, "runs": n} for why, n in series.left_out],
        "runs_missing": watched.missing,
        "runs_missing_for_rates": watched.missing_for_rates,
        "regression_in_force": examined.in_force is not None,
        "changes": [_change(examined, each) for each in watched.changes],
        "dropped": [
            {"raised": runs[each.raised].run_id, "reruns": each.runs, "kind": word(examined, each.up)}
            for each in watched.dropped
        ],
        "suspicion": waiting
        and {
            "kind": word(examined, waiting.up),
            "first": runs[waiting.first].run_id,
            "raised": runs[waiting.raised].run_id,
            "reruns_so_far": waiting.so_far,
            "reruns_to_next_look": waiting.next_look,
            "reruns_to_decision": waiting.last_look,
        },
    }


def _change(examined: Examined, change: Change) -> dict[str, Any]:
    runs = examined.series.runs
    return {
        "kind": word(examined, change.up),
        "first": runs[change.first].run_id,
        "earliest": runs[change.earliest].run_id,
        "latest": runs[change.latest].run_id,
        "raised": runs[change.raised].run_id,
        "confirmed": runs[change.confirmed].run_id,
        "p": change.p,
        "runs_before": change.first - change.since,
        "runs_after": change.until - change.first,
        "effect": asdict(change.effect),
        "commits": commits(runs, change),
        "commit_range": commit_range(runs, change),
        "circumstances": {name: list(pair) for name, pair in circumstances(runs, change).items()},
    }
