"""Wires between a simulated robot and the pins of the simulated board of the same rig."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from harness.errors import UnavailableError
from harness.rigs.serial_board.line import BOARD_VARIABLE

NOBODY = OSError
"""Nothing has come, the board reads too slowly, or it has ended."""


def plugs_beside(link: str | Path) -> str:
    """Where the board that has its terminal at ``link`` takes wires; see ``firmware/sim/plugs.h``."""
    return f"{link}.pins"


class Plugs:
    """A robot's end of the wires. Nothing waits: what the board cannot take is lost, as on a wire.

    Raises UnavailableError where no simulated board is there: it has to be started first.
    """

    def __init__(self, link: str | None = None) -> None:
        link = link or os.environ.get(BOARD_VARIABLE, "")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.bind("")  # a name of its own, to which the board tells what changes
            self._socket.connect(plugs_beside(link))
        except OSError as error:
            self._socket.close()
            raise UnavailableError(
                f"no simulated board takes wires at {plugs_beside(link)!r}: {error}",
                hint="a device with `port: simulated`, and the board as the first process of the rig",
            ) from error

    def set(self, pin: str, level: bool) -> None:
        """Drive an input of the board."""
        self._say(f"set {pin} {level:d}")

    def watch(self, pin: str) -> None:
        """Be told the level of an output, now and at each change."""
        self._say(f"watch {pin}")

    def changes(self) -> Iterator[tuple[str, bool]]:
        """What has been told since the last look: pin and level."""
        with contextlib.suppress(NOBODY):
            while True:
                pin, level = self._socket.recv(64).decode().split()
                yield pin, level == "1"

    def close(self) -> None:
        """Pull the wires."""
        self._socket.close()

    def _say(self, text: str) -> None:
        with contextlib.suppress(NOBODY):
            self._socket.send(text.encode())
