"""The bench board does what every device has to do: the firmware itself, in simavr, behind a terminal."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import ClassVar

import board_bench
import pytest

from harness.ports import DeviceContext
from harness.rigs.serial_board import Options, SerialBoard
from harness.testing.conformance import DeviceConformance

pytestmark = pytest.mark.slow

WIRED = ("--wire", "D4:D8:50")


class BoardConformance(DeviceConformance):
    stimulus_port, response_port = "button", "contact"
    values: ClassVar = {"width_ms": 0.02}
    wrong_values = ({"width": 1}, {"width_ms": "long"}, {"width_ms": True}, {"width_ms": 0.001})
    condition = ("answers", "")
    wired_ports: ClassVar = {
        "button": {"stimulus": {"output": "D4", "kind": "pulse"}},
        "contact": {"response": {"input": "D8", "edges": "rising", "match": {"kind": "order"}}},
        "power": {"fault": {"kind": "relay", "output": "D10"}},
    }

    @pytest.fixture(autouse=True)
    def _links(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.peers: list[subprocess.Popen[str]] = []

    def link(self, run_id: str) -> Path:
        # A line has two ends: the second device of a test is on a board of its own.
        return self.folder / ("second" if run_id.endswith("-b") else "first")

    def make(self, context: DeviceContext) -> SerialBoard:
        options = {
            "adapter": "serial_board",
            "port": str(self.link(context.run_id)),
            "ports": self.wired_ports,
            "stop": {"port": self.stop, "values": {"level": 0}, "interval_ms": 1.0} if self.stop else None,
            "start_s": 20.0,
            "dead_man_ms": 5000,  # a noisy core may stall for long; what that does is tested elsewhere
        }
        return SerialBoard("board", Options.model_validate(options), context)

    stop: ClassVar[str | None] = None

    def start_peer(self, silent: bool) -> None:
        wired = () if silent else WIRED
        self.peers = [board_bench.start(self.folder / name, *wired) for name in ("first", "second")]

    def end_peer(self) -> None:
        for peer in self.peers:
            board_bench.end(peer)
        self.peers = []


class TestPulses(BoardConformance):
    pass
