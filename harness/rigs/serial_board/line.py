"""The serial port of a board: which one it is, how it is opened, and what slows it down."""

from __future__ import annotations

import contextlib
import importlib
import os
import tempfile
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UnavailableError
from harness.rigs.serial_board.options import SIMULATED

if TYPE_CHECKING:
    import serial

BAUD = 1_000_000
READ_TIMEOUT_S = 0.05
WRITE_TIMEOUT_S = 0.25
BOARD_VARIABLE = "HARNESS_SIM_BOARD"
"""Environment: where ``harness sim board`` is to put its terminal."""
USB_IDS = {
    (0x2341, 0x0043): "Arduino Uno",
    (0x2341, 0x0001): "Arduino Uno",
    (0x2A03, 0x0043): "Arduino Uno",
    (0x2341, 0x0243): "Arduino Uno",
    (0x1A86, 0x7523): "CH340, as on many Nanos",
    (0x0403, 0x6001): "FT232, as on many Nanos",
    (0x10C4, 0xEA60): "CP2102",
}
USB_SERIAL = Path("/sys/bus/usb-serial/devices")


def library(name: str = "serial") -> Any:
    """A module of pyserial. Raises UnavailableError where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnavailableError(
            "the library pyserial is missing",
            hint="install the extra: pip install hil-latency-harness[serial]",
        ) from error


def simulated_path(run_id: str, device: str) -> str:
    """Where the simulated board of that run has its terminal."""
    return str(Path(tempfile.gettempdir()) / f"harness-{run_id}-{device}.tty")


def find(port: str, run_id: str, device: str) -> str:
    """The path of the port. Raises UnavailableError where none, or none alone, looks like a board."""
    if port == SIMULATED:
        return simulated_path(run_id, device)
    if port != "auto":
        return port
    found: dict[str, str] = {
        each.device: f"{each.device} ({USB_IDS[each.vid, each.pid]}, serial number {each.serial_number})"
        for each in library("serial.tools.list_ports").comports()
        if (each.vid, each.pid) in USB_IDS
    }
    if len(found) == 1:
        return next(iter(found))
    raise UnavailableError(
        f"{device}: {len(found) or 'no'} serial ports look like a board"
        + "".join(f"\n  {words}" for words in found.values()),
        hint="plug one in, or name it: port: /dev/serial/by-id/...",
    )


def trouble(path: str) -> str | None:
    """Why this user cannot open the port, in words; None where nothing is known against it."""
    if not Path(path).exists():
        return f"{path} is not there"
    if not os.access(path, os.R_OK | os.W_OK):
        with contextlib.suppress(OSError, KeyError):
            return f"{path} belongs to the group {Path(path).group()}, which this user is not in"
        return f"{path} may not be read and written by this user"
    return None


def open_port(path: str, device: str, exclusive: bool) -> serial.Serial:
    """Open it, fast and raw. ``exclusive``: refused where another harness has it.

    Closing it again does not reset the board. Raises UnavailableError.
    """
    library_ = library()
    try:
        port: serial.Serial = library_.Serial(
            path,
            BAUD,
            timeout=READ_TIMEOUT_S,
            write_timeout=WRITE_TIMEOUT_S,
            exclusive=True if exclusive else None,
        )
    except (library_.SerialException, OSError, ValueError) as error:
        why = trouble(path) or str(error)
        raise UnavailableError(
            f"{device}: the serial port cannot be opened: {why}", hint=_hint(why)
        ) from error
    try:
        with contextlib.suppress(OSError, ValueError, NotImplementedError):
            port.set_low_latency_mode(True)
        with contextlib.suppress(termios.error):
            how = termios.tcgetattr(port.fileno())
            how[2] &= ~termios.HUPCL
            termios.tcsetattr(port.fileno(), termios.TCSANOW, how)
        port.reset_input_buffer()
    except BaseException:
        port.close()
        raise
    return port


def latency_timer_ms(path: str) -> int | None:
    """How long a USB converter keeps bytes to itself, where its driver says so (FTDI: 16 unless told)."""
    name = Path(path).resolve().name
    try:
        return int((USB_SERIAL / name / "latency_timer").read_text())
    except (OSError, ValueError):
        return None


def _hint(why: str) -> str:
    if "group" in why:
        return f"sudo usermod -aG {why.split('group ')[1].split(',', maxsplit=1)[0]} $USER, and log in again"
    if "not there" in why:
        return "plug the board in, or correct `port`; harness sim board simulates one"
    return "end the other program that has it open"
