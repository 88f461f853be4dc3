"""Which stage and which condition of the host make the slow answers slow, and what to do about it.

Pure: from the samples and the table of the host (docs/run-folder.md) to :class:`harness.results.Bottlenecks`.
Opinions, which no verdict is made of. docs/bottlenecks.md tells the method and how often it is right.
"""

from harness.analysis.causes.find import find_causes

__all__ = ["find_causes"]
