"""The election: what Raft promises, whatever the network does, and what a robot does in each situation."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.sim.swarm.election import Election
from harness.sim.swarm.messages import EVERYBODY, Kind, Message
from harness.sim.swarm.settings import MS, Event, Memory, Output, Settings, State

COUNT = 5


@dataclass
class Chaos:
    """A network that loses, doubles, delays and reorders; robots that stop, wake late, die and come back."""

    now_ns: int = 0
    flying: list[Message] = field(default_factory=list)
    leaders: dict[int, set[int]] = field(default_factory=dict)
    votes: dict[tuple[int, int], set[int]] = field(default_factory=dict)
    memories: dict[int, Memory] = field(default_factory=dict)
    robots: dict[int, Election] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for robot in range(1, COUNT + 1):
            self.memories[robot] = Memory()
            self.start(robot, robot)

    def start(self, robot: int, seed: int) -> None:
        self.robots[robot] = Election(robot, COUNT, Settings(), seed, self.memories[robot], self.now_ns)

    def act(self, robot: int, output: Output) -> None:
        if output.memory is not None:
            assert output.memory.term >= self.memories[robot].term
            self.memories[robot] = output.memory
        for message in output.sends:
            everybody = range(1, COUNT + 1)
            targets = everybody if message.to == EVERYBODY else [message.to]
            self.flying += [
                Message(**{**message.__dict__, "to": target}) for target in targets if target != robot
            ]
        for event in output.events:
            if event.name == "elected":
                self.leaders.setdefault(event.term, set()).add(robot)
            if event.name in ("votes", "stands"):
                chosen = event.other if event.name == "votes" else robot
                self.votes.setdefault((robot, event.term), set()).add(chosen)
        assert all(len(one) == 1 for one in self.leaders.values()), f"two leaders in a term: {self.leaders}"
        assert all(len(one) == 1 for one in self.votes.values()), f"two votes in a term: {self.votes}"

    def deliver(self, place: int, *, keep: bool) -> None:
        if self.flying:
            place %= len(self.flying)
            message = self.flying[place] if keep else self.flying.pop(place)
            if message.to in self.robots:
                self.act(message.to, self.robots[message.to].receive(message, self.now_ns))

    def step(self, action: str, number: int) -> None:
        robot = 1 + number % COUNT
        if action == "deliver":
            for _ in range(1 + number % 7):
                self.deliver(number, keep=False)
        elif action == "again":
            self.deliver(number, keep=True)
        elif action == "lose" and self.flying:
            self.flying.pop(number % len(self.flying))
        elif action == "wait":
            self.now_ns += number * MS // 10
        elif action == "wake" and robot in self.robots:
            self.now_ns = max(self.now_ns, min(self.robots[robot].deadline_ns, self.now_ns + 500 * MS))
            self.act(robot, self.robots[robot].tick(self.now_ns))
        elif action == "tick" and robot in self.robots:
            self.act(robot, self.robots[robot].tick(self.now_ns))
        elif action == "restart":
            self.start(robot, number)
        elif action == "disturb" and robot in self.robots:
            self.act(robot, self.robots[robot].disturb(self.now_ns))


ACTIONS = [*["deliver"] * 8, *["wake"] * 4, "again", "lose", "wait", "tick", "restart", "disturb"]


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 999)), max_size=300))
@settings(max_examples=60, deadline=None)
def test_one_leader_in_a_term_and_one_vote_whatever_happens(steps: list[tuple[str, int]]) -> None:
    chaos = Chaos()
    for action, number in steps:
        chaos.step(action, number)


@pytest.mark.slow
@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_so_it_is_after_many_steps(seed: int) -> None:
    chaos, draw = Chaos(), random.Random(seed)
    for _ in range(800):
        chaos.step(draw.choice(ACTIONS), draw.randrange(1000))


@pytest.mark.slow
def test_long_chaos_elects_and_stays_safe() -> None:
    terms = 0
    for seed in range(30):
        chaos, draw = Chaos(), random.Random(seed)
        for _ in range(1000):
            chaos.step(draw.choice(ACTIONS), draw.randrange(1000))
        terms += len(chaos.leaders)
    assert terms >= 30, "hardly anybody was elected: the test would see nothing"


def robot(me: int = 2, memory: Memory | None = Memory()) -> Election:  # noqa: B008 (frozen)
    return Election(me, COUNT, Settings(), 1, memory, 0)


def heartbeat(term: int = 1, sequence: int = 0, version: int = 1, sender: int = 1) -> Message:
    return Message(
        Kind.HEARTBEAT,
        sender,
        EVERYBODY,
        term,
        sequence=sequence,
        version=version,
        period_ns=5 * MS,
        slots=(0, 1, 2, 3, 4),
        places=((0.0, 0.0),) * COUNT,
    )


def follower(beats: int = 50) -> tuple[Election, int]:
    """A robot that has heard this many regular heartbeats, and when the last one was."""
    one = robot()
    for sequence in range(beats):
        one.receive(heartbeat(sequence=sequence), sequence * 5 * MS)
    return one, (beats - 1) * 5 * MS


def kinds(output: Output) -> list[Kind]:
    return [message.kind for message in output.sends]


def names(output: Output) -> list[str]:
    return [event.name for event in output.events]


def test_follower_holds_what_the_leader_assigns_and_says_so() -> None:
    one = robot()
    output = one.receive(heartbeat(term=4), 0)
    assert names(output) == ["follows", "holds"] and (one.leader, one.term, one.slot) == (1, 4, 1)
    assert [(m.kind, m.to, m.version) for m in output.sends] == [(Kind.ACK, 1, 1)]
    assert output.memory == Memory(4, 0)


def test_suspicion_begins_after_the_heartbeats_that_may_stay_out_and_the_margin() -> None:
    one, last = follower()
    assert one.deadline_ns == last + 3 * 5 * MS + Settings().margins.least_ns
    assert names(one.tick(one.deadline_ns - 1)) == []
    output = one.tick(one.deadline_ns)
    assert names(output) == ["suspects"] and one.state is State.SUSPECTING
    assert one.leader == 1, "who only suspects has not left its leader"
    assert output.events[0].heard_ns == last


def test_heartbeat_ends_the_suspicion() -> None:
    one, last = follower()
    one.tick(one.deadline_ns)
    output = one.receive(heartbeat(sequence=53), last + 20 * MS)
    assert names(output) == ["follows"] and one.state is State.FOLLOWING and one.term == 1


def test_heartbeat_that_is_late_by_its_number_is_no_sign_of_life() -> None:
    one, last = follower()
    one.tick(one.deadline_ns)
    one.receive(heartbeat(sequence=40), last + 60 * MS)
    assert one.state is State.SUSPECTING


def test_pre_vote_is_granted_when_trust_ends_and_forgotten_when_it_does_not() -> None:
    ask = Message(Kind.PRE_VOTE, 3, EVERYBODY, 2)
    one, last = follower()
    assert kinds(one.receive(ask, last + MS)) == []
    assert [(m.kind, m.to, m.granted) for m in one.tick(one.deadline_ns).sends] == [
        (Kind.PRE_VOTE_REPLY, 3, True)
    ]
    two, last = follower()
    two.receive(ask, last + MS)
    two.receive(heartbeat(sequence=50), last + 5 * MS)
    two.tick(two.deadline_ns)
    assert two.term == 1
    assert kinds(two.receive(ask, two.deadline_ns - 1)) == [Kind.PRE_VOTE_REPLY]


def test_pre_votes_change_no_term_anywhere() -> None:
    one, _ = follower()
    now = one.deadline_ns
    one.tick(now)
    asked = one.tick(one.deadline_ns)
    assert kinds(asked) == [Kind.PRE_VOTE] and asked.sends[0].term == 2
    assert one.term == 1 and asked.memory is None


def test_what_was_asked_is_asked_again_within_the_round() -> None:
    one, _ = follower()
    one.tick(one.deadline_ns)
    first = one.deadline_ns
    one.tick(first)
    assert one.deadline_ns == first + Settings().repeat_ns
    assert kinds(one.tick(one.deadline_ns)) == [Kind.PRE_VOTE]


def elected() -> tuple[Election, int]:
    one, _ = follower()
    one.tick(one.deadline_ns)
    now = one.deadline_ns
    one.tick(now)
    for sender in (3, 4):
        one.receive(Message(Kind.PRE_VOTE_REPLY, sender, 2, 2, True), now)
    assert one.state is State.CANDIDATE
    for sender in (3, 4):
        one.receive(Message(Kind.VOTE_REPLY, sender, 2, 2, True), now)
    return one, now


def test_majority_elects_and_the_first_heartbeat_carries_the_slots_of_all_but_the_lost() -> None:
    one, _ = elected()
    assert one.state is State.LEADING and (one.term, one.leader, one.slot) == (2, 2, 0)
    assert one.lead is not None and one.lead.slots[0] == -1
    assert sorted(one.lead.slots[1:]) == [0, 1, 2, 3], "robot 5 did not vote, and is not lost for that"
    assert not one.agreed
    for sender in (3, 4, 5):
        one.receive(Message(Kind.ACK, sender, 2, 2, version=1), one.deadline_ns - 1)
    assert one.agreed


def test_robots_that_come_together_get_their_slots_with_one_heartbeat() -> None:
    one, now = elected()
    assert one.lead is not None
    for sender in (3, 4, 5):
        one.receive(Message(Kind.ACK, sender, 2, 2, version=1), now)
    one.receive(Message(Kind.LEAVE, 5, EVERYBODY, 2), now)
    for sender in (1, 5):
        assert one.receive(Message(Kind.ACK, sender, 2, 2, version=0), now).sends == []
    assert not one.agreed and one.version == 2
    (sent,) = one.tick(one.deadline_ns).sends
    assert (sent.version, sorted(sent.slots)) == (3, [0, 1, 2, 3, 4])


def test_vote_that_comes_after_the_round_is_not_counted() -> None:
    one, _ = follower()
    one.tick(one.deadline_ns)
    now = one.deadline_ns
    one.tick(now)
    for sender in (3, 4):
        one.receive(Message(Kind.PRE_VOTE_REPLY, sender, 2, 2, True), now)
    for sender in (3, 4):
        one.receive(Message(Kind.VOTE_REPLY, sender, 2, 2, True), now + 2 * Settings().retry_ns + 1)
    assert one.state is State.CANDIDATE


def test_leader_without_a_majority_resigns() -> None:
    one, now = elected()
    seen: list[Event] = []
    while one.state is State.LEADING:
        assert one.deadline_ns < now + 2 * Settings().absent_ns
        seen += one.tick(one.deadline_ns).events
    assert seen[-1].name == "resigns" and one.leader == 0


def test_old_leader_is_told_that_its_term_is_over() -> None:
    one, last = follower()
    one.receive(heartbeat(term=3, sender=4), last + MS)
    answer = one.receive(heartbeat(term=1, sequence=60), last + 2 * MS).sends
    assert [(m.kind, m.to, m.term) for m in answer] == [(Kind.ACK, 1, 3)]
    old, now = elected()
    old.receive(Message(Kind.ACK, 3, 2, 5), now)
    assert old.state is State.SUSPECTING and old.term == 5


def test_robot_without_memory_neither_votes_nor_stands_until_its_quarantine_is_over() -> None:
    one = robot(memory=None)
    assert kinds(one.receive(Message(Kind.VOTE, 3, EVERYBODY, 7), 0)) == []
    assert kinds(one.receive(Message(Kind.PRE_VOTE, 3, EVERYBODY, 9), 0)) == []
    one.receive(heartbeat(term=7), MS)
    assert not one.voter and one.slot == 1, "it works, but does not vote"
    output = one.receive(heartbeat(term=7, sequence=200), 1_001 * MS)
    assert "may vote" in names(output)
    assert output.memory == Memory(7, 2)
    refused = one.receive(Message(Kind.VOTE, 3, EVERYBODY, 7), 1_002 * MS)
    assert [(m.kind, m.granted) for m in refused.sends] == [(Kind.VOTE_REPLY, False)]
    assert [m.granted for m in one.receive(Message(Kind.VOTE, 3, EVERYBODY, 8), 1_003 * MS).sends] == [True]


def test_memory_survives_a_restart() -> None:
    one = robot()
    kept = one.receive(Message(Kind.VOTE, 3, EVERYBODY, 7), 0).memory
    assert kept == Memory(7, 3)
    again = robot(memory=kept)
    granted = [
        again.receive(Message(Kind.VOTE, sender, EVERYBODY, 7), MS).sends[0].granted for sender in (4, 3)
    ]
    assert granted == [False, True]
