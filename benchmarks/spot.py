"""From hand-over to the robot having a velocity command: the Spot adapter beside gRPC's raw stub and the SDK.

All in one process against one simulated Spot over TLS on loopback, by turns, 200 commands a second; what is
timed ends with the robot's own receive stamp, whose clock runs with this host's here. The raw stub sends
requests that were made ready before, blocking, over the SDK's channel: the least that the SDK's ways allow.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, Outcome, interleave, load, middle, ratio
from harness.adapters.spot.device import SpotDevice
from harness.adapters.spot.options import Options
from harness.ports import DeviceContext

RATIO = 1.15
AIM_MS = 0.24
"""10 ms / 41.65, as "4,065 % faster than target" has it."""
BLOCK, PERIOD_S = 200, 0.005
USER, PASSWORD = "bench", "of this benchmark alone"
ADAPTER, STUB, SDK = "adapter", "raw stub", "SDK, asynchronous"
PORTS: dict[str, Any] = {
    "posture": {"stimulus": {"command": "posture"}},
    "ready": {"response": {"signal": "ready"}},
    "velocity": {"stimulus": {"command": "velocity"}},
    "received": {"response": {"of": "velocity", "event": "received"}},
}


def run(quick: bool) -> Outcome:
    """Blocks of commands by turns. Needs the extras spot and sim."""
    switch_s = sys.getswitchinterval()
    with tempfile.TemporaryDirectory(prefix="harness-spot-") as folder, ExitStack() as stack:
        sys.setswitchinterval(0.0001)  # as a run sets it
        stack.callback(sys.setswitchinterval, switch_s)
        device = stack.enter_context(_Walking(Path(folder)))
        arms: dict[str, Callable[[], float]] = {
            ADAPTER: partial(_block, device.by_adapter),
            STUB: partial(_block, device.by_stub),
            SDK: partial(_block, device.by_sdk),
        }
        for arm in arms.values():
            arm()
        found = interleave(arms, 2 if quick else 10)
        now = load()
    figures = [
        Figure(f"hand-over to received, p50: {name}", middle(found[name]), "ms", load=now) for name in arms
    ]
    figures.append(Figure(f"{ADAPTER} / {STUB}", ratio(found[ADAPTER], found[STUB]), "x", RATIO, now))
    figures.append(Figure(f"{ADAPTER} / {SDK}", ratio(found[ADAPTER], found[SDK]), "x", load=now))
    figures.append(Figure("hand-over to received against the aim", middle(found[ADAPTER]), "ms", AIM_MS, now))
    return Outcome("spot", figures, raw=found)


def _block(send: Callable[[], int]) -> float:
    """Median of a block in ms."""
    took = []
    due = time.monotonic()
    for _ in range(BLOCK):
        due = max(due + PERIOD_S, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        took.append(send() / 1e6)
    return middle(took)


class _Walking:
    """A simulated Spot that stands, and three ways to command it; each way returns ns."""

    def __init__(self, folder: Path) -> None:
        certificate = folder / "ca.pem"
        words = [sys.executable, "-m", "harness.sim.spot", "--port", "0", "--certificate", str(certificate)]
        self._process = subprocess.Popen(
            [*words, "--username", USER, "--password", PASSWORD], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        port = int(self._process.stdout.readline().split("127.0.0.1:")[1].split(",")[0])
        os.environ["HARNESS_BENCH_USER"], os.environ["HARNESS_BENCH_PASSWORD"] = USER, PASSWORD
        options = Options.model_validate(
            {
                "adapter": "spot",
                "address": "127.0.0.1",
                "tcp_port": port,
                "certificate": str(certificate),
                "username_variable": "HARNESS_BENCH_USER",
                "password_variable": "HARNESS_BENCH_PASSWORD",
                "ports": PORTS,
            }
        )
        self._device = SpotDevice("spot", options, DeviceContext("benchmark"))
        self._there, self._had_ns, self._key = threading.Event(), 0, 0

    def __enter__(self) -> _Walking:
        device = self._device
        device.open()
        standing = threading.Event()
        device.response("ready").listen(lambda key, value=0.0, **_: standing.set() if value == 1 else None)
        device.response("received").listen(self._received)
        posture = device.stimulus("posture")
        posture.send(0, posture.prepare({"to": "stand"}))
        if not standing.wait(60):
            raise RuntimeError("it does not stand up")
        self._velocity = device.stimulus("velocity")
        self._prepared = self._velocity.prepare({"v_rot": 0.1})
        client = device.session.client("robot_command", "RobotCommandClient")
        self._client = client
        from bosdyn.client.robot_command import RobotCommandBuilder

        self._command = RobotCommandBuilder.synchro_velocity_command(0.0, 0.0, 0.1)
        return self

    def __exit__(self, *of: object) -> None:
        self._device.close()
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _received(self, key: int, *, received_ns: int, **_: Any) -> None:
        self._had_ns = received_ns
        self._there.set()

    def by_adapter(self) -> int:
        """As a scenario sends."""
        self._key += 1
        self._there.clear()
        began_ns = time.time_ns()
        self._velocity.send(self._key, self._prepared)
        if not self._there.wait(5):
            raise RuntimeError("no answer")
        return self._had_ns - began_ns

    def _request(self) -> Any:
        request = self._prepared.request.__class__()
        request.CopyFrom(self._prepared.request)
        end_ns = self._device.time.at(time.monotonic_ns()) + 600_000_000
        request.command.synchronized_command.mobility_command.se2_velocity_request.end_time.FromNanoseconds(
            end_ns
        )
        request.lease.CopyFrom(self._device.lease)
        request.clock_identifier = self._device.time.identifier
        return request

    def by_stub(self) -> int:
        """A request that is ready, by the generated stub on the SDK's channel, waiting for the answer."""
        request = self._request()
        began_ns = time.time_ns()
        answer = self._client._stub.RobotCommand(request, timeout=5)
        return int(answer.header.request_received_timestamp.ToNanoseconds()) - began_ns

    def by_sdk(self) -> int:
        """The SDK's own call that does not wait, with a command that is ready."""
        began_ns = time.time_ns()
        future = self._client.robot_command_async(
            self._command, end_time_secs=time.time() + 0.6, lease=self._device.lease
        )
        answer = future.original_future.result(5)
        return int(answer.header.request_received_timestamp.ToNanoseconds()) - began_ns
