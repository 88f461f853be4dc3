"""What one part of a rig file says about another: ports, scenarios, requirements, stops and limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.config import devices as dev
from harness.config import schema
from harness.config.explain import Refusal
from harness.config.in_time import RampOver
from harness.config.match import CALL
from harness.config.problems import DataPath, suggest
from harness.config.time_rules import time_rules
from harness.config.together import together_rules
from harness.config.trial_rules import trial_rules
from harness.config.values import expand_variants, flatten, limit_of, offsets, relatives, violations
from harness.errors import ConfigurationError

_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass
class Parts:
    """The parts of a file that are valid by themselves; a broken one is None, its name still known."""

    simulated: bool | None = None
    processes: dict[str, schema.Process | None] = field(default_factory=dict)
    devices: dict[str, schema.DeviceBase | None] = field(default_factory=dict)
    steps: dict[str, list[Any]] = field(default_factory=dict)
    scenarios: dict[str, schema.Scenario | None] = field(default_factory=dict)
    together: list[list[str]] = field(default_factory=list)
    monitors: list[schema.Monitor | None] = field(default_factory=list)
    requirements: list[schema.Requirement | None] = field(default_factory=list)
    record: schema.Record | None = None
    key_kinds: dict[str, str] = field(default_factory=dict)
    """What the adapters say of the keys of their stimuli, by ``device.port``."""


def check(parts: Parts) -> Iterator[Refusal]:
    """Every contradiction between the parts."""
    for name, process in parts.processes.items():
        yield from _process(parts, name, process)
    for name, device in parts.devices.items():
        if device is not None:
            yield from _device(parts, name, device)
    for section, steps in parts.steps.items():
        for index, step in enumerate(steps):
            yield from _step(parts, (section, index), step)
    for name, scenario in parts.scenarios.items():
        if scenario is not None:
            yield from _scenario(parts, ("scenarios", name), scenario)
    yield from together_rules(parts.together, parts.scenarios)
    yield from _streams_apart(parts)
    for index, monitor in enumerate(parts.monitors):
        if monitor is not None:
            yield from _reference(parts, ("monitors", index, "port"), monitor.port, "response")
            yield from _bounds(("monitors", index), monitor, required=True)
    yield from _requirements(parts)


def _streams_apart(parts: Parts) -> Iterator[Refusal]:
    """A sensor that goes on publishing would do so once for every member of a group."""
    for number, group in enumerate(parts.together):
        for place, name in enumerate(group):
            spec = parts.scenarios.get(name)
            device = parts.devices.get(spec.stimulus.partition(".")[0]) if spec is not None else None
            busy = [port for port, one in dev.ports_of(device).items() if dev.background_of(one) is not None]
            if busy:
                yield Refusal(
                    ("together", number, place),
                    f"{name} is of a device whose {', '.join(busy)} goes on in the `background`, as no group"
                    " of scenarios can",
                )


def _process(parts: Parts, name: str, process: schema.Process | None) -> Iterator[Refusal]:
    path: DataPath = ("processes", name, "ready")
    if process is None:
        return
    asked = process.ready.device
    if asked is not None and asked not in parts.devices:
        yield Refusal((*path, "device"), f"there is no device {asked!r}; {suggest(asked, parts.devices)}")
    elif asked is None and len(parts.devices) > 1:
        names = ", ".join(parts.devices)
        for condition in ("publishes", "serves"):
            if getattr(process.ready, condition) is not None:
                yield Refusal(
                    (*path, condition),
                    f"needs `device` beside it, since the rig has several devices: {names}",
                    True,
                )


def _reference(parts: Parts, path: DataPath, reference: str, wanted: str) -> Iterator[Refusal]:
    """A ``device.port`` that has to exist and to be a ``wanted`` one."""
    device_name, _, port_name = reference.partition(".")
    if not parts.devices:
        return  # said once, of the section
    if device_name not in parts.devices:
        yield Refusal(path, f"there is no device {device_name!r}; {suggest(device_name, parts.devices)}")
        return
    device = parts.devices[device_name]
    if device is None:
        return
    ports = dev.ports_of(device)
    fitting = [name for name, port in ports.items() if dev.direction(port) == wanted]
    if port_name not in ports:
        none = f"it has no {wanted} port"
        yield Refusal(path, f"{device_name} has no port {port_name!r}; {suggest(port_name, fitting, none)}")
    elif port_name not in fitting and dev.direction(ports[port_name]) is not None:
        others = f"; {wanted} ports: {', '.join(fitting)}" if fitting else ""
        yield Refusal(path, f"{reference} is a {dev.direction(ports[port_name])}, not a {wanted}{others}")


def _port(parts: Parts, reference: str) -> Any:
    device_name, _, port_name = reference.partition(".")
    return dev.ports_of(parts.devices.get(device_name)).get(port_name)


def _device(parts: Parts, name: str, device: schema.DeviceBase) -> Iterator[Refusal]:
    path: DataPath = ("devices", name)
    ports = dev.ports_of(device)
    sending = [port for port, options in ports.items() if dev.direction(options) == "stimulus"]
    for port, options in ports.items():
        if dev.direction(options) is None:
            yield Refusal(
                (*path, "ports", port), "a port needs one of the keys stimulus, response, fault", True
            )
    if parts.simulated is False and sending and device.moves:
        if device.stop is None and not device.stops_itself:
            yield Refusal(
                (*path, "stop"),
                f"a real device with stimulus ports ({', '.join(sending)}) needs `stop`",
                True,
            )
        if not device.limits:
            yield Refusal(
                (*path, "limits"),
                f"a real device with stimulus ports ({', '.join(sending)}) needs `limits`",
                True,
            )
    for port in sending:
        here = (*path, "ports", port, "stimulus", "values")
        yield from _values(parts, device, here, dev.values_of(ports[port]))
    if device.stop is not None:
        yield from _values(parts, device, (*path, "stop", "values"), device.stop.values, is_stop=True)
        if (hold := getattr(device.stop, "hold", None)) is not None:
            yield from _values(parts, device, (*path, "stop", "hold", "values"), hold.values, is_stop=True)


def _values(
    parts: Parts, device: schema.DeviceBase, path: DataPath, values: dict[str, Any], is_stop: bool = False
) -> Iterator[Refusal]:
    """All sets that these values expand to, against the device's limits."""
    if is_stop and any(relatives(values)):
        yield Refusal(path, "a stop counts from nothing: it has to work when nothing is observed any more")
    yield from _relatives(parts, path, values)
    for name, value in values.items():
        if isinstance(value, RampOver):
            yield Refusal((*path, name), "`ramp_over` is of `stimulus_values`: it begins with the stimulus")
    try:
        variants = expand_variants(values)
    except ConfigurationError as error:
        yield Refusal(path, error.message, True)
        return
    wrong: dict[str, str] = {}
    for variant in variants:
        for key, message in violations(device.limits, variant):
            wrong.setdefault(key, message)
    for key, message in wrong.items():
        yield Refusal((*path, key), message)
    # A field that a limit forgot, or misspelt, would go out unchecked, and no less so in a stop.
    if device.limits and (is_stop or parts.simulated is False):
        for key, value in variants[0].items():
            numbers = [field for field, single in flatten(offsets(value), key) if _is_number(single)]
            if key not in wrong and numbers and limit_of(device.limits, numbers[0]) is None:
                yield Refusal(
                    (*path, key),
                    f"no limit covers this field; {suggest(key, device.limits)} (in `limits`)",
                    True,
                )


