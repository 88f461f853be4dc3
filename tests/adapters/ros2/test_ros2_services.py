"""Services as stimulus and response, against a server in a process of its own."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ros2_bench import Bench, told, until

from harness.adapters.ros2 import loop
from harness.adapters.ros2.call_stimulus import ServiceStimulus
from harness.adapters.ros2.device import Ros2Device
from harness.adapters.ros2.port_options import ServiceOptions
from harness.errors import ConfigurationError, OperationError, SafetyError, UnavailableError
from harness.model import ObservationFlag, Severity
from harness.ports import KeyKind, Role
from harness.testing.device_bench import Recorder

pytestmark = pytest.mark.slow

SET_BOOL = "std_srvs/srv/SetBool"
PORTS: dict[str, Any] = {
    "grip": {"stimulus": {"service": "/echo/call", "type": SET_BOOL}},
    "gripped": {"response": {"of": "grip", "event": "reply", "accepted_if": {"success": True}}},
}
STOP = {"port": "grip", "values": {"data": False}}


def opened(bench: Bench, role: Role = Role.HARNESS, **changes: Any) -> Ros2Device:
    device = bench.device(role, ports=PORTS, **changes)
    device.open()
    return device


def called(device: Ros2Device, count: int, pause_s: float) -> tuple[Recorder, dict[int, tuple[int, int]]]:
    """Calls at that distance, once the server is found; their answers, and the instants around the sends."""
    recorder = Recorder()
    stimulus = device.stimulus("grip")
    until(lambda: device._calls()[0].callers[0].ready, "the server")
    device.response("gripped").listen(recorder)
    prepared = stimulus.prepare({"data": True})
    sent = {}
    for key in range(count):
        sent[key] = stimulus.send(key, prepared)
        time.sleep(pause_s)
    return recorder, sent


def test_replies_find_their_requests_out_of_order_and_with_several_outstanding(bench: Bench):
    bench.server("--shuffle-ms", "120")
    device = opened(bench)
    recorder, sent = called(device, 100, 0.02)
    until(lambda: len(recorder.rows) == 100, "100 replies")
    assert sorted(recorder.keys) == list(range(100)) and recorder.keys != list(range(100))
    wall_ns = time.time_ns() - time.monotonic_ns()
    late = [row["seen_ns"] - sent[row["key"]][0] for row in recorder.rows]
    assert min(late) > 0 and max(late) > 20_000_000  # so that the next ones were sent meanwhile
    for row in recorder.rows:
        assert row["flags"] == 0
        assert sent[row["key"]][0] < row["received_ns"] - wall_ns < row["seen_ns"] + 1_000_000
    assert all(before <= after for before, after in sent.values())


def test_a_reply_that_says_no_is_a_rejected_observation(bench: Bench):
    bench.server("--refuse-every", "3")
    device = opened(bench)
    recorder, _ = called(device, 9, 0.005)
    until(lambda: len(recorder.rows) == 9, "9 replies")
    said_no = [row["key"] for row in recorder.rows if row["flags"] & ObservationFlag.REJECTED]
    assert said_no == [2, 5, 8]


def test_sending_goes_on_when_the_server_dies_and_the_stop_says_so(bench: Bench):
    server = bench.server("--die-after", "5")
    device = opened(bench, stop=STOP)
    recorder, sent = called(device, 10, 0.01)
    server.process.wait(20)
    assert len(sent) == 10 and 0 < len(recorder.rows) <= 5
    with pytest.raises(OperationError, match="/echo/call did not acknowledge the stop"):
        device.safe_stop()


def test_without_its_own_loop_stamps_are_those_of_the_harness(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop.DirectLoop, "available", staticmethod(lambda: False))
    bench.server("--shuffle-ms", "20")
    device = opened(bench, stop=STOP)
    recorder, _ = called(device, 10, 0.005)
    until(lambda: len(recorder.rows) == 10, "10 replies")
    assert sorted(recorder.keys) == list(range(10))
    assert {row["flags"] for row in recorder.rows} == {ObservationFlag.NOT_MIDDLEWARE}
    device.safe_stop()


def test_the_guardian_stops_by_a_call_and_waits_for_its_server(bench: Bench):
    guardian = bench.device(Role.GUARDIAN, ports=PORTS, stop=STOP, patience_s=0.3)
    with pytest.raises(UnavailableError, match="serves /echo/call"):
        guardian.open()
    server = bench.server()
    guardian = opened(bench, Role.GUARDIAN, stop=STOP)
    guardian.safe_stop()
    guardian.safe_stop()
    server.end()
    with pytest.raises(OperationError, match="did not acknowledge"):
        guardian.safe_stop()


def test_the_preflight_tells_who_serves_and_who_calls(bench: Bench):
    device = opened(bench, patience_s=0.3)
    (absent,) = [one for one in device.preflight() if one.severity is Severity.ERROR]
    assert absent.name == "nobody serves" and "/echo/call" in absent.message
    device.close()
    bench.server()
    device = opened(bench)
    assert [one.name for one in device.preflight()] == ["middleware"]
    assert device.identity()["grip.nodes"] == "/server"
    assert device.is_ready("serves", "/echo/call") and not device.is_ready("serves", "/echo/other")
    bench.server("--node", "second")
    other = bench.device(run_id="run-2", ports=PORTS)
    other.open()
    assert "/second, /server" in told(device, "several servers").message
    assert "harness_run_2" in told(device, "other client").message
    until(lambda: any(one.name == "other client" for one in bench.findings), "the watch")


def test_two_servers_answer_each_request_and_two_ports_are_no_rivals(bench: Bench):
    bench.server()
    bench.server("--node", "second")
    ports = {**PORTS, "let_go": {"stimulus": {**PORTS["grip"]["stimulus"], "values": {"data": False}}}}
    device = bench.device(ports=ports, patience_s=0.2)
    device.open()
    told(device, "several servers")
    recorder, _ = called(device, 5, 0.01)
    until(lambda: len(recorder.rows) == 10, "10 replies")
    assert sorted(recorder.keys) == sorted([*range(5), *range(5)])
    assert "other client" not in {one.name for one in device.preflight()}


def test_a_server_of_another_type_is_named(bench: Bench):
    bench.server("--type", "std_srvs/srv/Trigger")
    device = opened(bench, patience_s=0.2)
    found = told(device, "type differs")
    assert found.severity is Severity.ERROR and "std_srvs/srv/Trigger" in found.remedy


def test_a_check_makes_no_client_and_sends_nothing(bench: Bench):
    bench.server()
    device = opened(bench, Role.CHECK, stop=STOP)
    assert [one.name for one in device.preflight()] == ["middleware"]
    assert device._connected().node.count_clients("/echo/call") == 0
    stimulus = device.stimulus("grip")
    with pytest.raises(OperationError, match="opened to look only"):
        stimulus.send(0, stimulus.prepare({}))


def test_limits_hold_for_requests():
    options = ServiceOptions(service="/camera", type="sensor_msgs/srv/SetCameraInfo")
    stimulus = ServiceStimulus("cam", options, {"camera_info.binning_x": 2, "camera_info.d": 1.5})
    assert stimulus.key_kind is KeyKind.CALL
    assert stimulus.prepare({"camera_info.binning_x": 2, "camera_info.d": [1.0, -1.5]}).message_bytes > 100
    for values in ({"camera_info.binning_x": 3}, {"camera_info.d": [0.0, 1.6]}):
        with pytest.raises(SafetyError, match="beyond the limit"):
            stimulus.prepare(values)
    with pytest.raises(ConfigurationError, match="binning_x"):
        stimulus.prepare({"camera_info.binning": 1})
