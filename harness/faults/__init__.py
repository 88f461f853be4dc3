"""Faults: a robot is broken, it is verified that the fault took hold, and it is undone on every way out.

One module per family: :mod:`.processes`, :mod:`.links`, :mod:`.commands`. How the guardian undoes them is
in :mod:`harness.guardian.undo`.
"""

from harness.faults.base import FaultPort
from harness.faults.making import make_fault

__all__ = ["FaultPort", "make_fault"]
