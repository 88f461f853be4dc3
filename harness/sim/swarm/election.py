"""The election, as a state machine without clock, socket, thread or ROS.

Raft's election (Ongaro and Ousterhout, "In search of an understandable consensus algorithm", USENIX ATC 2014,
section 5.2): terms, one vote per robot and term, majorities, randomised timeouts. From Ongaro's thesis
("Consensus: bridging theory and practice", Stanford 2014): pre-votes (9.6), a leader that hears no majority
resigns (6.2), a leader that leaves hands over (3.10). There is no log, so no candidate is ever out of date.

Three things go beyond Raft and leave its safety alone, which needs only the votes:

- Timeouts are staggered by slot, so that usually one robot asks first: Zhang and Jacobsen, "ESCAPE to
  precaution against leader failures", ICDCS 2022, hand out priorities too, by how up to date logs are.
- A pre-vote asked of a robot that still trusts the leader is granted when that trust ends, not refused: the
  majority is there as soon as a majority suspects.
- A robot without memory (see :class:`Memory`) does not vote before it has heard a leader and a quarantine
  has passed, and then only in terms above all it has heard of.
"""

from __future__ import annotations

import random

from harness.sim.swarm.detector import Detector
from harness.sim.swarm.formation import slot_places
from harness.sim.swarm.leading import Leadership
from harness.sim.swarm.messages import EVERYBODY, NO_SLOT, Kind, Message, Place
from harness.sim.swarm.settings import Event, Memory, Output, Settings, State

NEVER_NS = 1 << 62


