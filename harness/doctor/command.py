"""``harness doctor``: examine, measure if asked, and show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click
from rich.console import Console

from harness.doctor.examination import examine
from harness.doctor.need import Need, of_rig
from harness.doctor.result import Check, status, worst
from harness.doctor.roots import Roots
from harness.doctor.show import show

if TYPE_CHECKING:
    from harness.doctor.measure import Timing

SCHEMA = 1
"""Version of what ``--json`` prints."""


def run_doctor(
    console: Console,
    *,
    measure: bool = False,
    seconds: float = 60.0,
    rig: str | None = None,
    as_json: bool = False,
    roots: Roots | None = None,
) -> int:
    """The command; returns its exit status, 0 or 4.

    Raises ConfigurationError for a rig that cannot be found or read.
    """
    need = Need()
    if rig is not None:
        from harness.config import find_rig, load_rig

        need = of_rig(load_rig(find_rig(rig)))
    roots = roots or Roots()
    with nullcontext() if as_json or not console.is_terminal else console.status("looking"):
        checks = examine(roots, need)
    timed: Sequence[Timing] = []
    if measure:
        timed = _measure(console, roots, need, seconds, quiet=as_json)
        from harness.doctor.budget import judge

        checks += judge(timed, need)
    if as_json:
        click.echo(to_json(checks, timed))
    else:
        show(console, checks)
    return status(checks)


def to_json(checks: Sequence[Check], timed: Sequence[Timing] = ()) -> str:
    """``schema``, ``worst``, ``checks``, and ``timings`` in milliseconds."""
    found = {
        "schema": SCHEMA,
        "worst": worst(checks).value,
        "checks": [check.as_dict() for check in checks],
        "timings": [one.as_dict() for one in timed],
    }
    return json.dumps(found, indent=2, allow_nan=False)


def _measure(console: Console, roots: Roots, need: Need, seconds: float, *, quiet: bool) -> list[Timing]:
    from harness.doctor.budget import timings
    from harness.doctor.dds import ros_is_here

    ros = need.ros is not False and ros_is_here(roots)
    if quiet or not console.is_terminal:
        return timings(seconds, ros=ros, realtime=need.realtime, rate_hz=need.rate_hz)
    with console.status("timing") as line:
        return timings(seconds, ros=ros, realtime=need.realtime, rate_hz=need.rate_hz, say=line.update)
