"""Two runs, or a run against a set of runs: what differs, by how much, and how sure that is.

Right of the seam: run folders in, pages out. Which runs may be put together is decided in
:mod:`harness.history.comparable`, and nowhere else.
"""

from harness.compare.comparison import Comparison, Scenario, compare
from harness.compare.runs import Chosen, choose
from harness.compare.sides import Interval, Shift

__all__ = ["Chosen", "Comparison", "Interval", "Scenario", "Shift", "choose", "compare"]
