"""The devices of a rig file: each is read with the options of its adapter and asked about its ports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from harness import adapters
from harness.config.explain import Refusal, explain
from harness.config.match import BY_PATH, CALL, UNKEYED
from harness.config.measuring import Background
from harness.config.port_base import DIRECTIONS
from harness.config.problems import nearest, suggest
from harness.config.schema import DeviceBase, Match
from harness.errors import HarnessError


def options_model(adapter: str) -> type[DeviceBase]:
    """The options model of that adapter, imported now. Raises whatever its import raises."""
    model: type[DeviceBase] = adapters.load(adapters.table()[adapter].options)
    return model


def read_device(name: str, data: Any) -> tuple[DeviceBase | None, list[Refusal]]:
    """One device's options, or None and what is wrong, with paths from the top of the file."""
    path = ("devices", name)
    if not isinstance(data, dict):
        return None, [Refusal(path, "must be a mapping with at least `adapter` and `ports`")]
    if "adapter" not in data:
        written = nearest("adapter", [key for key in data if key not in DeviceBase.model_fields])
        if written is not None:
            return None, [Refusal((*path, written), "unknown key; did you mean 'adapter'?", of_key=True)]
        known = ", ".join(adapters.offered())
        return None, [Refusal((*path, "adapter"), f"this key is missing; one of: {known}", of_key=True)]
    adapter = data["adapter"]
    if not isinstance(adapter, str) or adapter not in adapters.table():
        return None, [
            Refusal(
                (*path, "adapter"),
                f"unknown adapter {adapter!r}; {suggest(str(adapter), adapters.offered())}",
            )
        ]
    try:
        model = options_model(adapter)
    except (ImportError, AttributeError) as error:
        return None, [Refusal((*path, "adapter"), f"the adapter {adapter!r} cannot be loaded: {error}")]
    early = [*_check_ports(name, data), *_check_stop(name, data)]
    try:
        return model.model_validate(data), early
    except ValidationError as error:
        found = explain(model, data, error.errors(include_url=False))
    except HarnessError as error:
        found = [Refusal((), error.message, whole=True)]
    placed = [Refusal((*path, *r.path), r.message, r.of_key, r.whole) for r in found]
    return None, [*early, *_placed_better(placed, early, list(_paths_of_matches(name, data)))]


def _placed_better(found: list[Refusal], early: list[Refusal], exact: list[Refusal]) -> Iterator[Refusal]:
    """What a section's own check said of the whole, said of the key that it means, where that is known."""
    for refusal in found:
        end = len(refusal.path)
        if refusal.whole and any(other.path[:end] == refusal.path for other in early):
            continue
        below = [other for other in exact if other.path[:end] == refusal.path]
        yield from below if refusal.whole and below and "path" in refusal.message else [refusal]


def _check_ports(name: str, data: dict[str, Any]) -> Iterator[Refusal]:
    ports = data.get("ports")
    for port, options in ports.items() if isinstance(ports, dict) else ():
        path = ("devices", name, "ports", port)
        if not isinstance(options, dict):
            continue
        given = [way for way in DIRECTIONS if options.get(way) is not None]
        if len(given) > 1:
            yield Refusal(
                (*path, given[1]),
                f"a port is one of stimulus, response and fault, not {' and '.join(given)}",
                True,
            )
        elif not given and not options:
            yield Refusal(path, "a port needs one of the keys stimulus, response, fault", True)


def _paths_of_matches(name: str, data: dict[str, Any]) -> Iterator[Refusal]:
    """Matches without a path and with one too many; whether that is wrong is for the adapter to say."""
    ports = data.get("ports")
    for port, options in ports.items() if isinstance(ports, dict) else ():
        response = options.get("response") if isinstance(options, dict) else None
        match = response.get("match") if isinstance(response, dict) else None
        if not isinstance(match, dict):
            continue
        path = ("devices", name, "ports", port, "response", "match", "path")
        kind = match.get("kind")
        if kind in BY_PATH and not match.get("path"):
            yield Refusal(path, f"this key is missing: where the answer carries the {kind}", True)
        elif kind in (*UNKEYED, CALL) and match.get("path") is not None:
            yield Refusal(path, f"`{kind}` takes no path: the answers carry no key", True)


def _check_stop(name: str, data: dict[str, Any]) -> Iterator[Refusal]:
    stop, ports = data.get("stop"), data.get("ports")
    port = stop.get("port") if isinstance(stop, dict) else None
    if not isinstance(port, str) or not isinstance(ports, dict):
        return
    sending = [p for p, o in ports.items() if isinstance(o, dict) and "stimulus" in o]
    path = ("devices", name, "stop", "port")
    if port not in ports:
        yield Refusal(
            path, f"{name} has no port {port!r}; {suggest(port, sending, 'it has no stimulus port')}"
        )
    elif port not in sending and isinstance(ports[port], dict) and set(DIRECTIONS) & ports[port].keys():
        which = f"stimulus ports: {', '.join(sending)}" if sending else "it has no stimulus port"
        yield Refusal(path, f"{port!r} is not a stimulus; {which}")


def direction(port: Any) -> str | None:
    """``stimulus``, ``response`` or ``fault``."""
    return next((way for way in DIRECTIONS if getattr(port, way, None) is not None), None)


def ports_of(device: Any) -> dict[str, Any]:
    """The ports of a device's options by name."""
    ports = getattr(device, "ports", None)
    return dict(ports) if isinstance(ports, dict) else {}


def match_of(port: Any) -> Match | None:
    """How answers on that response port find their stimulus, if it says so."""
    match = getattr(getattr(port, "response", None), "match", None)
    return match if isinstance(match, Match) else None


def values_of(port: Any) -> dict[str, Any]:
    """What that stimulus port sends, as written."""
    values = getattr(getattr(port, "stimulus", None), "values", None)
    return dict(values) if isinstance(values, dict) else {}


def background_of(port: Any) -> Background | None:
    """What that stimulus port goes on sending between stimuli, if anything."""
    background = getattr(getattr(port, "stimulus", None), "background", None)
    return background if isinstance(background, Background) else None


def key_kind_of(port: Any) -> str | None:
    """``stamp``, ``sequence``, ``none``, or None where only the device itself can tell."""
    stimulus = getattr(port, "stimulus", None)
    kind = getattr(stimulus, "key_kind", None)
    if kind is not None:
        return str(getattr(kind, "value", kind))
    if not isinstance(stimulus, BaseModel) or "key" not in type(stimulus).model_fields:
        return None
    key = getattr(stimulus, "key", None)
    if key is None:
        return "none"
    if isinstance(key, dict) and len(key) == 1:
        return str(next(iter(key.values())))
    return key if key in ("stamp", "sequence", "none") else None
