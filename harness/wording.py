"""What a requirement asks for, in few words: one place for all of terminal, reports and JUnit."""

from __future__ import annotations

from typing import Protocol


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
    return f"{name} {asked.quantity}{kind}"


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


def count_of(asked: Asked, exceedances: int, n: int) -> str:
    """3 of 2000 over the limit, 3 of 2000 unanswered; n values where the quantity counts nothing."""
    name = counted_name(asked)
    return f"{exceedances} of {n} {name}" if name else f"{n} stimuli"


def amount(value: float, unit: str) -> str:
    """10 ms, 1 %, 0.95: a limit as it was typed, with its unit where it has one."""
    return f"{value:g}" if unit == "1" else f"{value:g} {unit}"


def relation(asked: Asked) -> str:
    """at most, or at least."""
    return "at most" if asked.limit_is == "upper" else "at least"


def sign(asked: Asked) -> str:
    """The same as a sign."""
    return "≤" if asked.limit_is == "upper" else "≥"
