"""A test aid: a device that does nothing but write down, with times, what was asked of it.

It lets a test see what happened in another process, the guardian above all, whose devices no test can hold.
It stops no robot and measures nothing: no rig file of a real bench names it.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any, Literal

from pydantic import Field

from harness.config.schema import DeviceBase
from harness.errors import ConfigurationError, OperationError
from harness.model import ClockInfo, Finding
from harness.ports import DeviceContext, Fault, Response, Stimulus

HANG_S = 600.0

Operation = Literal["open", "safe_stop", "close"]


class Options(DeviceBase):
    """Options of the adapter ``recording``."""

    adapter: Literal["recording"]
    path: str = Field(description="file (or FIFO) that every call is appended to, one JSON object a line")
    ports: dict[str, Any] = Field(default={})
    hang: bool = Field(default=False, description="`safe_stop` does not return")
    fail: list[Operation] = Field(default=[], description="calls that raise OperationError")
    slow_open_s: float = Field(default=0.0, description="how long `open` takes")
    chatty: bool = Field(default=False, description="`open` prints to standard output, as some SDKs do")


class RecordingDevice:
    """Appends ``{"op", "name", "role", "pid", "t_ns"}`` (CLOCK_MONOTONIC, at the call's begin) to a file."""

    simulated = True

    def __init__(self, name: str, options: Options, context: DeviceContext) -> None:
        self.name = name
        self._options = options
        self._context = context

    def open(self) -> None:
        """Write ``open`` down; wait if told so."""
        self._record("open")
        if self._options.chatty:
            print("{not a message of the guardian's}", flush=True)
        time.sleep(self._options.slow_open_s)

    def close(self) -> None:
        """Write ``close`` down."""
        self._record("close")

    def safe_stop(self) -> None:
        """Write ``safe_stop`` down; hang if told so."""
        self._record("safe_stop")
        if self._options.hang:
            time.sleep(HANG_S)

    def identity(self) -> dict[str, str]:
        """Says that it is a test aid."""
        return {"model": "recording device (test aid)"}

    def clocks(self) -> list[ClockInfo]:
        """None."""
        return []

    def exchange(self, clock: str) -> tuple[int, int, int, int] | None:
        """None: it has no clock."""
        return None

    def stimulus(self, port: str) -> Stimulus:
        """Raises ConfigurationError: it has no ports."""
        raise self._no_port(port)

    def response(self, port: str) -> Response:
        """Raises ConfigurationError: it has no ports."""
        raise self._no_port(port)

    def fault(self, port: str) -> Fault:
        """Raises ConfigurationError: it has no ports."""
        raise self._no_port(port)

    def process_environment(self) -> dict[str, str]:
        """Nothing is needed."""
        return {}

    def is_ready(self, condition: str, argument: str) -> bool:
        """Raises ConfigurationError: it knows no condition."""
        raise ConfigurationError(f"device {self.name!r} (recording) knows no condition {condition!r}")

    def preflight(self) -> list[Finding]:
        """Finds nothing."""
        return []

    def _record(self, operation: Operation) -> None:
        line = {
            "op": operation,
            "name": self.name,
            "role": self._context.role.value,
            "pid": os.getpid(),
            "t_ns": time.monotonic_ns(),
        }
        descriptor = os.open(self._options.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)
        if operation in self._options.fail:
            raise OperationError(f"device {self.name!r}: {operation} fails, as its options say")

    def _no_port(self, port: str) -> ConfigurationError:
        return ConfigurationError(f"device {self.name!r} (recording) has no port {port!r}")
