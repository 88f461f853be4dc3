"""From slow answers and conditions to causes, the weightiest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.causes import advice
from harness.analysis.causes.exposure import Condition, conditions
from harness.analysis.causes.model import Fitted, fit
from harness.analysis.causes.rhythm import Grid, Period, find_grid, find_period
from harness.analysis.causes.slow import WAY_BACK, Slow, find_slow
from harness.analysis.timebase import Timebase
from harness.hosttable import HostTable, Subject
from harness.model import HostMeasure
from harness.results_causes import Bottlenecks, Cause, Considered, Skill

Floats = NDArray[np.float64]

LEAST_WEIGHT = 0.3
LEAST_P = 0.01
SHIFTS = 199
LEAST_SLOW = 10
LEAST_WAY = 0.2
LEAST_WAY_MS = 1.0
EPISODE_NS = 100_000_000
LEAST_EPISODES = 5
MOST_SLOW = 5000
LEAST_CORRELATION = 0.4
SERIAL = ("serial_text", "serial_board")


@dataclass(frozen=True)
class Weighed:
    """A condition against chance."""

    condition: Condition
    share: float
    chance: float
    p: float
    importance: float | None = None

    @property
    def weight(self) -> float:
        """What of the excess it covers beyond chance, as a share of what chance leaves."""
        beyond = (self.share - self.chance) / max(1e-9, 1.0 - self.chance)
        return max(0.0, beyond) * self.condition.fondness


def find_causes(
    scenario: str,
    samples: NDArray[Any],
    host: HostTable,
    run: Mapping[str, Any],
    *,
    timeout_ms: float,
    limit_ms: float | None = None,
    quantile: float | None = None,
    adapter: str = "",
    observed: NDArray[Any] | None = None,
    timebase: Timebase | None = None,
) -> Bottlenecks:
    """What makes the slow ones of ``samples`` (SAMPLE_DTYPE, of one scenario) slow.

    ``run``: run.json, for what the doctor found; ``adapter``: of the device that answers; ``observed``: rows
    of the response port, ``timebase`` to convert their stamps with.
    """
    slow = find_slow(samples, timeout_ms, limit_ms, quantile, observed, timebase)
    if slow is None:
        return Bottlenecks(scenario=scenario, n=0, slow=0, threshold_ms=None, middle_ms=None,
                           excess_ms=None, words=["nothing was answered, so nothing was slow"])  # fmt: skip
    inside = _while_measuring(host, slow)
    found = conditions(inside, slow) if len(inside.looks) else []
    enough = int(slow.slow.sum()) >= LEAST_SLOW
    model = fit([each.ms for each in found], slow.slow) if enough else None
    weighed = [weigh(each, slow) for each in found] if enough else []
    if model is not None:
        weighed = [replace(each, importance=value)
                   for each, value in zip(weighed, model.importance, strict=True)]  # fmt: skip
    weighed.sort(key=lambda each: -each.weight)
    causes = _causes(slow, inside, weighed, model, adapter) if enough else []
    grid = find_grid(slow)
    if grid is not None:
        causes.append(_grid_cause(slow, grid, adapter))
    causes.sort(key=lambda each: -each.weight)
    causes = [each.model_copy(update={"actions": advice.actions(each, run, host)}) for each in causes]
    return Bottlenecks(
        scenario=scenario,
        n=len(slow.slow),
        slow=int(slow.slow.sum()),
        threshold_ms=slow.threshold_ms,
        middle_ms=slow.middle_ms,
        excess_ms=slow.mean_excess_ms,
        stages=slow.stages,
        skill=None if model is None else Skill(auc=model.auc, folds=model.folds, enough=model.enough),
        looks=len(inside.looks),
        causes=causes,
        considered=[
            Considered(kind=each.condition.kind, subject=each.condition.of, share=each.share,
                       chance=each.chance, p=each.p, importance=each.importance)
            for each in weighed
        ],
        words=_words(slow, inside, causes, enough),
    )  # fmt: skip


def _while_measuring(host: HostTable, slow: Slow) -> HostTable:
    begin, end = int(slow.begin_ns.min()), int(slow.end_ns.max())
    rows = host.rows
    during = (rows["t_ns"] > begin) & (rows["t_ns"] - rows["over_ns"] < end)
    return HostTable(rows[during], host.subjects)


def weigh(condition: Condition, slow: Slow, seed: int = 1) -> Weighed:
    """Share of the slow ones' excess that the exposure covers, and what it covers by chance: with all
    exposures shifted in time, round the run, by as many random amounts as SHIFTS says."""
    chosen = np.flatnonzero(slow.slow)
    if len(chosen) > MOST_SLOW:
        chosen = chosen[np.argsort(-slow.excess_ms[chosen], kind="stable")[:MOST_SLOW]]
    excess = slow.excess_ms[chosen]
    whole, n = float(excess.sum()), len(slow.slow)
    share = float(np.minimum(condition.ms[chosen], excess).sum()) / whole
    amounts = np.random.default_rng(seed).integers(1, max(2, n), SHIFTS)
    shifted = np.array(
        [np.minimum(condition.ms[(chosen + amount) % n], excess).sum() / whole for amount in amounts]
    )
    return Weighed(
        condition, share, float(shifted.mean()), float((1 + (shifted >= share).sum()) / (1 + SHIFTS))
    )


def _causes(
    slow: Slow, host: HostTable, weighed: list[Weighed], model: Fitted | None, adapter: str
) -> list[Cause]:
    known = model is not None and model.enough
    clear = [each for each in weighed if known and each.weight >= LEAST_WEIGHT and each.p <= LEAST_P]
    found = [_host_cause(slow, host, each) for each in clear]
    period = find_period(slow)
    if period is not None:
        found.append(_period_cause(slow, period, found[0] if found else None))
    way = slow.stages.get(WAY_BACK, 0.0)
    # What keeps the harness from taking an answer looks like a slow way back.
    own = max((each.weight for each in weighed if _of_harness(each.condition)), default=0.0)
    far = way * slow.mean_excess_ms >= LEAST_WAY_MS and _comes_again(slow)
    if far and way * (1.0 - own) >= LEAST_WAY:
        found.append(_link_cause(slow, way, way * (1.0 - own)))
    return found


def _comes_again(slow: Slow) -> bool:
    """Whether the excess lies in several episodes: of one incident, no stage is a cause."""
    chosen = np.flatnonzero(slow.slow)
    episode = np.cumsum(np.diff(slow.begin_ns[chosen], prepend=slow.begin_ns[chosen][0]) > EPISODE_NS)
    excess = np.bincount(episode, slow.excess_ms[chosen])
    return len(excess) >= LEAST_EPISODES and float(excess.max()) <= 0.5 * float(excess.sum())


def _of_harness(condition: Condition) -> bool:
    return condition.subject is not None and condition.subject.kind == "harness"


def _without(slow: Slow, explained: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    def p99(values: Floats) -> float | None:
        values = values[~np.isnan(values)]
        if not len(values):
            return None
        value = float(np.quantile(values, 0.99, method="higher"))
        return value if np.isfinite(value) else None

    return p99(slow.latency_ms), p99(slow.latency_ms[~explained])


def _since(slow: Slow, explained: NDArray[np.bool_]) -> str:
    first, last = slow.begin_ns[explained][[0, -1]] if explained.any() else (0, 0)
    if not explained.any():
        return ""
    from_s, to_s = (float(each - slow.begin_ns[0]) * 1e-9 for each in (first, last))
    return f"from {from_s:.1f} s to {to_s:.1f} s of {(slow.end_ns.max() - slow.begin_ns[0]) * 1e-9:.1f} s"


def _host_cause(slow: Slow, host: HostTable, weighed: Weighed) -> Cause:
    condition = weighed.condition
    explained = slow.slow & (condition.ms >= 0.5 * slow.excess_ms)
    p99, without = _without(slow, explained)
    words = {
        "run-queue delay": f"{condition.of} was ready to run and had to wait for a CPU",
        "stopped process": f"{condition.of} was stopped by a signal or a debugger",
        "memory pressure": f"{condition.of} waited for memory: pages had to be freed or read back",
        "own computing": f"{condition.of} itself computed longer than it usually does",
        "disk wait": "something waited for a disk",
        "stolen CPU time": "the hypervisor gave the CPU to other virtual machines",
        "retransmits": "TCP had to send segments again",
        "dropped datagrams": "the kernel dropped datagrams, or could not put them together",
        "garbage collection": "the harness collected garbage, and all of its Python stood still",
    }[condition.kind]
    culprit = _neighbour(host, slow, condition) if condition.kind == "run-queue delay" else None
    if culprit is not None:
        words += f" while {culprit.words} ran"
    return Cause(
        kind=condition.kind,
        subject=condition.of,
        words=words,
        evidence=f"it covers {100 * weighed.share:.0f} % of the excess of the slow answers; by chance it"
        f" would cover {100 * weighed.chance:.0f} % (p {weighed.p:.3f})",
        share=weighed.share,
        chance=weighed.chance,
        weight=weighed.weight,
        p=weighed.p,
        importance=weighed.importance,
        explained=int(explained.sum()),
        p99_ms=p99,
        p99_without_ms=without,
        since=_since(slow, explained),
        culprit="" if culprit is None else culprit.words,
        culprit_pid=None if culprit is None else culprit.pid,
    )


def _neighbour(host: HostTable, slow: Slow, condition: Condition) -> Subject | None:
    """Who ran in those looks in which the process waited, and less in the others: of the processes that ran
    for a quarter of the wait at least, the one whose run time goes best with it. None where nobody's does."""
    if condition.subject is None:
        return None
    waits = host.per_look(HostMeasure.WAIT_MS, condition.subject.pid)
    waited = waits >= max(1.0, 0.5 * slow.mean_excess_ms)
    if waited.sum() < 3 or waited.all():
        return None
    best, found = LEAST_CORRELATION, None
    for subject in host.subjects.values():
        ran = host.per_look(HostMeasure.RUN_MS, subject.pid)
        if subject.pid == condition.subject.pid or not ran.any():
            continue
        together = float(np.corrcoef(waits, ran)[0, 1])
        if together > best and ran[waited].mean() >= 0.25 * waits[waited].mean():
            best, found = together, subject
    return found


