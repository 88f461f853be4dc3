"""Groups of scenarios that are measured at the same time: what has to hold, and who belongs to whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.config.explain import Refusal
from harness.config.measuring import ScenarioBase, Throughput
from harness.config.problems import DataPath, suggest
from harness.config.schedules import Trials


def groups(names: Sequence[str], together: Sequence[Sequence[str]]) -> list[list[str]]:
    """All scenarios in the order of the rig file, those that are measured at the same time in one list."""
    of = {name: list(group) for group in together for name in group}
    found: list[list[str]] = []
    for name in names:
        members = [each for each in names if each in of.get(name, [name])]
        if not found or name not in found[-1]:
            found.append(members)
    return found


def chosen(together: Sequence[Sequence[str]], names: Sequence[str]) -> list[list[str]]:
    """The groups that are left when only the scenarios ``names`` are run."""
    left = ([name for name in group if name in names] for group in together)
    return [group for group in left if len(group) > 1]


def together_rules(
    together: Sequence[Sequence[str]], scenarios: Mapping[str, ScenarioBase | None]
) -> Iterator[Refusal]:
    """What is wrong with the groups of a rig file."""
    order, said = list(scenarios), set[str]()
    for number, group in enumerate(together):
        path: DataPath = ("together", number)
        unknown = [name for name in group if name not in scenarios]
        for name in unknown:
            yield Refusal(
                (*path, group.index(name)), f"there is no scenario {name!r}; {suggest(name, order)}"
            )
        for name in group:
            if name in said:
                yield Refusal((*path, group.index(name)), f"{name!r} is listed twice; a scenario is run once")
            said.add(name)
        if unknown:
            continue
        if len(group) < 2:
            yield Refusal(path, "a group has at least two scenarios", True)
            continue
        places = sorted(order.index(name) for name in group)
        if places[-1] - places[0] != len(places) - 1:
            yield Refusal(
                path, "the scenarios of a group have to stand one after the other under `scenarios`", True
            )
        yield from _members(path, group, scenarios)


def _members(
    path: DataPath, group: Sequence[str], scenarios: Mapping[str, ScenarioBase | None]
) -> Iterator[Refusal]:
    owner: dict[str, str] = {}
    for place, name in enumerate(group):
        spec = scenarios[name]
        if spec is None:
            continue
        if isinstance(spec.schedule, Trials):
            yield Refusal(
                (*path, place),
                f"{name} has a schedule of trials, from rest; only paced ones go together",
            )
        elif isinstance(spec, Throughput):
            yield Refusal((*path, place), f"{name} searches for what the robot sustains, which is done alone")
        elif spec.schedule.stages:
            yield Refusal(
                (*path, place),
                f"{name} may end at `stages`; what goes together has a fixed end",
            )
        for port in (spec.stimulus, spec.response):
            if port in owner:
                yield Refusal((*path, place), f"{name} and {owner[port]} both use {port}")
            owner.setdefault(port, name)
