"""A swarm's trials from the tables of a run, whatever its robots tell of themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from harness.analysis.swarm import SwarmSampled, sample_said
from harness.analysis.swarm_motion import sample_motion
from harness.analysis.swarm_state import FAULT
from harness.analysis.timebase import Timebase
from harness.config.match import Match
from harness.config.schema import RigFile
from harness.config.swarm import SwarmReorganization

if TYPE_CHECKING:
    from harness.folder import RunFolder

BEFORE_NS = 2_000_000_000
"""What robots said this long before a trial is enough to know how it began."""


def sample_swarm(
    name: str,
    spec: SwarmReorganization,
    rule: Match,
    stimuli: NDArray[Any],
    observed: Callable[[str], NDArray[Any]],
    timebase: Timebase,
    events: Iterable[Mapping[str, Any]],
    until_ns: int | None,
) -> SwarmSampled:
    """The trials of scenario ``name``: ``stimuli`` are its rows, ``observed`` gives the rows of a port by its
    name, ``until_ns`` is the last instant that was recorded; ``rule``: of onsets, where robots only move."""
    if spec.moves is not None:
        return sample_motion(name, spec, rule, stimuli, observed, timebase, events, until_ns)
    return sample_said(name, spec, stimuli, observed, timebase, events, until_ns)


def sample_of_folder(
    folder: RunFolder, rig: RigFile, name: str, rows: NDArray[Any], timebase: Timebase, until_ns: int
) -> NDArray[Any]:
    """Samples (SAMPLE_DTYPE) of some ``rows`` of the scenario ``name`` while the run goes on; a trial that is
    not over yet is OPEN."""
    spec = rig.scenarios[name]
    assert isinstance(spec, SwarmReorganization)
    events, tables = folder.events(), folder.observations()
    keys = set(rows["key"].tolist())
    begun = [e["begun_ns"] for e in events if e.get("event") == FAULT and e.get("key") in keys]
    since_ns = min(begun, default=int(rows["intended_ns"].min())) - BEFORE_NS

    def observed(port: str) -> NDArray[Any]:
        return tables[port][tables[port]["seen_ns"] >= since_ns]

    device, _, port = spec.response.partition(".")
    rule = rig.devices[device].ports[port].response.match
    return sample_swarm(name, spec, rule, rows, observed, timebase, events, until_ns).samples
