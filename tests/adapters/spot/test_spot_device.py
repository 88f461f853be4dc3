"""The adapter against a simulated Spot that moves: ports, clock, lease, e-stop, and what the robot did."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spot_peer

from harness.adapters.spot.device import SpotDevice
from harness.analysis.offset import estimate
from harness.errors import ConfigurationError, SafetyError
from harness.model import CLOCK_DTYPE, NO_KEY, Finding, ObservationFlag
from harness.ports import DeviceContext
from harness.sim.spot.control import ask
from harness.sim.spot.dimensions import FOOTHOLDS, LEGS
from harness.testing.device_bench import Recorder

pytestmark = pytest.mark.slow

OFFSET_S, DRIFT_PPM = -3.7, 40
PORTS: dict[str, Any] = {
    "posture": {"stimulus": {"command": "posture", "values": {"to": "stand"}}},
    "ready": {"response": {"signal": "ready"}},
    "velocity": {"stimulus": {"command": "velocity"}},
    "received": {"response": {"of": "velocity", "event": "received"}},
    "replied": {"response": {"of": "velocity", "event": "replied"}},
    "pose": {"stimulus": {"command": "pose"}},
    "posed": {"response": {"of": "pose", "event": "received"}},
    "stance": {"stimulus": {"command": "stance"}},
    "stanced": {"response": {"of": "stance", "event": "received"}},
    "stop": {"stimulus": {"command": "estop"}},
    "estopped": {"response": {"signal": "estopped"}},
    "speed": {"response": {"signal": "speed"}},
    "v_x": {"response": {"signal": "v_x"}},
    "v_rot": {"response": {"signal": "v_rot"}},
    "age": {"response": {"signal": "age"}},
}


def until(condition: Callable[[], Any], what: str, deadline_s: float = 40.0) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[spot_peer.Peer]:
    one = spot_peer.start(
        tmp_path_factory.mktemp("spot"), "robot", "--offset-s", str(OFFSET_S), "--drift-ppm", str(DRIFT_PPM)
    )
    yield one
    one.end()


class Bench:
    """An open device whose every response is recorded."""

    def __init__(self, peer: spot_peer.Peer, ports: dict[str, Any] = PORTS, **options: Any) -> None:
        self.findings: list[Finding] = []
        self.peer = peer
        context = DeviceContext("test-run", report=self.findings.append)
        self.device = SpotDevice("spot", peer.options(ports, **options), context)
        self.heard: dict[str, Recorder] = {}
        self.sent = 0

    def __enter__(self) -> Bench:
        self.device.open()
        for name, how in self.device.options.ports.items():
            if how.response is not None:
                self.heard[name] = Recorder()
                self.device.response(name).listen(self.heard[name])
        return self

    def __exit__(self, *exception: object) -> None:
        self.device.close()

    def send(self, port: str, **values: Any) -> tuple[int, int, int]:
        stimulus = self.device.stimulus(port)
        self.sent += 1
        return (self.sent, *stimulus.send(self.sent, stimulus.prepare(values)))

    def value(self, port: str) -> float:
        rows = self.heard[port].rows
        return float(rows[-1]["value"]) if rows else math.nan

    def assume(self, to: str) -> None:
        self.send("posture", to=to)
        until(lambda: self.value("ready") == 1 or self.findings, f"posture {to}")
        assert self.findings == []

    def walk(self, seconds: float, **values: Any) -> list[tuple[int, int, int]]:
        sent = []
        for _ in range(round(seconds * 20)):
            sent.append(self.send("velocity", **values))
            time.sleep(0.05)
        return sent


def truth(peer: spot_peer.Peer, what: str) -> list[dict[str, Any]]:
    rows = (json.loads(line) for line in peer.truth.read_text().splitlines() if line.endswith("}"))
    return [row for row in rows if row["what"] == what]


def clock_of(bench: Bench, count: int = 60) -> list[tuple[int, int, int, int]]:
    found = []
    while len(found) < count:
        exchange = bench.device.exchange("spot.robot")
        if exchange is not None:
            found.append(exchange)
        time.sleep(0.005)
    return found


@pytest.fixture(scope="module")
def walked(peer: spot_peer.Peer) -> dict[str, Any]:
    """One walk: forward, turning, standing; what was sent, heard, and what the robot says it received."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(spot_peer.USER_VARIABLE, spot_peer.USER)
        patch.setenv(spot_peer.PASSWORD_VARIABLE, spot_peer.PASSWORD)
        with Bench(peer) as bench:
            exchanges = clock_of(bench)
            bench.assume("stand")
            ahead = bench.walk(2.0, v_x=0.4)
            speeds = {name: bench.value(name) for name in ("speed", "v_x")}
            turning = bench.walk(2.0, v_rot=0.6)
            speeds["v_rot"] = bench.value("v_rot")
            still = bench.walk(0.5)
            exchanges += clock_of(bench)
            sent = ahead + turning + still
            until(lambda: len(bench.heard["replied"].rows) == len(sent), f"{len(sent)} replies")
            bench.device.safe_stop()
            about = bench.device.identity()
            told = {name: list(heard.rows) for name, heard in bench.heard.items()}
    return {
        "sent": sent,
        "speeds": speeds,
        "exchanges": exchanges,
        "heard": told,
        "findings": bench.findings,
        "about": about,
        "commands": truth(peer, "command"),
    }


