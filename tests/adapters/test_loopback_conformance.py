"""The loopback device does what every device has to do, with its robot in a thread and in a process."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

import pytest

from harness.adapters.loopback import LoopbackDevice, Options
from harness.adapters.loopback.peer import ProcessPeer, ThreadPeer
from harness.ports import DeviceContext
from harness.testing.conformance import DeviceConformance

pytestmark = pytest.mark.slow


class LoopbackConformance(DeviceConformance):
    stimulus_port, response_port = "command", "applied"
    values: ClassVar = {"value": 0.5}
    wrong_values = ({"valu": 0.5}, {"value": "fast"}, {"value": True})
    condition = ("publishes", "applied")
    echo: str

    @pytest.fixture(autouse=True)
    def _peers(self) -> None:
        self.silent = False
        self.made: list[LoopbackDevice] = []

    def make(self, context: DeviceContext) -> LoopbackDevice:
        options: dict[str, Any] = {
            "adapter": "loopback",
            "echo": self.echo,
            "silent": self.silent,
            "ports": {
                "command": {"stimulus": {"key": self.key_kind}},
                "applied": {"response": {"of": "command", "match": {"kind": self.match}}},
            },
        }
        device = LoopbackDevice("robot", Options.model_validate(options), context)
        self.made.append(device)
        return device

    key_kind = "sequence"
    match = "sequence"

    def start_peer(self, silent: bool) -> None:
        self.silent = silent

    def end_peer(self) -> None:
        for device in self.made:
            peer = device._peer
            if isinstance(peer, ProcessPeer):
                peer._child.kill()
                peer._child.wait()
            elif isinstance(peer, ThreadPeer):
                with contextlib.suppress(OSError):
                    peer._robot.stop()
                peer._thread.join()


class TestThread(LoopbackConformance):
    echo = "thread"


class TestProcess(LoopbackConformance):
    echo = "process"


class TestStamps(LoopbackConformance):
    echo = "process"
    key_kind = "stamp"
    match = "stamp"


class TestNothingEchoed(LoopbackConformance):
    echo = "thread"
    key_kind = "none"
    match = "order"
