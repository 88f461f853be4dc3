"""What may be wrong with whoever is across: another definition, QoS, stamps, size, a second one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ros2_bench import TWIST, Bench, by_name, opened, response, stimulus, until

from harness.adapters.ros2 import qos
from harness.adapters.ros2.port_options import QoS
from harness.adapters.ros2.stamps import ENOUGH, Stamps
from harness.config.loader import load_rig
from harness.errors import ConfigurationError
from harness.model import ClockKind, Finding, Severity

pytestmark = pytest.mark.ros
slow = pytest.mark.slow


@slow
def test_another_definition_under_the_same_name_is_an_error(bench: Bench, tmp_path: Path):
    """The peer's library of message types is a copy with another hash in it: what a robot built from another
    version of the package announces."""
    device = opened(bench.device())
    (own,) = device._graph.publishers("/echo/in") if device._graph is not None else ()
    digest = bytes.fromhex(own.type_hash.removeprefix("RIHS01_"))
    name = "libgeometry_msgs__rosidl_generator_c.so"
    places = [Path(sys.prefix) / "lib", *map(Path, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))]
    library = next(place / name for place in places if (place / name).is_file()).read_bytes()
    assert library.count(digest) == 1
    (tmp_path / name).write_bytes(library.replace(digest, digest[::-1]))
    bench.echo(variables={"LD_PRELOAD": str(tmp_path / name)})
    until(lambda: len(by_name(device.preflight(), "type definition differs")) == 2, "both sides")
    for one in by_name(device.preflight(), "type definition differs"):
        assert one.severity is Severity.ERROR
        assert "/echo was built from another definition of " + TWIST in one.message
        assert one.value == "RIHS01_" + digest[::-1].hex()


# -- loss ----------------------------------------------------------------------------------------------------


@slow
def test_best_effort_is_told_with_what_its_loss_means(bench: Bench):
    bench.echo("--reliability", "best_effort")
    ports: dict[str, Any] = {"cmd": {"stimulus": stimulus()}, "out": {"response": response()}}
    device = opened(bench.device(ports=ports))
    until(lambda: len(by_name(device.preflight(), "best effort")) == 2, "both sides")
    command, answer = by_name(device.preflight(), "best effort")
    assert command.severity is answer.severity is Severity.INFO
    assert "counts as an exceedance" in command.message and "/echo/in reaches /echo" in command.message
    assert "bench's error" in answer.message and "/echo/out" in answer.message


# -- simulated time ------------------------------------------------------------------------------------------


@slow
def test_stamps_of_simulated_time_stand_still_and_are_told(bench: Bench):
    """The robot ticks at 20 Hz and answers every 2 ms; its clock is said to be its own, the host's, and
    simulated."""
    bench.echo("--sim-time-hz", "20")
    match = {"kind": "order"}
    ports = {
        "cmd": {"stimulus": stimulus()},
        "out": {"response": response(match=match, stamp="header.stamp")},
    }
    for clock in ("host", "sim"):
        ports[clock] = {"response": response(match=None, stamp="header.stamp", stamp_clock=clock)}
    device = opened(bench.device(ports=ports))
    for port in ("host", "sim"):
        device.response(port).listen(lambda *_: None)
    trips = bench.round_trips(device, 100)
    trips.arrived(100)
    assert [one.name for one in device.clocks()] == ["robot.clock", "robot.sim_time"]
    assert device.clocks()[1].kind is ClockKind.SIMULATED
    assert device.response("sim").stamp_clock == "robot.sim_time"
    stamps = [row["stamp_ns"] for row in trips.recorder.rows]
    assert len(set(stamps)) < 50 and {stamp % 50_000_000 for stamp in stamps} == {0}
    found = sorted((one.name, one.severity) for one in bench.findings)
    names = ["stamps of another clock", "stamps repeat", "stamps repeat"]
    assert found == [(name, Severity.WARNING) for name in names]
    assert "stands still" in by_name(bench.findings, "stamps repeat")[0].message
    assert "stamp_clock: sim" in by_name(bench.findings, "stamps repeat")[0].remedy
    assert device.identity()["sim.stamps"].startswith("simulated time, never converted to wall time; ")


def test_a_clock_that_advances_is_not_accused():
    found: list[Finding] = []
    honest, copied = Stamps("/odom", "host", found.append), Stamps("/odom", "robot", found.append)
    for number in range(3 * ENOUGH):
        honest.see(10**18 + number * 1000, 10**18)
        copied.see(number, 10**18)
    assert found == []
    assert honest.words().endswith("0 of 150 repeat that of the answer before, steps of 0.001 ms or more")


def test_simulated_time_is_no_arrival(tmp_path: Path):
    answer = response(match={"kind": "order"}, stamp="header.stamp", stamp_clock="sim")
    robot = {"adapter": "ros2", "ports": {"cmd": {"stimulus": stimulus()}, "out": {"response": answer}}}
    schedule = {"kind": "trials", "samples": 5}
    scenario = {
        "kind": "command_round_trip",
        "stimulus": "robot.cmd",
        "response": "robot.out",
        "arrival": "stamp",
        "timeout_ms": 100,
        "schedule": schedule,
    }
    rig = {
        "rig": {"name": "r", "simulated": True},
        "devices": {"robot": robot},
        "scenarios": {"command": scenario},
        "requirements": [{"id": "R", "scenario": "command", "quantile": 0.5, "limit": 90, "unit": "ms"}],
    }
    file = tmp_path / "r.yaml"
    file.write_text(yaml.safe_dump(rig))
    with pytest.raises(ConfigurationError) as error:
        load_rig(file)
    assert "port out stamps with simulated time" in str(error.value) and "arrival: received" in str(
        error.value
    )


# -- QoS -----------------------------------------------------------------------------------------------------

BETTER = {
    "reliability": (
        {"reliability": "best_effort"},
        {},
        "reliability: offered best_effort, requested reliable",
    ),
    "durability": (
        {},
        {"durability": "transient_local"},
        "durability: offered volatile, requested transient_local",
    ),
    "deadline": ({"deadline_ms": 50}, {"deadline_ms": 20}, "deadline: offered 50 ms, requested 20 ms"),
    "no deadline": ({}, {"deadline_ms": 20}, "deadline: offered none, requested 20 ms"),
    "liveliness": (
        {},
        {"liveliness": "manual_by_topic"},
        "offered system_default, requested manual_by_topic",
    ),
    "lease": ({}, {"liveliness_lease_ms": 1.5}, "liveliness lease: offered none, requested 1.5 ms"),
}


@pytest.mark.parametrize("policy", BETTER)
def test_every_policy_that_keeps_two_apart_is_named(policy: str):
    offered, requested, words = BETTER[policy]
    less, more = qos.profile(QoS.model_validate(offered)), qos.profile(QoS.model_validate(requested))
    assert words in (qos.mismatch(less, more) or "")
    assert qos.mismatch(more, more) is qos.mismatch(less, less) is None
    assert qos.mismatch(more, less) is None


def test_all_policies_at_once_are_all_named():
    offered = qos.profile(QoS(reliability="best_effort", deadline_ms=50.0))
    requested = qos.profile(QoS(durability="transient_local", deadline_ms=20.0))
    found = str(qos.mismatch(offered, requested)).split("; ")
    assert [one.partition(":")[0] for one in found] == ["reliability", "durability", "deadline"]


# -- many answers, large messages ----------------------------------------------------------------------------


@slow
def test_two_robots_that_answer_one_command_are_seen_as_two(bench: Bench):
    bench.echo()
    bench.echo("--node", "other")
    device = opened(bench.device())
    until(lambda: len(by_name(device.preflight(), "several publishers")) == 1, "both")
    trips = bench.round_trips(device, 20)
    until(lambda: len(trips.recorder.rows) >= 40, "two answers to each command")
    assert all(trips.recorder.keys.count(key) == 2 for key in trips.sent)


@slow
@pytest.mark.parametrize("transport", ["DEFAULT", "UDPv4"])
def test_messages_of_4_mb_there_and_back(bench: Bench, monkeypatch: pytest.MonkeyPatch, transport: str):
    """By the default transports, shared memory of half a megabyte among them, and by UDP alone."""
    monkeypatch.setenv("FASTDDS_BUILTIN_TRANSPORTS", transport)
    bench.echo("--raw", "--type", "sensor_msgs/msg/Image", "--depth", "5")
    image = {"type": "sensor_msgs/msg/Image"}
    ports = {"cmd": {"stimulus": stimulus(**image)}, "out": {"response": response(**image)}}
    device = opened(bench.device(ports=ports))
    trips = bench.round_trips(device, 0, {"data": [7] * 4_000_000})
    for _ in range(8):
        sent = trips._send()  # an answer to a probe may still come in between
        until(lambda sent=sent: sent in trips.recorder.keys, "the answer")
    assert trips.prepared.message_bytes > 4_000_000
    assert device.identity()["out.largest"] == f"{trips.prepared.message_bytes} bytes a message"
    # Every answer that was waited for came; a busy host may drop a fragment of a probe, for which the shared
    # memory is too small as well, and that is told.
    assert {one.name for one in bench.findings} <= {"messages lost"}
