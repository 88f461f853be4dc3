"""The vendor's unmodified SDK against the simulated Spot: a process of its own, over TLS."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import spot_peer
from bosdyn.api import basic_command_pb2, robot_command_pb2, robot_state_pb2
from bosdyn.client import auth, exceptions, lease, power, robot_command
from bosdyn.client.estop import EstopEndpoint
from bosdyn.client.power import PowerClient
from bosdyn.client.robot_command import RobotCommandBuilder
from bosdyn.client.robot_state import RobotStateClient, RobotStateStreamingClient
from spot_operator import Operator, meet, until

from harness.sim.spot.control import ask

pytestmark = pytest.mark.slow
Stream = robot_command_pb2.JointControlStreamResponse
PROGRAMS = sorted((Path(__file__).parent / "spot_programs").glob("*.py"))


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[spot_peer.Peer]:
    one = spot_peer.start(tmp_path_factory.mktemp("spot"), "robot", "--lease-timeout-s", "20")
    yield one
    one.end()


class TestLogin:
    def test_a_wrong_password_and_then_too_many(self, tmp_path: Path) -> None:
        peer = spot_peer.start(tmp_path, "guarded")
        try:
            for _ in range(6):
                with pytest.raises(auth.InvalidLoginError):
                    meet(peer, "guess")
            with pytest.raises(auth.TemporarilyLockedOutError):
                meet(peer)
        finally:
            peer.end()

    def test_another_authority_is_not_trusted(self, peer: spot_peer.Peer, tmp_path: Path) -> None:
        from harness.sim.spot import certificates

        other = tmp_path / "other.pem"
        other.write_bytes(certificates.make().authority)
        with pytest.raises(exceptions.UnableToConnectToRobotError):
            meet(peer, certificate=other)

    def test_who_it_is_and_what_it_has(self, peer: spot_peer.Peer) -> None:
        robot = meet(peer)
        assert robot.get_id().serial_number == "simulated"
        names = {entry.name for entry in robot.list_services()}
        assert {"robot-command", "robot-state-streaming", "estop", "lease", "power", "time-sync"} <= names
        robot._shutdown()
        robot.shutdown()

    def test_an_expired_token_is_refused_until_the_next_login(self, peer: spot_peer.Peer) -> None:
        robot = meet(peer)
        states = robot.ensure_client(RobotStateClient.default_service_name)
        states.get_robot_state()
        ask(peer.control, {"do": "expire_tokens"})
        with pytest.raises(exceptions.UnauthenticatedError):
            states.get_robot_state()
        robot.authenticate(spot_peer.USER, spot_peer.PASSWORD)
        states.get_robot_state()
        robot._shutdown()
        robot.shutdown()


class TestLease:
    def test_one_at_a_time(self, peer: spot_peer.Peer) -> None:
        with Operator(peer) as first:
            second = Operator(peer)
            with pytest.raises(lease.ResourceAlreadyClaimedError) as caught:
                second.leases.acquire()
            assert caught.value.response.lease_owner.client_name.startswith("test ")
            first.stand()
            second.leases.take()
            with pytest.raises(exceptions.LeaseUseError):
                first.walk(1.0)
            second.leases.return_lease(second.robot.lease_wallet.get_lease("body"))
            until(lambda: first.now()["power"] == "STATE_OFF", "it sits and powers off")
            second.robot._shutdown()
            second.robot.shutdown()

    def test_without_one_the_client_itself_refuses(self, peer: spot_peer.Peer) -> None:
        other = Operator(peer)
        with pytest.raises(lease.NoSuchLease):
            other.walk(1.0)
        other.robot._shutdown()
        other.robot.shutdown()


class TestCommands:
    def test_end_times(self, peer: spot_peer.Peer) -> None:
        with Operator(peer) as operator:
            operator.stand()
            with pytest.raises(robot_command.ExpiredError):
                operator.walk(None)
            with pytest.raises(robot_command.ExpiredError):
                operator.walk(-1.0)
            with pytest.raises(robot_command.TooDistantError):
                operator.walk(60.0)
            operator.walk(0.5)
            until(lambda: operator.now()["order"] == "expired", "the command is over")
            until(lambda: operator.now()["phase"] == "standing", "it stands still")

    def test_speeds_beyond_the_vendors_are_refused(self, peer: spot_peer.Peer) -> None:
        with Operator(peer) as operator:
            operator.stand()
            for speed in (2.0, float("nan")):
                with pytest.raises(robot_command.InvalidRequestError):
                    operator.walk(0.5, speed)

    def test_nonsense_is_refused_by_status_and_ends_nothing(self, peer: spot_peer.Peer) -> None:
        with Operator(peer) as operator:
            operator.stand()
            empty = robot_command_pb2.RobotCommand()
            far = basic_command_pb2.StanceCommand.Request()
            far.stance.se2_frame_name = "odom"
            for leg in ("fl", "fr", "hl", "hr"):
                far.stance.foot_positions[leg].x = 9.0
            stance = robot_command_pb2.RobotCommand()
            stance.synchronized_command.mobility_command.stance_request.CopyFrom(far)
            nowhere = RobotCommandBuilder.synchro_velocity_command(0.1, 0, 0, frame_name="moon")
            no_number = float("nan")
            high = RobotCommandBuilder.synchro_stand_command(body_height=no_number)
            footless = robot_command_pb2.RobotCommand()
            footless.CopyFrom(stance)
            feet = footless.synchronized_command.mobility_command.stance_request.stance.foot_positions
            for leg in ("fl", "fr", "hl", "hr"):
                feet[leg].x = 0.0
            for leg in ("fl", "fr"):
                feet[leg].x = no_number
            for command in (empty, stance, nowhere, high, footless):
                with pytest.raises((exceptions.ResponseError, robot_command.Error)):
                    operator.command.robot_command(command, end_time_secs=time.time() + 1)
            operator.walk(0.5)
            assert peer.process.poll() is None

    def test_power_first(self, peer: spot_peer.Peer) -> None:
        with Operator(peer) as operator, pytest.raises(robot_command.NotPoweredOnError):
            operator.walk(0.5)

    def test_a_behaviour_fault_is_in_the_way_until_it_is_cleared(self, peer: spot_peer.Peer) -> None:
        with Operator(peer) as operator:
            operator.stand()
            ask(peer.control, {"do": "behavior_fault"})
            until(lambda: operator.now()["power"] == "STATE_OFF", "it sits and powers off")
            with pytest.raises(robot_command.BehaviorFaultError):
                operator.walk(0.5)
            (fault,) = operator.states.get_robot_state().behavior_fault_state.faults
            assert fault.cause == robot_state_pb2.BehaviorFault.CAUSE_FALL
            assert operator.command.clear_behavior_fault(fault.behavior_fault_id)
            operator.stand()

    def test_the_control_socket_tells_where_it_is_and_what_it_has(self, peer: spot_peer.Peer) -> None:
        with Operator(peer) as operator:
            operator.stand()
            before = operator.now()
            assert before["faults"] == []
            operator.walk(1.5)
            until(lambda: operator.now()["order"] == "expired", "the command is over")
            after = operator.now()
            assert math.hypot(after["x"] - before["x"], after["y"] - before["y"]) > 0.1
            ask(peer.control, {"do": "battery", "percent": 40})
            ask(peer.control, {"do": "behavior_fault"})
            said = operator.now()
            assert said["battery"] == 40 and said["faults"] == ["CAUSE_FALL"]
            assert operator.states.get_robot_state().battery_states[0].charge_percentage.value == 40
            ask(peer.control, {"do": "battery", "percent": 87})

    def test_joints_need_a_licence(self, peer: spot_peer.Peer) -> None:
        with Operator(peer) as operator:
            operator.stand()
            with pytest.raises(robot_command.UnsupportedError):
                operator.command.robot_command(RobotCommandBuilder.joint_command())


class TestEstop:
    def test_power_waits_for_it(self, peer: spot_peer.Peer) -> None:
        with Operator(peer) as operator:
            operator.button.stop()
            with pytest.raises(power.EstoppedError):
                operator.stand()
            operator.button.allow()
            operator.stand()

    @pytest.mark.parametrize("press", ["settle_then_cut", "stop"])
    def test_it_takes_the_power_away(self, peer: spot_peer.Peer, press: str) -> None:
        with Operator(peer) as operator:
            operator.stand()
            assert not operator.robot.is_estopped()
            getattr(operator.button, press)()
            assert operator.robot.is_estopped()
            until(lambda: not operator.robot.is_powered_on(), "no power")

    def test_silence_is_a_stop(self, peer: spot_peer.Peer) -> None:
        with Operator(peer) as operator:
            short = EstopEndpoint(operator.estop, "short", 1.0)
            short.register(operator.estop.get_config().unique_id)
            short.allow()
            power.power_on_motors(operator.robot.ensure_client(PowerClient.default_service_name), 20, 20)
            until(lambda: operator.now()["power"] == "STATE_OFF", "it is stopped for want of check-ins")
            assert "short" in operator.now()["estop_by"]

    def test_another_configuration_is_refused_while_the_motors_have_power(self, peer: spot_peer.Peer) -> None:
        with Operator(peer) as operator:
            operator.stand()
            with pytest.raises(exceptions.ResponseError):
                EstopEndpoint(operator.estop, "greedy", 9.0).force_simple_setup()
            assert operator.robot.is_powered_on()


class TestState:
    def test_the_stream_has_every_tick_once(self, peer: spot_peer.Peer) -> None:
        robot = meet(peer)
        stream = robot.ensure_client(RobotStateStreamingClient.default_service_name)
        stamps = []
        for message in stream.get_robot_state_stream():
            stamps.append(message.kinematic_state.acquisition_timestamp.ToNanoseconds())
            if len(stamps) == 200:
                break
        apart = sorted(later - earlier for earlier, later in pairwise(stamps))
        assert apart[0] > 0
        assert 2_500_000 < apart[len(apart) // 2] < 3_500_000
        robot._shutdown()
        robot.shutdown()

    def test_it_tells_battery_joints_and_feet(self, peer: spot_peer.Peer) -> None:
        robot = meet(peer)
        state = robot.ensure_client(RobotStateClient.default_service_name).get_robot_state()
        assert state.battery_states[0].charge_percentage.value == 87
        assert len(state.kinematic_state.joint_states) == 12 and len(state.foot_state) == 4
        assert state.power_state.motor_power_state == robot_state_pb2.PowerState.STATE_OFF
        robot._shutdown()
        robot.shutdown()
