"""The moments of an election at which a further robot is broken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.analysis.swarm_state import Order, Said
from harness.config.schema import SwarmReorganization
from harness.config.swarm import Further
from harness.errors import OperationError
from harness.scenarios.swarm_watch import Watch
from harness.schedule import Stopped, sleep_until

if TYPE_CHECKING:
    from harness.bench import Bench

POLL_NS = 300_000
WORDS = {
    "fault": "the fault",
    "noticed": "nobody noticed it",
    "candidacy": "nobody stood for election",
    "elected": "nobody followed a new leader",
}


class Moments:
    """Waits for the moment of a further fault."""

    def __init__(self, bench: Bench, name: str, spec: SwarmReorganization, watch: Watch) -> None:
        self._bench, self._name, self._spec, self._watch = bench, name, spec, watch

    def wait(
        self,
        further: Further,
        victim: str | None,
        before: Order,
        fault_ns: int,
        broken: list[str],
        stopped: Stopped,
    ) -> str | None:
        """Sleep until the moment has come, and so long as it says after it; whom to break then. None when
        stopped. Raises OperationError when it does not come, or names a robot that is broken already."""
        clock, robots = self._bench.clock, self._spec.robots
        moment, who = fault_ns, 0
        calm = {number: self._watch.said(number) for number in self._watch.everybody}
        limit = fault_ns + int(further.within_ms * 1e6)
        while further.at != "fault":
            now = clock.monotonic_ns()
            found = self._who(further.at, before, calm, broken)
            if found:
                moment, who = now, found
                break
            if now > limit:
                raise OperationError(
                    f"scenario {self._name!r}: {WORDS[further.at]} within {further.within_ms:g} ms, so that"
                    f" the fault {further.stimulus} had no moment",
                    hint="raise within_ms, or take another moment: `at`",
                )
            if not sleep_until(clock, now + POLL_NS, stopped):
                return None
        if not sleep_until(clock, moment + int(further.after_ms * 1e6), stopped):
            return None
        robot = victim if victim is not None else robots[who - 1]
        if robot in broken:
            raise OperationError(
                f"scenario {self._name!r}: {robot} is broken already when {further.stimulus} is to break it",
                hint="`robot: next` takes whoever stands or is followed; name the robots otherwise",
            )
        return robot

    def _who(self, at: str, before: Order, calm: Mapping[int, Said | None], broken: list[str]) -> int:
        """The robot that the moment is about, 0 while it has not come: who noticed, who stands or leads.
        ``calm``: what they said when the fault had just happened."""
        robots = self._spec.robots
        for number in self._watch.everybody:
            if robots[number - 1] in broken:
                continue
            said = self._watch.said(number)
            if said is None:
                continue
            new = said.term > before.term
            leads = said.follows if new and 1 <= said.follows <= len(robots) else 0
            stands = self._spec.candidate_state is not None and said.state == self._spec.candidate_state
            if at == "elected" and leads and robots[leads - 1] not in broken:
                return leads
            # Who leads already has stood, however short that was.
            if at == "candidacy" and (stands or leads == number):
                return number
            was = calm[number] or said
            if at == "noticed" and (new or (was.follows, was.state) != (said.follows, said.state)):
                return number
        return 0
