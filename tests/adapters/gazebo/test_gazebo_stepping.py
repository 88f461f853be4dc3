"""The stepped mode, with the double: nothing moves unless it is stepped, and latencies repeat."""

from __future__ import annotations

from typing import Any

import pytest
from gazebo_bench import Bench, options, until

from harness.adapters.gazebo import asker as asking
from harness.adapters.gazebo.stepping import Gate
from harness.model import Severity
from harness.testing.device_bench import Recorder
from harness.testing.gazebo_double_world import RECORDED, DoubleWorld

pytestmark = pytest.mark.usefixtures("double")


@pytest.fixture
def world() -> Any:
    found = DoubleWorld("bench", "robot", "stepped", step_ms=1.0, paused=True)
    yield found
    found.close()


def latency_ns(bench: Bench, speeds: Recorder, ticks: Recorder, key: int, speed: float) -> int:
    """Simulated time from a command, at rest or not, to the first speed that differs."""
    stimulus, begun = bench.device.stimulus("cmd_vel"), len(speeds.rows)
    before = speeds.rows[-1]["value"]
    sent_ns, _ = stimulus.send(key, stimulus.prepare({"linear.x": speed}))

    def answer() -> Any:
        rows = [row for row in speeds.rows[begun:] if row["seen_ns"] >= sent_ns]
        return next((row for row in rows if abs(row["value"] - before) > 0.001), None)

    until(answer, "another speed")
    known = max(row["stamp_ns"] for row in ticks.rows if row["seen_ns"] <= sent_ns)
    found: int = answer()["stamp_ns"] - known
    until(lambda: abs(speeds.rows[-1]["value"] - speed) < 1e-9, "the speed")
    return found


def test_latency_in_simulated_time_is_the_same_each_time(world: DoubleWorld) -> None:
    how = options(partition="stepped", stepping={"steps": 1, "settle_ms": 1})
    with Bench(how) as bench:
        speeds, ticks = Recorder(), Recorder()
        bench.device.response("odometry").listen(speeds)
        bench.device.response("sim_time").listen(ticks)
        until(lambda: bench.device.preflight() == [] and len(speeds.rows) > 5, "stepped odometry")
        found = [latency_ns(bench, speeds, ticks, key, 0.2 if key % 2 else 0.0) for key in range(1, 7)]
        told = bench.device.identity()
    assert set(found) == {2_000_000}  # taken at the end of one step, in the next one the wheels move
    assert told["steps"].endswith("; 0 with a command that came late; 0 more than asked for")
    steps = [row["stamp_ns"] for row in ticks.rows]
    assert steps == sorted(set(steps))  # each instant is told once, however often the clock repeats it
    assert bench.findings == []  # that it stands still between steps is the harness's own doing


def test_it_stands_still_once_the_harness_lets_go(world: DoubleWorld) -> None:
    with Bench(options(partition="stepped", stepping={"steps": 2, "settle_ms": 1})) as bench:
        until(lambda: bench.device.watch.sim_ns > 20_000_000, "steps")
    stood = world.sim_ns
    assert stood % 2_000_000 == 0 and world.paused
    with Bench(options(partition="stepped")) as bench:
        until(lambda: bench.device.watch.repeats > 3, "the clock, again and again")
        assert world.sim_ns == stood


def test_a_simulator_that_goes_away_ends_the_stepping(world: DoubleWorld) -> None:
    how = options(partition="stepped", stepping={"steps": 1, "settle_ms": 1}, silence_s=0.5)
    with Bench(how) as bench:
        until(lambda: bench.device.watch.sim_ns > 5_000_000, "steps")
        world.close()
        until(lambda: bench.named("simulator silent"), "the finding")


def test_the_gate_keeps_senders_out_of_a_step() -> None:
    import threading

    gate, ended = Gate(), threading.Event()
    sent: list[str] = []

    def send() -> None:
        with gate:
            sent.append("sent")

    with gate.closed(0.001, ended):
        sender = threading.Thread(target=send)
        sender.start()
        sender.join(0.05)
        assert sent == []
    sender.join(5.0)
    assert sent == ["sent"]


