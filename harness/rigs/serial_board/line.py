"""The serial port of a board: which one it is, how it is opened, and what slows it down."""

from __future__ import annotations

import contextlib
import importlib
import os
import tempfile
import termios
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UnavailableError
from harness.proctable import is_running, read
from harness.rigs.serial_board.options import SIMULATED

if TYPE_CHECKING:
    import serial

BAUD = 1_000_000
READ_TIMEOUT_S = 0.05
WRITE_TIMEOUT_S = 1.0
"""pyserial looks at it after a write as well, so that a stall of this process counts as one of the line."""
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
BY_ID = Path("/dev/serial/by-id")


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


def alone_path(pid: int) -> str:
    """Where a simulated board that no rig has started has its terminal."""
    return simulated_path(str(pid), "board")


def simulated_boards() -> list[str]:
    """Terminals of the simulated boards that no rig has started, and that run."""
    found = []
    for path in sorted(Path(tempfile.gettempdir()).glob("harness-*-board.tty")):
        pid = path.name.split("-")[1]
        # Who is killed leaves the name behind, and the number of its terminal is given to another.
        if pid.isdigit() and str(path) == alone_path(int(pid)) and is_running(int(pid)):
            found.append(str(path))
    return found


@dataclass(frozen=True)
class SerialPort:
    """One serial port of this host. ``stable``: its name in /dev/serial/by-id, the same after a replug;
    ``looks_like``: the board, by its USB ids; ``trouble``: why this user cannot open it."""

    path: str
    stable: str | None
    usb: str | None
    looks_like: str | None
    serial_number: str | None
    trouble: str | None


def serial_ports() -> list[SerialPort]:
    """Those that pyserial knows, and simulated boards. Raises UnavailableError without pyserial."""
    stable = {str(name.resolve()): str(name) for name in BY_ID.glob("*")}
    found = [
        SerialPort(
            each.device,
            stable.get(each.device),
            None if each.vid is None else f"{each.vid:04x}:{each.pid:04x}",
            USB_IDS.get((each.vid, each.pid)),
            each.serial_number,
            trouble(each.device),
        )
        for each in sorted(library("serial.tools.list_ports").comports(), key=lambda port: str(port.device))
    ]
    return found + [
        SerialPort(path, None, None, "simulated bench board", None, trouble(path))
        for path in simulated_boards()
    ]


def find(port: str, run_id: str, device: str) -> str:
    """The path of the port. Raises UnavailableError where none, or none alone, looks like a board."""
    if port == SIMULATED:
        return simulated_path(run_id, device)
    if port != "auto":
        return port
    found = [each for each in serial_ports() if each.usb is not None and each.looks_like is not None]
    if len(found) == 1:
        return found[0].path
    raise UnavailableError(
        f"{device}: {len(found) or 'no'} serial ports look like a board"
        + "".join(
            f"\n  {each.path} ({each.looks_like}, serial number {each.serial_number})" for each in found
        ),
        hint="plug one in, or name it: port: /dev/serial/by-id/...",
    )


def find_alone(port: str, device: str) -> str:
    """The same without a rig: ``simulated`` is a board that `harness sim board` runs.

    Raises UnavailableError where there is none, or more than one.
    """
    if port != SIMULATED:
        return find(port, "", device)
    named = os.environ.get(BOARD_VARIABLE)
    found = [named] if named else simulated_boards()
    if len(found) == 1:
        return found[0]
    raise UnavailableError(
        f"{device}: {len(found) or 'no'} simulated boards run" + "".join(f"\n  {path}" for path in found),
        hint="start one: harness sim board --wire D4:D8:1000" if not found else "name one with --port",
    )


def is_simulated(path: str) -> bool:
    """Whether that is a pseudo-terminal, behind which no board moves anything."""
    return Path(path).resolve().is_relative_to("/dev/pts")


def trouble(path: str) -> str | None:
    """Why this user cannot open the port, in words; None where nothing is known against it."""
    if not Path(path).exists():
        return f"{path} is not there"
    if not os.access(path, os.R_OK | os.W_OK):
        with contextlib.suppress(OSError, KeyError):
            return f"{path} belongs to the group {Path(path).group()}, which this user is not in"
        return f"{path} may not be read and written by this user"
    return None


def open_port(path: str, device: str, exclusive: bool, baudrate: int = BAUD, **how: Any) -> serial.Serial:
    """Open it, fast and raw. ``exclusive``: refused where another harness has it. ``how``: as pyserial's.

    Closing it again does not reset the board. Raises UnavailableError.
    """
    library_ = library()
    try:
        port: serial.Serial = library_.Serial(
            path,
            baudrate,
            timeout=READ_TIMEOUT_S,
            write_timeout=WRITE_TIMEOUT_S,
            exclusive=True if exclusive else None,
            **how,
        )
    except (library_.SerialException, OSError, ValueError) as error:
        why = trouble(path) or _taken_by(path) or str(error)
        raise UnavailableError(
            f"{device}: the serial port cannot be opened: {why}", hint=_hint(why)
        ) from error
    try:
        with contextlib.suppress(OSError, ValueError, NotImplementedError):
            port.set_low_latency_mode(True)
        with contextlib.suppress(termios.error):
            flags = termios.tcgetattr(port.fileno())
            flags[2] &= ~termios.HUPCL
            termios.tcsetattr(port.fileno(), termios.TCSANOW, flags)
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


def _taken_by(path: str) -> str | None:
    """Who has locked it, by /proc/locks: `1: FLOCK ADVISORY WRITE pid major:minor:inode 0 EOF`."""
    with contextlib.suppress(OSError, ValueError):
        inode = Path(path).stat().st_ino
        for words in map(str.split, Path("/proc/locks").read_text().splitlines()):
            if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):
                entry = read(int(words[4]))
                if entry is not None and str(Path(path).resolve()) in _open_files(entry.pid):
                    return f"it is in use by {entry.command}, process {entry.pid}"
    return None


def _open_files(pid: int) -> set[str]:
    found = set()
    for name in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(name.readlink()))
    return found


def _hint(why: str) -> str:
    if "group" in why:
        return f"sudo usermod -aG {why.split('group ')[1].split(',', maxsplit=1)[0]} $USER, and log in again"
    if "not there" in why:
        return "plug it in, or correct `port`; harness sim board, harness sim serial_robot simulate one"
    return "end the other program that has it open"
