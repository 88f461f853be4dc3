"""What the ports of one device say of each other: whose answers, which events, what a stop can be."""

from __future__ import annotations

from collections.abc import Iterator

from harness.adapters.ros2.options import Options
from harness.adapters.ros2.port_options import ActionOptions, CallResponseOptions, ServiceOptions
from harness.config.explain import Refusal
from harness.config.problems import suggest
from harness.errors import ConfigurationError

EVENTS: dict[type, tuple[str, ...]] = {
    ServiceOptions: ("reply",),
    ActionOptions: ("accepted", "feedback", "result"),
}


def refusals(options: Options) -> Iterator[Refusal]:
    """Every contradiction; paths from the device."""
    calls = [name for name in options.ports if _sort(options, name) is not None]
    for name, port in options.ports.items():
        answer = port.response
        if not isinstance(answer, CallResponseOptions):
            continue
        sort = _sort(options, answer.of)
        if sort is None:
            what = "is no port" if answer.of not in options.ports else "is neither a service nor an action"
            none = "the device has none"
            yield Refusal(
                ("ports", name, "response", "of"),
                f"{answer.of!r} {what} of this device; {suggest(answer.of, calls, none)}",
            )
        elif answer.event not in EVENTS[sort]:
            word = "a service" if sort is ServiceOptions else "an action"
            yield Refusal(
                ("ports", name, "response", "event"),
                f"{answer.of} is {word}, of which there is {' or '.join(EVENTS[sort])}, not {answer.event}",
            )
    yield from _stop(options)


def _sort(options: Options, port: str) -> type[ServiceOptions] | type[ActionOptions] | None:
    stimulus = options.ports[port].stimulus if port in options.ports else None
    if isinstance(stimulus, ServiceOptions):
        return ServiceOptions
    return ActionOptions if isinstance(stimulus, ActionOptions) else None


def _stop(options: Options) -> Iterator[Refusal]:
    stop = options.stop
    if stop is None:
        return
    if stop.cancel and _sort(options, stop.port) is not ActionOptions:
        actions = [name for name in options.ports if _sort(options, name) is ActionOptions]
        there = f"; actions: {', '.join(actions)}" if actions else ", and the device has none"
        yield Refusal(("stop", "cancel"), f"only goals can be cancelled: {stop.port} is no action{there}")
    if stop.hold is not None:
        sending = [name for name, port in options.ports.items() if port.stimulus is not None]
        if stop.hold.port not in sending:
            yield Refusal(
                ("stop", "hold", "port"),
                f"{stop.hold.port!r} is no stimulus port of this device; {suggest(stop.hold.port, sending)}",
            )


def require(name: str, options: Options) -> None:
    """Raise ConfigurationError for the first contradiction in the options of the device ``name``."""
    for found in refusals(options):
        where = ".".join(str(part) for part in ("devices", name, *found.path))
        raise ConfigurationError(f"{where}: {found.message}")
