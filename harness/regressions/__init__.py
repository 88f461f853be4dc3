"""Change points in the history of a rig: since when a requirement's figure is another one, and by how much.

The pure part is :func:`watch`, which reads a series of one figure per run; everything else brings it that
series from the history, makes the reruns that confirm, and shows what was found.
"""

from harness.regressions.watching import Change, Dropped, Suspicion, Watched, watch

__all__ = ["Change", "Dropped", "Suspicion", "Watched", "watch"]
