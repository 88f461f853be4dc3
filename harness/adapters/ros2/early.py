"""What is wrong with a device of a rig file, told while the file is read: types, paths, values.

Nothing is opened. Where rclpy or a message package is not installed, the file is taken as it is: the run on
the bench, where they are, says the rest.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.adapters.ros2 import call_response, call_rules, limits, messages, paths, response, stimulus
from harness.adapters.ros2.options import Options
from harness.adapters.ros2.port_options import (
    ActionOptions,
    AnyStimulus,
    CallResponseOptions,
    ResponseOptions,
    ServiceOptions,
    StimulusOptions,
)
from harness.config.explain import Refusal
from harness.config.match import fields_read
from harness.config.problems import DataPath
from harness.config.values import expand_variants, offsets
from harness.errors import ConfigurationError, UnavailableError

PACKAGE_CUTOFF = 0.85
"""How like an installed package a missing one has to be for a misspelling: ``my_msgs`` may be the user's."""


def problems(options: Options) -> list[Refusal]:
    """Every mistake in types, paths and values that this host's message packages show; paths from the
    device."""
    found: list[Refusal] = list(call_rules.refusals(options))
    sent: dict[str, type] = {}
    complete = True
    for name, port in options.ports.items():
        way = "stimulus" if port.stimulus is not None else "response"
        one = port.stimulus or port.response
        if one is None:  # a fault, of a process and not of a topic
            continue
        at: DataPath = ("ports", name, way)
        if isinstance(one, CallResponseOptions):
            found += _answer(options, one, at)
            continue
        try:
            message = _sent(one)
        except ConfigurationError as error:
            found.append(_refusal((*at, "type"), error))
            message = None
        if message is None:
            complete = complete and port.stimulus is None
        elif port.stimulus is not None:
            sent[name] = message
            if isinstance(port.stimulus, StimulusOptions):
                found += _key(message, port.stimulus, at)
            found += _values(message, port.stimulus.values, (*at, "values"))
        elif port.response is not None:
            found += _fields(message, port.response, at)
    stop = options.stop
    if stop is not None and stop.port in sent:
        found += _values(sent[stop.port], stop.values, ("stop", "values"))
    if stop is not None and stop.hold is not None and stop.hold.port in sent:
        found += _values(sent[stop.hold.port], stop.hold.values, ("stop", "hold", "values"))
    # A limit may be of any port that sends; while one of them is unknown, so is whether it is misspelt.
    if complete and sent:
        found += _limits(options.limits, list(sent.values()))
    return found


def value_problems(options: Options, port: str, values: Mapping[str, Any]) -> list[Refusal]:
    """What is wrong with values that a step sends to that port; paths from the values."""
    one = options.ports[port].stimulus if port in options.ports else None
    if one is None:
        return []
    try:
        message = _sent(one)
    except ConfigurationError:
        return []  # said of the port
    return [] if message is None else list(_values(message, values, ()))


def key_kind(options: Options, port: str) -> str | None:
    """``stamp``, ``sequence`` or ``none``; None where it cannot be known here."""
    one = options.ports[port].stimulus if port in options.ports else None
    if not isinstance(one, StimulusOptions):
        return None if one is None else one.key_kind
    try:
        message = _sent(one)
        return None if message is None else stimulus.key_of(message, one)[0].value
    except ConfigurationError:
        return None


def _sent(options: AnyStimulus | ResponseOptions) -> type | None:
    """The class that a port's paths are in; None and raises as :func:`_installed`."""
    if isinstance(options, ServiceOptions):
        service = _installed(messages.service_class, options.type)
        return None if service is None else service.Request
    if isinstance(options, ActionOptions):
        action = _installed(messages.action_class, options.type)
        return None if action is None else action.Goal
    message: type | None = _installed(messages.message_class, options.type)
    return message


def _answer(options: Options, answer: CallResponseOptions, at: DataPath) -> Iterator[Refusal]:
    """What is wrong with the paths of an answer to a service or action."""
    called = options.ports[answer.of].stimulus if answer.of in options.ports else None
    try:
        if isinstance(called, ServiceOptions) and answer.event == "reply":
            service = _installed(messages.service_class, called.type)
            message = service and service.Response
        elif isinstance(called, ActionOptions) and answer.event in ("feedback", "result"):
            action = _installed(messages.action_class, called.type)
            message = action and (action.Result if answer.event == "result" else action.Feedback)
        else:
            return
    except ConfigurationError:
        return  # said of the port that calls
    if message is None:
        return
    yield from _values(message, answer.accepted_if, (*at, "accepted_if"))
    if answer.value is not None:
        try:
            call_response.check_value(message, answer.value)
        except ConfigurationError as error:
            yield _refusal((*at, "value"), error)


def _installed(load: Callable[[str], Any], name: str) -> Any:
    """The class, None where it is not installed. Raises ConfigurationError for a name that cannot be."""
    try:
        return load(name)
    except UnavailableError:
        return None
    except ConfigurationError as error:
        if isinstance(error.__cause__, ImportError):
            package = name.partition("/")[0]
            if not difflib.get_close_matches(package, messages.installed_packages(), 1, PACKAGE_CUTOFF):
                return None
        raise


def _key(message: type, options: Any, at: DataPath) -> Iterator[Refusal]:
    try:
        stimulus.key_of(message, options)
    except ConfigurationError as error:
        mapped = isinstance(options.key, dict)
        yield _refusal((*at, "key", next(iter(options.key))) if mapped else (*at, "key"), error, mapped)


def _fields(message: type, options: Any, at: DataPath) -> Iterator[Refusal]:
    for what, path in fields_read(options.match, options.stamp, options.value):
        try:
            response.accepted(message, options, what, path)
        except ConfigurationError as error:
            yield _refusal((*at, *what.split(".")), error)


def _values(message: type, values: Mapping[str, Any], at: DataPath) -> Iterator[Refusal]:
    for path, value in values.items():
        try:
            kind = paths.resolve(message, path)
        except ConfigurationError as error:
            yield _refusal((*at, path), error, of_key=True)
            continue
        try:
            for variant in expand_variants({path: value}):
                messages.converted(message, path, kind, offsets(variant[path]))
        except ConfigurationError as error:
            yield _refusal((*at, path), error)


def _limits(named: Mapping[str, float], sent: list[type]) -> Iterator[Refusal]:
    for path in named:
        errors = [error for message in sent if (error := limits.unknown(message, path)) is not None]
        if len(errors) == len(sent):
            yield _refusal(("limits", path), errors[0], of_key=True)


def _refusal(path: DataPath, error: ConfigurationError, of_key: bool = False) -> Refusal:
    return Refusal(path, f"{error.message}; {error.hint}" if error.hint else error.message, of_key)
