"""Whether a rig says what it is: a report on an item that nobody can identify proves nothing, nor does one
from instruments that nobody has checked."""

from __future__ import annotations

import datetime

from harness.config.schema import RigFile
from harness.model import Finding, Severity

NOT_WRITTEN = ("", "unknown", "not written down", "todo", "tbd")
"""What counts as nothing, whatever its case."""


def _missing(entries: dict[str, str]) -> list[str]:
    return [name for name, value in entries.items() if value.strip().lower() in NOT_WRITTEN]


def description_findings(rig: RigFile) -> list[Finding]:
    """What a real rig leaves out about the item and the physical set-up; nothing of a simulated one."""
    if rig.rig.simulated:
        return []
    found = []
    for section, entries, what in (
        ("rig.item", rig.rig.item, "which item was tested: model, serial number, firmware"),
        ("environment", rig.environment, "under what conditions: surface, payload, battery, network"),
    ):
        missing = _missing(entries)
        if entries and not missing:
            continue
        names = ", ".join(f"{section}.{name}" for name in missing) if entries else section
        found.append(
            Finding(
                "not written down",
                Severity.WARNING,
                f"{names}: not filled in, so the report will not say {what}",
                remedy="fill it in before the run; docs/own-robot.md says what belongs there",
            )
        )
    return found


def calibration_findings(rig: RigFile, today: datetime.date | None = None) -> list[Finding]:
    """Instruments whose calibration has expired, or is dated ahead. ``today``: by UTC."""
    today = today or datetime.datetime.now(datetime.timezone.utc).date()
    found = []
    for name, device in rig.devices.items():
        record = device.calibration
        if record is None:
            continue
        remedy = "calibrate it (docs/wiring.md), or take another one"
        if (over := -record.days_left(today)) > 0:
            words = f"{name}: its calibration of {record.date} expired on {record.expires}, {over} days ago"
            found.append(Finding("calibration expired", Severity.WARNING, words, remedy=remedy))
        elif datetime.date.fromisoformat(record.date) > today:
            words = f"{name}: its calibration is dated {record.date}, which is still to come"
            found.append(Finding("calibration ahead", Severity.WARNING, words, remedy="correct its `date`"))
    return found
