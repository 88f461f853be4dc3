"""The comparison itself: of every scenario the shifts of quantiles, how large the effect is, the gates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.compare.effect import Effect, effect
from harness.compare.gates import Decided, Gate, decide
from harness.compare.resample import Resampled
from harness.compare.runs import Chosen, Start, values
from harness.compare.security import Security
from harness.compare.sides import Pair, Shift
from harness.compare.sim_to_real import Foretold, foretold
from harness.history.comparable import what_changed
from harness.history.past import PastRun
from harness.history.reading import RESULTS, read_json
from harness.model import Verdict
from harness.report.series import exceedance_curve

Floats = NDArray[np.float64]
Readers = list[Callable[[], Floats]]

QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
PLOTTED = (
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
    0.9,
    0.95,
    0.98,
    0.99,
    0.995,
    0.998,
    0.999,
)
"""Of the shift plot; those for which there are too few values are left out."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Curve:
    """One run's complementary distribution function, thinned: (x in ms, share above x)."""

    run: str
    x: Floats
    share: Floats


@dataclass(frozen=True)
class Scenario:
    """One scenario of both sides, latency from intent in ms.

    ``shifts``: with intervals that hold together, each with error alpha / their number; ``plotted``: more
    quantiles, each interval with error alpha by itself. ``n``, ``lost`` (share) and ``blocks`` (samples, of
    each run) by side. ``timeout_ms``: what a lost sample counts as in an area.
    """

    name: str
    n: tuple[int, int]
    lost: tuple[float, float]
    blocks: tuple[list[int], list[int]]
    timeout_ms: float
    shifts: list[Shift]
    plotted: list[Shift]
    effect: Effect
    curves: tuple[list[Curve], list[Curve]]
    decided: list[Decided] = field(default_factory=list)
    foretold: Foretold | None = None


@dataclass(frozen=True)
class Comparison:
    """Everything that was found. ``changed``: what may explain it, name -> (in A, in B)."""

    chosen: Chosen
    confidence: float
    scenarios: list[Scenario]
    changed: dict[str, tuple[str, str]]
    security: Security | None = None
    gates: list[Gate] = field(default_factory=list)

    @cached_property
    def decided(self) -> list[Decided]:
        """The gates, decided, of all scenarios."""
        return [each for scenario in self.scenarios for each in scenario.decided]

    @property
    def verdict(self) -> Verdict | None:
        """Of the gates and the security budgets; None where neither was asked for."""
        found = [each.verdict for each in self.decided]
        if self.security is not None:
            found.append(self.security.verdict)
        for word in (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE):
            if word in found:
                return word
        return Verdict.PASS if found else None

    @property
    def simulated(self) -> str:
        """What the runs are of, for the heading of every page."""
        if self.chosen.sim_to_real:
            return "REAL AND SIMULATED"
        return "SIMULATED" if self.chosen.b[0].simulated else "REAL"


def compare(
    chosen: Chosen,
    gates: Sequence[Gate] = (),
    *,
    confidence: float = CONFIDENCE,
    security: Security | None = None,
    tolerance: float = 0.1,
) -> Comparison:
    """Compare both sides, scenario by scenario. ``tolerance``: of ``--sim-to-real``, see
    :mod:`harness.compare.sim_to_real`. Raises RecordingError where samples are missing."""
    alpha = round(1 - confidence, 12)
    decisions = sum(gate.scenario in (None, name) for gate in gates for name in chosen.scenarios)
    found = [
        _scenario(
            chosen,
            name,
            [gate for gate in gates if gate.scenario in (None, name)],
            alpha,
            alpha / max(1, decisions),
            tolerance,
        )
        for name in chosen.scenarios
    ]
    changed = what_changed(chosen.a[-1], chosen.b[0])
    return Comparison(chosen, confidence, found, changed, security, list(gates))


def _scenario(
    chosen: Chosen, name: str, gates: Sequence[Gate], alpha: float, gate_alpha: float, tolerance: float
) -> Scenario:
    fewest = min(each.scenarios[name].sent for each in [*chosen.a, *chosen.b])
    shown = sorted({q for q in QUANTILES if q == 0.5 or fewest * (1 - q) >= 1} | {g.quantile for g in gates})
    plotted = [q for q in PLOTTED if fewest * min(q, 1 - q) >= 5]
    wanted = sorted({*shown, *plotted})
    timeout = _timeout_ms(chosen, name)
    pair = Pair.of(*_readers(chosen, name, "intended_ns"), wanted, timeout)
    decided = []
    if gates:
        agreed = sorted({g.quantile for g in gates})
        sent = Pair.of(*_readers(chosen, name, "sent_ns"), agreed, timeout, fine=False)
        decided = [
            decide(gate, name, pair.shift(gate.quantile, gate_alpha), sent.shift(gate.quantile, gate_alpha))
            for gate in gates
        ]
    return Scenario(
        name=name,
        n=(pair.a.n, pair.b.n),
        lost=(pair.a.lost, pair.b.lost),
        blocks=([each.block for each in pair.a.runs], [each.block for each in pair.b.runs]),
        timeout_ms=timeout,
        shifts=[pair.shift(q, alpha / len(shown)) for q in shown],
        plotted=[pair.shift(q, alpha) for q in plotted],
        effect=effect(pair, timeout, alpha),
        curves=(_curves(chosen.a, pair.a.runs), _curves(chosen.b, pair.b.runs)),
        decided=decided,
        foretold=foretold(chosen, name, pair, alpha, tolerance) if chosen.sim_to_real else None,
    )


def _readers(chosen: Chosen, name: str, start: Start) -> tuple[Readers, Readers]:
    return [values(run, name, start) for run in chosen.a], [values(run, name, start) for run in chosen.b]


def _timeout_ms(chosen: Chosen, name: str) -> float:
    every = (read_json(run.path / RESULTS)["scenarios"][name] for run in [*chosen.a, *chosen.b])
    return max(float(each["timeout_ms"]) for each in every)


def _curves(runs: Sequence[PastRun], resampled: Sequence[Resampled]) -> list[Curve]:
    return [
        Curve(run.run_id, *exceedance_curve(found.ascending))
        for run, found in zip(runs, resampled, strict=True)
    ]
