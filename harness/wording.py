"""What a requirement asks for, in few words: one place for all of terminal, reports and JUnit."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import floor, isfinite, log10
from typing import Protocol

from harness.results_kinds import SwarmResult


class Asked(Protocol):
    """What :class:`harness.config.schema.Requirement` and its result have in common."""

    @property
    def quantity(self) -> str:
        """latency, jitter, loss_rate, ratio, rate_hz."""

    @property
    def statistic(self) -> str | None:
        """quantile, mean, max; None where the quantity has none."""

    @property
    def quantile(self) -> float | None:
        """Of statistic quantile."""

    @property
    def jitter(self) -> str | None:
        """pdv or ipdv, of quantity jitter."""

    @property
    def within_ms(self) -> float | None:
        """Of quantity ratio."""

    @property
    def limit_is(self) -> str:
        """upper or lower."""

    @property
    def unit(self) -> str:
        """Of the limit."""

    @property
    def time(self) -> str:
        """wall or simulated."""


class Decided(Asked, Protocol):
    """What a result of a requirement has beside what was asked."""

    @property
    def limit(self) -> float:
        """In ``unit``."""

    @property
    def pass_threshold(self) -> float | None:
        """In :func:`threshold_unit`; ``exceedances`` are counted there."""

    @property
    def estimate(self) -> float | None:
        """In ``unit``."""

    @property
    def lower_bound(self) -> float | None:
        """In ``unit``."""

    @property
    def upper_bound(self) -> float | None:
        """In ``unit``."""

    @property
    def uncertainty(self) -> float | None:
        """U, in :func:`threshold_unit`."""


def quantile_name(quantile: float) -> str:
    """0.99 as p99, 0.999 as p99.9."""
    return f"p{quantile * 100:.8g}"


def statistic_name(asked: Asked) -> str:
    """p99, mean, largest; loss rate, share within 5 ms, rate."""
    if asked.quantity == "loss_rate":
        return "loss rate"
    if asked.quantity == "ratio":
        return f"share within {asked.within_ms:g} ms"
    if asked.quantity == "rate_hz":
        return "rate"
    if asked.quantile is not None:
        return quantile_name(asked.quantile)
    return {"max": "largest"}.get(asked.statistic or "", asked.statistic or "")


def measured_name(asked: Asked) -> str:
    """p99 latency, mean jitter (pdv), loss rate, rate of answers."""
    name = statistic_name(asked)
    if asked.quantity == "rate_hz":
        return "rate of answers"
    if asked.quantity in ("loss_rate", "ratio"):
        return name
    kind = f" ({asked.jitter})" if asked.jitter else ""
    return f"{name} {asked.quantity}{kind}{time_words(asked)}"


def time_words(asked: Asked) -> str:
    """`` in simulated time``, where the simulation's own clock decides; else empty."""
    return " in simulated time" if asked.time == "simulated" else ""


def beyond(asked: Asked) -> str:
    """What an exceedance of the limit is: over the limit, below the limit."""
    return "over the limit" if asked.limit_is == "upper" else "below the limit"


def counted_name(asked: Asked) -> str:
    """What ``exceedances`` counts; empty where the quantity counts nothing."""
    if asked.quantity == "loss_rate":
        return "unanswered"
    if asked.quantity == "ratio":
        return f"{'not ' if asked.limit_is == 'lower' else ''}within {asked.within_ms:g} ms"
    if asked.quantity == "rate_hz" or asked.statistic == "mean":
        return ""
    return beyond(asked)


def threshold_unit(asked: Asked) -> str:
    """Unit of U, J and the two thresholds: that of the limit, but ms for a ratio, whose time they bear on."""
    return "ms" if asked.quantity == "ratio" else asked.unit


def shown_bound(asked: Asked) -> str:
    """Which bound PASS rests on: upper_bound or lower_bound."""
    return "upper_bound" if asked.limit_is == "upper" else "lower_bound"


def beyond_threshold(asked: Asked, limit: float, threshold: float | None, word: str) -> str:
    """``over the PASS threshold (9.8 ms)`` where that differs visibly from the limit, else ``over the
    limit``; ``limit`` and ``threshold`` in :func:`threshold_unit`. ``word``: PASS or FAIL."""
    if threshold is None or not isfinite(threshold) or f"{threshold:.4g}" == f"{limit:.4g}":
        return counted_name(asked)
    at = f"the {word} threshold ({threshold:.4g} {threshold_unit(asked)})"
    if asked.quantity == "ratio":
        return f"{'not ' if asked.limit_is == 'lower' else ''}within {at}"
    return f"{'over' if asked.limit_is == 'upper' else 'below'} {at}"


