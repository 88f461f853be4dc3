"""The bottlenecks of every scenario of a run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.causes.find import find_causes
from harness.analysis.clocks import Clocks
from harness.analysis.evidence import MS_PER_UNIT
from harness.config import rig_from_resolved
from harness.config.schema import RigFile
from harness.results import Results
from harness.results_causes import Bottlenecks

if TYPE_CHECKING:
    from harness.folder import RunFolder

LEFT_OUT = ("swarm_reorganization",)
"""Kinds whose samples are failover trials, which no moment of the host explains."""


def bottlenecks(folder: RunFolder, results: Results, samples: NDArray[Any]) -> list[Bottlenecks]:
    """Of each scenario that was measured. ``samples``: SAMPLE_DTYPE of the whole run. Raises RecordingError
    for damaged tables."""
    rig = rig_from_resolved(folder.run["rig"]["resolved"])
    host = folder.host()
    observed = folder.observations()
    timebase = Clocks(folder.run, rig, folder.clocks()).timebase
    found = []
    names = [str(each["name"]) for each in folder.run.get("scenarios", [])]
    for index, name in enumerate(names):
        spec = rig.scenarios[name]
        rows = samples[samples["scenario"] == index]
        if spec.kind in LEFT_OUT or not len(rows):
            continue
        limit, quantile = _asked(rig, name)
        device = spec.response.partition(".")[0]
        found.append(
            find_causes(
                name,
                rows,
                host,
                folder.run,
                timeout_ms=spec.timeout_ms,
                limit_ms=limit,
                quantile=quantile,
                adapter=rig.devices[device].adapter if device in rig.devices else "",
                observed=observed.get(spec.response, np.empty(0)),
                timebase=timebase,
            )
        )
    return found


def _asked(rig: RigFile, scenario: str) -> tuple[float | None, float | None]:
    """The tightest limit on a latency of that scenario, in ms, and the quantile it is on."""
    asked = [
        (float(each.limit * MS_PER_UNIT[each.unit]), each.quantile)
        for each in rig.requirements
        if each.scenario == scenario
        and each.quantity == "latency"
        and each.limit_is == "upper"
        and each.unit in MS_PER_UNIT
    ]
    return min(asked, default=(None, None), key=lambda each: each[0] or 0.0)