class TestARobotThatWalks:
    def test_every_command_is_answered_once_and_under_its_key(self, walked: dict[str, Any]) -> None:
        keys = [key for key, _, _ in walked["sent"]]
        for name in ("received", "replied"):
            heard = walked["heard"][name]
            assert [row["key"] for row in heard] == keys
            assert all(row["flags"] == 0 for row in heard)
        assert walked["findings"] == []

    def test_it_walks_and_turns_as_it_was_told(self, walked: dict[str, Any]) -> None:
        assert walked["speeds"]["v_x"] == pytest.approx(0.4, abs=0.12)
        assert walked["speeds"]["speed"] == pytest.approx(0.4, abs=0.15)
        assert walked["speeds"]["v_rot"] == pytest.approx(0.6, abs=0.2)

    def test_the_receive_stamp_is_the_robots_and_true_within_the_bound(self, walked: dict[str, Any]) -> None:
        received = walked["heard"]["received"]
        accepted = {row["robot_ns"]: row["monotonic_ns"] for row in walked["commands"]}
        readings = np.array([(*each, 0, 0, 0) for each in walked["exchanges"]], dtype=CLOCK_DTYPE)
        found = estimate(readings)
        stamps = np.array([row["received_ns"] for row in received], dtype=np.int64)
        true_ns = np.array([accepted[int(stamp)] for stamp in stamps], dtype=np.int64)
        said_ns, bound_ns = found.to_host(stamps)
        assert np.all(np.abs(said_ns - true_ns) <= bound_ns)
        assert bound_ns.max() < 50e6
        # The clock is 3.7 s behind: without the exchanges nothing of it could be told.
        assert np.all(stamps - true_ns - (time.time_ns() - time.monotonic_ns()) < (OFFSET_S + 0.5) * 1e9)
        for (_, before_ns, _), at_ns in zip(walked["sent"], true_ns, strict=False):
            assert before_ns <= at_ns

    def test_replies_come_after_the_robot_had_the_command(self, walked: dict[str, Any]) -> None:
        heard = walked["heard"]
        for had, back in zip(heard["received"], heard["replied"], strict=True):
            assert had["received_ns"] <= back["stamp_ns"]
            assert back["received_ns"] == back["seen_ns"] >= had["seen_ns"] - 5_000_000

    def test_the_state_stream_is_stamped_by_the_robot(self, walked: dict[str, Any]) -> None:
        rows = walked["heard"]["speed"]
        stamps = np.array([row["stamp_ns"] for row in rows])
        assert np.all(np.diff(stamps) > 0)
        assert all(row["key"] == NO_KEY for row in rows[:10])
        assert np.median([row["value"] for row in walked["heard"]["age"]]) < 100

    def test_the_report_names_the_robot(self, walked: dict[str, Any]) -> None:
        about = walked["about"]
        assert about["serial number"] == "simulated"
        assert about["SDK"].startswith("bosdyn-client 5.")
        assert about["battery at the end"] == "87 %"
        assert "endpoint" in about["e-stop"]


