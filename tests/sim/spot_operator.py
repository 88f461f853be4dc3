"""Somebody with the vendor's unmodified SDK at the simulated Spot."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import bosdyn.client
import spot_peer
from bosdyn.client import power, robot_command
from bosdyn.client.estop import EstopClient, EstopEndpoint
from bosdyn.client.lease import LeaseClient
from bosdyn.client.power import PowerClient
from bosdyn.client.robot_command import RobotCommandBuilder, RobotCommandClient, RobotCommandStreamingClient
from bosdyn.client.robot_state import RobotStateClient, RobotStateStreamingClient

from harness.sim.spot.control import ask

_numbers = count()


def until(holds: Callable[[], Any], what: str, deadline_s: float = 40.0) -> None:
    deadline = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.02)


def meet(peer: spot_peer.Peer, password: str = spot_peer.PASSWORD, certificate: Path | None = None) -> Any:
    """A robot object that nobody has used; logged in unless the password says otherwise."""
    sdk = bosdyn.client.create_standard_sdk(
        f"test {next(_numbers)}",
        service_clients=[RobotStateStreamingClient, RobotCommandStreamingClient],
        cert_resource_glob=str(certificate or peer.certificate),
    )
    robot = sdk.create_robot("127.0.0.1")
    robot.update_secure_channel_port(peer.port)
    robot.authenticate(spot_peer.USER, password, timeout=20)
    return robot


class Operator:
    """Somebody who holds lease and e-stop, without keep-alives: the robot is patient in these tests."""

    def __init__(self, peer: spot_peer.Peer) -> None:
        self.peer, self.robot = peer, meet(peer)
        self.command = self.robot.ensure_client(RobotCommandClient.default_service_name)
        self.leases = self.robot.ensure_client(LeaseClient.default_service_name)
        self.states = self.robot.ensure_client(RobotStateClient.default_service_name)
        self.estop = self.robot.ensure_client(EstopClient.default_service_name)
        self.robot.time_sync.wait_for_sync(timeout_sec=20)

    def __enter__(self) -> Operator:
        self.leases.take()
        self.button = EstopEndpoint(self.estop, "test", 60.0)
        self.button.force_simple_setup()
        self.button.allow()
        return self

    def __exit__(self, *of: object) -> None:
        ask(self.peer.control, {"do": "clear_faults"})
        self.leases.take()
        power.power_off_motors(self.robot.ensure_client(PowerClient.default_service_name), 20, 10)
        self.leases.return_lease(self.robot.lease_wallet.get_lease("body"))
        self.robot._shutdown()
        self.robot.shutdown()

    def stand(self) -> None:
        power.power_on_motors(self.robot.ensure_client(PowerClient.default_service_name), 20, 10)
        robot_command.blocking_stand(self.command, timeout_sec=30, update_frequency=10)

    def walk(self, end_in_s: float | None, speed: float = 0.3) -> int:
        end = None if end_in_s is None else time.time() + end_in_s
        command = RobotCommandBuilder.synchro_velocity_command(speed, 0, 0)
        return int(self.command.robot_command(command, end_time_secs=end))

    def now(self) -> dict[str, Any]:
        return ask(self.peer.control, {"do": "state"})
