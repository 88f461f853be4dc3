"""Runs that have ended: how many of each verdict, and what the newest one of each rig showed."""

from __future__ import annotations

import logging
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.analysis.anomalies import Kind
from harness.history.reading import RESULTS, read_json, run_folders
from harness.telemetry.budget.limits import SECONDS_PER

_log = logging.getLogger("harness.bench")
QUANTILES = {"p50": "0.5", "p90": "0.9", "p99": "0.99"}


@dataclass(frozen=True)
class Requirement:
    """One requirement of a run that ended. ``unit`` is ``s`` of everything that is a time, and the values are
    then in seconds; None where there is no value. ``what``: ``p99 latency``, ``loss rate``. ``reason``: the
    first one of the verdict, may be empty. ``unanswered``: the latency has no value because the stimulus at
    that quantile got no answer."""

    id: str
    scenario: str
    what: str
    verdict: str
    reason: str
    limit_is: str
    unit: str
    limit: float
    estimate: float | None
    bound: float | None
    headroom: float | None
    unanswered: bool = False


@dataclass(frozen=True)
class Ended:
    """What a run of a rig that has ended showed. ``at_s``: when it ended, in seconds since 1970.

    ``quantiles``: of the latency by (scenario, quantile); ``phases``: of a swarm by (scenario, phase,
    quantile); in seconds. ``trials`` of a swarm by (scenario, outcome), ``violations`` by scenario;
    ``anomalies`` by (scenario, kind), of scenarios that were looked through.
    """

    run: str
    verdict: str
    simulated: bool
    at_s: float
    requirements: tuple[Requirement, ...]
    quantiles: dict[tuple[str, str], float]
    phases: dict[tuple[str, str, str], float]
    trials: dict[tuple[str, str], int]
    violations: dict[str, int]
    anomalies: dict[tuple[str, str], int]


@dataclass
class Rig:
    """One rig: ``runs`` by verdict; ``ended``: those read last, at most 200; ``open``: folders whose run has
    not ended, which may be running."""

    runs: Counter[str] = field(default_factory=Counter)
    newest: Ended | None = None
    ended: deque[Ended] = field(default_factory=lambda: deque(maxlen=200))
    open: set[Path] = field(default_factory=set)


class Past:
    """The runs under ``reports`` (RIG/RUN/), each read once. Counts never fall, also where runs are
    removed."""

    def __init__(self, reports: Path) -> None:
        self._reports = reports
        self._read: set[str] = set()
        self.rigs: dict[str, Rig] = {}

    def look(self) -> None:
        """Take what has ended since the last look."""
        for folder in run_folders(self._reports):
            key = f"{folder.parent.name}/{folder.name}"
            if key in self._read:
                continue
            rig = self.rigs.setdefault(folder.parent.name, Rig())
            try:
                results = read_json(folder / RESULTS)
            except (OSError, ValueError):  # none yet, or none that is whole
                rig.open.add(folder)
                continue
            try:
                ended = _ended(results)
            except (KeyError, TypeError, ValueError) as error:
                _log.warning("%s: not as this version writes it: %r", folder / RESULTS, error)
                self._read.add(key)
                rig.open.discard(folder)
                continue
            self._read.add(key)
            rig.open.discard(folder)
            rig.runs[ended.verdict] += 1
            rig.ended.append(ended)
            if rig.newest is None or ended.run >= rig.newest.run:
                rig.newest = ended
        for rig in self.rigs.values():
            rig.open = {each for each in rig.open if each.is_dir()}


def _ended(results: dict[str, Any]) -> Ended:
    quantiles: dict[tuple[str, str], float] = {}
    phases: dict[tuple[str, str, str], float] = {}
    trials: Counter[tuple[str, str]] = Counter()
    violations: dict[str, int] = {}
    anomalies: dict[tuple[str, str], int] = {}
    for name, scenario in results["scenarios"].items():
        unusual = scenario.get("anomalies")
        if unusual is not None and unusual["tested"]:
            kinds = [str(each["kind"]) for each in unusual["findings"]]
            anomalies |= {(name, kind.value): kinds.count(kind.value) for kind in Kind}
        for key, quantile in QUANTILES.items():
            if (value := scenario["latency_ms"][key]) is not None:
                quantiles[name, quantile] = value * 1e-3
        if (swarm := scenario.get("swarm")) is None:
            continue
        violations[name] = len(swarm["violations"])
        for phase, distribution in swarm["phases_ms"].items():
            for key, quantile in QUANTILES.items():
                if (value := distribution[key]) is not None:
                    phases[name, phase, quantile] = value * 1e-3
        for trial in swarm["trials"]:
            if not trial["warm_up"]:
                trials[name, "lost" if trial["total_ms"] is None else "reorganised"] += 1
    ended = results["ended"] or results["started"]
    return Ended(
        run=str(results["run_id"]),
        verdict=str(results["verdict"]),
        simulated=bool(results["simulated"]),
        at_s=datetime.fromisoformat(ended).timestamp(),
        requirements=tuple(_requirement(each) for each in results["requirements"]),
        quantiles=quantiles,
        phases=phases,
        trials=dict(trials),
        violations=violations,
        anomalies=anomalies,
    )


def _requirement(asked: dict[str, Any]) -> Requirement:
    factor = SECONDS_PER.get(asked["unit"], 1.0)
    upper = asked["limit_is"] == "upper"

    def of(value: float | None) -> float | None:
        return None if value is None else value * factor

    return Requirement(
        id=str(asked["id"]),
        scenario=str(asked["scenario"]),
        what=_what(asked),
        verdict=str(asked["verdict"]),
        reason=str(next(iter(asked["reasons"]), "")),
        limit_is=str(asked["limit_is"]),
        unit="s" if asked["unit"] in SECONDS_PER else str(asked["unit"]),
        limit=asked["limit"] * factor,
        estimate=of(asked["estimate"]),
        bound=of(asked["upper_bound" if upper else "lower_bound"]),
        headroom=asked["headroom"],
        unanswered=asked["quantity"] == "latency" and asked["estimate"] is None and asked["n"] > 0,
    )


def _what(asked: dict[str, Any]) -> str:
    quantity = str(asked["quantity"]).replace("_", " ")
    if asked.get("quantile") is not None:
        return f"p{100 * asked['quantile']:g} {quantity}"
    return f"{asked['statistic']} {quantity}" if asked.get("statistic") else quantity
