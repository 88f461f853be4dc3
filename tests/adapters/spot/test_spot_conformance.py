"""A Spot does what every device has to do; its peer is the simulated one, over TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import spot_peer

from harness.adapters.spot.device import SpotDevice
from harness.ports import DeviceContext
from harness.testing.conformance import DeviceConformance

pytestmark = pytest.mark.slow


class TestStates(DeviceConformance):
    """Questions for the state, answered by when the robot had them."""

    stimulus_port, response_port = "ask", "answer"
    wrong_values = ({"speed": 1.0},)
    condition = ("answers", "")
    rig_ports: ClassVar[dict[str, Any]] = {
        "ask": {"stimulus": {"command": "state"}},
        "answer": {"response": {"of": "ask", "event": "received"}},
        "speed": {"response": {"signal": "speed"}},
    }

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.peers: list[spot_peer.Peer] = []
        self.nobody = spot_peer.Peer.__new__(spot_peer.Peer)
        self.nobody.port, self.nobody.certificate = 1, tmp_path / "nobody.pem"
        self.nobody.certificate.write_text("")

    def make(self, context: DeviceContext) -> SpotDevice:
        # Every robot has one operator at a time: the second device of a test is of a robot of its own.
        peer = self.nobody
        if self.peers:
            peer = self.peers[1 if context.run_id.endswith("-b") else 0]
        return SpotDevice("spot", peer.options(self.rig_ports), context)

    def start_peer(self, silent: bool) -> None:
        more = ("--mute",) if silent else ()
        number = len(list(self.folder.iterdir()))
        self.peers = [spot_peer.start(self.folder, f"{number}{name}", *more) for name in "ab"]

    def end_peer(self) -> None:
        for peer in self.peers:
            peer.end()
