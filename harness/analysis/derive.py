"""The whole way from a run folder to its results: ``derive(folder)`` writes samples.parquet and
results.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.analysis.anomalies.of_run import anomalies
from harness.analysis.budget import all_items
from harness.analysis.causes.of_run import bottlenecks
from harness.analysis.checks import Circumstances
from harness.analysis.floors import floor_results
from harness.analysis.parts import Series, part_of
from harness.analysis.provenance import environment, provenance
from harness.analysis.run_data import RawTable, RunData
from harness.analysis.samples import tried
from harness.analysis.simulated import as_fact
from harness.analysis.summaries import summarise
from harness.analysis.swarm import SwarmSampled
from harness.analysis.verdicts import judge
from harness.config import rig_from_resolved
from harness.config.schema import RigFile
from harness.hosttable import HostTable
from harness.model import (
    CLOCK_DTYPE,
    NO_STAMP,
    SAMPLE_DTYPE,
    SCHEMA_VERSION,
    STIMULUS_DTYPE,
    combine,
)
from harness.results import RequirementResult, Results, ScenarioResult

if TYPE_CHECKING:
    from harness.folder import RunFolder


def derive(folder: RunFolder) -> Results:
    """Match, summarise and judge a finished, aborted or recovered run; write ``samples.parquet`` and
    ``results.json``. Raises RecordingError for damaged tables, RigFileError for a rig that does not
    validate."""
    # Tables that are still a journal (a look at a run before its end) have no hashes yet.
    changed = folder.verify_raw() if folder.run.get("raw_sha256") else []
    results, samples = analyse(
        folder.run,
        rig_from_resolved(folder.run["rig"]["resolved"]),
        folder.stimuli(),
        folder.observations(),
        folder.clocks(),
        list(folder.events()),
        run_id=folder.run_id,
        changed=changed,
        parts=[part_of(each) for each in folder.parts()],
        host=folder.host(),
    )
    results = _with_bottlenecks(folder, results, samples)
    folder.write_samples(samples)
    folder.write_json("results.json", results.model_dump(mode="json", by_alias=True))
    return results


def _with_bottlenecks(folder: RunFolder, results: Results, samples: RawTable) -> Results:
    """The same with opinions on what was slow. Whatever befalls these, the verdict is what it is."""
    try:
        found = bottlenecks(folder, results, samples)
    except Exception as failure:
        folder.event("bottlenecks_not_found", message=f"{type(failure).__name__}: {failure}")
        return results
    return results.model_copy(update={"bottlenecks": found})


def derive_undecided(folder: RunFolder, reason: str) -> Results:
    """Results of a run whose tables cannot be used: every requirement is an ERROR with that reason.

    Writes ``results.json`` and an empty ``samples.parquet``, so that every document can still be rendered.
    """
    run = {**folder.run, "status": "aborted", "abort_reason": reason}
    results, samples = analyse(
        run,
        rig_from_resolved(run["rig"]["resolved"]),
        np.empty(0, STIMULUS_DTYPE),
        {},
        np.empty(0, CLOCK_DTYPE),
        list(folder.events()),
        run_id=folder.run_id,
        changed=[],
    )
    folder.write_samples(samples)
    folder.write_json("results.json", results.model_dump(mode="json", by_alias=True))
    return results


def analyse(
    run: Mapping[str, Any],
    rig: RigFile,
    stimuli: RawTable,
    observations: Mapping[str, RawTable],
    clocks: RawTable,
    events: list[dict[str, Any]],
    *,
    run_id: str,
    changed: list[str],
    parts: Sequence[RunData] = (),
    host: HostTable | None = None,
) -> tuple[Results, RawTable]:
    """:func:`derive` without files: results, and samples in the order of the stimuli table. ``parts``: the
    earlier parts of a resumed series, which count like this one. ``host``: what the host did meanwhile."""
    analysis = RunData(run, rig, stimuli, observations, clocks, events, changed)
    names = [str(each["name"]) for each in run.get("scenarios", [])]
    # A scenario that an aborted run never reached is in the results all the same, with nothing measured.
    names += [name for name in rig.scenarios if name not in names]
    alone = {name: analysis.sample(name, index) for index, name in enumerate(names)}
    series = {name: Series(analysis, parts, name, each) for name, each in alone.items()}
    sampled = {name: each.whole for name, each in series.items()}
    monitors, monitor_checks = analysis.monitors(alone)

    scenarios: dict[str, ScenarioResult] = {}
    circumstances: dict[str, Circumstances] = {}
    for index, (name, each) in enumerate(sampled.items()):
        circumstances[name], facts = series[name].circumstances(monitor_checks)
        judged = circumstances[name]
        in_wall_time = any(one.scenario == name and one.time == "wall" for one in rig.requirements)
        wall = list(judged.wall_checks) if in_wall_time else list(map(as_fact, judged.wall_checks))
        checks = [*judged.broken, *judged.checks, *wall, *facts]
        scenarios[name] = summarise(
            analysis.described(name),
            each,
            checks,
            analysis.hopped(name, index, alone[name]),
            analysis.searched(name, index, alone[name]),
            each.swarm if isinstance(each, SwarmSampled) else None,
            anomalies(alone[name].samples, events, host),
            analysis.real_time_factor(name, alone[name]),
        )
    requirements = [
        judge(
            each,
            sampled[each.scenario].samples,
            circumstances[each.scenario],
            series[each.scenario].measuring(each),
        )
        for each in rig.requirements
    ]
    used = run.get("rig", {})
    results = Results(
        schema=SCHEMA_VERSION,
        run_id=run_id,
        rig={
            "name": rig.rig.name,
            "description": rig.rig.description,
            "item": dict(rig.rig.item),
            "file": used.get("file", ""),
            "sha256": used.get("sha256", ""),
        },
        simulated=rig.rig.simulated,
        started=str(run.get("started", "")),
        ended=run.get("ended"),
        aborted=analysis.aborted,
        abort_reason=run.get("abort_reason"),
        verdict=combine([each.verdict for each in requirements]),
        requirements=requirements,
        scenarios=scenarios,
        monitors=monitors,
        findings=[{key: str(value) for key, value in each.items()} for each in run.get("findings", [])],
        uncertainty=all_items([(each.id, series[each.scenario].budget(each)) for each in rig.requirements]),
        floors=floor_results(analysis.floors),
        clocks=analysis.clocks.results(),
        earlier_runs=[
            {key: str(value) for key, value in each.items()} for each in run.get("earlier_runs", [])
        ],
        environment=environment(run, rig),
        provenance=provenance(run, changed),
    )
    samples = np.zeros(len(stimuli), dtype=SAMPLE_DTYPE)
    samples["sim_sent_ns"] = samples["sim_arrived_ns"] = NO_STAMP
    for index, each in enumerate(alone.values()):
        samples[stimuli["scenario"] == index] = each.samples
    for floor in analysis.floors:
        for number, part in (
            (floor.entry.get("before"), floor.before),
            (floor.entry.get("after"), floor.after),
        ):
            if len(part):
                samples[stimuli["scenario"] == number] = part
    return results, samples


def look(
    run: Mapping[str, Any],
    rig: RigFile,
    stimuli: RawTable,
    observations: Mapping[str, RawTable],
    clocks: RawTable,
    events: list[dict[str, Any]],
    name: str,
    parts: Sequence[RunData] = (),
) -> tuple[list[RequirementResult], int]:
    """The requirements of scenario ``name``, judged by what its tables hold while the run goes on, as if it
    had ended there by plan; and how many of its samples count, those of earlier ``parts`` included."""
    analysis = RunData({**run, "status": "finished"}, rig, stimuli, observations, clocks, events, [])
    index = [str(each["name"]) for each in run.get("scenarios", [])].index(name)
    series = Series(analysis, parts, name, analysis.sample(name, index))
    _, monitor_checks = analysis.monitors({name: series.own})
    circumstances, _ = series.circumstances(monitor_checks)
    sampled = series.whole
    judged = [
        judge(each, sampled.samples, circumstances, series.measuring(each))
        for each in rig.requirements
        if each.scenario == name
    ]
    return judged, int(tried(sampled.samples).sum())
