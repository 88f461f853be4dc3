"""The phases of a reorganisation, from what the robots say they did: truth logs or the simulation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.sim.swarm.settings import Event


@dataclass(frozen=True)
class Reorganisation:
    """One loss of a leader. Instants are in ns of one clock; the phases between them are what remains."""

    fault_ns: int
    noticed_ns: int
    """The first survivor suspects."""
    stands_ns: int
    """The robot that won became a candidate."""
    elected_ns: int
    followed_ns: int
    """The last survivor follows the new leader."""
    held_ns: int
    """The last survivor holds its role for good."""
    leader: int
    term: int
    rounds: int
    """Candidacies, 1 where the first one won."""

    def phases_ms(self) -> dict[str, float]:
        """Durations in ms: detection, agreement to ask (pre-vote), election, following, re-forming, total."""
        marks = {
            "detection": (self.fault_ns, self.noticed_ns),
            "pre-vote": (self.noticed_ns, self.stands_ns),
            "election": (self.stands_ns, self.elected_ns),
            "agreement": (self.elected_ns, self.followed_ns),
            "re-forming": (self.followed_ns, self.held_ns),
            "total": (self.fault_ns, self.held_ns),
        }
        return {name: (end - start) * 1e-6 for name, (start, end) in marks.items()}


def reorganisation(
    events: Iterable[tuple[int, Event]], survivors: Iterable[int], fault_ns: int, until_ns: int
) -> Reorganisation | None:
    """What happened from ``fault_ns`` to ``until_ns``; None where not all follow one new leader at the end.

    ``events`` are pairs of a robot's number and what it did.
    """
    alive = set(survivors)
    seen = sorted(
        ((robot, event) for robot, event in events if robot in alive and fault_ns <= event.at_ns <= until_ns),
        key=lambda pair: pair[1].at_ns,
    )
    elections = [(robot, event) for robot, event in seen if event.name == "elected"]
    if not elections:
        return None
    leader, elected = elections[-1]
    follows: dict[int, Event] = {leader: elected}
    holds: dict[int, Event] = {}
    for robot, event in seen:
        # Who suspects the new leader for a moment and hears it again has followed it all the time.
        if event.name in ("resigns", "votes", "stands") and event.at_ns > elected.at_ns:
            follows.pop(robot, None)
        if event.name == "follows" and event.leader == leader and event.term == elected.term:
            follows.setdefault(robot, event)
        if event.name in ("holds", "assigned") and event.term == elected.term:
            holds[robot] = event
    versions = {event.version for event in holds.values()}
    if set(follows) != alive or set(holds) != alive or len(versions) != 1:
        return None
    stands = [event for robot, event in seen if event.name == "stands"]
    won = next(e for r, e in seen if r == leader and e.name == "stands" and e.term == elected.term)
    suspects = [event.at_ns for _, event in seen if event.name == "suspects"]
    return Reorganisation(
        fault_ns,
        min([*suspects, won.at_ns]),
        won.at_ns,
        elected.at_ns,
        max(event.at_ns for event in follows.values()),
        max(event.at_ns for event in (*follows.values(), *holds.values())),
        leader,
        elected.term,
        len(stands),
    )
