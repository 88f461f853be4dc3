"""Helpers of the loopback tests: a device from a few words, a sink, and waiting without hoping."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness.adapters.loopback import LoopbackDevice, Options
from harness.model import Finding
from harness.ports import DeviceContext
from harness.testing.device_bench import Recorder


def options(key: str = "sequence", match: str | None = None, **more: Any) -> Options:
    ports = {
        "command": {"stimulus": {"key": key}},
        "applied": {"response": {"of": "command", "match": {"kind": match or key}}},
    }
    return Options.model_validate({"adapter": "loopback", "echo": "thread", "ports": ports, **more})


class Bench:
    """One open device, what it saw, and what it reported."""

    def __init__(self, device: LoopbackDevice, findings: list[Finding]) -> None:
        self.device = device
        self.findings = findings
        self.seen = Recorder()
        self.stimulus = device.stimulus("command")
        device.response("applied").listen(self.seen)

    def send(self, count: int, value: float = 0.0, first: int = 0) -> list[tuple[int, int]]:
        prepared = self.stimulus.prepare({"value": value})
        return [self.stimulus.send(first + number, prepared) for number in range(count)]

    def until_seen(self, count: int) -> list[int]:
        until(lambda: len(self.seen.rows) >= count, f"{count} answers, got {self.seen.keys}")
        return self.seen.keys

    def settled(self) -> list[int]:
        """The keys that had arrived once the robot replied to something sent after all commands."""
        self.device._hello()
        return self.seen.keys


@contextlib.contextmanager
def bench(clock: Any = None, **more: Any) -> Iterator[Bench]:
    findings: list[Finding] = []
    told = {"clock": clock} if clock is not None else {}
    context = DeviceContext(run_id=f"test-{uuid.uuid4().hex[:8]}", report=findings.append, **told)
    device = LoopbackDevice("robot", options(**more), context)
    try:
        device.open()
        yield Bench(device, findings)
    finally:
        device.close()


def until(condition: Callable[[], Any], what: str, deadline_s: float = 30.0) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.002)


def log_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
