"""What about this host, right now, makes a measurement worth less."""

from __future__ import annotations

import os
from dataclasses import replace

import psutil

from harness.config.schema import Host, RigFile
from harness.errors import UnavailableError
from harness.model import Finding, Severity

STEAL_SHARE = 0.01
"""Share of CPU time given to other virtual machines that is worth a warning."""


def host_findings(spec: Host) -> list[Finding]:
    """Load of the last minute against ``host.max_load_per_cpu`` of the rig file.

    ``host load`` as a warning makes the verdict INCONCLUSIVE: a busy host delays the harness and a simulated
    robot alike.
    """
    cpus = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0] / cpus
    busy = load > spec.max_load_per_cpu
    return [
        Finding(
            "host load",
            Severity.WARNING if busy else Severity.INFO,
            f"load of the last minute is {load:.2f} per CPU on {cpus} CPUs"
            + (f", above {spec.max_load_per_cpu:g}" if busy else ""),
            value=f"{load:.2f}",
            remedy="end what else runs here, wait a minute, run again; or raise host.max_load_per_cpu in the "
            "rig file if this load is known not to touch the run"
            if busy
            else "",
        )
    ]


def findings_before(rig: RigFile) -> list[Finding]:
    """The same before a run, where a real rig is not moved for a verdict that nothing can come of."""
    found = host_findings(rig.host)
    if rig.rig.simulated:
        return found
    return [
        replace(
            one,
            severity=Severity.ERROR,
            message=f"{one.message}: the verdict of a run now would be INCONCLUSIVE for that reason",
            remedy=f"{one.remedy}; `harness run RIG --anyway` runs it all the same",
        )
        if one.severity is Severity.WARNING
        else one
        for one in found
    ]


def require_free_host(rig: RigFile, *, anyway: bool = False) -> None:
    """Refuse to move a real robot on a host that is too busy for a verdict. Raises UnavailableError."""
    for one in [] if anyway else findings_before(rig):
        if one.severity is Severity.ERROR:
            raise UnavailableError(one.message, hint=one.remedy)


class StealWatch:
    """CPU time that the hypervisor gave to others while the ``StealWatch`` was alive."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def finding(self) -> Finding:
        """The share since the start; a warning, never a verdict: its effect shows in the lateness."""
        now = psutil.cpu_times()
        total = sum(now) - sum(self._before)
        share = (
            (getattr(now, "steal", 0.0) - getattr(self._before, "steal", 0.0)) / total if total > 0 else 0.0
        )
        stolen = share > STEAL_SHARE
        return Finding(
            "stolen CPU time",
            Severity.WARNING if stolen else Severity.INFO,
            f"{100 * share:.1f} % of the CPU time went to other virtual machines",
            value=f"{share:.4f}",
            remedy="run on a host of its own" if stolen else "",
        )
