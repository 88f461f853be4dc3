"""What a scenario sends on and how it is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.config.devices import background_of
from harness.config.schema import Match, ScenarioBase
from harness.model import Finding
from harness.observed import observed_now
from harness.planned import Planned
from harness.ports import Stimulus
from harness.scenarios.background import BackgroundStream, other_streams
from harness.scenarios.replaying import Replayed

if TYPE_CHECKING:
    from harness.bench import Bench


@dataclass(frozen=True)
class Wiring:
    """What a driver sends on and how it is answered: ports of the rig, or those of a twin of its device.

    ``values`` and ``limits`` as in the rig file; ``look`` tells what the device finds when nobody answers;
    ``planned`` None: nothing is looked at before the schedule ends; ``background_hz`` None: nothing is sent
    between stimuli; ``replayed``: recorded messages that are sent instead of ``values``; ``observed`` tells
    the value of a response port that values count from.
    """

    stimulus: Stimulus
    values: Mapping[str, Any]
    limits: Mapping[str, float]
    match: Match
    look: Callable[[], list[Finding]]
    planned: Planned | None = None
    background_hz: float | None = None
    replayed: Replayed | None = None
    observed: Callable[[str], float] = lambda _port: 0.0

    others: Mapping[str, BackgroundStream] = field(default_factory=dict)
    """Sensors of the device that go on publishing beside the port of the stimulus."""

    @classmethod
    def of_rig(cls, bench: Bench, name: str, spec: ScenarioBase) -> Wiring:
        """The ports that the rig file names."""
        device, _, port = spec.stimulus.partition(".")
        background = background_of(bench.rig.devices[device].ports[port])
        return cls(
            bench.devices[device].stimulus(port),
            bench.stimulus_values(device, port),
            bench.rig.devices[device].limits,
            bench.match_of(spec.response),
            bench.look,
            Planned(bench, name),
            background.rate_hz if background is not None else None,
            bench.replays.get(name),
            partial(observed_now, bench),
            others=other_streams(bench, spec.stimulus),
        )
