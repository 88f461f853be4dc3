"""What the robots of a swarm say of themselves, and when that makes one order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

FAULT = "swarm_fault"
RETURNED = "swarm_returned"
ENDED = "swarm_trial_ended"
"""Events of a run, by which the analysis knows what was done to whom, and when each trial was over."""


@dataclass(frozen=True)
class Said:
    """What one robot says at an instant: whom it follows (a number from 1; anything else: nobody), in which
    term, which slot it holds (below 0: none), the term of the assignment that the slot is from, the number of
    its state, and the number of the assignment within its term (None where no port tells)."""

    follows: int
    term: int
    slot: int
    assignment: int | None = None
    state: int | None = None
    version: int | None = None

    @property
    def holds(self) -> bool:
        """Whether it holds a role of the term that it is in."""
        return self.slot >= 0 and self.assignment in (None, self.term)


class Order(NamedTuple):
    """One leader (its number) in one term; ``version``: of the assignment of roles, 0 where no port tells."""

    leader: int
    term: int
    version: int = 0

    def newer(self, other: Order) -> bool:
        """Whether it came after the other one: by a later term, or a later assignment."""
        return (self.term, self.version) > (other.term, other.version)


def order(said: Mapping[int, Said], robots: Iterable[int]) -> Order | None:
    """The order that all of ``robots`` keep: they follow one of them in one term, and each holds a slot of
    its own by one assignment; None where they do not."""
    numbers = list(robots)
    if not numbers or any(number not in said for number in numbers):
        return None
    ways = {Order(one.follows, one.term, one.version or 0) for one in (said[number] for number in numbers)}
    if len(ways) != 1:
        return None
    way = ways.pop()
    slots = {said[number].slot for number in numbers if said[number].holds}
    return way if way.leader in numbers and len(slots) == len(numbers) else None
