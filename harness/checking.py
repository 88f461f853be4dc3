"""``harness check``: look at the bench without starting or sending anything."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from harness import adapters
from harness.config import LoadedRig, expand_variants
from harness.config.schema import SwarmReorganization
from harness.config.values import back_set, offsets, sent_values
from harness.described import calibration_findings, description_findings
from harness.errors import HarnessError
from harness.hostcheck import findings_before
from harness.model import Finding, Severity
from harness.ports import Device, DeviceContext, Role
from harness.prospects import plan_findings
from harness.scenarios.replaying import prepare_window, read_replays


def look(loaded: LoadedRig) -> list[Finding]:
    """What stands in the way of a run, or is worth knowing; devices are opened to look only.

    Where the rig file starts the programs itself nobody is there yet: that somebody is missing is then no
    finding.
    """
    findings = findings_before(loaded.rig)
    findings += [*plan_findings(loaded.rig), *description_findings(loaded.rig)]
    findings += [*calibration_findings(loaded.rig), *_programs(loaded)]
    for name, options in loaded.rig.devices.items():
        real = not loaded.rig.rig.simulated
        context = DeviceContext("check", Role.CHECK, rig_folder=loaded.path.parent, real=real)
        device: Device | None = None
        try:
            device = adapters.load(adapters.entry(options.adapter).device)(name, options, context)
            device.open()
            found = [*_values(loaded, name, device), *device.preflight()]
        except HarnessError as error:
            found = [Finding(f"device {name}", Severity.ERROR, error.message, remedy=error.hint or "")]
        finally:
            if device is not None:
                device.close()
        weigh = _eased if loaded.rig.processes else _insisted
        findings += [weigh(finding) for finding in found]
    return findings


def _values(loaded: LoadedRig, name: str, device: Device) -> list[Finding]:
    """What is wrong with the values that the scenarios would send; a misspelt field shows here."""
    findings = []
    windows = read_replays(loaded)
    for scenario, spec in loaded.rig.scenarios.items():
        reference = spec.stimulus
        owner, _, port = reference.partition(".")
        if owner != name or isinstance(spec, SwarmReorganization):
            continue
        try:
            given = loaded.rig.devices[name].ports[port].stimulus.values
            back = back_set(spec, given)
            sets = expand_variants(sent_values(spec, given))
            for values in sets if back is None else [*sets, back]:
                device.stimulus(port).prepare(offsets(values))
            if scenario in windows:
                prepare_window(reference, device.stimulus(port), windows[scenario])
        except HarnessError as error:
            findings.append(
                Finding(f"values of {reference}", Severity.ERROR, error.message, remedy=error.hint or "")
            )
    return list(dict.fromkeys(findings))


def _insisted(finding: Finding) -> Finding:
    """Nobody there, and the run starts nobody either: a run would fail."""
    absent = finding.severity is Severity.WARNING and finding.name.startswith("nobody")
    return replace(finding, severity=Severity.ERROR) if absent else finding


def _eased(finding: Finding) -> Finding:
    absent = finding.severity is not Severity.INFO and finding.name.startswith("nobody")
    return (
        Finding(finding.name, Severity.INFO, f"{finding.message} (yet: the run starts it)")
        if absent
        else finding
    )


def _programs(loaded: LoadedRig) -> list[Finding]:
    findings = []
    for name, process in loaded.rig.processes.items():
        program = process.command[0]
        if program == "python":
            continue
        directory = (loaded.path.parent / (process.cwd or ".")).resolve()
        if shutil.which(program) is None and not (directory / Path(program)).is_file():
            message = f"no program {program!r}"
            findings.append(
                Finding(f"process {name}", Severity.ERROR, message, remedy="install it or give its path")
            )
    return findings
