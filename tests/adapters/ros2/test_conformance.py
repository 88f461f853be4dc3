"""The ROS 2 device does what every device has to do, against an echo node in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, ClassVar

import pytest

from harness.adapters.ros2.device import Ros2Device
from harness.adapters.ros2.options import Options
from harness.ports import DeviceContext
from harness.testing.conformance import DeviceConformance

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ros,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),  # rclpy's
]

TYPE = "geometry_msgs/msg/TwistStamped"


class Ros2Conformance(DeviceConformance):
    stimulus_port, response_port = "command", "applied"
    values: ClassVar = {"twist.linear.x": 0.1}
    wrong_values: ClassVar = [{"twist.linear.w": 0.1}, {"twist.linear.x": "fast"}]
    condition = ("subscribes", "/echo/in")
    match: ClassVar[dict[str, str]]
    module: ClassVar = "harness.sim.ros2_echo"
    silent: ClassVar = ("--only", "listen")
    peer: subprocess.Popen[bytes] | None = None

    @pytest.fixture(autouse=True)
    def domain_of_its_own(self, ros_domain: int) -> None:
        self.domain_id = ros_domain

    def options(self) -> Options:
        ports: dict[str, Any] = {
            "command": {"stimulus": {"topic": "/echo/in", "type": TYPE, "key": "header.stamp"}},
            "applied": {"response": {"topic": "/echo/out", "type": TYPE, "match": self.match}},
        }
        stop = {"port": "command", "values": {"twist.linear.x": 0.0}, "repeat": 2, "interval_ms": 5.0}
        told = {"adapter": "ros2", "ports": ports, "stop": stop, "domain_id": self.domain_id}
        return Options.model_validate({**told, "discovery": "localhost"})

    def make(self, context: DeviceContext) -> Ros2Device:
        return Ros2Device("robot", self.options(), context)

    def start_peer(self, silent: bool) -> None:
        command = [sys.executable, "-m", self.module, "--until-eof"]
        environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(self.domain_id),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        }
        self.peer = subprocess.Popen(
            command + (list(self.silent) if silent else []),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.peer.stdout is not None
        assert self.peer.stdout.readline() == b"ready\n"

    def end_peer(self) -> None:
        peer, self.peer = self.peer, None
        if peer is not None:
            peer.kill()
            peer.wait()
            for pipe in (peer.stdin, peer.stdout):
                assert pipe is not None
                pipe.close()


class TestStamps(Ros2Conformance):
    match: ClassVar = {"kind": "stamp", "path": "header.stamp"}


class TestOrder(Ros2Conformance):
    match: ClassVar = {"kind": "order"}


class TestService(Ros2Conformance):
    stimulus_port, response_port = "grip", "gripped"
    values: ClassVar = {"data": True}
    wrong_values: ClassVar = [{"date": True}, {"data": "yes"}]
    condition = ("serves", "/echo/call")
    stop_is_acknowledged = True
    module: ClassVar = "harness.sim.ros2_server"
    silent: ClassVar = ("--drop-every", "1")

    def options(self) -> Options:
        ports: dict[str, Any] = {
            "grip": {"stimulus": {"service": "/echo/call", "type": "std_srvs/srv/SetBool"}},
            "gripped": {"response": {"of": "grip", "event": "reply", "accepted_if": {"success": True}}},
        }
        stop = {"port": "grip", "values": {"data": False}, "repeat": 2, "interval_ms": 5.0}
        # Where nobody is started, nobody has to be waited for.
        told = {"adapter": "ros2", "ports": ports, "stop": stop, "domain_id": self.domain_id}
        patience_s = 5.0 if self.peer is not None else 0.5
        return Options.model_validate({**told, "discovery": "localhost", "patience_s": patience_s})