class TestOtherOrders:
    def test_pose_stance_and_e_stop(self, peer: spot_peer.Peer) -> None:
        with Bench(peer, estop_timeout_s=20) as bench:
            bench.assume("stand")
            bench.send("pose", height=0.05, yaw=0.1)
            until(lambda: bench.heard["posed"].rows, "the pose is answered")
            at = ask(peer.control, {"do": "state"})
            assert at["phase"] == "standing"
            feet = {leg: [x + 0.05, y] for leg, (x, y) in zip(LEGS, FOOTHOLDS, strict=True)}
            bench.send("stance", **feet)
            until(lambda: bench.heard["stanced"].rows, "the stance is answered")
            assert bench.findings == []
            assert bench.value("estopped") == 0
            bench.send("stop", level="settle")
            until(lambda: bench.value("estopped") == 1, "the e-stop is confirmed")
            until(lambda: ask(peer.control, {"do": "state"})["power"] == "STATE_OFF", "motors off")
            bench.send("stop", level="none")
            until(lambda: bench.value("estopped") == 0, "the e-stop is released")
            bench.assume("stand")
            bench.send("stop", level="cut")
            until(lambda: ask(peer.control, {"do": "state"})["power"] == "STATE_OFF", "motors off at once")
            assert bench.findings == []

    def test_everything_is_given_back(self, peer: spot_peer.Peer) -> None:
        before = ask(peer.control, {"do": "state"})
        with Bench(peer) as bench:
            bench.assume("stand")
            during = ask(peer.control, {"do": "state"})
        after = ask(peer.control, {"do": "state"})
        assert before["lease"] is None and during["lease"].startswith("harness test-run ")
        assert during["phase"] == "standing" and len(during["endpoints"]) == 1
        assert (after["lease"], after["power"], after["endpoints"]) == (None, "STATE_OFF", [])

    def test_a_sitting_robot_is_stopped_without_getting_up(self, peer: spot_peer.Peer) -> None:
        with Bench(peer) as bench:
            bench.assume("sit")
            bench.device.safe_stop()
            time.sleep(0.3)
            assert ask(peer.control, {"do": "state"})["phase"] == "sitting"

    def test_an_order_to_a_robot_without_power_is_refused_and_said(self, peer: spot_peer.Peer) -> None:
        with Bench(peer) as bench:
            bench.send("velocity", v_x=0.1)
            until(lambda: bench.findings, "a finding")
            bench.device.safe_stop()  # nothing moves: that is a stop
            assert bench.heard["received"].rows[0]["flags"] == ObservationFlag.REJECTED
        assert bench.findings[0].name == "no motor power"
        assert "posture" in bench.findings[0].remedy


class TestLimits:
    def test_nothing_beyond_a_limit_is_made_ready(self, peer: spot_peer.Peer) -> None:
        device = SpotDevice("spot", peer.options(PORTS, limits={"v_x": 0.5}), DeviceContext("r"))
        with pytest.raises(SafetyError, match=r"v_x = 0\.6 exceeds its limit of 0\.5"):
            device.stimulus("velocity").prepare({"v_x": 0.6})
        with pytest.raises(ConfigurationError, match="v_y"):
            device.stimulus("velocity").prepare({"vy": 0.1})


JOINTS: dict[str, Any] = {
    "posture": PORTS["posture"],
    "ready": PORTS["ready"],
    "joints": {"stimulus": {"command": "joints", "end_ms": 300}},
    "applied": {"response": {"of": "joints", "event": "applied"}},
    "joint_speed": {"response": {"signal": "joint_speed"}},
}


class TestJoints:
    def test_updates_are_echoed_by_the_state_stream(self, tmp_path: Path) -> None:
        peer = spot_peer.start(tmp_path, "licensed", "--joint-licence")
        try:
            with Bench(peer, JOINTS) as bench:
                bench.assume("joints")
                sent = []
                for _ in range(60):
                    sent.append(bench.send("joints"))
                    time.sleep(0.01)
                until(lambda: sent[-1][0] in bench.heard["applied"].keys, "the last update is echoed")
                bench.device.safe_stop()
                heard = bench.heard["applied"].rows
                assert bench.findings == []
        finally:
            peer.finish()
        keys = [row["key"] for row in heard]
        assert keys == sorted(set(keys)) and set(keys) <= {key for key, _, _ in sent}
        assert len(keys) > 30
        had = {row["key"] - 1: row["robot_ns"] for row in truth(peer, "joint command")}
        assert all(had[row["key"]] == row["received_ns"] for row in heard)

    def test_without_a_licence_it_is_said(self, peer: spot_peer.Peer) -> None:
        with Bench(peer, JOINTS) as bench:
            bench.send("posture", to="joints")
            until(lambda: bench.findings, "a finding")
        assert "licen" in bench.findings[0].message
        assert bench.findings[0].remedy


class TestTokens:
    def test_the_login_is_renewed_before_it_expires(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As every hour with a token of twelve; here every quarter of a second, with one of two seconds."""
        import bosdyn.client.robot
        from bosdyn.client.token_manager import TokenManager

        often = partial(TokenManager, refresh_interval=timedelta(seconds=0.25))
        monkeypatch.setattr(bosdyn.client.robot, "TokenManager", often)
        peer = spot_peer.start(tmp_path, "short", "--token-life-s", "2")
        ports = {
            "state": {"stimulus": {"command": "state"}},
            "answer": {"response": {"of": "state", "event": "replied"}},
        }
        try:
            with Bench(peer, ports) as bench:
                first = bench.device.session.metadata()
                deadline = time.monotonic() + 5
                while time.monotonic() < deadline:
                    bench.send("state")
                    time.sleep(0.05)
                until(lambda: len(bench.heard["answer"].rows) == bench.sent, "every question is answered")
                assert bench.device.session.metadata() != first
                assert bench.findings == []
        finally:
            peer.end()