class Election:
    """One robot's part. Feed it with :meth:`receive` and, at :attr:`deadline_ns`, with :meth:`tick`.

    ``me`` is 1 to ``count``. ``memory`` is what the last :class:`Output` that had one said, ``Memory()`` for
    a robot that never ran before, None for one that has forgotten. Set ``place`` (metres) when it moves.
    """

    def __init__(
        self, me: int, count: int, settings: Settings, seed: int, memory: Memory | None, now_ns: int
    ) -> None:
        if not 1 <= me <= count:
            raise ValueError(f"robot {me} of {count}: numbers go from 1 to {count}")
        self.me, self.count, self.settings = me, count, settings
        self.quorum = count // 2 + 1
        self.term = 0 if memory is None else memory.term
        self.voted_for = 0 if memory is None else memory.voted_for
        self.voter = memory is not None
        self.state = State.JOINING
        self.leader = 0
        self.slot, self.version, self.slot_term = NO_SLOT, 0, 0
        self.place: Place = (0.0, 0.0)
        self.goals = slot_places(settings.shape, count)
        self.lead: Leadership | None = None
        self._random = random.Random(seed)
        self._detector = Detector(settings.margins, settings.period_ns)
        self._lost = 0
        self._slots: tuple[int, ...] = (NO_SLOT,) * count
        self._places: dict[int, Place] = {}
        self._granted: set[int] = set()
        self._waiting: dict[int, int] = {}
        self._leaving = False
        self._voter_from_ns = now_ns + settings.quarantine_ns
        self._turn_ns = now_ns + settings.startup_ns + self._draw(settings.startup_ns)
        self._repeat_ns = NEVER_NS
        self._suspects_ns = now_ns
        self._out = Output()

    @property
    def deadline_ns(self) -> int:
        """When to call :meth:`tick` next."""
        if self.state is State.LEADING:
            assert self.lead is not None
            return self.lead.beat_ns
        if self.state is State.FOLLOWING:
            return self._detector.deadline_ns
        if not self.voter or self.state is State.LEFT:
            return NEVER_NS
        return min(self._turn_ns, self._repeat_ns) if self._granted else self._turn_ns

    def begin(self, waited_ns: int, now_ns: int) -> None:
        """Start to listen for a leader only now, ``waited_ns`` after it was made."""
        if self.state is State.JOINING:
            self._turn_ns += waited_ns
            self._voter_from_ns = now_ns + self.settings.quarantine_ns

    @property
    def margin_ns(self) -> int:
        """The safety margin of the failure detector as it is now."""
        return self._detector.margin_ns

    @property
    def agreed(self) -> bool:
        """On the leader: whether all who have a slot have said that they hold it."""
        return self.lead is not None and self.lead.agreed

    def tick(self, now_ns: int) -> Output:
        """Time has passed. Take what has arrived first: a starved robot must not suspect whom it hears."""
        self._out = Output()
        if now_ns >= self.deadline_ns:
            if self.state is State.LEADING:
                self._beat(now_ns)
            elif self.state is State.FOLLOWING:
                self._suspect(now_ns)
            elif now_ns >= self._turn_ns:
                self._ask_pre_votes(now_ns)
            elif self.state is State.CANDIDATE:
                self._ask(Kind.VOTE, self.term, now_ns)
            else:
                self._ask(Kind.PRE_VOTE, self.term + 1, now_ns)
        return self._out

    def receive(self, message: Message, now_ns: int) -> Output:
        """A message has arrived. Those of this robot itself, or to another, change nothing."""
        self._out = Output()
        if message.sender == self.me or message.to not in (EVERYBODY, self.me) or self.state is State.LEFT:
            return self._out
        self._places[message.sender] = message.place
        kind = message.kind
        if message.term > self.term and kind not in (Kind.PRE_VOTE, Kind.LEAVE):
            granting = kind is Kind.PRE_VOTE_REPLY and message.granted  # repeats the term that was proposed
            if not granting:
                self._newer_term(message.term, now_ns)
        if kind is Kind.HEARTBEAT:
            self._heartbeat(message, now_ns)
        elif kind is Kind.ACK:
            self._acknowledged(message, now_ns)
        elif kind is Kind.PRE_VOTE:
            self._pre_vote(message, now_ns)
        elif kind is Kind.VOTE:
            self._vote(message, now_ns)
        elif kind in (Kind.PRE_VOTE_REPLY, Kind.VOTE_REPLY):
            self._reply(message, now_ns)
        elif kind is Kind.TIMEOUT_NOW:
            if message.term == self.term and message.sender == self.leader and self.voter:
                self._lost = message.sender
                self._stand(now_ns)
        elif self.lead is not None:  # LEAVE
            self._announce(now_ns, self.lead.without(message.sender, self._places))
        return self._out

    def leave(self, now_ns: int) -> Output:
        """Leave in good order: a leader hands over first. The robot has left when the state is LEFT."""
        self._out = Output()
        self._leaving = True
        successor = self.lead.successor() if self.lead is not None else 0
        if successor:
            self._say("hands over", now_ns, other=successor)
            self._send(Kind.TIMEOUT_NOW, successor)
        else:
            self._go(now_ns)
        return self._out

    def disturb(self, now_ns: int) -> Output:
        """Stand for election although nothing is wrong: a misbehaviour, for tests of who watches."""
        self._out = Output()
        if self.state is State.FOLLOWING:
            self._stand(now_ns)
        return self._out

    # Suspicion and pre-votes

    def _suspect(self, now_ns: int) -> None:
        self.state, self._lost, self._suspects_ns = State.SUSPECTING, self.leader, now_ns
        self._say("suspects", now_ns, other=self.leader)
        rank = self.slot - 1 if self.slot > 0 else self.count
        self._turn_ns = now_ns + rank * self.settings.stagger_ns + self._draw(self.settings.spread_ns)
        for robot, term in self._waiting.items():
            self._grant_pre_vote(robot, term, now_ns)
        self._waiting.clear()

    def _ask_pre_votes(self, now_ns: int) -> None:
        self._give_up_leader(now_ns)
        if self.state is not State.JOINING:
            self.state = State.SUSPECTING
        self._granted = {self.me}
        self._turn_ns = now_ns + self.settings.retry_ns + self._draw(self.settings.retry_ns)
        self._say("asks", now_ns)
        self._ask(Kind.PRE_VOTE, self.term + 1, now_ns)
        if self.quorum == 1:
            self._stand(now_ns)

    def _pre_vote(self, message: Message, now_ns: int) -> None:
        if not self.voter:
            return
        if message.term <= self.term:
            self._send(Kind.PRE_VOTE_REPLY, message.sender)  # refused; tells the newer term
        elif self.state is State.FOLLOWING:
            self._waiting[message.sender] = message.term
        elif self.state is not State.LEADING:
            self._grant_pre_vote(message.sender, message.term, now_ns)

    def _grant_pre_vote(self, robot: int, term: int, now_ns: int) -> None:
        if term <= self.term:
            return
        self._give_up_leader(now_ns)
        self._send(Kind.PRE_VOTE_REPLY, robot, term=term, granted=True)
        if self.state is not State.CANDIDATE and (not self._granted or self._before(robot)):
            # Somebody asks already: a second candidacy would only split the votes.
            self._granted = set()
            self._turn_ns = now_ns + self.settings.retry_ns + self._draw(self.settings.retry_ns)

    def _give_up_leader(self, now_ns: int) -> None:
        """Whoever has suspected for a whole round, its own or another's, follows nobody any more."""
        if now_ns >= self._suspects_ns + 2 * self.settings.retry_ns:
            self.leader = 0

    def _before(self, robot: int) -> bool:
        """Whether that robot's turn is before mine."""
        theirs = self._slots[robot - 1]
        mine = self.slot
        return (theirs if theirs > 0 else self.count, robot) < (mine if mine > 0 else self.count, self.me)

    # Votes

    def _stand(self, now_ns: int) -> None:
        self.state, self.leader = State.CANDIDATE, 0
        self.term += 1
        self.voted_for = self.me
        self._remember()
        self._granted = {self.me}
        self._turn_ns = now_ns + self.settings.retry_ns + self._draw(self.settings.retry_ns)
        self._say("stands", now_ns)
        self._ask(Kind.VOTE, self.term, now_ns)
        if self.quorum == 1:
            self._elected(now_ns)

    def _ask(self, kind: Kind, term: int, now_ns: int) -> None:
        """Ask all for this round's (pre-)vote, and again until it ends: a message may have been lost."""
        self._send(kind, term=term)
        self._repeat_ns = now_ns + self.settings.repeat_ns

    def _vote(self, message: Message, now_ns: int) -> None:
        if not self.voter:
            return
        granted = message.term == self.term and self.voted_for in (0, message.sender)
        if granted and self.voted_for == 0:
            self.voted_for = message.sender
            self._remember()
            self.leader = 0
            self._turn_ns = now_ns + self.settings.retry_ns + self._draw(self.settings.retry_ns)
            self._say("votes", now_ns, other=message.sender)
        self._send(Kind.VOTE_REPLY, message.sender, granted=granted)

    def _reply(self, message: Message, now_ns: int) -> None:
        if not message.granted or now_ns >= self._turn_ns:  # a round that is over stays over
            return
        votes = message.kind is Kind.VOTE_REPLY
        if votes and self.state is State.CANDIDATE and message.term == self.term:
            self._granted.add(message.sender)
            if len(self._granted) >= self.quorum:
                self._elected(now_ns)
        elif (
            not votes
            and self.state in (State.SUSPECTING, State.JOINING)
            and self._granted
            and message.term == self.term + 1
        ):
            self._granted.add(message.sender)
            if len(self._granted) >= self.quorum:
                self._stand(now_ns)

    def _newer_term(self, term: int, now_ns: int) -> None:
        if self.state is State.LEADING:
            self._say("resigns", now_ns)
        self.term, self.voted_for = term, 0
        self._remember()
        self.lead, self.leader = None, 0
        self._granted = set()
        self._waiting.clear()
        self.state = State.SUSPECTING if self.voter else State.JOINING
        self._turn_ns = now_ns + self.settings.retry_ns + self._draw(self.settings.retry_ns)
        if self._leaving:
            self._turn_ns = NEVER_NS  # still votes, so that the successor is elected; never asks

    def _remember(self) -> None:
        # What an amnesiac keeps is only good once it may vote: until then it must come back as one.
        if self.voter:
            self._out.memory = Memory(self.term, self.voted_for)

    # Leading

    def _elected(self, now_ns: int) -> None:
        self.state, self.leader = State.LEADING, self.me
        self._places[self.me] = self.place
        known = {number for number, slot in enumerate(self._slots, 1) if slot >= 0}
        members = (known | self._granted | {self.me}) - {self._lost}
        self.lead = Leadership(self.me, members, self.settings, self.goals, self._places, now_ns)
        self._say("elected", now_ns)
        self._announce(now_ns, True)

    def _announce(self, now_ns: int, changed: bool) -> None:
        """Send a heartbeat; with ``changed``, one that carries a new assignment."""
        assert self.lead is not None
        if changed:
            self.slot, self.version, self.slot_term = 0, self.lead.version, self.term
            self._slots = self.lead.slots
            self._say("assigned", now_ns)
        if changed or now_ns >= self.lead.beat_ns:
            self._out.sends.append(self.lead.heartbeat(self.term, self.place, self._places, now_ns))
        if changed and self.lead.agreed:
            self._say("agreed", now_ns)

    def _beat(self, now_ns: int) -> None:
        assert self.lead is not None
        self._places[self.me] = self.place
        if self.lead.heard_within(now_ns) < self.quorum and self.quorum > 1:
            self._say("resigns", now_ns)
            self.state, self.lead, self.leader = State.SUSPECTING, None, 0
            self.slot = NO_SLOT
            self._granted = set()
            self._turn_ns = now_ns + self.settings.retry_ns + self._draw(self.settings.retry_ns)
            return
        gone = self.lead.silent(now_ns)
        for robot in gone:
            self._say("lost", now_ns, other=robot)
        self._announce(now_ns, self.lead.without_all(gone, self._places))

    def _acknowledged(self, message: Message, now_ns: int) -> None:
        if self.lead is None or message.term != self.term:
            return
        before = self.lead.agreed
        self.lead.acknowledged(message.sender, message.version, now_ns)
        if self.lead.agreed and not before:
            self._say("agreed", now_ns)

    # Following

    def _heartbeat(self, message: Message, now_ns: int) -> None:
        if message.term < self.term:
            self._send(Kind.ACK, message.sender)  # tells an old leader that its term is over
            return
        if self._leaving:
            self._go(now_ns)
            return
        fresh = self.leader != message.sender or self.state is not State.FOLLOWING
        if self.leader != message.sender:
            self.leader = message.sender
            self._detector = Detector(self.settings.margins, message.period_ns)
            self.lead = None
        new = self._detector.heard(message.sequence, now_ns, message.period_ns)
        if fresh and not new and now_ns >= self._detector.deadline_ns:
            return  # an old heartbeat, late or sent again, is no sign of life
        if fresh:
            self.state = State.FOLLOWING
            self._granted = set()
            self._waiting.clear()
            self._lost = 0
            self._say("follows", now_ns)
        if not self.voter and now_ns >= self._voter_from_ns:
            self.voter, self.voted_for = True, self.me  # not in this term any more
            self._remember()
            self._say("may vote", now_ns)
        if (message.term, message.version) > (self.slot_term, self.version):
            self.slot_term, self.version = message.term, message.version
            self.slot, self._slots = message.slots[self.me - 1], message.slots
            self._say("holds", now_ns)
        self._places.update(zip(range(1, self.count + 1), message.places, strict=False))
        self._send(Kind.ACK, message.sender, version=self.version, sequence=message.sequence)

    def _go(self, now_ns: int) -> None:
        self._send(Kind.LEAVE, EVERYBODY)
        self.state, self.leader, self.slot, self.lead = State.LEFT, 0, NO_SLOT, None
        self._say("left", now_ns)

    def _draw(self, most_ns: int) -> int:
        return self._random.randint(0, most_ns)

    def _send(
        self,
        kind: Kind,
        to: int = EVERYBODY,
        *,
        term: int | None = None,
        granted: bool = False,
        version: int = 0,
        sequence: int = 0,
    ) -> None:
        self._out.sends.append(
            Message(
                kind,
                self.me,
                to,
                self.term if term is None else term,
                granted,
                sequence,
                version,
                place=self.place,
            )
        )

    def _say(self, name: str, now_ns: int, other: int = 0) -> None:
        heard = self._detector.heard_ns
        self._out.events.append(
            Event(name, now_ns, self.term, self.leader, self.slot, self.version, other, heard)
        )