def _relatives(parts: Parts, path: DataPath, values: dict[str, Any]) -> Iterator[Refusal]:
    """Ports that values count from have to observe a number."""
    for key, value in values.items():
        for port in dict.fromkeys(one.relative_to for one in relatives(value)):
            yield from _reference(parts, (*path, key), port, "response")
            response = getattr(_port(parts, port), "response", None)
            if getattr(response, "value", "") is None:
                yield Refusal((*path, key), f"{port} observes no number: give it `value`, the path of one")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _step(parts: Parts, path: DataPath, step: Any) -> Iterator[Refusal]:
    if isinstance(step, schema.SendStep):
        yield from _reference(parts, (*path, "send"), step.send, "stimulus")
        device = parts.devices.get(step.send.partition(".")[0])
        if device is not None:
            yield from _values(parts, device, (*path, "values"), step.values)
    elif isinstance(step, schema.WaitStep):
        yield from _reference(parts, (*path, "wait_for"), step.wait_for, "response")
        yield from _bounds(path, step, required=False)


def _bounds(path: DataPath, part: schema.Monitor | schema.WaitStep, required: bool) -> Iterator[Refusal]:
    if part.at_least is None and part.at_most is None:
        if required:
            yield Refusal((*path, "at_least"), "needs at_least, at_most or both", True)
    elif part.at_least is not None and part.at_most is not None and part.at_least > part.at_most:
        yield Refusal((*path, "at_least"), f"{part.at_least:g} is more than at_most, {part.at_most:g}")


