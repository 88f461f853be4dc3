"""The parts of the reference swarm: detector, formation, wire, lies, options, memory."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.sim.swarm import truth
from harness.sim.swarm.detector import WINDOW, Detector, Margins
from harness.sim.swarm.formation import SHAPES, assign, slot_places
from harness.sim.swarm.launcher import transport
from harness.sim.swarm.messages import Kind, Message, decode, encode
from harness.sim.swarm.netns import Namespaces
from harness.sim.swarm.options import parse
from harness.sim.swarm.settings import MS, Event, Memory, State
from harness.sim.swarm.status import LIES, SETTLED_NS, Liar, Status
from harness.sim.swarm.store import Store

PERIOD = 5 * MS
small = st.floats(-100.0, 100.0, width=32)


@pytest.mark.slow
@given(
    st.builds(
        Message,
        st.sampled_from(Kind),
        st.integers(1, 64),
        st.integers(0, 64),
        st.integers(0, 2**60),
        st.booleans(),
        st.integers(0, 2**60),
        st.integers(0, 2**30),
        st.integers(0, 4_000_000).map(lambda us: us * 1000),
        st.tuples(small, small),
    ),
    st.lists(st.tuples(st.integers(-1, 63), st.tuples(small, small)), max_size=64),
)
def test_message_survives_the_wire(plain: Message, robots: list[tuple[int, tuple[float, float]]]) -> None:
    slots, places = tuple(slot for slot, _ in robots), tuple(place for _, place in robots)
    message = Message(**{**plain.__dict__, "slots": slots, "places": places})
    assert decode(encode(message)) == message


@pytest.mark.parametrize("raw", [b"", b"\x01", encode(Message(Kind.ACK, 1, 0, 1))[:-1], b"\xff" * 60])
def test_bytes_that_are_no_message_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        decode(raw)


def test_detector_takes_the_mean_and_not_the_last_arrival() -> None:
    detector = Detector(Margins(misses=2), PERIOD)
    for sequence in range(50):
        detector.heard(sequence, sequence * PERIOD, PERIOD)
    detector.heard(50, 50 * PERIOD + 2 * MS, PERIOD)
    late = detector.deadline_ns - (53 * PERIOD + detector.margin_ns)
    assert 0 <= late <= 2 * MS // 51 + 1


def test_detector_margin_follows_the_spread_within_its_bounds() -> None:
    spreads = []
    for jitter in (0, 2 * MS, 200 * MS):
        detector = Detector(Margins(least_ns=MS), PERIOD)
        for sequence in range(2 * WINDOW):
            detector.heard(sequence, sequence * PERIOD + (jitter if sequence % 2 else 0), PERIOD)
        spreads.append(detector.margin_ns)
    # Two values, one as often as the other: the standard deviation is half their distance.
    sample = math.sqrt(WINDOW / (WINDOW - 1))
    assert spreads == [MS, pytest.approx(4 * MS * sample, abs=2), Margins().most_ns]


def test_detector_forgets_what_lies_behind_its_window() -> None:
    detector = Detector(Margins(misses=2), PERIOD)
    for sequence in range(30):
        detector.heard(sequence, sequence * PERIOD + (sequence % 3) * 4 * MS, PERIOD)
    wide = detector.margin_ns
    for sequence in range(30, 30 + WINDOW):
        detector.heard(sequence, sequence * PERIOD, PERIOD)
    assert wide > Margins().least_ns == detector.margin_ns


def test_lost_heartbeats_do_not_move_the_expectation_and_old_ones_are_ignored() -> None:
    detector = Detector(Margins(misses=2), PERIOD)
    for sequence in (0, 1, 2, 7, 8):
        assert detector.heard(sequence, sequence * PERIOD, PERIOD)
    deadline = detector.deadline_ns
    assert deadline == 11 * PERIOD + detector.margin_ns
    assert not detector.heard(5, 9 * PERIOD, PERIOD) and detector.deadline_ns == deadline


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [3, 5, 64])
def test_slots_are_apart(shape: str, count: int) -> None:
    places = slot_places(shape, count)
    assert len(places) == count
    assert min(math.dist(a, b) for a, b in itertools.combinations(places, 2)) > 0.8


@given(
    st.lists(st.tuples(small, small), min_size=5, max_size=5), st.integers(1, 5), st.sets(st.integers(1, 5))
)
@settings(deadline=None)
def test_assignment_is_the_shortest_of_all(
    places: list[tuple[float, float]], leader: int, members: set[int]
) -> None:
    goals = slot_places("wedge", 5)
    slots = assign(leader, members, dict(enumerate(places, 1)), goals)
    others = sorted(members - {leader})
    assert slots[leader - 1] == 0
    assert sorted(slots[robot - 1] for robot in others) == list(range(1, len(others) + 1))
    assert sorted(slots).count(-1) == 5 - 1 - len(others)

    def walk(chosen: tuple[int, ...]) -> float:
        return sum(
            math.dist(places[robot - 1], goals[slot]) for robot, slot in zip(others, chosen, strict=True)
        )

    best = min(map(walk, itertools.permutations(range(1, len(others) + 1))))
    assert walk(tuple(slots[robot - 1] for robot in others)) == pytest.approx(best)


FIRST = Status(leader=1, term=1, slot=2, slot_term=1, version=3, state=State.FOLLOWING)
AFTER = Status(leader=4, term=2, slot=1, slot_term=2, version=1, state=State.FOLLOWING)


def said(how: str, at_ns: int = 0, after: Status = AFTER) -> Status:
    liar = Liar(how, 3, 5)
    assert liar.says(FIRST, 0) == FIRST, "nothing is wrong before the leader is lost"
    return liar.says(after, SETTLED_NS + at_ns)


def test_elections_at_the_start_are_no_loss_of_a_leader() -> None:
    liar = Liar("dead-leader", 3, 5)
    assert liar.says(FIRST, 0) == FIRST
    assert liar.says(AFTER, SETTLED_NS - 1) == AFTER
    later = Status(**{**AFTER.__dict__, "leader": 5, "term": 3, "slot_term": 3})
    assert liar.says(later, 2 * SETTLED_NS).leader == AFTER.leader


def test_lies() -> None:
    assert said("") == AFTER == said("silent") == said("restless")
    split = said("split-brain")
    assert (split.leader, split.term, split.state) == (3, 2, State.LEADING)
    assert (said("dead-leader").leader, said("dead-leader").term) == (1, 1)
    assert {said("flapping", at * 30 * MS).leader for at in range(4)} == {0, 4}
    assert said("slot-twice").slot == 2
    assert (said("never-reforms").leader, said("never-reforms").slot_term) == (4, 1)
    with pytest.raises(ValueError, match="flapping"):
        Liar("lazy", 1, 5)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--robots", "2"], "majority"),
        (["--robots", "65"], "64"),
        (["--names", "a,b,a"], "twice"),
        (["--names", "a b,c,d"], "letters"),
        (["--misbehave", "lazy:1"], "lazy"),
        (["--misbehave", "silent:9"], "robot 9"),
        (["--heartbeat-ms", "0"], "heartbeat"),
        (["--link-loss", "1"], "link-loss"),
        (["--stagger-ms", "nan"], "nan"),
    ],
)
def test_options_that_make_no_sense(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words)
    assert ended.value.code == 2 and named in capsys.readouterr().err


def test_names_by_pattern_or_by_list() -> None:
    assert parse(["--robots", "3", "--names", "cf{}"]).names == ("cf1", "cf2", "cf3")
    options = parse(["--names", "red,green,blue", "--misbehave", "silent:2", "--heartbeat-ms", "7.5"])
    assert options.names == ("red", "green", "blue")
    assert options.misbehave == {2: "silent"} and options.settings.period_ns == 7_500_000
    assert all(parse(["--misbehave", f"{lie}:1"]).misbehave == {1: lie} for lie in LIES)


def test_truth_can_be_read_back_by_time_and_half_a_line_is_left_out(tmp_path: Path) -> None:
    late = Event("follows", 20, 1, 2, 3, 4, 0, 15)
    early = Event("votes", 10, 1, other=2)
    log = truth.TruthLog(tmp_path, "b", 2)
    log.line("started", 1, pid=7)
    log.event(late)
    truth.TruthLog(tmp_path, "a", 1).event(early)
    with (tmp_path / "b.jsonl").open("a") as file:
        file.write('{"event": "fol')
    assert truth.events(tmp_path) == [(1, early), (2, late)]
    assert [entry["event"] for entry in truth.read(tmp_path)] == ["votes", "started", "follows"]


def test_interface_names_fit_the_kernel() -> None:
    spaces = Namespaces([f"robot{number}" for number in range(1, 65)])
    assert len(spaces.bridge) <= 15
    wrapped = spaces.wrap("robot3", ["python"])
    assert wrapped == ["ip", "netns", "exec", spaces.namespace("robot3"), "python"]
    assert spaces.wrap("control", ["python"]) == ["python"]


def test_memory_is_kept_by_a_file(tmp_path: Path) -> None:
    path = tmp_path / "robot1.state"
    assert Store(path).load(first=False) is None
    store = Store(path)
    assert store.load(first=True) == Memory()
    store.keep(Memory(7, 3))
    assert Store(path).load(first=False) == Memory(7, 3)


def test_robots_speak_udp_alone_whatever_the_discovery_range(tmp_path: Path) -> None:
    local = transport(tmp_path, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "localhost"})
    profile = Path(local["FASTRTPS_DEFAULT_PROFILES_FILE"]).read_text(encoding="utf-8")
    assert "<useBuiltinTransports>false" in profile and "127.0.0.1" in profile
    assert local["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SYSTEM_DEFAULT", "LOCALHOST would add shared memory"
    assert transport(tmp_path, {}) == {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}
    own = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "FASTRTPS_DEFAULT_PROFILES_FILE": "mine.xml"}
    assert transport(tmp_path, own) == {}
