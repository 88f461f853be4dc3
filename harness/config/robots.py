"""Robots of a rig file by name: ports with ``{robot}`` in their name are written once and read for each of
them.

Done on the plain data, before anything is validated: what comes after sees each port by its own name, and a
mistake in one is told at the line of its template.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from harness.config.explain import Refusal
from harness.config.faults import ROBOT, filled
from harness.config.problems import DataPath
from harness.config.reader import Document
from harness.config.swarm import RobotNames


def expand(document: Document) -> Iterator[Refusal]:
    """Expand every device's robots, and give the scenarios of swarms their names; yields what is wrong."""
    data = document.data
    names: dict[str, list[str]] = {}
    devices = data.get("devices")
    for device, options in devices.items() if isinstance(devices, dict) else ():
        if not isinstance(options, dict):
            continue
        path: DataPath = ("devices", device)
        if options.get("robots", []) != []:
            try:
                names[device] = _names(options["robots"])
            except ValueError as error:
                yield Refusal((*path, "robots"), str(error))
                continue
            options["robots"] = names[device]
        yield from _ports(document, path, options, names.get(device))
    yield from _scenarios(data, names)


def _names(given: Any) -> list[str]:
    if isinstance(given, dict):
        try:
            return RobotNames.model_validate(given).names
        except ValidationError as error:
            raise ValueError("needs `pattern`, as in `robot{}`, and `count`, from 1 to 64") from error
    if not isinstance(given, list) or not given or not all(isinstance(name, str) for name in given):
        raise ValueError("must be a list of names, or {pattern: 'robot{}', count: 5}")
    if twice := sorted({name for name in given if given.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)}: a name is given twice")
    return list(given)


def _ports(
    document: Document, path: DataPath, options: dict[str, Any], robots: list[str] | None
) -> Iterator[Refusal]:
    ports = options.get("ports")
    if not isinstance(ports, dict):
        return
    made: dict[str, Any] = {}
    for port, given in ports.items():
        here = (*path, "ports", port)
        told = _with_names(given, robots or [])
        if ROBOT not in str(port):
            made[port] = told
            continue
        if robots is None:
            yield Refusal(here, f"{ROBOT} in its name needs `robots` at the device: their names", True)
            continue
        for number, robot in enumerate(robots, 1):
            name = filled(port, robot, number)
            if name in ports or name in made:
                yield Refusal(here, f"makes {name!r}, which is another port already", True)
                continue
            made[name] = _filled(told, robot, number)
            _place(document, here, (*path, "ports", name))
    options["ports"] = made


def _with_names(told: Any, robots: list[str]) -> Any:
    """``names: robots`` stands for the names of the device's robots."""
    response = told.get("response") if isinstance(told, dict) else None
    if isinstance(response, dict) and response.get("names") == "robots":
        return {**told, "response": {**response, "names": robots}}
    return told


def _filled(told: Any, robot: str, number: int) -> Any:
    if isinstance(told, str):
        return filled(told, robot, number)
    if isinstance(told, dict):
        return {key: _filled(value, robot, number) for key, value in told.items()}
    return [_filled(each, robot, number) for each in told] if isinstance(told, list) else told


def _place(document: Document, template: DataPath, made: DataPath) -> None:
    """What is below the port was written where its template was."""
    for table in (document.keys, document.values):
        below = [(each, at) for each, at in table.items() if each[: len(template)] == template]
        table.update({(*made, *each[len(template) :]): at for each, at in below})


def _scenarios(data: dict[str, Any], names: dict[str, list[str]]) -> Iterator[Refusal]:
    scenarios = data.get("scenarios")
    for name, options in scenarios.items() if isinstance(scenarios, dict) else ():
        if not isinstance(options, dict) or options.get("kind") != "swarm_reorganization":
            continue
        follows = options.get("follows") or options.get("moves")
        device = follows.partition(".")[0] if isinstance(follows, str) else ""
        if device in names:
            options.setdefault("robots", names[device])
        elif device and "robots" not in options and device in (data.get("devices") or {}):
            yield Refusal(("scenarios", name, "follows"), f"the device {device} has no `robots`")