def _swarm(parts: Parts, path: DataPath, scenario: schema.SwarmReorganization) -> Iterator[Refusal]:
    """The fault's port, and those of every robot, each of which has to observe a number."""
    yield from _reference(parts, (*path, "stimulus"), scenario.stimulus, "fault")
    for place, further in enumerate(scenario.also):
        yield from _reference(parts, (*path, "also", place, "stimulus"), further.stimulus, "fault")
    for column, template in scenario.columns.items():
        for robot in scenario.robots:
            port = scenario.port(column, robot)
            wrong = [*_reference(parts, (*path, column), port, "response")]
            response = getattr(_port(parts, port), "response", None)
            if not wrong and getattr(response, "value", "") is None:
                wrong = [Refusal((*path, column), f"{port} observes no number: give it `value`")]
            if wrong:
                yield wrong[0]
                break  # the robots' ports are made from one template
        if template.partition(".")[0] != scenario.main.partition(".")[0]:
            yield Refusal((*path, column), "is of another device than `follows`; a swarm is one device")
    if scenario.moves is not None:
        match = getattr(getattr(_port(parts, scenario.response), "response", None), "match", None)
        if match is None or match.kind != "onset":
            yield Refusal((*path, "moves"), f"{scenario.response} needs `match: {{kind: onset, ...}}`")
    device = parts.devices.get(scenario.main.partition(".")[0])
    if device is not None and scenario.robots != device.robots:
        yield Refusal((*path, "robots"), "are those of the device: leave them out")


def _dwell(path: DataPath, schedule: schema.Trials) -> Iterator[Refusal]:
    if schedule.dwell_ms[0] > schedule.dwell_ms[1]:
        first, last = schedule.dwell_ms
        yield Refusal(
            (*path, "schedule", "dwell_ms"), f"from {first:g} to {last:g}: the first may not be the larger"
        )


def _scenario(parts: Parts, path: DataPath, scenario: schema.Scenario) -> Iterator[Refusal]:
    if isinstance(scenario, schema.SwarmReorganization):
        if isinstance(scenario.schedule, schema.Trials):
            yield from _dwell(path, scenario.schedule)
        yield from _swarm(parts, path, scenario)
        return
    yield from _reference(parts, (*path, "stimulus"), scenario.stimulus, "stimulus")
    yield from _reference(parts, (*path, "response"), scenario.response, "response")
    yield from _stages(parts, path, scenario)
    schedule = scenario.schedule
    if isinstance(schedule, schema.Paced):
        if schedule.periodic and schedule.robot_period_ms is None:
            yield Refusal(
                (*path, "schedule", "periodic"),
                "needs robot_period_ms beside it: a strictly periodic schedule samples single phases of the"
                " robot's loop, and the phases covered have to be checked",
                True,
            )
    elif isinstance(schedule, schema.Trials):
        yield from _dwell(path, schedule)
    for further in ("return_values", "stimulus_values"):
        yield from _relatives(parts, (*path, further), getattr(scenario, further, {}))
    response = _port(parts, scenario.response)
    if dev.direction(response) != "response":
        return
    match = dev.match_of(response)
    if match is None:
        device, _, port = scenario.response.partition(".")
        yield Refusal(
            ("devices", device, "ports", port, "response", "match"),
            f"needed by the scenario {path[-1]}: how an answer finds its stimulus",
            True,
        )
        return
    sender = parts.devices.get(scenario.stimulus.partition(".")[0])
    limits = {} if sender is None else sender.limits
    port = _port(parts, scenario.stimulus)
    yield from trial_rules(path, scenario, match, dev.values_of(port), limits, dev.background_of(port))
    key = _key_of(parts, scenario.stimulus)
    if match.kind == CALL and (of := _called(scenario.response, response)) != scenario.stimulus:
        yield Refusal(
            (*path, "response"),
            f"{scenario.response} is of {of}, so it answers nothing that goes to {scenario.stimulus}",
        )
    elif match.keyed and key is not None and key != match.kind:
        yield Refusal(
            (*path, "response"),
            f"{scenario.response} matches by {match.kind}, but {scenario.stimulus} {_carries(key)}",
        )


