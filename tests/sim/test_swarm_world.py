"""The whole swarm in simulated time: what becomes of it when robots and links are lost."""

from __future__ import annotations

import pytest

from harness.sim.swarm.model import main, numbers, summary, trials
from harness.sim.swarm.phases import reorganisation
from harness.sim.swarm.settings import MS, Settings, State
from harness.sim.swarm.world import Link, World, quick

LINK = Link()


def stable_world(count: int = 5, seed: int = 0, link: Link = LINK) -> World:
    world = World(count, link, quick(Settings()), seed)
    assert world.run(5_000 * MS, world.stable), world.events[-10:]
    world.run(world.now_ns + 100 * MS)
    return world


def settle(world: World) -> None:
    assert world.run(world.now_ns + 3_000 * MS, world.stable), world.events[-10:]
    world.run(world.now_ns + 50 * MS)


@pytest.mark.parametrize("count", [3, 4, 5, 9])
def test_killed_leader_is_replaced(count: int) -> None:
    world = stable_world(count, seed=count)
    lost, term, fault = world.leader, world.robots[1].term, world.now_ns
    world.kill(lost)
    settle(world)
    found = reorganisation(world.events, world.robots, fault, world.now_ns)
    assert found is not None and found.leader != lost and found.term > term
    marks = [found.noticed_ns, found.stands_ns, found.elected_ns, found.followed_ns, found.held_ns]
    assert marks == sorted(marks) and fault < marks[0]
    slots = sorted(robot.slot for robot in world.robots.values())
    assert slots == list(range(count - 1)), "no slot twice, no gap"


def test_same_seed_same_events() -> None:
    first, second, other = (stable_world(seed=seed).events for seed in (7, 7, 8))
    assert first == second != other


def test_minority_elects_nobody_and_a_returning_robot_does() -> None:
    world = stable_world()
    for robot in (1, 2, 3):
        world.kill(robot)
    world.run(world.now_ns + 1_000 * MS)
    assert world.leader == 0
    assert {robot.leader for robot in world.robots.values()} == {0}
    world.start(1, world.memories[1])
    settle(world)
    assert len(world.robots) == 3


def test_isolated_leader_resigns_and_follows_when_it_is_back() -> None:
    world = stable_world()
    old = world.leader
    world.cut = {old}
    world.run(world.now_ns + 500 * MS)
    assert world.robots[old].state is State.SUSPECTING and world.robots[old].leader == 0
    new = world.leader
    assert new not in (0, old)
    term = world.robots[new].term
    world.cut = set()
    settle(world)
    assert world.leader == new and world.robots[new].term == term, "pre-votes: who returns disturbs nobody"


def test_leader_that_leaves_hands_over_before_anybody_suspects() -> None:
    world = stable_world()
    old, fault = world.leader, world.now_ns
    world.leave(old)
    world.run(fault + 100 * MS)
    later = [(robot, event) for robot, event in world.events if event.at_ns >= fault]
    assert world.robots[old].state is State.LEFT
    assert "suspects" not in {event.name for _, event in later}
    found = reorganisation(later, set(world.robots) - {old}, fault, world.now_ns)
    assert found is not None and found.rounds == 1


def test_follower_that_leaves_or_dies_gives_its_slot_to_those_behind() -> None:
    world = stable_world()
    followers = [number for number in world.robots if number != world.leader]
    leader = world.leader
    world.leave(followers[0])
    world.kill(followers[1])
    world.run(world.now_ns + 400 * MS)
    rest = [world.robots[leader], *(world.robots[number] for number in followers[2:])]
    assert sorted(robot.slot for robot in rest) == [0, 1, 2]
    assert world.leader == leader


def test_new_leader_killed_as_it_is_elected() -> None:
    world = stable_world()
    first = world.leader
    world.kill(first)
    assert world.run(world.now_ns + 500 * MS, lambda: world.leader not in (0, first))
    world.kill(world.leader)
    settle(world)
    assert len(world.robots) == 3 and world.leader


def test_robot_without_memory_comes_back_as_one_that_does_not_vote_yet() -> None:
    world = stable_world()
    robot = next(number for number in world.robots if number != world.leader)
    world.kill(robot)
    world.run(world.now_ns + 300 * MS)
    world.start(robot, None)
    settle(world)
    assert world.robots[robot].slot > 0 and not world.robots[robot].voter
    world.run(world.now_ns + 1_500 * MS)
    assert world.robots[robot].voter


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_nobody_is_elected_without_a_fault(loss: float) -> None:
    world = stable_world(link=Link(loss=loss), seed=3)
    before = len(world.events)
    world.run(world.now_ns + 2_000 * MS)
    assert "elected" not in {event.name for _, event in world.events[before:]}


def test_reorganisation_of_a_swarm_that_did_not_is_none() -> None:
    world = stable_world()
    fault = world.now_ns
    world.kill(world.leader)
    world.run(fault + 5 * MS)
    assert reorganisation(world.events, world.robots, fault, world.now_ns) is None


@pytest.mark.slow
def test_losses_cost_time_and_the_model_says_so() -> None:
    clean, lossy = (
        summary(5, loss, trials(5, Link(loss=loss), Settings(), 12, seed=1)) for loss in (0.0, 0.2)
    )
    assert clean["not_reorganised"] == 0 == clean["unasked"]
    assert lossy["p50"] > clean["p50"]


def test_model_prints_the_same_for_the_same_seed(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--robots", "3,4", "--trials", "3", "--seed", "5"]
    printed = []
    for _ in range(2):
        assert main(words) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] and len(printed[0].splitlines()) == 3


@pytest.mark.parametrize("words", [["--robots", "2"], ["--loss", "1"], ["--robots", "65"]])
def test_model_refuses_what_makes_no_sense(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2 and words[0] in capsys.readouterr().err


def test_range_of_robots() -> None:
    assert numbers("3..8") == [3, 4, 5, 6, 8] and numbers("3,7") == [3, 7]
