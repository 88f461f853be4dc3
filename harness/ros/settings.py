"""The parameters of the node: they mirror the options of ``harness run``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError


@dataclass(frozen=True)
class Setting:
    """One parameter. ``bounds``: smallest and largest value of a number. ``fixed``: only whoever starts the
    node says it; nobody can change it over the network."""

    name: str
    default: Any
    text: str
    bounds: tuple[float, float] | None = None
    fixed: bool = False


SETTINGS = (
    Setting("rig", "", "Name of a rig, or path of a rig file."),
    Setting("samples", 0, "Number of measured stimuli; 0: the rig file's.", (0, 100_000_000)),
    Setting("out", "reports", "Where run folders go."),
    Setting("operator", "", "Who runs it; goes into the report."),
    Setting("scenario", [""], "Only these scenarios and their requirements; empty: all."),
    Setting("set", [""], "Values of the rig file to change, each KEY=VALUE."),
    Setting("rig_namespace", "", "Put before the relative topic names of the rig's ROS 2 devices."),
    Setting("arm", False, "Let a real rig move.", fixed=True),
    Setting(
        "confirm",
        False,
        "The operator has confirmed that the area is clear and the e-stop at hand. Holds for one run: it is"
        " false again once that has started.",
    ),
    Setting("anyway", False, "Run although some requirement cannot pass, or a real rig's host is busy."),
    Setting("quiet", False, "Do not log the progress of a run."),
    Setting("autostart", False, "Start one run when the node starts.", fixed=True),
    Setting(
        "abort_patience_s",
        10.0,
        "abort: how long the run may take to stop the robot before it is killed and its guardian does it.",
        (0.5, 600.0),
    ),
    Setting(
        "latency_rate_hz",
        2000.0,
        "At most so many messages a second on latency; what is more comes later, none is left out.",
        (20.0, 100_000.0),
    ),
)


def check(values: Mapping[str, Any]) -> str:
    """What is wrong with these values, in words; empty when nothing is.

    The rig is read, with its changes, so that a wrong one is refused before a run is started.
    """
    from harness.config import find_rig, load_rig

    try:
        for entry in _given(values["set"]):
            if "=" not in entry:
                raise ConfigurationError(f"set: {entry!r} is no KEY=VALUE", hint="e.g. rig.description=test")
        if not values["out"]:
            raise ConfigurationError("out: is empty", hint="give a folder, such as reports")
        if Path(values["out"]).exists() and not Path(values["out"]).is_dir():
            raise ConfigurationError(f"out: {values['out']} is no folder", hint="choose another one")
        if not values["rig"]:
            return ""
        loaded = load_rig(find_rig(values["rig"]), tuple(_given(values["set"])), values["rig_namespace"])
        unknown = [name for name in _given(values["scenario"]) if name not in loaded.rig.scenarios]
        if unknown:
            known = ", ".join(loaded.rig.scenarios)
            raise ConfigurationError(
                f"scenario: {values['rig']} has no {unknown[0]!r}", hint=f"it has: {known}"
            )
    except ConfigurationError as error:
        return str(error)
    return ""


def arguments(values: Mapping[str, Any]) -> list[str]:
    """What ``harness run`` is told."""
    words = [f"--out={values['out']}"]
    words += [f"--samples={values['samples']}"] if values["samples"] else []
    words += [f"--operator={values['operator']}"] if values["operator"] else []
    words += [f"--namespace={values['rig_namespace']}"] if values["rig_namespace"] else []
    words += [f"--scenario={name}" for name in _given(values["scenario"])]
    words += [f"--set={entry}" for entry in _given(values["set"])]
    switches = {"arm": "--arm", "confirm": "--confirm-area-clear", "anyway": "--anyway", "quiet": "--quiet"}
    words += [option for name, option in switches.items() if values[name]]
    return [*words, "--", str(values["rig"])]


def _given(entries: Sequence[str]) -> list[str]:
    """Without the empty one, which stands for none: ROS 2 knows no type of an empty list."""
    return [entry for entry in entries if entry.strip()]
