"""What an adapter knows beyond the shape of its options, asked while a rig file is read.

The module of an adapter's options may define any of::

    problems(options) -> list[Refusal]                       what is wrong; paths from the device
    value_problems(options, port, values) -> list[Refusal]   the same for a set-up step or return values;
                                                             paths from the values
    key_kind(options, port) -> "stamp" | "sequence" | "none" | None
    arrival_problem(options, port) -> str | None             why `arrival: stamp` cannot rest on that port
    topics(options) -> list[str] | None                      every topic that a bag may hold of it, in full

They look, and open nothing: a rig file is read where no robot and no SDK is. What cannot be known here is no
problem (an empty list, None).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from harness import adapters
from harness.config import devices as dev
from harness.config import left_out
from harness.config.crossref import Parts
from harness.config.explain import Refusal
from harness.config.problems import DataPath
from harness.config.schema import DeviceBase, SendStep


def problems(parts: Parts) -> Iterator[Refusal]:
    """What the adapters say of their devices and of the values that steps send to them."""
    for name, device in parts.devices.items():
        hook = _hook(device, "problems")
        if hook is not None:
            yield from _below(("devices", name), hook(device))
    for section, steps in parts.steps.items():
        for index, step in enumerate(steps):
            if isinstance(step, SendStep):
                name, _, port = step.send.partition(".")
                device = parts.devices.get(name)
                hook = _hook(device, "value_problems")
                if hook is not None and dev.direction(dev.ports_of(device).get(port)) == "stimulus":
                    yield from _below((section, index, "values"), hook(device, port, step.values))
    for scenario_name, scenario in parts.scenarios.items():
        if scenario is None:
            continue
        if scenario.arrival == "stamp":
            name, _, port = scenario.response.partition(".")
            hook = _hook(parts.devices.get(name), "arrival_problem")
            why = hook(parts.devices[name], port) if hook is not None else None
            if why is not None:
                yield Refusal(("scenarios", scenario_name, "arrival"), f"{why}; use `arrival: received`")
        for key in ("return_values", "stimulus_values"):
            values = getattr(scenario, key, None)
            if not values:
                continue
            name, _, port = scenario.stimulus.partition(".")
            device = parts.devices.get(name)
            hook = _hook(device, "value_problems")
            if hook is not None and dev.direction(dev.ports_of(device).get(port)) == "stimulus":
                yield from _below(("scenarios", scenario_name, key), hook(device, port, values))
    yield from _left_out(parts)


def _left_out(parts: Parts) -> Iterator[Refusal]:
    """Topics to be left out of the bag that no device has; silent where not all topics are known."""
    if parts.record is None or not parts.record.bag:
        return
    topics: list[tuple[str, str]] = []
    for device in parts.devices.values():
        hook = _hook(device, "topics")
        found = None if hook is None else hook(device)
        if found is None:
            return
        topics += [(topic, getattr(device, "namespace", "")) for topic in found]
    yield from left_out.refusals(parts.record.leave_out, topics)


def key_kinds(parts: Parts) -> dict[str, str]:
    """The kinds of the keys that only an adapter can tell, by ``device.port``."""
    found: dict[str, str] = {}
    for name, device in parts.devices.items():
        hook = _hook(device, "key_kind")
        if hook is None:
            continue
        for port, options in dev.ports_of(device).items():
            if dev.direction(options) == "stimulus" and (kind := hook(device, port)) is not None:
                found[f"{name}.{port}"] = kind
    return found


def _hook(device: DeviceBase | None, name: str) -> Callable[..., Any] | None:
    if device is None:
        return None
    module, _, _ = adapters.table()[device.adapter].options.partition(":")
    found: Callable[..., Any] | None = getattr(importlib.import_module(module), name, None)
    return found


def _below(path: DataPath, refusals: list[Refusal]) -> Iterator[Refusal]:
    for refusal in refusals:
        yield replace(refusal, path=(*path, *refusal.path))
