"""What a comparison found, in words and numbers: the same in the terminal and on every page."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite, isnan

from harness.compare.comparison import Comparison, Scenario
from harness.compare.sides import Interval, Shift
from harness.compare.sim_to_real import Foretold
from harness.compare.traces import Traces
from harness.model import Verdict
from harness.report import text as t
from harness.wording import quantile_name

WORDS = {"larger": "worse", "smaller": "better", "neither": "not shown"}


def side_name(comparison: Comparison, side: str) -> str:
    """The run of side A or B, or how many there are."""
    runs = comparison.chosen.a if side == "A" else comparison.chosen.b
    what = runs[0].run_id if len(runs) == 1 else f"{len(runs)} runs"
    return f"{side_kind(comparison, side)}: {what}"


def side_kind(comparison: Comparison, side: str) -> str:
    """A or B; simulated or real where that is what differs."""
    runs = comparison.chosen.a if side == "A" else comparison.chosen.b
    if not comparison.chosen.sim_to_real:
        return side
    return f"{side}, {'simulated' if runs[0].simulated else 'real'}"


def signed(value: float, decimals: int) -> str:
    """With its sign; ∞ without a bound, – where nothing is known."""
    if isnan(value):
        return t.MISSING
    if not isfinite(value):
        return "+∞" if value > 0 else "−∞"
    text = f"{value:+.{decimals}f}".replace("-", "−")
    return text.lstrip("+−") if not text.strip("+−0.") else text


def milliseconds(value: float) -> str:
    """A latency with four digits; lost, where it is infinite."""
    return "lost" if value == float("inf") else t.number(value)


def between(interval: Interval, factor: float = 1.0) -> tuple[str, str]:
    """An estimate, and its interval in words."""
    known = [
        abs(each * factor) for each in (interval.estimate, interval.low, interval.high) if isfinite(each)
    ]
    decimals = min(6, max(0, t.decimals_for(max(known, default=1.0), 3)))
    estimate, low, high = (
        signed(each * factor, decimals) for each in (interval.estimate, interval.low, interval.high)
    )
    return estimate, f"{low} to {high}"


def shown(shift: Shift) -> str:
    """Worse or better, or that neither was shown."""
    return WORDS[shift.word]


def conclusion(comparison: Comparison, scenario: Scenario) -> str:
    """Of one scenario in a sentence or two."""
    worse, better = (
        [_change(each) for each in scenario.shifts if each.word == word] for word in ("larger", "smaller")
    )
    parts = []
    if worse:
        parts.append(f"slower at {', '.join(worse)}")
    if better:
        parts.append(f"faster at {', '.join(better)}")
    names = ", ".join(quantile_name(each.quantile) for each in scenario.shifts)
    found = f"B is {'; '.join(parts)}" if parts else f"No difference was shown at {names}"
    superior = scenario.effect.superiority
    return (
        f"{found}. A sample of B is slower than one of A with probability {superior.estimate:.3f} "
        f"({superior.low:.3f} to {superior.high:.3f}): {scenario.effect.size} effect."
    )


def _change(shift: Shift) -> str:
    estimate = shift.relative.estimate
    if not isfinite(estimate):
        return quantile_name(shift.quantile)
    return f"{quantile_name(shift.quantile)} ({between(shift.relative, 100.0)[0]} %)"


def acceptance(comparison: Comparison) -> str:
    """What the rule of security says of B; empty where it was not asked for."""
    security = comparison.security
    if security is None:
        return ""
    if security.verdict is not Verdict.PASS:
        return f"B is {security.words}."
    worse = [
        f"{quantile_name(each.quantile)} of {scenario.name}"
        for scenario in comparison.scenarios
        for each in scenario.shifts
        if each.word == "larger"
    ]
    for verdict, said in ((Verdict.FAIL, "is not kept"), (Verdict.INCONCLUSIVE, "is not shown to be kept")):
        if gates := [each.gate.text for each in comparison.decided if each.verdict is verdict]:
            return f"B is not accepted: --fail-on {', '.join(gates)} {said}, though {security.words}."
    if worse and not comparison.gates:
        return f"B is no optimisation: {', '.join(worse)} got worse; {security.words}."
    return f"B is accepted: {security.words}."


def cautions(comparison: Comparison) -> Iterator[str]:
    """What a reader has to know before anything else."""
    chosen = comparison.chosen
    yield from chosen.forced
    if len(chosen.a) == len(chosen.b) == 1:
        yield (
            "One run against one: the intervals hold what may change within these runs, not what differs "
            "from one run to the next. Give several runs with --baseline to have that in them."
        )
    for side, runs in (("A", chosen.a), ("B", chosen.b)):
        yield from (f"{side}: run {each.run_id} was cut short" for each in runs if each.aborted)
    if len(chosen.a) > 1 and len(chosen.a) + len(chosen.b) < 6:
        yield "Of fewer than six runs in all, the scatter between runs is hardly known: intervals are wide."


def method(comparison: Comparison) -> str:
    """How the intervals come about."""
    confidence = f"{100 * comparison.confidence:g} %"
    several = len(comparison.chosen.a) + len(comparison.chosen.b) > 2
    blocks = "; ".join(
        f"{each.name}: A {_blocks(each.blocks[0])}, B {_blocks(each.blocks[1])}"
        for each in comparison.scenarios
    )
    return (
        "Quantiles are order statistics of the latency from intent; lost samples are larger than any other "
        "and never dropped. Intervals come from 2000 copies of each run, resampled in blocks of consecutive "
        "samples (circular block bootstrap), whose length the run's own dependence gives (Politis and White "
        f"2004, 2009), in samples: {blocks}. They are widened by Student's t where few independent bursts "
        "lie beyond a quantile, and have no end where fewer than 3.7 are expected there. "
        + (
            "With several runs an interval is the wider of that and Student's t on the runs' quantiles. "
            if several
            else ""
        )
        + f"In the tables the intervals of a scenario hold together with {confidence} (Bonferroni over its "
        "quantiles); in the shift plot each holds by itself. Each --fail-on is decided with an interval of "
        f"its own, {confidence} over all that were asked for, on latency from intent and from sent: both "
        "have to agree."
    )


def _blocks(lengths: list[int]) -> str:
    low, high = min(lengths), max(lengths)
    return str(low) if low == high else f"{low} to {high}"


def accuracy(found: Foretold) -> str:
    """The indicator of the simulation pillar."""
    share = found.accuracy
    return (
        f"the simulation foretold {t.percent(share.estimate, 3)} of real trials within "
        f"{t.percent(found.tolerance, 3)} of their latency ({100 * share.low:.1f} to {100 * share.high:.1f} "
        "%); trials matched by rank."
    )


def traces(found: Traces) -> str:
    """How far the signals are apart."""
    return (
        f"Root mean square of their difference {100 * found.rms_share:.1f} %, largest "
        f"{100 * found.largest_share:.1f} % of the real signal's excursion."
    )
