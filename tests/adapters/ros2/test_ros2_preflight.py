"""What the preflight and the watch say about the other side."""

from __future__ import annotations

import pytest
from ros2_bench import TWIST, Bench, response, stimulus, until

from harness.adapters.ros2 import qos
from harness.adapters.ros2.port_options import QoS
from harness.model import Finding, Severity
from harness.ports import Role

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def by_name(findings: list[Finding], name: str) -> Finding:
    found = [one for one in findings if one.name == name]
    assert len(found) == 1, findings
    return found[0]


def test_all_is_well(bench: Bench):
    bench.echo()
    device = bench.device()
    device.open()
    (only,) = device.preflight()
    assert only.severity is Severity.INFO
    assert "rmw" in only.message and f"domain {bench.domain}" in only.message and "LOCALHOST" in only.message
    identity = device.identity()
    assert identity["cmd.nodes"] == identity["out.nodes"] == "/echo"
    assert identity["out.qos"] == "reliable, volatile, keep_last 5000"
    assert identity["domain_id"] == str(bench.domain)


def test_nobody_there(bench: Bench):
    device = bench.device(patience_s=0.2)
    device.open()
    findings = device.preflight()
    assert by_name(findings, "nobody listens").severity is Severity.ERROR
    assert "/echo/out" in by_name(findings, "nobody answers").message
    device.close()
    checking = bench.device(Role.CHECK, patience_s=0.2)
    checking.open()
    assert by_name(checking.preflight(), "nobody listens").severity is Severity.WARNING


def test_another_publisher_is_refused_before_and_during(bench: Bench):
    bench.echo()
    device = bench.device()
    device.open()
    # Whoever has just come is not known to all at once.
    until(lambda: [one.severity for one in device.preflight()] == [Severity.INFO], "nothing to complain of")
    intruder = bench.echo("--node", "teleop", "--only", "publish", "--answer", "/echo/in")
    until(lambda: bool(bench.findings), "the watch's report")
    until(lambda: not intruder.process.poll(), "the intruder")
    (reported,) = bench.findings
    assert reported.name == "other publisher" and reported.severity is Severity.ERROR
    assert "/teleop" in reported.message and "/echo/in" in reported.message
    assert "/teleop" in by_name(device.preflight(), "other publisher").message


def test_own_guardian_is_no_intruder_but_an_impostor_is(bench: Bench):
    bench.echo()
    device = bench.device(run_id="run-7", stop={"port": "cmd"})
    guardian = bench.device(Role.GUARDIAN, run_id="run-7", stop={"port": "cmd"})
    device.open()
    guardian.open()
    until(
        lambda: device._graph is not None and len(device._graph.publishers("/echo/in")) == 2, "the guardian"
    )
    assert [one.severity for one in device.preflight()] == [Severity.INFO]
    bench.echo("--node", "harness_run_7", "--only", "publish", "--answer", "/echo/in")
    until(lambda: bool(bench.findings), "the watch's report")
    assert {one.name for one in bench.findings} == {"other publisher"}


def test_two_runs_refuse_each_other(bench: Bench):
    bench.echo()
    first, second = bench.device(run_id="run-1"), bench.device(run_id="run-2")
    first.open()
    second.open()
    assert "/harness_run_1" in by_name(second.preflight(), "other publisher").message


def test_another_type_is_named_on_both_sides(bench: Bench):
    bench.echo("--type", "geometry_msgs/msg/Twist")
    device = bench.device(patience_s=4.0)
    device.open()
    findings = [one for one in device.preflight() if one.name == "type differs"]
    assert len(findings) == 2
    for one in findings:
        assert one.severity is Severity.ERROR
        assert "geometry_msgs/msg/Twist," in one.message and TWIST in one.message
        assert one.value == "geometry_msgs/msg/Twist"


def test_qos_that_cannot_match_names_the_policy(bench: Bench):
    bench.echo("--reliability", "best_effort", "--durability", "transient_local", "--only", "publish")
    bench.echo("--durability", "transient_local", "--only", "listen", "--node", "ears")
    strict = {"qos": {"reliability": "reliable"}}
    ports = {"cmd": {"stimulus": stimulus()}, "out": {"response": response(**strict)}}
    device = bench.device(ports=ports, patience_s=4.0)
    device.open()
    findings = [one for one in device.preflight() if one.name == "qos differs"]
    texts = sorted(one.message.lower() for one in findings)
    assert len(texts) == 2
    assert "port cmd" in texts[0] and "volatile" in texts[0] and "transient_local" in texts[0]
    assert "port out" in texts[1] and "best_effort" in texts[1] and "reliable" in texts[1]


def test_reliability_follows_what_is_offered(bench: Bench):
    bench.echo("--reliability", "best_effort")
    ports = {"cmd": {"stimulus": stimulus(qos="sensor_data")}, "out": {"response": response()}}
    device = bench.device(ports=ports)
    device.open()
    assert {one.severity for one in device.preflight()} == {Severity.INFO}
    assert device.identity()["out.qos"].startswith("best_effort")
    assert bench.round_trips(device, 20).arrived(15)


def test_check_follows_what_is_offered_too(bench: Bench):
    bench.echo("--reliability", "best_effort")
    ports = {"cmd": {"stimulus": stimulus(qos="sensor_data")}, "out": {"response": response()}}
    device = bench.device(Role.CHECK, ports=ports)
    device.open()
    assert {one.severity for one in device.preflight()} == {Severity.INFO}


def test_several_publishers_of_answers_are_a_warning(bench: Bench):
    bench.echo()
    bench.echo("--node", "twin", "--listen", "/elsewhere")
    device = bench.device()
    device.open()
    until(lambda: device._graph is not None and len(device._graph.publishers("/echo/out")) == 2, "both")
    found = by_name(device.preflight(), "several publishers")
    assert found.severity is Severity.WARNING and "/twin" in found.message


def test_profiles_by_name_and_by_policy():
    made = qos.profile("sensor_data", reader_depth=5000)
    assert qos.words(made) == "best_effort, volatile, keep_last 5000"
    assert qos.words(qos.profile("parameters")) == "reliable, volatile, keep_last 1000"
    wanted = QoS(
        profile="sensor_data", reliability="reliable", durability="transient_local", depth=3, deadline_ms=20.0
    )
    made = qos.profile(wanted, reader_depth=5000)
    assert qos.words(made) == "reliable, transient_local, keep_last 3"
    assert made.deadline.nanoseconds == 20_000_000
    assert qos.words(qos.profile(QoS(history="keep_all"))) == "reliable, volatile, keep_all"
    assert qos.mismatch(qos.profile("default"), made) is not None
    assert qos.mismatch(qos.profile(wanted), qos.profile("default")) is None
