"""The scenarios of a run, one group after the other: reset, probe, warm up, measure, drain."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from harness.bench import Bench
from harness.config.schema import Scenario, SwarmReorganization
from harness.config.together import groups
from harness.ports import KeyKind
from harness.scenarios import driver
from harness.scenarios.together import measure_together
from harness.steps import Ask, run_steps

PART_STEP = 1_000_003


def run_scenarios(bench: Bench, ask: Ask | None) -> None:
    """Measure every scenario of the rig; what belongs together, at the same time. Raises what ends the
    run."""
    names = list(bench.rig.scenarios)
    records: list[dict[str, Any]] = []
    for group in groups(names, bench.rig.together):
        _run_group(bench, {name: names.index(name) for name in group}, records, ask)
        bench.read_clocks(phase=2)


def _key_kind(bench: Bench, spec: Scenario) -> str:
    """Of the keys of a scenario's stimuli; faults are numbered."""
    if isinstance(spec, SwarmReorganization):
        return KeyKind.NONE.value
    device, _, port = spec.stimulus.partition(".")
    return bench.devices[device].stimulus(port).key_kind.value


def _run_group(bench: Bench, group: dict[str, int], records: list[dict[str, Any]], ask: Ask | None) -> None:
    """``group``: the members' numbers by name. ``records``: ``scenarios`` of run.json, added to."""
    seed, rig = int(bench.folder.run["seed"]), bench.rig
    shown = " + ".join(group)
    members, seeds = [], []
    mine: list[dict[str, Any]] = []
    for position, (name, index) in enumerate(group.items()):
        spec = rig.scenarios[name]
        keys = bench.keys_of(_key_kind(bench, spec))
        if position == 0:
            run_steps(bench, "reset", rig.reset, keys, ask)
        members.append(driver(spec.kind)(bench, index, name, spec, keys))
        given = spec.schedule.seed
        base = given if given is not None else seed + index
        # The parts of a series go on drawing: none repeats what another drew.
        seeds.append((base + PART_STEP * len(bench.folder.parts())) % 2**32)
        mine.append({"name": name, "variants": members[-1].recorded, "seed": seeds[-1]})
        if hasattr(members[-1], "searched"):
            mine[-1]["search"] = members[-1].searched
    records += mine
    bench.folder.save_run(scenarios=records)
    responses = [rig.scenarios[name].response for name in group]
    try:
        with ExitStack() as streams:
            for name, response, member in zip(group, responses, members, strict=True):
                bench.track(response, member.tracker)
                streams.enter_context(member.background())
                bench.folder.event("phase", name="probing", scenario=name)
                bench.folder.event("probed", scenario=name, probes=member.probe())
            with bench.quiet:
                bench.folder.event("phase", name="measuring", scenario=shown)
                if len(members) == 1:
                    members[0].measure(seeds[0])
                else:
                    measure_together(bench, members, seeds)
                bench.folder.event("phase", name="drain", scenario=shown)
                for member in members:
                    member.drain()
        for record in mine:
            record["ended_ns"] = bench.clock.monotonic_ns()
        bench.folder.save_run(scenarios=records)
        for name in group:
            bench.folder.event("measured", scenario=name)
    finally:
        for response in responses:
            bench.track(response, None)