def _called(response: str, port: Any) -> str:
    """The stimulus port whose calls that response port is of."""
    return f"{response.partition('.')[0]}.{getattr(port.response, 'of', None)}"


def _carries(key: str) -> str:
    if key == "none":
        return "carries no key"
    return "is a call, whose answers are ports with `of`" if key == CALL else f"carries a {key} as its key"


def _key_of(parts: Parts, stimulus: str) -> str | None:
    """What the key of that stimulus port is; None where nobody says."""
    port = _port(parts, stimulus)
    key = dev.key_kind_of(port) if dev.direction(port) == "stimulus" else None
    return key or parts.key_kinds.get(stimulus)


def _stages(parts: Parts, path: DataPath, scenario: schema.Scenario) -> Iterator[Refusal]:
    """Ports between stimulus and response: each carries the stimulus's key, and is passed once."""
    key = _key_of(parts, scenario.stimulus)
    for index, port in enumerate(scenario.stages):
        here = (*path, "stages", index)
        yield from _reference(parts, here, port, "response")
        if port == scenario.response:
            yield Refusal(here, f"{port} is the scenario's response: stages are what lies before it")
        elif port in scenario.stages[:index]:
            yield Refusal(here, f"{port} is already stages[{scenario.stages.index(port)}]")
        options = _port(parts, port)
        if dev.direction(options) != "response":
            continue
        match = dev.match_of(options)
        if match is None:
            yield Refusal(here, f"{port} has no `match`: say where its messages carry the stimulus's key")
        elif not match.keyed:
            yield Refusal(here, f"{port} matches by {match.kind}; a stage has to carry the stimulus's key")
        elif match.kind == CALL and (of := _called(port, options)) != scenario.stimulus:
            yield Refusal(here, f"{port} is of {of}, not of {scenario.stimulus}")
        elif key is not None and key != match.kind:
            yield Refusal(here, f"{port} matches by {match.kind}, but {scenario.stimulus} {_carries(key)}")


def _requirements(parts: Parts) -> Iterator[Refusal]:
    seen: dict[str, int] = {}
    for index, requirement in enumerate(parts.requirements):
        path: DataPath = ("requirements", index)
        if requirement is None:
            continue
        if requirement.id in seen:
            yield Refusal(
                (*path, "id"), f"{requirement.id!r} is already the id of requirements[{seen[requirement.id]}]"
            )
        seen.setdefault(requirement.id, index)
        name = requirement.scenario
        if not parts.scenarios:
            continue
        if name not in parts.scenarios:
            yield Refusal(
                (*path, "scenario"), f"there is no scenario {name!r}; {suggest(name, parts.scenarios)}"
            )
            continue
        scenario = parts.scenarios[name]
        in_ms = requirement.limit * _MS.get(requirement.unit, 0.0)
        if scenario is not None and requirement.limit_is == "upper" and in_ms >= scenario.timeout_ms:
            yield Refusal(
                (*path, "limit"),
                f"{requirement.limit:g} {requirement.unit} is not below the timeout of scenario {name},"
                f" {scenario.timeout_ms:g} ms: an answer after the timeout counts as lost",
            )
        if scenario is not None:
            yield from time_rules(path, requirement, scenario, _port(parts, scenario.response))
            yield from _fits_plan(path, requirement, scenario)


def _fits_plan(
    path: DataPath, requirement: schema.Requirement, scenario: schema.Scenario
) -> Iterator[Refusal]:
    """A sequential test counts trials over the limit; what is no such count needs a fixed number of them."""
    schedule = scenario.schedule
    if not isinstance(schedule, schema.Trials) or schedule.stopping == "fixed" or schedule.stages:
        return
    asked = (requirement.quantity, requirement.statistic or requirement.limit_is)
    if asked in (("latency", "quantile"), ("loss_rate", "upper"), ("ratio", "lower")):
        return
    what = " ".join(filter(None, (requirement.statistic, requirement.quantity)))
    yield Refusal(
        (*path, "statistic" if requirement.statistic in ("mean", "max") else "quantity"),
        f"a {what} ({requirement.limit_is} limit) needs a number of trials that is fixed, or `stages`: give"
        f" the schedule of scenario {requirement.scenario} `stopping: fixed`",
    )
