"""Peers in processes of their own, and devices that are closed whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.adapters.ros2.device import Ros2Device
from harness.adapters.ros2.options import Options
from harness.model import Finding, Severity
from harness.ports import DeviceContext, Role
from harness.testing.device_bench import Recorder

ROOT = Path(__file__).parents[3]
TWIST = "geometry_msgs/msg/TwistStamped"
DEADLINE_S = 40.0


def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {deadline_s} s: {what}"
        time.sleep(0.01)


def told(device: Ros2Device, name: str) -> Finding:
    """The finding of that name, once a preflight has it: discovery may take a while."""
    found: dict[str, Finding] = {}

    def look() -> bool:
        found.update({one.name: one for one in device.preflight()})
        return name in found

    until(look, name)
    return found[name]


class EchoProcess:
    """``harness.sim.ros2_echo``, or another peer, in a domain; ends with the test."""

    def __init__(
        self,
        domain: int,
        *arguments: str,
        module: str = "harness.sim.ros2_echo",
        variables: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            **(variables or {}),
        }
        command = [*prefix, sys.executable, "-m", module, "--until-eof", *arguments]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def end(self, number: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait(20)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Bench:
    """One test's peers, devices and findings, in a domain of its own."""

    def __init__(self, domain: int) -> None:
        self.domain = domain
        self.peers: list[EchoProcess] = []
        self.devices: list[Ros2Device] = []
        self.findings: list[Finding] = []

    def echo(self, *arguments: str, domain: int | None = None, **process: Any) -> EchoProcess:
        peer = EchoProcess(self.domain if domain is None else domain, *arguments, **process)
        self.peers.append(peer)
        return peer

    def server(self, *arguments: str) -> EchoProcess:
        """A peer that serves ``/echo/call``, or the service that the arguments name."""
        peer = EchoProcess(self.domain, *arguments, module="harness.sim.ros2_server")
        self.peers.append(peer)
        return peer

    def mover(self, *arguments: str) -> EchoProcess:
        """A peer that serves the action ``/echo/go``, or the one that the arguments name."""
        peer = EchoProcess(self.domain, *arguments, module="harness.sim.ros2_action_server")
        self.peers.append(peer)
        return peer

    def device(self, role: Role = Role.HARNESS, run_id: str = "run-1", **changes: Any) -> Ros2Device:
        options: dict[str, Any] = {
            "adapter": "ros2",
            "domain_id": self.domain,
            "discovery": "localhost",
            "patience_s": 20.0,
            "ports": {"cmd": {"stimulus": stimulus()}, "out": {"response": response()}},
            **changes,
        }
        context = DeviceContext(run_id, role, report=self.findings.append)
        device = Ros2Device("robot", Options.model_validate(options), context)
        self.devices.append(device)
        return device

    def round_trips(self, device: Ros2Device, count: int, values: Any = None, key: str = "stamp") -> Trips:
        return Trips(device, count, values or {}, key)

    def close(self) -> None:
        for device in self.devices:
            device.close()
        for peer in self.peers:
            peer.end()


class Trips:
    """Stimuli sent one after the other once the device answers, and everything that came back."""

    def __init__(self, device: Ros2Device, count: int, values: dict[str, Any], key: str) -> None:
        self.stimulus = device.stimulus("cmd")
        self.recorder = Recorder()
        device.response("out").listen(self.recorder)
        self.prepared = self.stimulus.prepare(values)
        self._number = 0
        self._stamps = key == "stamp"
        until(self._probe, "an answer to a probe")
        self._settle()
        self.recorder.rows.clear()
        self.sent: list[int] = []
        for _ in range(count):
            self.sent.append(self._send())
            time.sleep(0.002)

    def _send(self) -> int:
        self._number += 1
        key = time.time_ns() if self._stamps else self._number
        before, after = self.stimulus.send(key, self.prepared)
        assert before <= after
        return key

    def _probe(self) -> bool:
        self._send()
        time.sleep(0.02)
        return bool(self.recorder.rows)

    def _settle(self) -> None:
        count = -1
        while count != len(self.recorder.rows):
            count = len(self.recorder.rows)
            time.sleep(0.3)

    def arrived(self, count: int) -> list[int]:
        until(lambda: len(self.recorder.rows) >= count, f"{count} answers, got {len(self.recorder.rows)}")
        return self.recorder.keys


def stimulus(**changes: Any) -> dict[str, Any]:
    return {"topic": "/echo/in", "type": TWIST, "key": "header.stamp", **changes}


def response(**changes: Any) -> dict[str, Any]:
    match = {"kind": "stamp", "path": "header.stamp"}
    return {"topic": "/echo/out", "type": TWIST, "match": match, **changes}


def bench(domain: int) -> Iterator[Bench]:
    """Body of the fixture."""
    made = Bench(domain)
    yield made
    made.close()


def opened(device: Ros2Device) -> Ros2Device:
    device.open()
    return device


def by_name(findings: list[Finding], name: str) -> list[Finding]:
    return [one for one in findings if one.name == name]


def errors(findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one.severity is Severity.ERROR]
