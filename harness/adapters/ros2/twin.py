"""What the floor of a ROS 2 device is measured against: an echo behind the same middleware."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Any

from harness.adapters.ros2 import messages
from harness.adapters.ros2.options import Options, key_kind
from harness.adapters.ros2.port_options import (
    ActionOptions,
    QoS,
    ResponseOptions,
    ServiceOptions,
    StimulusOptions,
)
from harness.config.twin import FloorTwin

LONGEST_S = 7 * 86_400
"""The echo ends with the harness; this is for the case that nothing else ends it."""
SETTLE_S = 3.5
"""Participants that were started just now, as that of the guardian, are heard at their next announcement,
3 s later, and the first message to each of them holds up publishing for a third of a second."""
RELIABLE = frozenset(
    {
        "default",
        "services",
        "services_default",
        "parameters",
        "parameter_events",
        "action_status_default",
    }
)
"""Profiles whose publisher is reliable."""
_SHARED = ("domain_id", "discovery", "discovery_server", "namespace", "reader_depth")
_ENDS = ("--until-eof", "--seconds", str(LONGEST_S), "--node", "harness_floor_echo")
_TOKEN = secrets.token_hex(4)
"""Two runs may share a domain, and must not hear each other's echoes."""


def of(options: Options, stimulus: str, response: str) -> FloorTwin:
    """The twin of that pair of ports. Importable, and the same at each call, without rclpy."""
    sends, answers = options.ports[stimulus].stimulus, options.ports[response].response
    assert sends is not None and answers is not None
    if not isinstance(sends, StimulusOptions):
        return _of_call(options, stimulus, sends)
    assert isinstance(answers, ResponseOptions)  # answers to calls are of calls
    reliable = _is_reliable(sends)
    qos = {
        "profile": "default",
        "reliability": "reliable" if reliable and not _is_best_effort(answers) else "best_effort",
        "depth": _depth(answers),
    }
    kind, path = key_kind(options, stimulus), _key_path(sends)
    match = {"kind": kind, "path": path} if path is not None and kind not in (None, "none") else None
    command = sends.model_dump(mode="json")
    common = {name: getattr(options, name) for name in _SHARED}
    place = _place(stimulus, {"sends": command, "answers": qos, **common})
    command["topic"] = f"{place}/in"
    made: dict[str, Any] = {
        "adapter": "ros2",
        **common,
        "ports": {
            "command": {"stimulus": command},
            "answer": {
                "response": {
                    "topic": f"{place}/out",
                    "type": sends.type,
                    "match": match or {"kind": "order"},
                    "qos": qos,
                }
            },
        },
    }
    echo = ["python", "-m", "harness.sim.ros2_echo", "--raw", *_ENDS]
    echo += ["--listen", f"{place}/in", "--answer", f"{place}/out", "--type", sends.type]
    echo += ["--reliability", "reliable" if reliable else "best_effort"]
    what = f"the harness and ROS 2, against an echo process that repeats {sends.type} as bytes"
    return FloorTwin(made, what, tuple(echo), settle_s=SETTLE_S, place=place)


def _of_call(options: Options, stimulus: str, sends: ServiceOptions | ActionOptions) -> FloorTwin:
    """A service of the same type that answers at once; of an action, the one that takes its goals."""
    kind, values = sends.type, sends.model_dump(mode="json")["values"]
    what = f"the harness and ROS 2, against an echo process that serves {kind} and replies at once"
    if isinstance(sends, ActionOptions):
        values = {f"goal.{path}": value for path, value in values.items()}
        what = (
            f"the harness and ROS 2, against an echo process that serves what takes the goals of {kind} and"
            " replies at once; feedback and results pass the same way, and are not in it"
        )
        kind = f"{messages.type_name(kind, 'action')}{messages.SEND_GOAL}"
    common = {name: getattr(options, name) for name in _SHARED}
    place = _place(stimulus, {"sends": values, "type": kind, **common})
    made: dict[str, Any] = {
        "adapter": "ros2",
        **common,
        "ports": {
            "command": {"stimulus": {"service": place, "type": kind, "values": values}},
            "answer": {"response": {"of": "command", "event": "reply"}},
        },
    }
    echo = ["python", "-m", "harness.sim.ros2_server", "--serve", place, "--type", kind, *_ENDS]
    return FloorTwin(made, what, tuple(echo), settle_s=SETTLE_S, place=place)


def _place(port: str, content: dict[str, Any]) -> str:
    """A namespace of topics that only twins of equal content share."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
    return f"/harness_floor/{port}_{_TOKEN}_{digest}"


def _key_path(sends: StimulusOptions) -> str | None:
    return next(iter(sends.key)) if isinstance(sends.key, dict) else sends.key


def _is_reliable(sends: StimulusOptions) -> bool:
    """Whether its messages can be asked for reliably; in doubt they are not, which any publisher grants."""
    qos = QoS(profile=sends.qos) if isinstance(sends.qos, str) else sends.qos
    if qos.reliability is not None:
        return qos.reliability == "reliable"
    return qos.profile in RELIABLE


def _is_best_effort(answers: ResponseOptions) -> bool:
    if answers.qos is None or isinstance(answers.qos, str):
        return answers.qos == "sensor_data"
    reliability = answers.qos.reliability
    return reliability == "best_effort" or (reliability is None and answers.qos.profile == "sensor_data")


def _depth(answers: ResponseOptions) -> int | None:
    return answers.qos.depth if isinstance(answers.qos, QoS) else None
