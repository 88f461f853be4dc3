"""What is worth marking between one run and the next: versions, commits, settings, where comparing ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.history.comparable import what_changed, why_not
from harness.history.past import PastRun

# The commit has a place of its own; the others change together with something that is named already.
_LEFT_OUT = ("commit", "versions.harness", "versions.python_build")


@dataclass(frozen=True)
class Marked:
    """A run, and how it differs from the one before it.

    ``new_commit``: its commit, or that files were changed, is another; ``changes``: what else is, in a few
    words each; ``breaks``: why the two may not be compared.
    """

    run: PastRun
    new_commit: bool
    changes: tuple[str, ...]
    breaks: tuple[str, ...]


def marked(runs: Sequence[PastRun]) -> list[Marked]:
    """``runs`` of one rig, the oldest first, each with what is new about it."""
    found: list[Marked] = []
    before: PastRun | None = None
    for run in runs:
        if before is None:
            found.append(Marked(run, False, (), ()))
        else:
            found.append(
                Marked(
                    run,
                    (run.commit, run.dirty) != (before.commit, before.dirty),
                    changes(before, run),
                    why_not(before, run),
                )
            )
        before = run
    return found


def changes(a: PastRun, b: PastRun) -> tuple[str, ...]:
    """What is another in ``b``, but for the commit, in a few words each: ``harness 0.1.0 → 0.2.0``."""
    words = [] if a.version == b.version else [f"harness {a.version or '?'} → {b.version or '?'}"]
    for name, (before, after) in what_changed(a, b).items():
        if name in _LEFT_OUT:
            continue
        short = name.removeprefix("versions.")
        if name == "rig file":
            words.append("rig file")
        elif name == "overrides":
            words += [f"--set {each}" for each in b.overrides if each not in a.overrides]
            words += [f"without --set {each}" for each in a.overrides if each not in b.overrides]
        elif len(before) <= 24 and len(after) <= 24:
            words.append(f"{short} {before or '–'} → {after or '–'}")
        else:
            words.append(short)
    return tuple(words)
