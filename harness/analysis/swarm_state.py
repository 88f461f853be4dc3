"""What the robots of a swarm say of themselves, and when that makes one order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

FAULT = "swarm_fault"
ENDED = "swarm_trial_ended"
"""Events of a run, by which the analysis knows what was done to whom, and when each trial was over."""


@dataclass(frozen=True)
class Said:
    """What one robot says at an instant: whom it follows (a number from 1; anything else: nobody), in which
    term, which slot it holds (below 0: none), the term of the assignment that the slot is from, and the
    number of its state (both None where no port tells)."""

    follows: int
    term: int
    slot: int
    assignment: int | None = None
    state: int | None = None

    @property
    def holds(self) -> bool:
        """Whether it holds a role of the term that it is in."""
        return self.slot >= 0 and self.assignment in (None, self.term)


def order(said: Mapping[int, Said], robots: Iterable[int]) -> tuple[int, int] | None:
    """Leader and term, where all of ``robots`` follow one of them in one term and each holds a slot of its
    own; None where they do not."""
    numbers = list(robots)
    if not numbers or any(number not in said for number in numbers):
        return None
    ways = {(said[number].follows, said[number].term) for number in numbers}
    if len(ways) != 1:
        return None
    leader, term = ways.pop()
    slots = {said[number].slot for number in numbers if said[number].holds}
    return (leader, term) if leader in numbers and len(slots) == len(numbers) else None
