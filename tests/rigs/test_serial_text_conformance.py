"""Robots that speak text or bytes do what every device has to do: simulated ones, in threads of the test."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
import text_bench

from harness.ports import DeviceContext
from harness.rigs.serial_text import SerialText
from harness.testing.conformance import DeviceConformance

pytestmark = pytest.mark.slow


class TextConformance(DeviceConformance):
    stimulus_port, response_port = "drive", "done"
    speaks: ClassVar[str]
    values: ClassVar = {"speed": 0.2}
    wrong_values = ({"sped": 0.1}, {"speed": "fast"}, {"speed": None}, {"speed": [0.1]}, {})

    @pytest.fixture(autouse=True)
    def _links(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.peers: list[text_bench.Peer] = []

    def make(self, context: DeviceContext) -> SerialText:
        # A line has two ends: the second device of a test is on a robot of its own.
        link = self.folder / ("second" if context.run_id.endswith("-b") else "first")
        device = text_bench.make(link, self.speaks, [])
        return SerialText("robot", device.options, context)

    def start_peer(self, silent: bool) -> None:
        options = ("--speaks", self.speaks, *(("--silent",) if silent else ()))
        self.peers = [text_bench.Peer(self.folder / name, *options) for name in ("first", "second")]

    def end_peer(self) -> None:
        for peer in self.peers:
            peer.end()
        self.peers = []


class TestLines(TextConformance):
    speaks = "nmea"


class TestBytes(TextConformance):
    speaks = "bytes"
    values: ClassVar = {"speed": 200}
    wrong_values = ({"sped": 1}, {"speed": "fast"}, {"speed": 0.5}, {"speed": 40_000}, {})