def counted_at(decided: Decided) -> str:
    """What ``exceedances`` of a result counts: they are counted at the PASS threshold."""
    if decided.quantity not in ("latency", "jitter", "ratio") or decided.statistic in ("mean", "max"):
        return counted_name(decided)
    limit = decided.limit if decided.within_ms is None else decided.within_ms
    return beyond_threshold(decided, limit, decided.pass_threshold, "PASS")


def count_of(decided: Decided, exceedances: int, n: int) -> str:
    """3 of 2000 over the limit, 3 of 2000 unanswered; n values where the quantity counts nothing."""
    name = counted_at(decided)
    return f"{exceedances} of {n} {name}" if name else f"{n} stimuli"


def places(decided: Decided) -> int:
    """Decimals that estimate and bounds are shown with, the same everywhere: four significant digits of the
    smallest of them, at most 6."""
    known = [
        abs(each)
        for each in (decided.estimate, decided.lower_bound, decided.upper_bound)
        if each is not None and isfinite(each) and each != 0
    ]
    return min(6, max(0, 3 - floor(log10(min(known))))) if known else 3


def outward(value: float, decimals: int, *, up: bool) -> float:
    """A bound with so many decimals that claims no more than itself: an upper one rounded up, a lower one
    down."""
    if not isfinite(value):
        return value
    step = Decimal(1).scaleb(-decimals)
    return float(Decimal(repr(float(value))).quantize(step, ROUND_CEILING if up else ROUND_FLOOR))


def outward_digits(value: float, *, up: bool, significant: int = 4) -> str:
    """The same with so many significant digits."""
    if value == 0 or not isfinite(value):
        return f"{value:g}"
    decimals = significant - 1 - floor(log10(abs(value)))
    return f"{outward(value, decimals, up=up):.10g}"


def confidence_words(confidence: float, alpha: float | None) -> str:
    """95 %; where the error is shared among requirements, 99.5 % each (95 % over the 10)."""
    whole = f"{100 * confidence:.8g} %"
    if alpha is None or abs(alpha - (1 - confidence)) < 1e-9:
        return whole
    return f"{100 * (1 - alpha):.8g} % each ({whole} over the {round((1 - confidence) / alpha)})"


def amount(value: float, unit: str) -> str:
    """10 ms, 1 %, 0.95: a limit as it was typed, with its unit where it has one."""
    return f"{value:g}" if unit == "1" else f"{value:g} {unit}"


def relation(asked: Asked) -> str:
    """at most, or at least."""
    return "at most" if asked.limit_is == "upper" else "at least"


def sign(asked: Asked) -> str:
    """The same as a sign."""
    return "≤" if asked.limit_is == "upper" else "≥"


SMALL_UNCERTAINTY = 0.01
"""An uncertainty of at most this share of an estimate is small against the digits that are shown."""


def with_uncertainty(decided: Decided) -> str:
    """``5 ± 22``: the estimate of a time with its U, where U is not small against it; else empty.

    U is rounded up to two digits, the estimate to the place where they end (JCGM 100:2008, 7.2.6).
    """
    value, u = decided.estimate, decided.uncertainty
    timed = decided.quantity in ("latency", "jitter")
    if not timed or value is None or u is None or not (isfinite(value) and isfinite(u)):
        return ""
    if u <= SMALL_UNCERTAINTY * abs(value):
        return ""
    decimals = 1 - floor(log10(u))
    shown = max(0, decimals)
    return f"{round(value, decimals):.{shown}f} ± {outward(u, decimals, up=True):.{shown}f}"


def swarm_words(swarm: SwarmResult) -> list[str]:
    """How often and how fast the swarm reorganised, phase by phase, and its violations; times in ms. The
    warm-up counts for violations alone, and is told apart nowhere else."""
    counting = [each for each in swarm.trials if not each.warm_up]
    if not counting:
        return []
    done = f"reorganised in {swarm.phases_ms['total'].n} of {len(counting)} trials"
    total = swarm.phases_ms["total"]
    if total.p50 is not None and total.max is not None:
        phases = ", ".join(
            f"{name.replace('_', '-')} {part.p50:.1f}"
            for name, part in swarm.phases_ms.items()
            if name != "total" and part.p50 is not None
        )
        done += f", median {total.p50:.1f} ms ({phases}), at most {total.max:.1f} ms"
    count = len(swarm.violations)
    return [done, f"violations: {count or 'none'}"]


def sentence(words: str) -> str:
    """The words as a sentence: a capital first, a full stop last."""
    words = words.strip().rstrip(".")
    return words[:1].upper() + words[1:] + "."