def test_the_double_moves_as_the_real_one_was_seen_to(world: DoubleWorld) -> None:
    with Bench(options(partition="stepped", stepping={"steps": 1, "settle_ms": 1})) as bench:
        speeds = Recorder()
        bench.device.response("odometry").listen(speeds)
        until(lambda: bench.device.preflight() == [] and len(speeds.rows) > 5, "stepped odometry")
        stimulus, begun = bench.device.stimulus("cmd_vel"), len(speeds.rows)
        stimulus.send(1, stimulus.prepare({"linear.x": 0.2}))
        until(lambda: speeds.rows[-1]["value"] > 0.19, "speed")
    moved = [row["value"] for row in speeds.rows[begun:]]
    start = next(place for place, value in enumerate(moved) if value > 0)
    assert moved[start : start + len(RECORDED) - 1] == pytest.approx(RECORDED[1:])


def test_a_step_whose_reply_is_lost_is_asked_for_again(world: DoubleWorld) -> None:
    """Once the request is lost, once only its reply."""
    lost = iter([b"", b"done"])
    handlers = world.node._core.handlers
    (service,) = [one for one in handlers if one.endswith("/control")]
    answer = handlers[service]

    def lossy(data: bytes) -> bytes:
        how = next(lost, None) if world.sim_ns > 5_000_000 else None
        if how != b"":
            said = answer(data)
        if how is not None:
            raise LookupError("lost")
        return said

    def guarded(data: bytes) -> bytes | None:
        try:
            return lossy(data)
        except LookupError:
            return None

    handlers[service] = guarded
    with Bench(options(partition="stepped", stepping={"steps": 1, "settle_ms": 1})) as bench:
        until(lambda: bench.device.watch.sim_ns > 20_000_000, "steps", 30.0)
        told = bench.device.identity()
    assert "; 2 without a reply;" in told["steps"]
    assert bench.named("stepping failed") == []


def test_a_step_that_nobody_asked_for_is_told(world: DoubleWorld) -> None:
    """A request whose reply was lost was done after all, or somebody else steps: it is counted and said."""
    with Bench(options(partition="stepped", stepping={"steps": 1, "settle_ms": 1})) as bench:
        until(lambda: bench.device.watch.sim_ns > 10_000_000, "steps")
        with world._lock:
            world.pending += 3
        until(lambda: bench.named("unasked step"), "the finding")
        begun = bench.device.watch.sim_ns
        until(lambda: bench.device.watch.sim_ns > begun + 10_000_000, "steps go on")
        told = bench.device.identity()
    assert "; 3 more than asked for" in told["steps"]
    (found,) = bench.named("unasked step")
    assert found.severity is Severity.WARNING and "step(s) more than asked for" in found.message


def test_a_reset_between_two_steps_leaves_the_world_stepped(world: DoubleWorld) -> None:
    ports = {"reset": {"stimulus": {"control": "reset"}}}
    with Bench(options(ports, partition="stepped", stepping={"steps": 1, "settle_ms": 1})) as bench:
        until(lambda: bench.device.watch.sim_ns > 20_000_000, "steps")
        reset = bench.device.stimulus("reset")
        reset.send(1, reset.prepare({}))
        until(lambda: bench.named("world reset"), "the reset")
        assert world.paused
        until(lambda: bench.device.watch.sim_ns > 20_000_000, "steps again")
        told = bench.device.identity()
    assert told["steps"].endswith("; 0 more than asked for")
    assert {one.name for one in bench.findings} == {"world reset"}


def test_two_commands_that_are_the_same_have_to_come_through_twice() -> None:
    asker = asking.Asker("robot", None)
    halt = b"halt"
    asker._heard["/cmd_vel", asking._digest(halt)] += 1
    assert not asker.heard("/other", halt, 0.0)
    assert asker.heard("/cmd_vel", halt, 0.0)
    assert not asker.heard("/cmd_vel", halt, 0.0)
    assert not asker._heard, "nothing is kept of what was told"
