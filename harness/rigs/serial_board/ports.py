"""The ports of a bench board: outputs that are driven, inputs that are watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from harness.ports import KeyKind
from harness.rigs.edges import EdgeResponse
from harness.rigs.outputs import level_of, width_of
from harness.rigs.serial_board.frames import Frame
from harness.rigs.serial_board.link import is_answer, refusal
from harness.rigs.serial_board.messages import LEVEL, SCHEDULED_AT, TIMED, Request, instant
from harness.rigs.serial_board.options import OUTPUTS, SHORTEST_MS, ResponseOptions, StimulusOptions


class Desk(Protocol):
    """What a port needs of its device."""

    def request(
        self, kind: Request, body: bytes, answered: Callable[[Frame, int], None]
    ) -> tuple[int, int, int]:
        """Hand a request over: the instants around that, and its sequence."""

    def ticks_now(self) -> int:
        """The board's counter, as far as exchanges with it tell."""

    def ticks(self, milliseconds: float) -> int:
        """So long in ticks."""

    def driven(self, port: str, key: int, at: int, level: int, now_ns: int) -> None:
        """An output had its level at that tick, as the stimulus with that key asked."""

    def expect(self, sequence: int, port: str, key: int) -> None:
        """The board will tell when it has done what that request scheduled."""

    def refused(self, port: str, why: str) -> None:
        """The board did not do it."""


@dataclass(frozen=True)
class Ready:
    """One set of values made ready."""

    level: int
    width_ms: float = 0.0


class BoardStimulus:
    """An output that is driven: a pulse, a level, or a pulse at an instant to come."""

    key_kind = KeyKind.SEQUENCE

    def __init__(
        self, device: str, port: str, how: StimulusOptions, limits: Mapping[str, float], desk: Desk
    ) -> None:
        self._place, self._port, self._how, self._desk = f"{device}.{port}", port, how, desk
        self._output = OUTPUTS[how.output]
        self._limits = limits

    def prepare(self, values: Mapping[str, Any]) -> Ready:
        """Raises ConfigurationError for a wrong name or value, SafetyError beyond a limit of the rig file."""
        if self._how.kind == "level":
            return Ready(level_of(self._place, values))
        width_ms = width_of(self._place, values, self._how.width_ms, SHORTEST_MS, self._limits)
        return Ready(int(self._how.active == "high"), width_ms)

    def send(self, key: int, prepared: Ready) -> tuple[int, int]:
        """Hand it to the line; never waits for the board's answer."""
        desk, level = self._desk, prepared.level
        width = desk.ticks(prepared.width_ms)
        if self._how.kind == "scheduled_pulse":
            at = desk.ticks_now() + desk.ticks(self._how.lead_ms)
            before_ns, after_ns, _ = desk.request(
                Request.SCHEDULE, SCHEDULED_AT.pack(self._output, level, at, width), self._scheduled(key)
            )
            return before_ns, after_ns
        if self._how.kind == "level":
            kind, body = Request.SET, LEVEL.pack(self._output, level)
        else:
            kind, body = Request.PULSE, TIMED.pack(self._output, level, width)
        before_ns, after_ns, _ = desk.request(kind, body, self._done(key, kind, level))
        return before_ns, after_ns

    def _done(self, key: int, kind: Request, level: int) -> Callable[[Frame, int], None]:
        def answered(frame: Frame, now_ns: int) -> None:
            if is_answer(frame, kind):
                self._desk.driven(self._port, key, instant(frame.body), level, now_ns)
            else:
                self._desk.refused(self._port, refusal(frame))

        return answered

    def _scheduled(self, key: int) -> Callable[[Frame, int], None]:
        def answered(frame: Frame, now_ns: int) -> None:
            if is_answer(frame, Request.SCHEDULE):
                self._desk.expect(frame.sequence, self._port, key)
            else:
                self._desk.refused(self._port, refusal(frame))

        return answered


class BoardResponse(EdgeResponse):
    """An input's edges, a channel's crossings, or the instants of an output."""

    def __init__(self, how: ResponseOptions, clock: str) -> None:
        super().__init__(
            how.match.kind, clock, "instant the reader took it from the serial line (CLOCK_MONOTONIC)"
        )
        self.how = how
