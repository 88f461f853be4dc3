"""What is wrong with a Gazebo device of a rig file, told while the file is read: types, paths, values.

Nothing is opened. Where Gazebo's bindings are not installed, the file is taken as it is: the run on the
bench, where they are, says the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.adapters.gazebo import fields, messages, stimulus, world
from harness.adapters.gazebo.options import Options
from harness.adapters.gazebo.port_options import (
    AnyStimulus,
    ReplyOptions,
    StimulusOptions,
    TopicOptions,
)
from harness.config.explain import Refusal
from harness.config.match import fields_read
from harness.config.problems import DataPath
from harness.config.values import expand_variants, offsets
from harness.errors import ConfigurationError, UnavailableError


def problems(options: Options) -> list[Refusal]:
    """Every mistake that this host's messages show; paths from the device."""
    found: list[Refusal] = []
    sent: dict[str, Any] = {}
    for name, port in options.ports.items():
        one = port.stimulus or port.response
        way = "stimulus" if port.stimulus is not None else "response"
        at: DataPath = ("ports", name, way)
        if port.stimulus is not None:
            message = _message(options, port.stimulus, at, found)
            if message is None:
                continue
            sent[name] = message
            if isinstance(port.stimulus, StimulusOptions):
                found += _key(message, port.stimulus, at)
            found += _values(message, port.stimulus.values, (*at, "values"))
        elif isinstance(one, TopicOptions):
            message = _loaded(one.type, (*at, "type"), found)
            if message is not None:
                found += _fields(message, one, at)
        elif isinstance(one, ReplyOptions) and one.of in options.ports:
            called = options.ports[one.of].stimulus
            if called is not None and not isinstance(called, StimulusOptions):
                message = _loaded(world.as_service(called, options.world).reply, at, found)
                if message is not None:
                    found += _values(message, one.accepted_if, (*at, "accepted_if"))
                    error = None if one.value is None else fields.unknown(message, one.value)
                    if error is not None:
                        found.append(_refusal((*at, "value"), error, True))
    stop = options.stop
    if stop is not None and stop.port in sent:
        found += _values(sent[stop.port], stop.values, ("stop", "values"))
    if sent:
        for path in options.limits:
            errors = [error for one in sent.values() if (error := fields.unknown(one, path)) is not None]
            if len(errors) == len(sent):
                found.append(_refusal(("limits", path), errors[0], True))
    return found


def value_problems(options: Options, port: str, values: Mapping[str, Any]) -> list[Refusal]:
    """What is wrong with values that a step sends to that port; paths from the values."""
    one = options.ports[port].stimulus if port in options.ports else None
    if one is None:
        return []
    message = _message(options, one, (), [])
    return [] if message is None else list(_values(message, values, ()))


def key_kind(options: Options, port: str) -> str | None:
    """``stamp``, ``sequence``, ``call`` or ``none``; None where it cannot be known here."""
    one = options.ports[port].stimulus if port in options.ports else None
    if one is None:
        return None
    if not isinstance(one, StimulusOptions):
        return one.key_kind
    if one.key is None:
        return "none"
    try:
        return stimulus.key_of(messages.message_class(one.type), one)[0].value
    except (ConfigurationError, UnavailableError):
        return None


def _message(options: Options, one: AnyStimulus, at: DataPath, found: list[Refusal]) -> Any:
    if isinstance(one, StimulusOptions):
        return _loaded(one.type, (*at, "type"), found)
    return _loaded(world.as_service(one, options.world).type, (*at, "type"), found)


def _loaded(name: str, at: DataPath, found: list[Refusal]) -> Any:
    """The class; None without the bindings, or where the refusal was added."""
    try:
        return messages.message_class(name)
    except UnavailableError:
        return None
    except ConfigurationError as error:
        found.append(_refusal(at, error))
        return None


def _key(message: Any, options: StimulusOptions, at: DataPath) -> Iterator[Refusal]:
    try:
        stimulus.key_of(message, options)
    except ConfigurationError as error:
        mapped = isinstance(options.key, dict)
        yield _refusal((*at, "key", next(iter(options.key or {}))) if mapped else (*at, "key"), error, mapped)


def _fields(message: Any, options: TopicOptions, at: DataPath) -> Iterator[Refusal]:
    from harness.adapters.gazebo import response

    for what, path in fields_read(options.match, options.stamp, options.value):
        try:
            response.accepted(message, options, what, path)
        except ConfigurationError as error:
            yield _refusal((*at, *what.split(".")), error)


def _values(message: Any, values: Mapping[str, Any], at: DataPath) -> Iterator[Refusal]:
    for path, value in values.items():
        try:
            fields.resolve(message, path)
        except ConfigurationError as error:
            yield _refusal((*at, path), error, True)
            continue
        try:
            for variant in expand_variants({path: value}):
                fields.assign(message(), path, offsets(variant[path]))
        except ConfigurationError as error:
            yield _refusal((*at, path), error)


def _refusal(path: DataPath, error: ConfigurationError, of_key: bool = False) -> Refusal:
    return Refusal(path, f"{error.message}; {error.hint}" if error.hint else error.message, of_key)
