"""One trial of a swarm: when the survivors noticed, stood, followed and held their roles.

Reorganised is the swarm from the start of the first window on, after the last fault of the trial, in which
all survivors kept one newer order for the settling time: one leader of theirs in one term, each with a role
of its own by one assignment. A robot that was broken and is alive and heard (its link is slow, or it was
restored in the middle of the trial) may keep the lead, or take it again: then an order of all that are alive
counts too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.analysis.swarm_lines import Line
from harness.analysis.swarm_state import Order, Said, order
from harness.analysis.swarm_violations import Violations


@dataclass(frozen=True)
class Hurt:
    """What was done to one robot in a trial, in ns (CLOCK_MONOTONIC). ``robot``: its number; ``back_ns``: it
    was whole again in the middle of the trial, None where that was only after the observation; ``forgets``:
    what it said before means nothing then, since it has started anew."""

    robot: int
    kind: str
    before_ns: int
    back_ns: int | None = None

    @property
    def heard(self) -> bool:
        """Whether it goes on speaking."""
        return self.kind == "slow"

    @property
    def forgets(self) -> bool:
        """Whether it starts anew."""
        return self.kind not in ("hang", "isolate", "slow")


@dataclass(frozen=True)
class Injury:
    """A trial, in ns (CLOCK_MONOTONIC). ``hurts``: who was broken, in order of time; ``begin_ns``: the swarm
    was stable; ``observed_ns``: the observation ended, and the restoration began; ``end_ns``: it was stable
    again; ``whole``: the trial came to its end."""

    hurts: Sequence[Hurt]
    begin_ns: int
    observed_ns: int
    end_ns: int
    whole: bool = True

    @property
    def before_ns(self) -> int:
        """Just before the first fault."""
        return self.hurts[0].before_ns

    @property
    def last_ns(self) -> int:
        """Just before the last fault."""
        return self.hurts[-1].before_ns


@dataclass
class Outcome:
    """What became of it; instants None where it did not happen, numbers of robots 0. ``held_ns``: start of
    the window of the new order; ``why``: of a swarm that did not reorganise, robot by robot."""

    last_sign_ns: int | None = None
    noticed_ns: int | None = None
    noticed_by: int = 0
    stood_ns: int | None = None
    stood: int = 0
    first_follows_ns: int | None = None
    first_follows: int = 0
    last_follows_ns: int | None = None
    last_follows: int = 0
    held_ns: int | None = None
    last_holds: int = 0
    leader: int | None = None
    term: int | None = None
    violations: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Rules:
    """``robots``: the names, in order; times in ns; ``candidate``: the state of who stands, None: unknown."""

    robots: Sequence[str]
    settle_ns: int
    timeout_ns: int
    flaps: int
    candidate: int | None = None

    def called(self, number: int) -> str:
        """The name of that robot; ``nobody`` for a number that is none."""
        return self.robots[number - 1] if 1 <= number <= len(self.robots) else "nobody"


def judge_trial(lines: Mapping[int, Line], injury: Injury, rules: Rules) -> Outcome:
    """Instants and violations of one trial."""
    return _Walk(lines, injury, rules).go()


class _Walk:
    """Goes through everything that happened in a trial, in order of time."""

    def __init__(self, lines: Mapping[int, Line], injury: Injury, rules: Rules) -> None:
        self.lines, self.injury, self.rules = lines, injury, rules
        begun = {number: each.before(injury.begin_ns) for number, each in lines.items()}
        self.state = {number: said for number, said in begun.items() if said is not None}
        self.hurt = {each.robot: each for each in injury.hurts}
        self.survivors = [number for number in lines if number not in self.hurt]
        self.alive = {each.robot for each in injury.hurts if each.heard}
        self.silent: set[int] = set()
        self.out = Outcome(last_sign_ns=self._last_sign())
        self.old: Order | None = None
        self.follows_since: dict[int, tuple[tuple[int, int], int]] = {}
        self.first_follows: dict[tuple[int, int], tuple[int, int]] = {}
        self.window: tuple[Order, int, int] | None = None
        self.watched = Violations(
            self.out.violations, rules.robots, rules.settle_ns, injury.begin_ns, self.state
        )

    def _last_sign(self) -> int | None:
        first = self.injury.hurts[0]
        until = self.injury.observed_ns if first.back_ns is None else first.back_ns
        return self.lines[first.robot].last_sign(until)

    def go(self) -> Outcome:
        """Everything, to the end of the trial."""
        injury = self.injury
        # At one instant a fault comes before what is said, and what is said before a return.
        steps: list[tuple[int, int, int, Said | None]] = [
            (at_ns, 1, number, said)
            for number, each in self.lines.items()
            for at_ns, said in each.after(injury.begin_ns, injury.end_ns)
        ]
        steps += [(each.before_ns, 0, each.robot, None) for each in injury.hurts]
        steps += [(each.back_ns, 2, each.robot, None) for each in injury.hurts if each.back_ns is not None]
        for at_ns, what, number, said in sorted(steps, key=lambda step: step[:3]):
            self._close_window(at_ns)
            if said is not None:
                self._says(at_ns, number, said)
            elif what == 0:
                self._is_hurt(at_ns, number)
            else:
                self._is_back(at_ns, number)
        return self._finish()

    # -- steps -----------------------------------------------------------------------------------------------

    def _is_hurt(self, at_ns: int, number: int) -> None:
        present = order(self.state, [each for each in self.lines if each not in self.silent])
        if self.old is None:
            self.old = present if present is not None else self._latest()
        elif present is not None and present.newer(self.old):
            self.old = present  # a later fault has its own order to be coped with
        if number not in self.alive:
            self.silent.add(number)
        # Reorganised is who has coped with the last fault.
        self.out.held_ns, self.window = None, None
        if at_ns == self.injury.last_ns:
            self._open_window(at_ns, 0)

    def _is_back(self, at_ns: int, number: int) -> None:
        self.alive.add(number)
        self.silent.discard(number)
        if self.hurt[number].forgets:
            self.state.pop(number, None)
        self._open_window(at_ns, number)

    def _says(self, at_ns: int, number: int, said: Said) -> None:
        before = self.state.get(number)
        self.state[number] = said
        self.watched.says(at_ns, number, said, before, silent=self.silent)
        if self.old is None:
            self.watched.without_a_fault(said.term)
            return
        if number in self.silent:
            return
        if number not in self.hurt:
            self._notices(at_ns, number, before, said)
        way = (said.follows, said.term)
        if self.follows_since.get(number, (None, 0))[0] != way:
            self.follows_since[number] = (way, at_ns)
        if number not in self.hurt:
            self.first_follows.setdefault(way, (at_ns, number))
        if self.out.held_ns is not None and self.out.term is not None:
            self.watched.after_settling(said.term, self.out.term, at_ns - self.out.held_ns)
        self._open_window(at_ns, number)

    def _notices(self, at_ns: int, number: int, before: Said | None, said: Said) -> None:
        if before is None:
            return
        if before != said and self.out.noticed_ns is None:
            self.out.noticed_ns, self.out.noticed_by = at_ns, number
        # Who leads has stood, however short that was.
        stands = said.state == self.rules.candidate or (said.follows == number and said.term > before.term)
        if self.rules.candidate is not None and self.out.stood_ns is None and stands:
            self.out.stood_ns, self.out.stood = at_ns, number

    # -- order -----------------------------------------------------------------------------------------------

    def _latest(self) -> Order:
        """Where there was no order when the first fault came: the latest term that was told of, and all of
        its assignments."""
        return Order(0, max((said.term for said in self.state.values()), default=0), 1 << 62)

    def _found(self) -> Order | None:
        """The order that counts at present, None where there is none."""
        assert self.old is not None
        found = order(self.state, self.survivors)
        if found is not None and found.newer(self.old):
            return found
        if not self.alive:
            return None
        return order(self.state, sorted({*self.survivors, *self.alive}))

    def _open_window(self, at_ns: int, number: int) -> None:
        if at_ns < self.injury.last_ns:
            return
        found = self._found()
        if found is None:
            self.window = None
        elif self.window is None or self.window[0] != found:
            self.window = (found, at_ns, number)

    def _close_window(self, at_ns: int) -> None:
        """Whether the order that held up to now has lasted long enough."""
        if self.window is None or self.out.held_ns is not None:
            return
        way, since, number = self.window
        # A robot that is merely slow may still be given up as long as it is slow.
        still = any(each.heard for each in self.injury.hurts) and at_ns < self.injury.observed_ns
        if at_ns - since < self.rules.settle_ns or still:
            return
        out = self.out
        out.held_ns, out.last_holds, out.leader, out.term = since, number, way.leader, way.term
        key = (way.leader, way.term)
        out.first_follows_ns, out.first_follows = self.first_follows.get(key, (since, 0))
        following = [(self.follows_since[n][1], n) for n in self.survivors if n in self.follows_since]
        out.last_follows_ns, out.last_follows = max(following, default=(since, 0))
        out.first_follows_ns = min(out.first_follows_ns, out.last_follows_ns)

    # -- the end ---------------------------------------------------------------------------------------------

    def _finish(self) -> Outcome:
        end = self.injury.end_ns
        self._close_window(end)
        self.watched.finish(end, self.rules.flaps)
        if self.injury.whole:
            self._at_the_end()
        return self.out

    def _at_the_end(self) -> None:
        """What the survivors said when the observation ended."""
        end, rules = self.injury.observed_ns, self.rules
        last = {number: self.lines[number].before(end) for number in self.survivors}
        lost = {each.robot: each.before_ns for each in self.injury.hurts if each.robot not in self.alive}
        for number, said in last.items():
            since = lost.get(said.follows) if said is not None else None
            if said is not None and since is not None and end - since >= rules.settle_ns:
                self.watched.follows_the_lost(number, said.follows, end - since)
        if self.out.held_ns is not None:
            return
        for number, said in last.items():
            name = rules.called(number)
            if said is None:
                self.out.why.append(f"{name} says nothing")
                continue
            role = f"holds slot {said.slot}" if said.holds else "holds no role of that term"
            self.out.why.append(f"{name} follows {rules.called(said.follows)} in term {said.term} and {role}")
