"""The adapter ``gazebo`` with the double: keys, calls, control, what the preflight and the watch say."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from gazebo_bench import PORTS, Bench, options, until

from harness.adapters.gazebo import messages, simulator
from harness.adapters.gazebo.watch import CLOCK_HZ
from harness.errors import UnavailableError
from harness.model import NO_KEY, ClockKind, ObservationFlag, Severity
from harness.ports import Role
from harness.testing.device_bench import Recorder
from harness.testing.gazebo_double_world import DoubleWorld

pytestmark = pytest.mark.usefixtures("double")


@pytest.fixture
def world() -> Any:
    found = DoubleWorld("bench", "robot", "shared", step_ms=4.0)
    yield found
    found.close()


def test_keys_may_travel_as_simulated_time(world: DoubleWorld) -> None:
    """A robot on simulated time gets stamps it understands; the harness gets its own keys back."""
    ports = {
        "cmd_vel": {"stimulus": {**PORTS["cmd_vel"]["stimulus"], "key": {"header.stamp": "sim_stamp"}}},
        "echo": {
            "response": {
                "topic": "/model/robot/echo",
                "type": "gz.msgs.Twist",
                "match": {"kind": "stamp", "path": "header.stamp"},
                "stamp": "header.stamp",
            }
        },
    }
    with Bench(options(ports, partition="shared")) as bench:
        until(lambda: bench.device.preflight() == [], "everybody there")
        answers = Recorder()
        bench.device.response("echo").listen(answers)
        stimulus = bench.device.stimulus("cmd_vel")
        prepared = stimulus.prepare({"linear.x": 0.1})
        until(lambda: bench.device.watch.sim_ns, "a tick")
        before = bench.device.watch.sim_ns
        keys = [1_764_000_000_000_000_000 + number for number in range(5)]
        for key in keys:
            stimulus.send(key, prepared)
        until(lambda: len(answers.rows) == 5, "five answers")
    assert answers.keys == keys
    for row in answers.rows:
        assert (
            before <= row["stamp_ns"] < before + 60_000_000_000
        )  # simulated time, which began with the world


def test_world_control_and_replies(world: DoubleWorld) -> None:
    with Bench(options(partition="shared")) as bench:
        device = bench.device
        paused, placed = Recorder(), Recorder()
        device.response("paused").listen(paused)
        device.response("placed").listen(placed)
        pause, run, place = (device.stimulus(name) for name in ("pause", "run", "place"))
        pause.send(1, pause.prepare({}))
        until(lambda: paused.rows and paused.rows[-1]["value"] == 1.0, "paused")
        stood = world.sim_ns
        place.send(2, place.prepare({"name": "robot", "position.x": 3.0}))
        place.send(3, place.prepare({"name": "nobody"}))
        until(lambda: len(placed.rows) == 2, "two replies")
        assert world.sim_ns == stood
        assert [(row["key"], row["flags"]) for row in placed.rows] == [
            (2, 0),
            (3, int(ObservationFlag.REJECTED)),
        ]
        run.send(4, run.prepare({}))
        until(lambda: world.sim_ns > stood, "it goes on")
        # Whoever pauses through the harness is not somebody else.
        assert bench.named("simulation paused") == []


def test_simulated_time_is_a_clock_of_its_own(world: DoubleWorld) -> None:
    with Bench(options(partition="shared")) as bench:
        speeds = Recorder()
        bench.device.response("odometry").listen(speeds)
        until(lambda: len(speeds.rows) > 20, "odometry")
        (clock,) = bench.device.clocks()
        assert clock.kind is ClockKind.SIMULATED
        assert clock.name == bench.device.response("odometry").stamp_clock == "robot.sim_time"
        assert clock.resolution_ns == 4_000_000
        assert bench.device.exchange(clock.name) is None
    stamps = [row["stamp_ns"] for row in speeds.rows]
    assert stamps == sorted(stamps) and set(map(NO_KEY.__eq__, speeds.keys)) == {True}
    assert {b - a for a, b in pairwise(stamps)} == {4_000_000}


def test_the_double_is_never_told_as_gazebo(world: DoubleWorld) -> None:
    with Bench(options(partition="shared")) as bench:
        told = bench.device.identity()
    assert told["simulator"] == simulator.NOT_GAZEBO
    assert told["bindings"] == "not those of Gazebo"


def test_what_is_not_there_is_said(world: DoubleWorld) -> None:
    """A world or model misspelt, a type that is another, nobody at all: each with what was probably meant."""
    topic = {"topic": "/model/robt/odometry", "type": "gz.msgs.Odometry"}
    wrong = {"topic": "/model/robot/odometry", "type": "gz.msgs.Twist"}
    for given, name, words in (
        ({"world": "bensh"}, "no such world", "did you mean 'bench'?"),
        ({"ports": {"odometry": {"response": topic}}}, "nobody publishes", "/model/robot/odometry"),
        ({"ports": {"odometry": {"response": wrong}}}, "another type", "gz.msgs.Odometry"),
        ({"partition": "nobody's"}, "no simulator", "gz sim -s -r"),
    ):
        ports = given.pop("ports", None)
        with Bench(options(ports, **{"partition": "shared", "patience_s": 0.2, **given})) as bench:
            found = {one.name: one for one in bench.device.preflight()}
        assert found[name].severity is Severity.ERROR
        assert words in f"{found[name].message} {found[name].remedy}"


def test_a_command_that_nobody_takes_is_said(world: DoubleWorld) -> None:
    stimulus = {**PORTS["cmd_vel"]["stimulus"], "topic": "/model/robot/cmd_vell"}
    how = options({"cmd_vel": {"stimulus": stimulus}}, partition="shared", patience_s=0.2)
    with Bench(how) as bench:
        (found,) = bench.device.preflight()
    assert found.name == "nobody subscribes" and "did you mean '/model/robot/cmd_vel'?" in found.remedy


def test_two_simulators_in_one_partition(world: DoubleWorld) -> None:
    other = DoubleWorld("bench", "robot", "shared", step_ms=20.0)
    try:
        with Bench(options(partition="shared", patience_s=0.2)) as bench:
            assert [one.name for one in bench.device.preflight()] == ["two simulators"]
    finally:
        other.close()


def test_a_simulator_that_falls_silent(world: DoubleWorld) -> None:
    with Bench(options(partition="shared", silence_s=0.5)) as bench:
        until(lambda: bench.device.watch.ticks > 5, "ticks")
        world.close()
        until(lambda: bench.named("simulator silent"), "the finding")
    assert bench.named("simulator silent")[0].severity is Severity.ERROR


def test_paused_by_somebody_else(world: DoubleWorld) -> None:
    with Bench(options(partition="shared")) as bench:
        until(lambda: bench.device.watch.lowest is not None, "a factor")
        world.paused = True
        until(lambda: bench.named("simulation paused"), "the finding")
        assert bench.named("simulator silent") == []  # its statistics go on
    assert bench.named("simulation paused")[0].severity is Severity.ERROR


def test_a_service_that_nobody_serves_is_said(world: DoubleWorld) -> None:
    place = {"stimulus": {"service": "/world/bench/set_pos", "type": "gz.msgs.Pose"}}
    with Bench(options({"place": place}, partition="shared", patience_s=0.2)) as bench:
        (found,) = bench.device.preflight()
    assert found.name == "nobody serves" and "did you mean '/world/bench/set_pose'?" in found.remedy


def test_what_the_harness_held_up_itself_is_no_slow_simulation(world: DoubleWorld) -> None:
    with Bench(options(partition="shared")) as bench:
        watch, factors = bench.device.watch, Recorder()
        bench.device.response("real_time_factor").listen(factors)
        until(lambda: watch.lowest is not None, "a factor")
        watch.steered.set()
        world.paused = True
        until(lambda: factors.rows[-1]["value"] == 0.0, "it stands for a whole second")
        world.paused = False
        watch.steered.clear()
        until(lambda: factors.rows[-1]["value"] > 0.5, "it runs again")
        assert watch.lowest is not None and watch.lowest > 0.2, "seconds that hold the pause do not count"
        assert bench.named("simulation paused") == []


def test_the_factor_is_that_of_the_stamps(world: DoubleWorld) -> None:
    """The simulation is slowed down to a third; what its statistics say of the factor is not asked."""
    with Bench(options(partition="shared")) as bench:
        factors = Recorder()
        bench.device.response("real_time_factor").listen(factors)
        world.factor = 0.3
        until(lambda: factors.rows and factors.rows[-1]["value"] < 0.5, "a low factor")
        until(lambda: bench.named("simulation runs slow"), "the finding")
    assert bench.named("simulation runs slow")[0].severity is Severity.WARNING


def test_a_reset_is_told_by_whom(world: DoubleWorld) -> None:
    """Set-up steps reset a world; whoever else does it in a run spoils it."""
    ports = {"reset": {"stimulus": {"control": "reset"}}, "done": {"response": {"of": "reset"}}}
    with Bench(options(ports, partition="shared")) as bench:
        done = Recorder()
        bench.device.response("done").listen(done)
        until(lambda: bench.device.watch.sim_ns > 100_000_000, "ticks")
        reset = bench.device.stimulus("reset")
        reset.send(7, reset.prepare({}))
        until(lambda: bench.named("world reset"), "what the harness did")
        assert bench.named("world reset")[0].severity is Severity.INFO
        until(lambda: done.keys == [7], "the reply")
        until(lambda: bench.device.watch.sim_ns > 100_000_000, "ticks again")
        with world._lock:
            world.sim_ns = 0
        until(lambda: bench.named("world reset by another"), "what another did")
        assert bench.device.identity()["world resets"] == "2"
    assert bench.named("world reset by another")[0].severity is Severity.ERROR


def test_models_come_back_apart(world: DoubleWorld, tmp_path: Path) -> None:
    """Each at a place of its own: models that come back into one another slow the simulation down."""
    (tmp_path / "r.sdf").write_text("<sdf/>")
    fault = {"kind": "remove", "model": "{robot}", "sdf": "r.sdf", "at": [0, -1, 0.1], "apart": [0, 1, 0]}
    how = options({"take": {"fault": fault}}, partition="shared", robots=["a", "b", "c"])
    factory, found = messages.message_class("gz.msgs.EntityFactory"), []
    with Bench(how, rig_folder=tmp_path) as bench:
        port: Any = bench.device.fault("take")
        for robot in ("a", "b", "c"):
            (call,) = port._restored_by(port._find(robot))
            made = factory.FromString(call.data)
            found.append((made.name, made.pose.position.x, made.pose.position.y, made.pose.position.z))
    assert found == [("a", 0.0, -1.0, 0.1), ("b", 0.0, 0.0, 0.1), ("c", 0.0, 1.0, 0.1)]


def test_of_the_clock_no_more_is_taken_than_needed() -> None:
    """Of a clock of a kilohertz a tenth; the physics step and the factor are known all the same."""
    fast = DoubleWorld("bench", "robot", "fast", step_ms=1.0)
    try:
        how = options(partition="fast")
        how.ports.pop("sim_time")  # which would record every tick
        with Bench(how) as bench:
            factors = Recorder()
            bench.device.response("real_time_factor").listen(factors)
            until(lambda: len(factors.rows) > 3, "factors")
            watch = bench.device.watch
            at, begun, sim = time.monotonic(), watch.ticks, watch.sim_ns
            until(lambda: watch.sim_ns > sim + 500_000_000, "half a second")
            taken = watch.ticks - begun
            assert 0 < taken <= (time.monotonic() - at) * CLOCK_HZ + 1
            assert watch.step_ns == 1_000_000
            (clock,) = bench.device.clocks()
        assert clock.resolution_ns == 1_000_000
        for row in factors.rows:
            assert row["stamp_ns"] % 1_000_000 == 0 and 0.0 <= row["value"] < 1.2
    finally:
        fast.close()


def test_a_robot_that_shows_nothing_is_no_fault_of_the_simulator() -> None:
    world = DoubleWorld("bench", "robot", "silent", step_ms=4.0, silent=True)
    try:
        with Bench(options(partition="silent")) as bench:
            speeds = Recorder()
            bench.device.response("odometry").listen(speeds)
            until(lambda: bench.device.watch.lowest is not None, "a factor")
            assert speeds.rows == [] and bench.named("simulator silent") == []
    finally:
        world.close()


def test_the_guardian_needs_somebody_who_hears_the_stop(world: DoubleWorld) -> None:
    stop = {"port": "cmd_vel", "values": {"linear.x": 0.0}, "interval_ms": 1.0}
    world.commanded = 0.3
    with Bench(options(partition="shared", stop=stop), Role.GUARDIAN) as bench:
        bench.device.safe_stop()
        until(lambda: world.commanded == 0.0, "the stop")
    lonely = Bench(options(partition="elsewhere", stop=stop, patience_s=0.2), Role.GUARDIAN)
    with pytest.raises(UnavailableError, match="nobody who could hear the stop"):
        lonely.device.open()
    lonely.device.close()
