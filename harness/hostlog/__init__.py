"""What the host did while a run was measured: a table of its own in the run folder (``host.parquet``).

It is written by a process of its own at low priority (``python -m harness.hostlog``), so that the harness's
process does no more than it did; collections of Python's garbage, which only the harness can see, are added
by :mod:`.pauses`. No verdict is made of it: it is what :mod:`harness.analysis.causes` looks for causes in.
"""

from harness.hostlog.client import HostLog

__all__ = ["HostLog"]
