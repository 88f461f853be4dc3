"""What a rig file leaves to the bag: how many messages a replay has, and how fast they come.

Filled in while the file is read, so that the number of samples is fixed before the run, and everything right
of the run folder needs no bag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.config.explain import Refusal
from harness.config.problems import DataPath
from harness.config.schedules import Replay


def fill(data: Mapping[str, Any], folder: Path) -> Iterator[Refusal]:
    """Complete every replay of a rig file's data in place; ``folder`` is what its paths start from."""
    scenarios = data.get("scenarios")
    for name, scenario in scenarios.items() if isinstance(scenarios, dict) else ():
        schedule = scenario.get("schedule") if isinstance(scenario, dict) else None
        if isinstance(schedule, dict) and schedule.get("kind") == "replay":
            yield from _fill(data, ("scenarios", name, "schedule"), scenario, schedule, folder)


def _fill(
    data: Mapping[str, Any], path: DataPath, scenario: dict[str, Any], schedule: dict[str, Any], folder: Path
) -> Iterator[Refusal]:
    from harness.bags.reading import BagError
    from harness.bags.window import read_window

    if "rate_hz" in schedule:
        yield Refusal((*path, "rate_hz"), "a replay has the rate of its bag; give `speed` instead", True)
    given = {key: value for key, value in schedule.items() if key != "rate_hz"}
    asked = {key: given[key] for key in ("speed", "from_s", "to_s", "warmup_s", "samples") if key in given}
    if _sound(given):
        try:
            window = read_window(folder / given["bag"], given["topic"], **asked)
        except BagError as error:
            about = error.about if error.about in Replay.model_fields else "bag"
            message = f"{error.message}; {error.hint}" if error.hint else error.message
            yield Refusal((*path, about), message, about not in given)
        else:
            schedule |= {"samples": window.samples, "rate_hz": window.rate_hz}
            yield from _type(data, path, scenario, window.type)


def _sound(given: Mapping[str, Any]) -> bool:
    """Whether the schedule is right by itself; what is not is said by its model."""
    try:
        Replay.model_validate(given)
    except ValueError:
        return False
    return True


def _type(data: Mapping[str, Any], path: DataPath, scenario: dict[str, Any], found: str) -> Iterator[Refusal]:
    """The bag's type against that of the port, where the port names one."""
    device, _, port = str(scenario.get("stimulus")).partition(".")
    wanted: Any = data
    for key in ("devices", device, "ports", port, "stimulus", "type"):
        wanted = wanted.get(key) if isinstance(wanted, dict) else None
    if isinstance(wanted, str) and _whole(wanted) != found:
        yield Refusal(
            (*path, "topic"), f"is of type {found} in the bag, {scenario['stimulus']} of type {wanted}"
        )


def _whole(name: str) -> str:
    package, _, rest = name.partition("/")
    return name if "/" in rest else f"{package}/msg/{rest}"
