"""What a rig file takes from bags: recorded messages that are replayed, or that values are laid over.

How many messages a replay has, and how fast they come, is filled in while the file is read: the number of
samples is then fixed before the run, and everything right of the run folder needs no bag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.config.explain import Refusal
from harness.config.problems import DataPath
from harness.config.schedules import Replay


def fill(data: Mapping[str, Any], folder: Path) -> Iterator[Refusal]:
    """Complete every replay of a rig file's data in place; refusals are of templates, too. ``folder`` is what
    its paths start from."""
    yield from _templates(data, folder)
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
            reference = str(scenario.get("stimulus"))
            wanted = {f"{at[1]}.{at[3]}": stimulus.get("type") for at, stimulus in _stimuli(data)}
            yield from _other_type(window.type, wanted.get(reference), (*path, "topic"), reference)


def _templates(data: Mapping[str, Any], folder: Path) -> Iterator[Refusal]:
    """A recorded message of each stimulus port that names one."""
    from harness.bags.reading import BagError
    from harness.bags.window import read_message

    for path, stimulus in _stimuli(data):
        told = stimulus.get("template")
        if not isinstance(told, dict) or not {"bag", "topic"} <= told.keys() <= {"bag", "topic", "message"}:
            continue  # said by the model of the port, as is a value of another type
        bag, topic, number = told["bag"], told["topic"], told.get("message", 0)
        if isinstance(bag, str) and isinstance(topic, str) and isinstance(number, int):
            try:
                found, _ = read_message(folder / bag, topic, number)
            except BagError as error:
                message = f"{error.message}; {error.hint}" if error.hint else error.message
                yield Refusal((*path, "template", error.about), message, error.about not in told)
            else:
                yield from _other_type(found, stimulus.get("type"), (*path, "template", "topic"), "the port")


def _stimuli(data: Mapping[str, Any]) -> Iterator[tuple[DataPath, dict[str, Any]]]:
    """Every stimulus port, and where it stands."""
    devices = data.get("devices")
    for name, device in devices.items() if isinstance(devices, dict) else ():
        ports = device.get("ports") if isinstance(device, dict) else None
        for port, options in ports.items() if isinstance(ports, dict) else ():
            stimulus = options.get("stimulus") if isinstance(options, dict) else None
            if isinstance(stimulus, dict):
                yield ("devices", name, "ports", port, "stimulus"), stimulus


def _sound(given: Mapping[str, Any]) -> bool:
    """Whether the schedule is right by itself; what is not is said by its model."""
    try:
        Replay.model_validate(given)
    except ValueError:
        return False
    return True


def _other_type(found: str, wanted: Any, path: DataPath, port: str) -> Iterator[Refusal]:
    """The bag's type against that of the port, where the port names one."""
    if isinstance(wanted, str) and _whole(wanted) != found:
        yield Refusal(path, f"is of type {found} in the bag, {port} of type {wanted}")


def _whole(name: str) -> str:
    package, _, rest = name.partition("/")
    return name if "/" in rest else f"{package}/msg/{rest}"
