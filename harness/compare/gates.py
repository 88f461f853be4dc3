"""`--fail-on p99:5%`: what must not get worse by more, and whether it has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from harness.compare.sides import Interval, Shift
from harness.errors import ConfigurationError
from harness.model import Verdict
from harness.wording import quantile_name

_GATE = re.compile(
    r"(?:(?P<scenario>[^:]+):)?p(?P<quantile>\d+(?:\.\d+)?):(?P<value>\d+(?:\.\d+)?)(?P<unit>\D*)"
)
_MS = {"%": 0.01, "us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True)
class Gate:
    """At ``quantile`` B may be larger than A by ``most`` and no more: a share of A where ``relative``, else
    ms. ``scenario`` None: in every one. ``text``: as it was typed."""

    text: str
    scenario: str | None
    quantile: float
    most: float
    relative: bool


@dataclass(frozen=True)
class Decided:
    """A gate in one scenario. FAIL: the interval lies beyond what is allowed, PASS: within; INCONCLUSIVE: it
    contains the threshold. ``intent`` and ``sent``: the interval of latency from intent and from sent; both
    have to say the same, so that what the harness itself was late can cost a decision and never cause one."""

    gate: Gate
    scenario: str
    verdict: Verdict
    intent: Interval
    sent: Interval

    @property
    def words(self) -> str:
        """The decision in a sentence."""
        name, most = quantile_name(self.gate.quantile), _amount(self.gate, self.gate.most)
        seen = f"{self._said(self.intent)} from intent, {self._said(self.sent)} from sent"
        what = {
            Verdict.PASS: f"it did not get worse by more than {most}",
            Verdict.FAIL: f"it got worse by more than {most}",
        }.get(self.verdict, f"{most} more can neither be shown nor excluded")
        return f"{name} of {self.scenario}: {what} (change {seen})"

    def _said(self, interval: Interval) -> str:
        low, high = (_amount(self.gate, each, sign=True) for each in (interval.low, interval.high))
        return f"{low} to {high}"


def _amount(gate: Gate, value: float, *, sign: bool = False) -> str:
    shown = f"{100 * value if gate.relative else value:{'+' if sign else ''}.3g}".replace("-", "−")
    shown = shown.replace("inf", "∞")
    return f"{shown} {'%' if gate.relative else 'ms'}"


def parse(text: str, scenarios: Sequence[str]) -> Gate:
    """``p99:5%``, ``p99.9:0.5ms``, ``SCENARIO:p99:5%``. Raises ConfigurationError."""
    found = _GATE.fullmatch(text.strip())
    hint = "write a quantile and what is allowed: p99:5%, p99.9:0.5ms, or SCENARIO:p99:5%"
    if found is None:
        raise ConfigurationError(f"--fail-on {text}: cannot be read", hint=hint)
    unit, scenario = found["unit"].strip(), found["scenario"]
    if unit not in _MS:
        raise ConfigurationError(
            f"--fail-on {text}: the unit {unit!r} is not one of {', '.join(_MS)}", hint=hint
        )
    quantile = float(found["quantile"]) / 100
    if not 0 < quantile < 1:
        raise ConfigurationError(f"--fail-on {text}: there is no quantile p{found['quantile']}", hint=hint)
    if scenario is not None and scenario not in scenarios:
        raise ConfigurationError(
            f"--fail-on {text}: no scenario {scenario!r} is compared",
            hint=f"there are: {', '.join(scenarios)}",
        )
    return Gate(text, scenario, round(quantile, 12), float(found["value"]) * _MS[unit], unit == "%")


def decide(gate: Gate, scenario: str, intent: Shift, sent: Shift) -> Decided:
    """The gate on the shifts of both latencies."""
    sides = [each.relative if gate.relative else each.difference for each in (intent, sent)]
    if any(isnan(each.low) or isnan(each.high) for each in sides):
        verdict = Verdict.INCONCLUSIVE
    elif all(each.low > gate.most for each in sides):
        verdict = Verdict.FAIL
    elif all(each.high <= gate.most for each in sides):
        verdict = Verdict.PASS
    else:
        verdict = Verdict.INCONCLUSIVE
    return Decided(gate, scenario, verdict, sides[0], sides[1])
