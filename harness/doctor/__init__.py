"""``harness doctor``: what about this host bears on latency, why, and the command that mends it.

:func:`examine` looks at everything, :func:`host_report` does so fast enough for every run. Nothing here
changes the host; :mod:`.measure` alone takes time, and only when it is asked for.
"""

from harness.doctor.examination import examine, host_report, rig_report
from harness.doctor.result import Check, Health, status
from harness.doctor.roots import Roots

__all__ = ["Check", "Health", "Roots", "examine", "host_report", "rig_report", "status"]
