"""What the harness measured of itself, from the rows that ``floors`` of run.json names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.samples import build, latency_ms, tried
from harness.analysis.statistics import distribution
from harness.analysis.timebase import Timebase
from harness.config.schema import Match
from harness.model import FLOOR_SCENARIOS, NO_STAMP, OBSERVATION_DTYPE, SAMPLE_DTYPE
from harness.results import Check, FloorResult

QUANTILES: tuple[float, ...] = ()


@dataclass(frozen=True)
class Floor:
    """One measurement of the floor. ``before`` and ``after``: its samples (SAMPLE_DTYPE), empty where it was
    not made; ``scenarios``: those it holds for."""

    entry: Mapping[str, Any]
    before: NDArray[Any]
    after: NDArray[Any]

    @property
    def scenarios(self) -> list[str]:
        """Scenarios whose rate and message it was measured at."""
        return [str(name) for name in self.entry.get("scenarios", [])]

    @property
    def latency_ms(self) -> NDArray[np.float64]:
        """Latency from sent of all loopback samples that count, in ms, +inf where lost; shape (n,)."""
        return np.concatenate([_latency(self.before), _latency(self.after)])


def _latency(samples: NDArray[Any]) -> NDArray[np.float64]:
    return latency_ms(samples[tried(samples)])


def floors_of(
    run: Mapping[str, Any],
    stimuli: NDArray[Any],
    observations: Mapping[str, NDArray[Any]],
    timebase: Timebase,
) -> list[Floor]:
    """Every measurement of the floor of a run; none for a run that made none."""
    out = []
    for entry in run.get("floors") or []:
        table = observations.get(str(entry["port"]), np.zeros(0, dtype=OBSERVATION_DTYPE))

        def sample(number: int | None, entry: Any = entry, table: NDArray[Any] = table) -> NDArray[Any]:
            rows = stimuli[stimuli["scenario"] == number] if number is not None else stimuli[:0]
            sent = rows["sent_ns"][rows["sent_ns"] != NO_STAMP]
            if len(sent) == 0:
                return np.zeros(0, dtype=SAMPLE_DTYPE)
            timeout_ns = round(float(entry["timeout_ms"]) * 1e6)
            inside = (table["seen_ns"] >= sent.min()) & (table["seen_ns"] <= sent.max() + 2 * timeout_ns)
            rule = Match.model_validate(entry["match"])
            return build(rows, table[inside], timebase, rule, timeout_ns).samples

        out.append(Floor(entry, sample(entry.get("before")), sample(entry.get("after"))))
    return out


def of_scenario(floors: list[Floor], scenario: str) -> Floor | None:
    """The one that holds for that scenario, if it has any sample."""
    for floor in floors:
        if scenario in floor.scenarios and len(floor.latency_ms):
            return floor
    return None


def floor_results(floors: list[Floor]) -> list[FloorResult]:
    """For ``floors`` of the results: one entry for each scenario."""
    out = []
    for floor in floors:
        values = floor.latency_ms
        for scenario in floor.scenarios:
            out.append(
                FloorResult(
                    scenario=scenario,
                    what=str(floor.entry.get("what", "")),
                    rate_hz=float(floor.entry["rate_hz"]),
                    message_bytes=floor.entry.get("message_bytes"),
                    n=len(values),
                    lost=int(np.isinf(values).sum()),
                    before=distribution(_latency(floor.before), QUANTILES),
                    after=distribution(_latency(floor.after), QUANTILES),
                    together=distribution(values, QUANTILES),
                )
            )
    return out


def measured(run: Mapping[str, Any], floor: Floor | None, floor_s: float) -> list[Check]:
    """That the floor was measured, where the rig wants it; nothing for a run recorded before there were
    floors, or a rig that does without."""
    if floor is not None or floor_s == 0 or "floors" not in run:
        return []
    why = [str(f.get("message", "")) for f in run.get("findings", []) if f.get("name") == "floor"]
    return [
        Check(
            name="floor",
            ok=False,
            value="; ".join(why) or "not measured",
            bound="the harness's own floor is measured before and after the run",
            consequence="INCONCLUSIVE: what the harness itself adds is not known",
            remedy="mend what kept the loopback from being measured, or do without: host.floor_s: 0",
        )
    ]


def is_floor(stimuli: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows of the stimuli table are of the floor."""
    return np.asarray(stimuli["scenario"] >= FLOOR_SCENARIOS)
