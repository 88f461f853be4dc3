"""``harness doctor``: examine, measure if asked, and show."""

from __future__ import annotations

import json

from rich.console import Console

from harness.doctor.examine import examine
from harness.doctor.need import Need, of_rig
from harness.doctor.result import status, worst
from harness.doctor.show import show

SCHEMA = 1
"""Version of what ``--json`` prints."""


def run_doctor(
    console: Console,
    *,
    measure: bool = False,
    seconds: float = 60.0,
    rig: str | None = None,
    as_json: bool = False,
) -> int:
    """The command; returns its exit status, 0 or 4.

    Raises ConfigurationError for a rig that cannot be found or read.
    """
    need = Need()
    if rig is not None:
        from harness.config import find_rig, load_rig

        need = of_rig(load_rig(find_rig(rig)))
    checks = examine(need=need)
    if as_json:
        print(
            json.dumps(
                {
                    "schema": SCHEMA,
                    "worst": worst(checks).value,
                    "checks": [check.as_dict() for check in checks],
                },
                indent=2,
            )
        )
    else:
        show(console, checks)
    return status(checks)
