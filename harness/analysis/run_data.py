"""One run as its tables and its rig file tell it, scenario by scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis import checks as bench
from harness.analysis.budget import bounded, budget
from harness.analysis.checks import Circumstances
from harness.analysis.clocks import Clocks
from harness.analysis.evidence import Measuring
from harness.analysis.floors import floors_of, of_scenario
from harness.analysis.floors import measured as floor_measured
from harness.analysis.hops import Hopped, Tap, summarise_hops, trace
from harness.analysis.onset import directions
from harness.analysis.onset_known import onset_checks
from harness.analysis.rule import complement
from harness.analysis.samples import Sampled, build
from harness.analysis.simulated import physics_item, real_time, simulated_budget
from harness.analysis.simulated_time import SimulatedTime, simulated_times
from harness.analysis.starved import starved
from harness.analysis.summaries import Described, arrival_is, loss
from harness.analysis.swarm import ORDER, PERIOD_SOURCE, SwarmSampled, swarm_faults
from harness.analysis.swarm_sampling import sample_swarm
from harness.analysis.throughput import search_result
from harness.analysis.uncertainty import Budget, combine, sampling_period
from harness.analysis.verdicts import measured_window
from harness.config.schema import Match, Requirement, RigFile, SwarmReorganization, Throughput
from harness.config.together import groups
from harness.errors import ConfigurationError
from harness.model import CLOCK_DTYPE, FLOOR_SCENARIOS, NO_STAMP, OBSERVATION_DTYPE, STIMULUS_DTYPE
from harness.results import Check, MonitorResult, RealTimeFactor, SearchResult

RawTable = NDArray[Any]


class RunData:
    """The tables of a run beside its rig file: what several steps of the analysis ask. Made once per run."""

    def __init__(
        self,
        run: Mapping[str, Any],
        rig: RigFile,
        stimuli: RawTable,
        observations: Mapping[str, RawTable],
        clocks: RawTable,
        events: list[dict[str, Any]],
        changed: list[str],
    ) -> None:
        self._run, self._rig, self._events, self._changed = run, rig, events, changed
        self._stimuli, self._observations = stimuli.astype(STIMULUS_DTYPE, copy=False), observations
        self.clocks = Clocks(run, rig, clocks.astype(CLOCK_DTYPE, copy=False))
        self.timebase = self.clocks.timebase
        self._readings = clocks
        # A run.json without a last word is of a harness that was killed: never finished, whatever is in the
        # tables.
        self.aborted = run.get("status") != "finished"
        self.floors = floors_of(run, self._stimuli, observations, self.timebase)
        self._floor_starts = [
            each["sent_ns"].min()
            for floor in self.floors
            for each in (floor.before, floor.after)
            if len(each)
        ]
        self._recorded_until = self._last_instant(clocks) if self.aborted else None
        self._simulated = simulated_times(run, observations.values())

    def _last_instant(self, clocks: RawTable) -> int | None:
        columns = [self._stimuli["sent_ns"], self._stimuli["handed_ns"], clocks["t4_ns"]]
        columns += [table["seen_ns"] for table in self._observations.values()]
        return max((int(column.max()) for column in columns if len(column)), default=None)

    def observed(self, port: str) -> RawTable:
        """All rows of a port; none for one that saw nothing."""
        return self._observations.get(port, np.zeros(0, dtype=OBSERVATION_DTYPE))

    def described(self, name: str) -> Described:
        """The scenario's part of the rig file, and how its response port matches and stamps."""
        spec = self._rig.scenarios[name]
        said = isinstance(spec, SwarmReorganization) and spec.moves is None
        match = ORDER if said else self._match(spec.response)
        return Described(spec, match, self.clocks.arrival_is(spec))

    def _match(self, reference: str) -> Match:
        # Options of devices are the adapters' own models; what a response port says of matching is common to
        # all.
        device, _, port = reference.partition(".")
        options = self._rig.devices[device]
        options = options if isinstance(options, dict) else options.model_dump(mode="json")
        ports = options.get("ports") or {}
        response = (ports.get(port) or {}).get("response") or {}
        given = response.get("match") if isinstance(response, dict) else None
        if not given:
            raise ConfigurationError(
                f"{reference} answers a scenario and does not say how its answers find their stimuli",
                hint=f"give devices.{device}.ports.{port}.response.match",
            )
        return Match.model_validate(given)

    def sample(self, name: str, index: int) -> Sampled:
        """Samples of the scenario with that number."""
        described = self.described(name)
        rows = self._stimuli[self._stimuli["scenario"] == index]
        if isinstance(described.spec, SwarmReorganization):
            until = self._last_instant(self._readings)
            return sample_swarm(
                name,
                described.spec,
                described.match,
                rows,
                self.observed,
                self.timebase,
                self._events,
                until,
            )
        return build(
            rows,
            self._observed_in(index, described.spec.response),
            self.timebase,
            described.match,
            round(described.spec.timeout_ms * 1e6),
            arrival=described.spec.arrival,
            recorded_until_ns=self._recorded_until,
            ended_ns=self._ended_ns(index),
            foreign_keys=self._keys_of_others(index),
            directions=self._directions(index, described.match, rows),
            still=getattr(described.spec.schedule, "rest", "none") == "still",
            simulated=self.simulated_time(described.spec.response),
        )

    def simulated_time(self, port: str) -> SimulatedTime | None:
        """The clock of simulated time that the answers of that port are stamped with; None where they are
        not, or the device has none."""
        clock = str(self._run.get("ports", {}).get(port, {}).get("stamp_clock"))
        device = port.partition(".")[0]
        mine = [one for name, one in self._simulated.items() if name.partition(".")[0] == device]
        return self._simulated.get(clock) or (mine[0] if len(mine) == 1 else None)

    def real_time_factor(self, name: str, sampled: Sampled) -> RealTimeFactor | None:
        """How fast the simulation ran while that scenario was measured; None where there is none."""
        spec = self._rig.scenarios[name]
        time = self.simulated_time(spec.response) or self.simulated_time(spec.stimulus)
        window = measured_window(sampled.samples, round(spec.timeout_ms * 1e6))
        return None if time is None or window is None else time.factor(*window)

    def places(self, name: str) -> list[int]:
        """The number of that scenario in the tables; none where the run did not come to it."""
        names = [str(each["name"]) for each in self._run.get("scenarios", [])]
        return [names.index(name)] if name in names else []

    def _directions(self, index: int, match: Match, rows: RawTable) -> NDArray[np.int8] | None:
        """Which way each command went, where onsets have to go with it."""
        begun = self._run["scenarios"]
        if match.direction != "with_command" or index >= len(begun):
            return None
        variants = begun[index]["variants"]
        return directions(rows["variant"], rows["sent_ns"], variants, match.field)

    def _observed_in(self, index: int, port: str) -> RawTable:
        """Rows of a port from the scenario's first send on, to the first one of a later scenario."""
        table = self.observed(port)
        start, end = self._window(index)
        return table[(table["seen_ns"] >= start) & (table["seen_ns"] < end)]

    def hopped(self, name: str, index: int, sampled: Sampled) -> Hopped | None:
        """Where the time went between the ports of `stages`; None for a scenario that lists none."""
        described = self.described(name)
        spec = described.spec
        if not spec.stages:
            return None
        taps = [
            Tap(
                port,
                self._match(port),
                self._observed_in(index, port),
                self.clocks.arrival_is(spec.model_copy(update={"response": port})),
            )
            for port in spec.stages
        ]
        nothing = np.zeros(0, dtype=OBSERVATION_DTYPE)
        response = Tap(spec.response, described.match, nothing, arrival_is(described, sampled))
        timeout_ns = round(spec.timeout_ms * 1e6)
        found = trace(sampled.samples, response, taps, self.timebase, timeout_ns, spec.arrival)
        asked = {
            each.quantile
            for each in self._rig.requirements
            if each.scenario == name and each.quantity == "latency" and each.quantile is not None
        }
        return summarise_hops(found, sorted(asked) or [0.99])

    def searched(self, name: str, index: int, sampled: Sampled) -> SearchResult | None:
        """What the search of a throughput scenario found; None for any other."""
        spec, records = self._rig.scenarios[name], self._run.get("scenarios", [])
        if not isinstance(spec, Throughput):
            return None
        steps = records[index].get("search", []) if index < len(records) else []
        return search_result(sampled.samples, steps, spec.search)

    def _keys_of_others(self, index: int) -> NDArray[np.int64]:
        # Not those of the floor: they are numbered anew, and their answers are on a port of their own.
        number = self._stimuli["scenario"]
        others = self._stimuli[(number != index) & (number < FLOOR_SCENARIOS)]
        keys: NDArray[np.int64] = others["key"].astype(np.int64)
        return keys

    def _ended_ns(self, index: int) -> int | None:
        """When the scenario's drain was over, as the run recorded it."""
        records = self._run.get("scenarios", [])
        return records[index].get("ended_ns") if index < len(records) else None

    def _window(self, index: int) -> tuple[int, int]:
        """From the scenario's first send to the first one of a later scenario that is not measured at the
        same time."""

        def first_send(chosen: NDArray[np.bool_]) -> int:
            sent = self._stimuli["sent_ns"][chosen & (self._stimuli["sent_ns"] != NO_STAMP)]
            return int(sent.min()) if len(sent) else np.iinfo(np.int64).max

        number = self._stimuli["scenario"]
        later = (number > self._last_of_group(index)) & (number < FLOOR_SCENARIOS)
        after = [int(stamp) for stamp in self._floor_starts if stamp > first_send(number == index)]
        return first_send(number == index), min([first_send(later), *after])

    def _last_of_group(self, index: int) -> int:
        """Number of the last scenario that is measured at the same time."""
        names = list(self._rig.scenarios)
        group = next(group for group in groups(names, self._rig.together) if names[index] in group)
        return names.index(group[-1])

    def monitors(self, sampled: Mapping[str, Sampled]) -> tuple[list[MonitorResult], list[Check]]:
        """Watched signals over the measured parts of all scenarios."""
        windows = []
        for name, each in sampled.items():
            window = measured_window(each.samples, round(self._rig.scenarios[name].timeout_ms * 1e6))
            windows += [window] if window else []
        found = [bench.monitor(each, self.observed(each.port), windows) for each in self._rig.monitors]
        return [result for result, _ in found], [check for _, check in found]

    def budget(self, requirement: Requirement, sampled: Sampled) -> Budget:
        """U of that requirement, on the samples of its scenario."""
        spec = self._rig.scenarios[requirement.scenario]
        period_ms = sampled.swarm.period_ms if isinstance(sampled, SwarmSampled) else None
        period = None if period_ms is None else sampling_period(period_ms, PERIOD_SOURCE)
        time = self.simulated_time(spec.response)
        if requirement.time == "simulated" and time is not None:
            return simulated_budget(
                sampled.samples,
                self.observed(spec.response),
                time,
                of_signal=sampled.onsets is not None,
                jitter=requirement.quantity == "jitter",
            )
        found = budget(requirement, spec, self.clocks, sampled.samples, sampled.onsets, period)
        if time is not None and found.items:
            found = combine([*found.items, physics_item(time)])
        return found

    def measuring(self, requirement: Requirement, sampled: Sampled) -> Measuring:
        """How the values of that requirement were measured, and at which error it is decided."""
        spec = self._rig.scenarios[requirement.scenario]
        share = len(self._rig.requirements) if self._rig.family_wise else 1
        floor = of_scenario(self.floors, requirement.scenario)
        return Measuring(
            alpha=complement(requirement.confidence) / share,
            schedule=spec.schedule,
            budget=bounded(self.budget(requirement, sampled)),
            loopback=None if floor is None else floor.latency_ms,
            longest_disturbance_ms=spec.longest_disturbance_ms,
        )

    def circumstances(
        self, name: str, sampled: Sampled, monitor_checks: list[Check], own: Sampled | None = None
    ) -> tuple[Circumstances, list[Check]]:
        """What requirements of that scenario are judged under, and further facts for information. ``own``:
        what this part measured of a resumed series, all of which is ``sampled``."""
        spec, findings = self._rig.scenarios[name], self._run.get("findings", [])
        mine = (sampled if own is None else own).samples
        window = measured_window(mine, round(spec.timeout_ms * 1e6)) or (0, 0)
        lost = bench.messages_lost(findings, self._events, name, (spec.response, spec.stimulus), window)
        broken = [lost, bench.raw_data(self._changed)]
        checks = [bench.host_load(findings), *bench.phases(sampled.samples, spec.schedule), *monitor_checks]
        clock = self.clocks.check(spec, sampled)
        checks += [clock] if clock else []
        if isinstance(sampled, SwarmSampled):
            broken.append(swarm_faults(sampled.swarm))
            if sampled.onsets is not None:
                checks += onset_checks(sampled, self._match(spec.response), aborted=self.aborted)
            checks += starved(
                sampled.swarm, [each for each in self._rig.requirements if each.scenario == name]
            )
        else:
            checks += onset_checks(sampled, self._match(spec.response), aborted=self.aborted)
            checks += floor_measured(self._run, of_scenario(self.floors, name), self._rig.host.floor_s)
        facts = [
            bench.sending(sampled.samples, spec.schedule.samples),
            loss(sampled.samples, sampled.rejected),
            bench.wall_clock(mine, self.timebase),
            bench.stationary(sampled.samples),
            *self.clocks.facts(spec),
        ]
        reason = str(self._run.get("abort_reason") or "")
        remarks = sampled.remarks if isinstance(sampled, SwarmSampled) else []
        wall = []
        if self.simulated_time(spec.response) is not None or self.simulated_time(spec.stimulus) is not None:
            part = sampled if own is None else own
            wall.append(real_time(self.real_time_factor(name, part)))
        return (
            Circumstances(spec.schedule.samples, self.aborted, reason, broken, checks, remarks, wall),
            facts,
        )
