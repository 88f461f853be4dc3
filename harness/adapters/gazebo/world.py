"""The world: names of its topics and services, and what is done to it through them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.adapters.gazebo import fields, messages
from harness.adapters.gazebo.asker import Call
from harness.adapters.gazebo.port_options import ControlOptions, ServiceCallOptions

CONTROL: dict[str, tuple[str, str, dict[str, Any]]] = {
    "pause": ("control", "gz.msgs.WorldControl", {"pause": True}),
    "run": ("control", "gz.msgs.WorldControl", {"pause": False}),
    "step": ("control", "gz.msgs.WorldControl", {"pause": True, "multi_step": 1}),
    "reset": ("control", "gz.msgs.WorldControl", {"reset.all": True}),
    "spawn": ("create", "gz.msgs.EntityFactory", {}),
    "remove": ("remove", "gz.msgs.Entity", {"type": "MODEL"}),
    "set_pose": ("set_pose", "gz.msgs.Pose", {}),
}
"""What is done to a world: the last word of the service, the type of its request, what is in it anyway."""
BOOLEAN = "gz.msgs.Boolean"


def topic(world: str, name: str) -> str:
    """A topic or service of that world, in full."""
    return f"/world/{world}/{name}"


def as_service(options: ServiceCallOptions | ControlOptions, world: str) -> ServiceCallOptions:
    """A world control, as the service that does it."""
    if isinstance(options, ServiceCallOptions):
        return options
    name, kind, values = CONTROL[options.control]
    return ServiceCallOptions(
        service=topic(world, name),
        type=kind,
        reply=BOOLEAN,
        values={**values, **options.values},
        reply_timeout_ms=options.reply_timeout_ms,
    )


def call(
    service: str,
    kind: str,
    values: Mapping[str, Any],
    *,
    reply: str = BOOLEAN,
    timeout_ms: float = 5000.0,
) -> Call:
    """A call with these values. Raises ConfigurationError for wrong ones."""
    made = messages.message_class(kind)()
    for path, value in values.items():
        fields.assign(made, path, value)
    names = messages.type_name(kind), messages.type_name(reply)
    return Call(service, made.SerializeToString(), *names, timeout_ms)


def control(
    world: str, what: str, values: Mapping[str, Any] | None = None, timeout_ms: float = 5000.0
) -> Call:
    """The call that does one of :data:`CONTROL` to that world."""
    name, kind, given = CONTROL[what]
    return call(topic(world, name), kind, {**given, **(values or {})}, timeout_ms=timeout_ms)


def accepted(data: bytes) -> bool:
    """Whether a reply of type gz.msgs.Boolean says yes."""
    reply = messages.message_class(BOOLEAN)()
    reply.ParseFromString(data)
    return bool(reply.data)
