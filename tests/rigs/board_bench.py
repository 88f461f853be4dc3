"""Simulated boards for tests, and devices opened on them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.model import Finding
from harness.ports import DeviceContext, Role
from harness.rigs.serial_board import Options, SerialBoard
from harness.testing.device_bench import Recorder


def start(link: Path, *options: str) -> subprocess.Popen[str]:
    """A board behind ``link``, ready to be opened; ``start_ns`` in its line is when its time began."""
    words = [sys.executable, "-m", "harness.sim.board", "--link", str(link), *options]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("ready /dev/"), line
    process.start_ns = int(line.split()[2])  # type: ignore[attr-defined]
    return process


def end(process: subprocess.Popen[str]) -> None:
    """At once, as a pulled cable. Repeatable."""
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextlib.contextmanager
def running(link: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    process = start(link, *options)
    try:
        yield process
    finally:
        end(process)


def until(condition: Callable[[], Any], what: str, deadline_s: float = 30.0) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.002)


def stimulus(output: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"stimulus": {"output": output, "kind": kind, **more}}


def edges(pin: str = "D8", kind: str = "order", **more: Any) -> dict[str, Any]:
    return {"response": {"input": pin, "match": {"kind": kind}, **more}}


@dataclass
class Bench:
    """One board, one device on it."""

    link: Path
    process: subprocess.Popen[str]
    device: SerialBoard
    findings: list[Finding] = field(default_factory=list)

    def send(self, port: str, key: int = 0, **values: Any) -> tuple[int, int]:
        chosen = self.device.stimulus(port)
        return chosen.send(key, chosen.prepare(values))

    def listen(self, port: str) -> Recorder:
        recorder = Recorder()
        self.device.response(port).listen(recorder)
        return recorder

    def found(self, name: str) -> list[Finding]:
        return [each for each in self.findings if each.name == name]

    def pause(self, milliseconds: float) -> None:
        """By the board's counter."""
        first = self.device.statistics().now
        until(
            lambda: self.device.statistics().now - first > milliseconds * 2000,
            "time on the board",
            30.0 + milliseconds / 500,
        )


def make(link: Path, ports: dict[str, Any], findings: list[Finding], **options: Any) -> SerialBoard:
    role = options.pop("role", Role.HARNESS)
    given = {
        "adapter": "serial_board",
        "port": str(link),
        "ports": ports,
        "start_s": 20.0,
        "dead_man_ms": 20_000,  # noisy cores stall; what silence does is asked for where it is tested
        **options,
    }
    context = DeviceContext(run_id="board-test", role=role, report=findings.append)
    return SerialBoard("board", Options.model_validate(given), context)


@contextlib.contextmanager
def bench(folder: Path, ports: dict[str, Any], *wiring: str, **options: Any) -> Iterator[Bench]:
    link = folder / "tty"
    with running(link, *wiring) as process:
        found: list[Finding] = []
        one = Bench(link, process, make(link, ports, found, **options), found)
        one.device.open()
        try:
            yield one
        finally:
            one.device.close()
