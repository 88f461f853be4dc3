"""Nothing real moves unless somebody said so by name."""

from __future__ import annotations

from collections.abc import Callable

from harness.config.changing import in_words
from harness.config.faults import DONE
from harness.config.schema import Replay, RigFile, SwarmReorganization
from harness.config.values import back_set, sent_values
from harness.errors import SafetyError
from harness.pace import duration_s


def movements(rig: RigFile) -> list[str]:
    """What a run of the rig moves, how far its values go and for how long, a line per scenario."""
    lines = []
    for name, spec in rig.scenarios.items():
        device, _, port = spec.stimulus.partition(".")
        if not rig.devices[device].moves:
            continue
        if isinstance(spec, SwarmReorganization):
            done = DONE[rig.devices[device].ports[port].fault.kind]
            lines.append(
                f"{name}: the {spec.robot} of {device} is {done}, up to {spec.schedule.samples} times"
                + "".join(f", and with it {each.robot} by {each.stimulus}" for each in spec.also)
            )
            continue
        stimulus = rig.devices[device].ports[port].stimulus
        values = in_words(sent_values(spec, stimulus.values)) or "its default values"
        if isinstance(spec.schedule, Replay):
            values = f"what was recorded of {spec.schedule.topic} in {spec.schedule.bag}"
        back = back_set(spec, stimulus.values)
        if back is not None:
            values += f", and after each trial {in_words(back)},"
        bounds = [f"|{path}| <= {limit:g}" for path, limit in rig.devices[device].limits.items()]
        limits = ", ".join([*bounds, *rig.devices[device].bounds(port)])
        lines.append(
            f"{name}: {spec.stimulus} gets {values} for about {duration_s(rig, spec):.0f} s"
            f" (limits: {limits or 'none'})"
        )
    return lines


def require_arming(rig: RigFile, *, armed: bool, operator: str, ask: Callable[[str], bool] | None) -> None:
    """Let a real rig run only when it is armed and the operator has confirmed by name. Raises SafetyError.

    A rig none of whose devices can move anything needs neither.
    """
    if rig.rig.simulated or not any(device.moves for device in rig.devices.values()):
        return
    name = rig.rig.name
    if not armed:
        raise SafetyError(
            f"rig {name!r} is real: it moves a robot",
            hint="harness check shows what would move; then run with --arm",
        )
    if not operator:
        raise SafetyError(f"rig {name!r} is real and nobody answers for it", hint="give --operator NAME")
    if ask is None:
        raise SafetyError(
            f"rig {name!r} is real and {operator} cannot confirm here that the area is clear",
            hint="run from a terminal, or add --confirm-area-clear where the procedure has it confirmed",
        )
    question = "\n".join(
        [
            f"Rig {name} is REAL. It will move:",
            *(f"  {line}" for line in movements(rig)),
            f"{operator}: is the area clear and the e-stop at hand? Type your name to confirm",
        ]
    )
    if not ask(question):
        raise SafetyError(f"{operator} did not confirm that the area is clear", hint="nothing was started")
