"""A GPIO chip that is none: lines that belong to one request at a time, wires, a robot that answers."""

from __future__ import annotations

import errno
import queue
import time
from collections.abc import Sequence
from typing import Any

from harness.errors import UnavailableError
from harness.model import Finding
from harness.ports import DeviceContext, Role
from harness.rigs.gpio_lines import GpioLines, Options
from harness.rigs.gpio_lines.chip import LineEdge, Want


class Chip:
    """``wires``: an output's line to an input's; ``answers``: a robot pulses the input whenever the output is
    set active, so that a burst is answered whole. Levels are physical."""

    def __init__(self, wires: dict[int, int] | None = None, answers: bool = False) -> None:
        self.wires, self.answers = wires or {}, answers
        self.levels: dict[int | str, bool] = {}
        self.there = True
        self.holders: dict[int | str, str] = {}
        self.requests: list[Request] = []
        self.set_log: list[tuple[int | str, bool]] = []

    def request(self, _chip: str, wants: Sequence[Want], consumer: str) -> Request:
        taken = [
            f"{want.line} is in use by {self.holders[want.line]}"
            for want in wants
            if want.line in self.holders
        ]
        if taken or not self.there:
            raise UnavailableError(f"lines cannot be had: {taken}")
        for want in wants:
            self.holders[want.line] = consumer
        self.requests.append(Request(self, wants))
        return self.requests[-1]

    def drive(self, line: int | str, level: bool) -> None:
        """From outside, or by an output."""
        changed, self.levels[line] = self.levels.get(line, False) != level, level
        for request in self.requests:
            request.changed(line, level, changed)
        if line in self.wires:
            if self.answers:
                if level:
                    self.drive(self.wires[line], True)
                    self.drive(self.wires[line], False)
            elif changed:
                self.drive(self.wires[line], level)


class Request:
    def __init__(self, chip: Chip, wants: Sequence[Want]) -> None:
        self.chip, self.wants = chip, wants
        self.numbers = dict.fromkeys(range(len(wants)), 0)
        self.edges: queue.SimpleQueue[LineEdge] = queue.SimpleQueue()
        for index, want in enumerate(wants):
            if want.output:
                self.set(index, want.active)

    def changed(self, line: int | str, level: bool, changed: bool) -> None:
        for index, want in enumerate(self.wants):
            if want.line == line and not want.output and changed:
                active = level is not want.active_low
                if want.edges in ("both", "rising" if active else "falling"):
                    self.numbers[index] += 1
                    self.edges.put(LineEdge(index, active, time.monotonic_ns(), self.numbers[index]))

    def set(self, index: int, active: bool) -> None:
        self._look()
        want = self.wants[index]
        self.chip.set_log.append((want.line, active))
        self.chip.drive(want.line, active is not want.active_low)

    def get(self, index: int) -> bool:
        self._look()
        want = self.wants[index]
        return self.chip.levels.get(want.line, False) is not want.active_low

    def wait(self, timeout_s: float) -> list[LineEdge]:
        self._look()
        try:
            found = [self.edges.get(timeout=timeout_s)]
        except queue.Empty:
            return []
        while not self.edges.empty():
            found.append(self.edges.get())
        return found

    def release(self) -> None:
        for want in self.wants:
            self.chip.holders.pop(want.line, None)
        self.chip.requests.remove(self)

    def _look(self) -> None:
        if not self.chip.there:
            raise OSError(errno.ENODEV, "No such device")


def make(
    chip: Chip, ports: dict[str, Any], findings: list[Finding], role: Role = Role.HARNESS, **options: Any
) -> GpioLines:
    given = Options.model_validate({"adapter": "gpio_lines", "chip": "bench", "ports": ports, **options})
    context = DeviceContext(run_id="gpio", role=role, report=findings.append)
    return GpioLines("gpio", given, context, chip.request)
