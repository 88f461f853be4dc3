"""The simulated Spot as a process: options, certificate, joint control, programs of the vendor's SDK."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spot_peer
from bosdyn.api import robot_command_pb2
from bosdyn.client import robot_command
from bosdyn.client.robot_command import RobotCommandBuilder, RobotCommandStreamingClient
from bosdyn.client.robot_state import RobotStateStreamingClient
from spot_operator import Operator

from harness.sim.spot.control import ask

pytestmark = pytest.mark.slow
Stream = robot_command_pb2.JointControlStreamResponse
PROGRAMS = sorted((Path(__file__).parent / "spot_programs").glob("*.py"))


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[spot_peer.Peer]:
    one = spot_peer.start(tmp_path_factory.mktemp("spot"), "robot", "--lease-timeout-s", "20")
    yield one
    one.end()


class TestJoints:
    """Joint control of a robot that is licensed for it, by the vendor's streaming client."""

    def test_every_update_is_taken_and_the_last_key_is_echoed(self, tmp_path: Path) -> None:
        peer = spot_peer.start(tmp_path, "licensed", "--joint-licence", "--lease-timeout-s", "20")
        try:
            with Operator(peer) as operator:
                stream = operator.robot.ensure_client(RobotCommandStreamingClient.default_service_name)
                states = operator.robot.ensure_client(RobotStateStreamingClient.default_service_name)
                assert stream.send_joint_control_commands(self.updates(1)).status == Stream.STATUS_INACTIVE
                operator.stand()
                with pytest.raises(robot_command.InvalidRequestError):
                    operator.command.robot_command(RobotCommandBuilder.joint_command())
                robot_command.blocking_sit(operator.command, timeout_sec=30)
                operator.command.robot_command(RobotCommandBuilder.joint_command())
                assert stream.send_joint_control_commands(self.updates(30)).status == Stream.STATUS_OK
                keys = (message.last_command.user_command_key for message in states.get_robot_state_stream())
                assert next(keys) == 30
                for end_in_s, status in ((-1.0, Stream.STATUS_EXPIRED), (60.0, Stream.STATUS_TOO_DISTANT)):
                    answer = stream.send_joint_control_commands(self.updates(1, end_in_s))
                    assert answer.status == status
                short = list(self.updates(1))
                short[0].joint_command.position.pop()
                invalid = stream.send_joint_control_commands(iter(short))
                assert invalid.status == Stream.STATUS_INVALID_REQUEST
                for field in ("position", "velocity", "load"):
                    (nowhere,) = self.updates(1)
                    getattr(nowhere.joint_command, field)[3] = float("nan")
                    refused = stream.send_joint_control_commands(iter([nowhere]))
                    assert refused.status == Stream.STATUS_INVALID_REQUEST and "finite" in refused.message
                ask(peer.control, {"do": "forget_time"})
                unknown = stream.send_joint_control_commands(self.updates(1))
                assert unknown.status == Stream.STATUS_INVALID_REQUEST and "synchron" in unknown.message
            peer.finish()
            rows = [json.loads(line) for line in peer.truth.read_text().splitlines()]
            assert [row["key"] for row in rows if row["what"] == "joint command"] == list(range(1, 31))
        finally:
            peer.end()

    def updates(self, number: int, end_in_s: float = 5.0) -> Iterator[Any]:
        """So many, keyed from 1; each holds the joints of a robot that sits with little force."""
        for key in range(1, number + 1):
            request = robot_command_pb2.JointControlStreamRequest()
            update = request.joint_command
            update.end_time.FromNanoseconds(time.time_ns() + round(end_in_s * 1e9))
            for values in (update.velocity, update.load):
                values.extend([0.0] * 12)
            update.position.extend([0.0, 1.3, -2.6] * 4)
            update.user_command_key = key
            yield request


class TestCertificate:
    def test_a_robot_that_finds_its_port_taken_leaves_the_others_certificate(
        self, peer: spot_peer.Peer, tmp_path: Path
    ) -> None:
        before = peer.certificate.read_bytes()
        for certificate in (peer.certificate, tmp_path / "late.pem"):
            words = [sys.executable, "-m", "harness.sim.spot", "--port", str(peer.port)]
            late = subprocess.run(
                [*words, "--certificate", str(certificate)],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert late.returncode == 2 and "--port" in late.stderr
        assert peer.certificate.read_bytes() == before
        assert not (tmp_path / "late.pem").exists()

    @pytest.mark.parametrize(
        "option", ["--port=99999", "--reaction-ms=-1", "--offset-s=nan", "--truth={}", "--control={}"]
    )
    def test_what_cannot_be_is_said_before_it_starts(
        self, peer: spot_peer.Peer, tmp_path: Path, option: str
    ) -> None:
        """The last two are another robot's, which keeps them."""
        option = option.format(peer.truth if "truth" in option else peer.control)
        late = subprocess.run(
            [sys.executable, "-m", "harness.sim.spot", "--port=0", f"--certificate={tmp_path / 'a'}", option],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert late.returncode == 2 and option.split("=")[0] in late.stderr
        assert "Traceback" not in late.stderr and not (tmp_path / "a").exists()
        assert peer.truth.stat().st_size > 0 and ask(peer.control, {"do": "state"})["faults"] == []

    def test_it_is_gone_when_the_robot_is_but_not_one_that_is_not_its_own(self, tmp_path: Path) -> None:
        for name, put in (("own", None), ("other", b"of somebody else")):
            one = spot_peer.start(tmp_path, name)
            try:
                if put is not None:
                    one.certificate.write_bytes(put)
                one.finish()
                assert one.process.returncode == 0
                assert one.certificate.exists() == (put is not None)
            finally:
                one.end()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_as_one_writes_it_runs_to_its_end(program: Path, tmp_path: Path) -> None:
    peer = spot_peer.start(tmp_path, "alone")
    try:
        arguments = [str(peer.port), str(peer.certificate), spot_peer.USER, spot_peer.PASSWORD]
        ran = subprocess.run(
            [sys.executable, str(program), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.strip().endswith("done")
        assert ask(peer.control, {"do": "state"})["power"] == "STATE_OFF"
    finally:
        peer.end()
