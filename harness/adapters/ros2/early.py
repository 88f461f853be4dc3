"""What is wrong with a device of a rig file, told while the file is read: types, paths, values.

Nothing is opened. Where rclpy or a message package is not installed, the file is taken as it is: the run on
the bench, where they are, says the rest.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from harness.adapters.ros2 import messages, paths, response, stimulus
from harness.adapters.ros2.options import Options
from harness.config.explain import Refusal
from harness.config.problems import DataPath
from harness.config.values import expand_variants
from harness.errors import ConfigurationError, UnavailableError

PACKAGE_CUTOFF = 0.85
"""How like an installed package a missing one has to be for a misspelling: ``my_msgs`` may be the user's."""


def problems(options: Options) -> list[Refusal]:
    """Every mistake in types, paths and values that this host's message packages show; paths from the
    device."""
    found: list[Refusal] = []
    sent: dict[str, type] = {}
    complete = True
    for name, port in options.ports.items():
        way = "stimulus" if port.stimulus is not None else "response"
        one = port.stimulus or port.response
        assert one is not None
        at: DataPath = ("ports", name, way)
        try:
            message = _message(one.type)
        except ConfigurationError as error:
            found.append(_refusal((*at, "type"), error))
            message = None
        if message is None:
            complete = complete and port.stimulus is None
        elif port.stimulus is not None:
            sent[name] = message
            found += _key(message, port.stimulus, at)
            found += _values(message, port.stimulus.values, (*at, "values"))
        elif port.response is not None:
            found += _fields(message, port.response, at)
    if options.stop is not None and options.stop.port in sent:
        found += _values(sent[options.stop.port], options.stop.values, ("stop", "values"))
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
        message = _message(one.type)
    except ConfigurationError:
        return []  # said of the port
    return [] if message is None else list(_values(message, values, ()))


def key_kind(options: Options, port: str) -> str | None:
    """``stamp``, ``sequence`` or ``none``; None where it cannot be known here."""
    one = options.ports[port].stimulus if port in options.ports else None
    if one is None:
        return None
    try:
        message = _message(one.type)
        return None if message is None else stimulus.key_of(message, one)[0].value
    except ConfigurationError:
        return None


def _message(name: str) -> type | None:
    """The class, None where it is not installed. Raises ConfigurationError for a name that cannot be."""
    try:
        return messages.message_class(name)
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
    for what, path in response.fields_of(options):
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
                messages.converted(message, path, kind, variant[path])
        except ConfigurationError as error:
            yield _refusal((*at, path), error)


def _limits(limits: Mapping[str, float], sent: list[type]) -> Iterator[Refusal]:
    for path in limits:
        errors = [error for message in sent if (error := _not_limited(message, path)) is not None]
        if len(errors) == len(sent):
            yield _refusal(("limits", path), errors[0], of_key=True)


def _not_limited(message: type, path: str) -> ConfigurationError | None:
    """Why a limit holds for no field of the message. One on ``points.positions`` holds for every index."""
    try:
        paths.resolve(message, path)
    except ConfigurationError as error:
        try:
            steps = [step for step in paths.parse(path) if isinstance(step, str)]
        except ConfigurationError:
            return error
        owner: type | None = message
        for step in steps:
            known = paths.fields(owner) if owner is not None else {}
            if step not in known:
                return error
            owner = paths.nested_class(known[step].base) if known[step].nested else None
    return None


def _refusal(path: DataPath, error: ConfigurationError, of_key: bool = False) -> Refusal:
    return Refusal(path, f"{error.message}; {error.hint}" if error.hint else error.message, of_key)
