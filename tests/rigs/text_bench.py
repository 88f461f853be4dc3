"""Simulated serial robots in threads of the test, and devices on them."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.model import Finding
from harness.ports import DeviceContext, Role
from harness.rigs.serial_text import Options, SerialText
from harness.sim import serial_robot

NMEA = {"kind": "xor", "after": "$", "before": "*"}
LITTLE = {"kind": "crc16_modbus", "write": "little"}
PORTS: dict[str, dict[str, Any]] = {
    "nmea": {
        "drive": {"stimulus": {"send": "$DRV,{key},{speed:.3f}*{checksum}\r\n", "checksum": NMEA}},
        "done": {
            "response": {
                "pattern": r"\$ACK,(?P<number>\d+),(?P<speed>[-.\d]+)\*(?P<checksum>[0-9A-F]{2})",
                "checksum": NMEA,
                "of": "drive",
                "match": {"kind": "sequence", "path": "number"},
                "value": "speed",
            }
        },
        "halt": {"stimulus": {"send": "$STP*{checksum}\r\n", "checksum": NMEA}},
    },
    "plain": {
        "drive": {"stimulus": {"send": "drive {speed:.3f}\r\n"}},
        "done": {"response": {"pattern": "ok", "match": {"kind": "order"}, "stamp": "first_byte"}},
        "halt": {"stimulus": {"send": "stop\r\n"}},
    },
    "bytes": {
        "drive": {
            "stimulus": {
                "send": "\x02{key:<H}{speed:<h}{checksum}",
                "checksum": LITTLE,
                "key_modulo": 65536,
            }
        },
        "done": {
            "response": {
                "pattern": "\x06(?P<number>..)(?P<checksum>..)",
                "unpack": {"number": "<H"},
                "checksum": LITTLE,
                "of": "drive",
                "match": {"kind": "sequence", "path": "number"},
            }
        },
        "halt": {"stimulus": {"send": "\x18"}},
    },
}


class Peer:
    """One simulated robot behind ``link``."""

    def __init__(self, link: Path, *options: str) -> None:
        self._stack = contextlib.ExitStack()
        given = serial_robot.arguments(["--delay-ms", "0", "--jitter-ms", "0", "--boot-ms", "1", *options])
        self._master, self.name = self._stack.enter_context(serial_robot.terminal(str(link)))
        self._log = io.StringIO()
        self.robot = serial_robot.Robot(given, self._log)
        self._ended: list[int] = []
        self._thread = threading.Thread(
            target=serial_robot.serve, args=(self.robot, self._master, self._ended)
        )
        self._thread.start()

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._log.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]

    def end(self) -> None:
        """At once. Repeatable."""
        self._ended.append(1)
        self._thread.join()
        self._stack.close()


@contextlib.contextmanager
def running(link: Path, *options: str) -> Iterator[Peer]:
    peer = Peer(link, *options)
    try:
        yield peer
    finally:
        peer.end()


def make(
    link: Path,
    speaks: str,
    findings: list[Finding],
    role: Role = Role.HARNESS,
    run: str = "text",
    **options: Any,
) -> SerialText:
    given = {
        "adapter": "serial_text",
        "port": str(link),
        "ports": PORTS[speaks],
        "framing": "bytes" if speaks == "bytes" else "lines",
        "boot": {"banner": "serial robot ready", "within_s": 0.5, "needed": False},
        "settle_s": 0.02,
        "stop": {"port": "halt", "interval_ms": 1.0},
        **options,
    }
    context = DeviceContext(run_id=run, role=role, report=findings.append)
    return SerialText("robot", Options.model_validate(given), context)