def _period_cause(slow: Slow, period: Period, through: Cause | None) -> Cause:
    explained = slow.slow & np.isfinite(slow.latency_ms)
    p99, without = _without(slow, explained)
    how = f": {through.words}" if through is not None else ""
    share = float(slow.excess_ms[explained].sum() / slow.excess_ms[slow.slow].sum())
    return Cause(
        kind="periodic task",
        subject=through.subject if through is not None else "",
        words=f"something comes every {period.ms:.4g} ms{how}",
        evidence=f"{period.events} bursts of slow answers keep to a period of {period.ms:.4g} ms"
        f" (R {period.r:.2f}, p {period.p:.1g}); {100 * period.kept:.0f} % of the periods have one",
        share=share,
        chance=0.0,
        # Whatever a period comes through, it is the period that tells what to look for.
        weight=max(period.r * share, 1e-6 + (through.weight if through is not None else 0.0)),
        p=period.p,
        importance=None,
        explained=int(explained.sum()),
        p99_ms=p99,
        p99_without_ms=without,
        since=_since(slow, explained),
        culprit=through.culprit if through is not None else "",
        culprit_pid=through.culprit_pid if through is not None else None,
    )


def _link_cause(slow: Slow, way: float, weight: float) -> Cause:
    return Cause(
        kind="slow link",
        subject="",
        words="answers were under way for long after the device had stamped them",
        evidence=f"{100 * way:.0f} % of the excess lies between the device's own stamp of an answer and its"
        " arrival, and the harness was not kept from taking it",
        share=way,
        chance=0.0,
        weight=weight,
        p=None,
        importance=None,
        explained=0,
        p99_ms=_without(slow, np.zeros(len(slow.slow), bool))[0],
        p99_without_ms=None,
        since=_since(slow, slow.slow),
    )


