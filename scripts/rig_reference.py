"""Write docs/rig-file.md from the schema, so that the page says what the program accepts.

python scripts/rig_reference.py          write the page
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.config import rig_schema

PAGE = Path(__file__).resolve().parents[1] / "docs" / "rig-file.md"
INTRO = """# The rig file

Made from the schema by `python scripts/rig_reference.py`; `harness schema` prints the schema itself.
A commented example is [`rig_configs/sim_diff_drive.yaml`](../rig_configs/sim_diff_drive.yaml).
Unknown keys are mistakes; units are in names. YAML 1.2: `yes` and `no` are texts, write `true` and `false`.
A key without a default has to be given.
"""
EMPTY: tuple[Any, ...] = (None, {}, [], "")
SECTIONS = [
    ("The whole file", ""),
    ("rig", "RigInfo"),
    ("processes.NAME", "Process"),
    ("processes.NAME.ready", "Ready"),
    ("devices.NAME, adapter ros2", "harness__adapters__ros2__options__Options"),
    ("... ros2: ports.NAME.stimulus", "harness__adapters__ros2__port_options__StimulusOptions"),
    ("... ros2: ports.NAME.stimulus.template", "Template"),
    ("... ros2: ports.NAME.stimulus, a service", "ServiceOptions"),
    ("... ros2: ports.NAME.stimulus, an action", "ActionOptions"),
    ("... ros2: ports.NAME.response", "harness__adapters__ros2__port_options__ResponseOptions"),
    ("... ros2: ports.NAME.response, of a service or action", "CallResponseOptions"),
    ("... ros2: stop", "StopOptions"),
    ("... hold", "Hold"),
    ("... ros2: qos", "QoS"),
    ("devices.NAME, adapter loopback", "harness__adapters__loopback__options__Options"),
    ("... loopback: ports.NAME.stimulus", "harness__adapters__loopback__options__StimulusOptions"),
    ("... loopback: ports.NAME.response", "harness__adapters__loopback__options__ResponseOptions"),
    ("devices.NAME, adapter serial_board", "harness__rigs__serial_board__options__Options"),
    ("... serial_board: ports.NAME.stimulus", "harness__rigs__serial_board__options__StimulusOptions"),
    ("... serial_board: ports.NAME.response", "harness__rigs__serial_board__options__ResponseOptions"),
    ("... serial_board: ports.NAME.fault", "RelayFault"),
    ("devices.NAME, adapter spot", "harness__adapters__spot__options__Options"),
    ("... spot: ports.NAME.stimulus", "harness__adapters__spot__options__StimulusOptions"),
    ("... spot: ports.NAME.response, an answer", "AnswerOptions"),
    ("... spot: ports.NAME.response, a signal", "SignalOptions"),
    ("devices.NAME, adapter gazebo", "harness__adapters__gazebo__options__Options"),
    ("... gazebo: stepping", "Stepping"),
    ("... gazebo: ports.NAME.stimulus", "harness__adapters__gazebo__port_options__StimulusOptions"),
    ("... gazebo: ports.NAME.stimulus, a service", "ServiceCallOptions"),
    ("... gazebo: ports.NAME.stimulus, world control", "ControlOptions"),
    ("... gazebo: ports.NAME.response", "TopicOptions"),
    ("... gazebo: ports.NAME.response, of a service", "ReplyOptions"),
    ("... gazebo: ports.NAME.response, a signal", "SimulationOptions"),
    ("... gazebo: ports.NAME.fault, kind pause", "PauseFault"),
    ("... gazebo: ports.NAME.fault, kind slow_down", "SlowDownFault"),
    ("... gazebo: ports.NAME.fault, kind remove", "RemoveFault"),
    ("devices.NAME, adapter serial_text", "harness__rigs__serial_text__options__Options"),
    ("... serial_text: boot", "Boot"),
    ("... serial_text: ports.NAME.stimulus", "harness__rigs__serial_text__options__StimulusOptions"),
    ("... serial_text: ports.NAME.response", "harness__rigs__serial_text__options__ResponseOptions"),
    ("... serial_text: checksum", "Checksum"),
    ("devices.NAME, adapter gpio_lines", "harness__rigs__gpio_lines__options__Options"),
    ("... gpio_lines: ports.NAME.stimulus", "harness__rigs__gpio_lines__options__StimulusOptions"),
    ("... gpio_lines: ports.NAME.response", "harness__rigs__gpio_lines__options__ResponseOptions"),
    ("devices.NAME.stop", "Stop"),
    ("devices.NAME.clock", "DeviceClock"),
    ("devices.NAME.calibration", "Calibration"),
    ("match", "Match"),
    ("values: alternate", "Alternate"),
    ("values: sequence", "Sequence"),
    ("values: fill", "Fill"),
    ("... fill", "Filled"),
    ("... window", "Window"),
    ("values: ramp", "Ramp"),
    ("... ramp", "Line"),
    ("values: relative_to", "Relative"),
    ("values: packed", "Packed"),
    ("... packed", "Records"),
    ("... first and last of a record", "Across"),
    ("... window of records", "RecordWindow"),
    ("values: ramp_over", "RampOver"),
    ("... ramp_over", "Climb"),
    ("background", "Background"),
    ("scenarios.NAME, kind command_round_trip", "CommandRoundTrip"),
    ("scenarios.NAME, kind sensor_to_action", "SensorToAction"),
    ("scenarios.NAME, kind throughput", "Throughput"),
    ("scenarios.NAME.search", "Search"),
    ("scenarios.NAME.uncertainty[]", "DeclaredUncertainty"),
    ("schedule, kind paced", "Paced"),
    ("schedule, kind replay", "Replay"),
    ("schedule, kind trials", "Trials"),
    ("probing", "Probing"),
    ("requirements[]", "Requirement"),
    ("monitors[]", "Monitor"),
    ("host", "Host"),
    ("record", "Record"),
    ("setup, reset, teardown: send", "SendStep"),
    ("... wait_for", "WaitStep"),
    ("... call", "CallStep"),
    ("... ask", "AskStep"),
    ("... sleep_s", "SleepStep"),
]


def kind_of(spec: dict[str, Any]) -> str:
    """A type in words."""
    if "$ref" in spec:
        return str(spec["$ref"]).rpartition("/")[2].rpartition("__")[2]
    if "const" in spec:
        return f"`{spec['const']}`"
    if "enum" in spec:
        return " or ".join(f"`{choice}`" for choice in spec["enum"])
    for joint in ("anyOf", "oneOf"):
        if joint in spec:
            kinds = [kind_of(each) for each in spec[joint] if each.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
    if spec.get("type") == "array":
        items = spec.get("items") or {"type": "number"}
        return f"list of {kind_of(items)}"
    if spec.get("type") == "object":
        return "mapping"
    bounds = [
        f"{sign} {spec[key]:g}"
        for key, sign in (
            ("exclusiveMinimum", ">"),
            ("minimum", ">="),
            ("exclusiveMaximum", "<"),
            ("maximum", "<="),
        )
        if key in spec
    ]
    return " ".join([str(spec.get("type", "any")), ", ".join(bounds)]).strip()


def default_of(name: str, spec: dict[str, Any], required: list[str]) -> str:
    """The default, or that there is none."""
    if name in required:
        return "-"
    default = spec.get("default")
    if isinstance(default, dict) and default:
        return "its defaults"
    if isinstance(default, str) and not default.isprintable():
        return f"`{json.dumps(default)}`"
    return (
        f"`{str(default).lower() if isinstance(default, bool) else default}`" if default not in EMPTY else ""
    )


def page() -> str:
    """The whole page."""
    schema = rig_schema()
    parts = [INTRO]
    for title, name in SECTIONS:
        part = schema["$defs"][name] if name else schema
        parts.append(f"## {title}\n\n{part.get('description', '').strip()}\n")
        rows = ["| key | type | default | |", "|---|---|---|---|"]
        for key, spec in part["properties"].items():
            cells = [f"`{key}`", kind_of(spec), default_of(key, spec, part.get("required", []))]
            rows.append(
                "| " + " | ".join(c.replace("|", "\\|") for c in [*cells, spec.get("description", "")]) + " |"
            )
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
