"""What the robots of a swarm must not do, whatever the time was.

- two leaders in one term, as the robots say whom they follow or that they lead;
- a follower of a robot that was lost when the observation of the trial ends;
- flapping: a robot that leaves its leader several times within one term;
- a role held twice, by one assignment, for as long as the settling time;
- an election without a fault, before the fault or after the swarm had settled.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

from harness.analysis.swarm_state import Said


class Violations:
    """Watches one trial; ``found``: where they are written, in words. ``begin_ns``, ``state``: when the swarm
    was stable, and what the robots said then; ``state`` is kept by the caller."""

    def __init__(
        self,
        found: list[str],
        robots: Sequence[str],
        settle_ns: int,
        begin_ns: int,
        state: Mapping[int, Said],
    ) -> None:
        self._found, self._robots, self._settle_ns, self._state = found, robots, settle_ns, state
        self._named: set[tuple[str, int]] = set()
        self._leaders: dict[int, set[int]] = {}
        self._departures: dict[int, int] = {}
        self._twice: dict[tuple[int, int], tuple[int, int]] = {}
        self._newest = max((said.term for said in state.values()), default=0)
        for said in state.values():
            self._leads(said)
        self._slots(begin_ns, ())

    def says(
        self, at_ns: int, number: int, said: Said, before: Said | None, *, silent: Collection[int]
    ) -> None:
        """Robot ``number`` says something new, which ``state`` has already; ``silent``: who was lost."""
        self._leads(said)
        self._slots(at_ns, silent)
        if before is None or number in silent:
            return
        left = 1 <= before.follows <= len(self._robots) and before.follows != said.follows
        if left and before.term == said.term:
            self._departures[number] = self._departures.get(number, 0) + 1

    def without_a_fault(self, term: int) -> None:
        """A robot is in this term, and nothing was broken yet."""
        if term > self._newest:
            self._violate("election", term, f"an election without a fault, to term {term}")
            self._newest = term

    def after_settling(self, term: int, settled: int, after_ns: int) -> None:
        """A robot is in this term after the swarm had reorganised in term ``settled``."""
        if term > settled:
            self._violate(
                "election",
                term,
                f"an election without a fault, to term {term}, {after_ns * 1e-6:.0f} ms after the swarm had"
                " reorganised",
            )

    def follows_the_lost(self, number: int, lost: int, after_ns: int) -> None:
        """At the end of the observation."""
        words = f"{self._called(number)} still follows {self._called(lost)}, {after_ns * 1e-6:.0f} ms after"
        self._violate("dead", number, words)

    def finish(self, end_ns: int, flaps: int) -> None:
        """The end of the trial; ``flaps``: departures that are flapping."""
        for pair, (slot, since) in self._twice.items():
            self._held_twice(pair, slot, since, end_ns)
        for number, count in self._departures.items():
            if count >= flaps:
                words = f"{self._called(number)} left its leader {count} times within a term"
                self._violate("flapping", number, words)

    def _called(self, number: int) -> str:
        return self._robots[number - 1] if 1 <= number <= len(self._robots) else "nobody"

    def _violate(self, what: str, of: int, words: str) -> None:
        if (what, of) not in self._named:
            self._named.add((what, of))
            self._found.append(words)

    def _leads(self, said: Said) -> None:
        if not 1 <= said.follows <= len(self._robots):
            return
        leaders = self._leaders.setdefault(said.term, set())
        leaders.add(said.follows)
        if len(leaders) > 1:
            names = " and ".join(self._called(each) for each in sorted(leaders))
            self._violate("leaders", said.term, f"two leaders in term {said.term}: {names}")

    def _slots(self, at_ns: int, silent: Collection[int]) -> None:
        """Which pairs hold the same slot by the same assignment now."""
        now = {
            (one, two)
            for one, two in combinations(sorted(set(self._state) - set(silent)), 2)
            if (a := self._state[one]).holds
            and (b := self._state[two]).holds
            and (a.slot, a.term, a.assignment, a.version) == (b.slot, b.term, b.assignment, b.version)
        }
        for pair in [each for each in self._twice if each not in now]:
            self._held_twice(pair, *self._twice.pop(pair), at_ns)
        for pair in now:
            self._twice.setdefault(pair, (self._state[pair[0]].slot, at_ns))

    def _held_twice(self, pair: tuple[int, int], slot: int, since_ns: int, until_ns: int) -> None:
        if until_ns - since_ns >= self._settle_ns:
            one, two = (self._called(number) for number in pair)
            self._violate("slot", pair[0] * 1000 + pair[1], f"slot {slot} is held by {one} and {two}")
