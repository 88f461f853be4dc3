"""One loss of a leader: when the survivors noticed, followed and held their roles, and what they must not do.

A violation is a violation whatever the time was:

- two leaders in one term, as the robots say whom they follow or that they lead;
- a follower of the injured leader when the observation of the trial ends;
- flapping: a robot that leaves its leader several times within one term;
- a role held twice, by one assignment, for as long as the settling time;
- an election without a fault, before the fault or after the swarm had settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from harness.analysis.swarm_lines import Line
from harness.analysis.swarm_state import Said, order


@dataclass(frozen=True)
class Injury:
    """What was done in a trial, in ns (CLOCK_MONOTONIC). ``robot``: number of the leader that was injured;
    ``begin_ns``: the swarm was stable; ``restored_ns``: the restoration began; ``end_ns``: it was stable
    again; ``whole``: the trial came to its end."""

    robot: int
    begin_ns: int
    before_ns: int
    restored_ns: int
    end_ns: int
    whole: bool = True


@dataclass
class Outcome:
    """What became of it; instants None where it did not happen. ``held_ns``: start of the window in which all
    survivors followed ``leader`` in ``term`` and held their roles for the settling time. ``why``: of a swarm
    that did not reorganise, robot by robot."""

    last_sign_ns: int | None = None
    noticed_ns: int | None = None
    first_follows_ns: int | None = None
    last_follows_ns: int | None = None
    held_ns: int | None = None
    leader: int | None = None
    term: int | None = None
    violations: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Rules:
    """``robots``: the names, in order; times in ns."""

    robots: Sequence[str]
    settle_ns: int
    timeout_ns: int
    flaps: int

    def called(self, number: int) -> str:
        """The name of that robot; ``nobody`` for a number that is none."""
        return self.robots[number - 1] if 1 <= number <= len(self.robots) else "nobody"


def judge_trial(lines: Mapping[int, Line], injury: Injury, rules: Rules) -> Outcome:
    """Instants and violations of one trial."""
    walk = _Walk(lines, injury, rules)
    for at_ns, number, said in walk.changes:
        walk.take(at_ns, number, said)
    return walk.finish()


class _Walk:
    """Goes through everything that the robots said during a trial, in order of time."""

    def __init__(self, lines: Mapping[int, Line], injury: Injury, rules: Rules) -> None:
        self.lines, self.injury, self.rules = lines, injury, rules
        begun = {number: each.before(injury.begin_ns) for number, each in lines.items()}
        self.state = {number: said for number, said in begun.items() if said is not None}
        self.survivors = [number for number in lines if number != injury.robot]
        self.changes = sorted(
            (
                (at_ns, number, said)
                for number, each in lines.items()
                for at_ns, said in each.after(injury.begin_ns, injury.end_ns)
            ),
            key=lambda change: change[:2],
        )
        self.out = Outcome(last_sign_ns=lines[injury.robot].last_sign(injury.restored_ns))
        self.old_term = max((said.term for said in self.state.values()), default=0)
        self.leaders: dict[int, set[int]] = {}
        self.named: set[tuple[str, int]] = set()
        self.departures = dict.fromkeys(self.survivors, 0)
        self.follows_since: dict[int, tuple[tuple[int, int], int]] = {}
        self.first_follows: dict[tuple[int, int], int] = {}
        self.window: tuple[tuple[int, int], int] | None = None
        self.twice: dict[tuple[int, int], tuple[int, int]] = {}
        for number, said in self.state.items():
            self._leads(number, said)
        self._slots(injury.begin_ns)

    def take(self, at_ns: int, number: int, said: Said) -> None:
        """Robot ``number`` says something new."""
        before = self.state.get(number)
        self._close_window(at_ns)
        self.state[number] = said
        self._leads(number, said)
        self._slots(at_ns)
        if at_ns < self.injury.before_ns:
            if said.term > self.old_term:
                self._violate("election", said.term, f"an election without a fault, to term {said.term}")
                self.old_term = said.term
            return
        if number == self.injury.robot:
            return
        way = (said.follows, said.term)
        if before is not None:
            self._noticed(at_ns, before, said)
            if 1 <= before.follows <= len(self.rules.robots) and (
                before.follows != said.follows and before.term == said.term
            ):
                self.departures[number] += 1
        if self.follows_since.get(number, (None, 0))[0] != way:
            self.follows_since[number] = (way, at_ns)
        self.first_follows.setdefault(way, at_ns)
        self._after_settling(at_ns, said)
        self._open_window(at_ns)

    def finish(self) -> Outcome:
        """The end of the trial."""
        end = self.injury.end_ns
        self._close_window(end)
        out, rules = self.out, self.rules
        for pair, (slot, since) in self.twice.items():
            self._held_twice(pair, slot, since, end)
        for number, count in self.departures.items():
            if count >= rules.flaps:
                name = rules.called(number)
                self._violate("flapping", number, f"{name} left its leader {count} times within a term")
        if self.injury.whole:
            self._at_the_end()
        return out

    # -- order -----------------------------------------------------------------------------------------------

    def _open_window(self, at_ns: int) -> None:
        found = order(self.state, self.survivors)
        new = found is not None and found[1] > self.old_term
        if not new or found is None:
            self.window = None
        elif self.window is None or self.window[0] != found:
            self.window = (found, at_ns)

    def _close_window(self, at_ns: int) -> None:
        """Whether the order that held up to now has lasted long enough."""
        if self.window is None or self.out.held_ns is not None:
            return
        way, since = self.window
        if at_ns - since >= self.rules.settle_ns:
            self.out.held_ns, (self.out.leader, self.out.term) = since, way
            self.out.first_follows_ns = self.first_follows.get(way, since)
            follows = [self.follows_since[number][1] for number in self.survivors]
            self.out.last_follows_ns = max(follows)

    def _noticed(self, at_ns: int, before: Said, said: Said) -> None:
        if self.out.noticed_ns is None and (
            (before.follows, before.term, before.state) != (said.follows, said.term, said.state)
        ):
            self.out.noticed_ns = at_ns

    # -- violations ------------------------------------------------------------------------------------------

    def _violate(self, what: str, of: int, words: str) -> None:
        if (what, of) not in self.named:
            self.named.add((what, of))
            self.out.violations.append(words)

    def _leads(self, number: int, said: Said) -> None:
        if not 1 <= said.follows <= len(self.rules.robots):
            return
        leaders = self.leaders.setdefault(said.term, set())
        leaders.add(said.follows)
        if len(leaders) > 1:
            names = " and ".join(self.rules.called(each) for each in sorted(leaders))
            self._violate("leaders", said.term, f"two leaders in term {said.term}: {names}")

    def _after_settling(self, at_ns: int, said: Said) -> None:
        held, term = self.out.held_ns, self.out.term
        if held is not None and term is not None and said.term > term:
            self._violate(
                "election",
                said.term,
                f"an election without a fault, to term {said.term}, {(at_ns - held) * 1e-6:.0f} ms after the"
                " swarm had reorganised",
            )

    def _slots(self, at_ns: int) -> None:
        """Which pairs hold the same slot by the same assignment now."""
        inside = [number for number in self.state if number != self.injury.robot]
        if at_ns < self.injury.before_ns:
            inside = list(self.state)
        now = {
            (one, two)
            for one, two in combinations(sorted(inside), 2)
            if (a := self.state[one]).holds
            and (b := self.state[two]).holds
            and (a.slot, a.term, a.assignment) == (b.slot, b.term, b.assignment)
        }
        for pair in [each for each in self.twice if each not in now]:
            self._held_twice(pair, *self.twice.pop(pair), at_ns)
        for pair in now:
            self.twice.setdefault(pair, (self.state[pair[0]].slot, at_ns))

    def _held_twice(self, pair: tuple[int, int], slot: int, since_ns: int, until_ns: int) -> None:
        if until_ns - since_ns >= self.rules.settle_ns:
            one, two = (self.rules.called(number) for number in pair)
            self._violate("slot", pair[0] * 1000 + pair[1], f"slot {slot} is held by {one} and {two}")

    def _at_the_end(self) -> None:
        """What the survivors said when the observation ended."""
        end, rules, robot = self.injury.restored_ns, self.rules, self.injury.robot
        last = {number: self.lines[number].before(end) for number in self.survivors}
        after_ms = (end - self.injury.before_ns) * 1e-6
        settled = end - self.injury.before_ns >= rules.settle_ns
        for number, said in last.items():
            if settled and said is not None and said.follows == robot:
                dead = rules.called(robot)
                self._violate(
                    "dead", number, f"{rules.called(number)} still follows {dead}, {after_ms:.0f} ms after"
                )
        if self.out.held_ns is None:
            for number, said in last.items():
                name = rules.called(number)
                if said is None:
                    self.out.why.append(f"{name} says nothing")
                    continue
                role = f"holds slot {said.slot}" if said.holds else "holds no role of that term"
                whom = rules.called(said.follows)
                self.out.why.append(f"{name} follows {whom} in term {said.term} and {role}")