def _grid_cause(slow: Slow, grid: Grid, adapter: str) -> Cause:
    serial = adapter in SERIAL
    half = grid.ms / 2
    weight = min(1.0, half / slow.mean_excess_ms) if slow.mean_excess_ms > 0 else 1.0
    p99 = _without(slow, np.zeros(len(slow.slow), bool))[0]
    what = (
        f"the serial adapter passes on what it got every {grid.ms:g} ms only (its latency timer)"
        if serial
        else f"answers come only every {grid.ms:g} ms: a loop or a timer of the robot or of its transport"
    )
    return Cause(
        kind="latency timer" if serial else "answers on a grid",
        subject="",
        words=what,
        evidence=f"all answers arrive on a grid of {grid.ms:g} ms (R {grid.r:.2f}), and were not sent on it;"
        f" that costs {half:g} ms on average and {grid.ms:g} ms at most",
        share=weight,
        chance=0.0,
        weight=weight * grid.r,
        p=None,
        importance=None,
        explained=0,
        p99_ms=p99,
        p99_without_ms=None if p99 is None else max(0.0, p99 - grid.ms),
    )


def _words(slow: Slow, host: HostTable, causes: list[Cause], enough: bool) -> list[str]:
    count = int(slow.slow.sum())
    if not enough and not causes:
        return [
            f"no clear cause: {count} of {len(slow.slow)} answers stand out from the median of"
            f" {slow.middle_ms:.3g} ms, too few to look for one"
        ]
    out = [
        f"{count} of {len(slow.slow)} are slow (over {slow.threshold_ms:.3g} ms, the median is"
        f" {slow.middle_ms:.3g} ms): {slow.mean_excess_ms:.3g} ms longer on average"
    ]
    if slow.stages:
        name, share = max(slow.stages.items(), key=lambda each: each[1])
        out.append(f"the longest part of that, {100 * share:.0f} %, is {name}")
    if causes:
        out.append(f"first cause: {causes[0].words}")
    elif not len(host.looks):
        out.append("no clear cause: what the host did meanwhile was not recorded")
    else:
        out.append("no clear cause: no condition of the host that was recorded tells the slow answers")
    return out
