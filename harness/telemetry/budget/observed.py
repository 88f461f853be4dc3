"""What was observed under each name, over all processes; before any verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.telemetry.budget.cell import Blame, Cell
from harness.telemetry.budget.guarding import edges_of
from harness.telemetry.budget.limits import Limits
from harness.telemetry.budget.shared import Found
from harness.telemetry.budget.tally import Tally, together


@dataclass(frozen=True)
class Observed:
    """One name: its budget, all that was observed, exceptions by kind, what overruns are due to, and the
    processes that observed anything."""

    limits: Limits
    tally: Tally
    errors: dict[str, int]
    blame: dict[str, Blame]
    attributed: int
    processes: frozenset[str]


def observed(cells: Sequence[Cell], others: Iterable[Found]) -> list[Observed]:
    """Cells of this process together with what others observed, by name, in the order of the cells."""
    by_name: dict[str, list[Found]] = {}
    for cell in cells:
        # What a cell with files knows beside the values is in them.
        own = (cell.errors, cell.blame, cell.attributed) if cell.store is None else ({}, {}, 0)
        by_name.setdefault(cell.limits.name, []).append(Found("", cell.limits, cell.counted(), *own))
    for found in others:
        by_name.setdefault(found.limits.name, []).append(found)
    return [_together(parts) for parts in by_name.values()]


def _together(parts: list[Found]) -> Observed:
    limits = next((each.limits for each in parts if each.limits.judged), parts[0].limits)
    edges = edges_of(limits)
    errors: dict[str, int] = {}
    blame: dict[str, Blame] = {}
    for part in parts:
        if not part.tally.holds(edges):
            # Another process knew another limit or none: counted again where all values are still known.
            part.tally.limited(edges)
        for kind, count in part.errors.items():
            errors[kind] = errors.get(kind, 0) + count
        for name, share in part.blame.items():
            entry = blame.setdefault(name, Blame())
            entry.times, entry.seconds = entry.times + share.times, entry.seconds + share.seconds
    return Observed(
        limits=limits,
        tally=together([part.tally for part in parts]),
        errors=errors,
        blame=blame,
        attributed=sum(part.attributed for part in parts),
        processes=frozenset(part.process for part in parts if part.tally.n),
    )
