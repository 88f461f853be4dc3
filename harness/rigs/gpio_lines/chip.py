"""A thin layer over libgpiod 2 (the package gpiod): lines are requested, set, read, and waited for."""

from __future__ import annotations

import contextlib
import errno
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from harness.config.problems import suggest
from harness.errors import ConfigurationError, UnavailableError
from harness.rigs.serial_board.line import trouble

EVENT_BUFFER = 1024
"""Edges that the kernel keeps for a request: the most that it allows."""
CHIPS = "gpiochip*"
DEVICES = Path("/dev")


@dataclass(frozen=True)
class Want:
    """One line, as the rig file wants it. Outputs begin at ``active``; ``edges`` is empty for them."""

    line: int | str
    output: bool
    active: bool = False
    active_low: bool = False
    drive: str = "push_pull"
    bias: str = "as_is"
    edges: str = ""
    debounce_us: int = 0


@dataclass(frozen=True)
class LineEdge:
    """An edge: of which wanted line, to which level, CLOCK_MONOTONIC in ns by the kernel, and its running
    number on that line, from 1."""

    index: int
    active: bool
    at_ns: int
    number: int


class Lines(Protocol):
    """Requested lines; ``index`` is that of the wanted line."""

    def set(self, index: int, active: bool) -> None:
        """Drive an output. Raises OSError."""

    def get(self, index: int) -> bool:
        """Whether a line is active. Raises OSError."""

    def wait(self, timeout_s: float) -> list[LineEdge]:
        """The edges that have come, after ``timeout_s`` at the latest. Raises OSError."""

    def release(self) -> None:
        """Give them back."""


def library() -> Any:
    """The package gpiod. Raises UnavailableError where it is missing, or is that of libgpiod 1."""
    hint = "install the extra: pip install hil-latency-harness[gpio]"
    try:
        found = importlib.import_module("gpiod")
    except ImportError as error:
        raise UnavailableError("the library gpiod is missing", hint=hint) from error
    if not hasattr(found, "request_lines"):
        raise UnavailableError("the gpiod that is there is of libgpiod 1", hint=hint)
    return found


def settings(gpiod: Any, want: Want) -> Any:
    """The same as libgpiod's ``LineSettings``."""
    of = gpiod.line
    if want.output:
        return gpiod.LineSettings(
            direction=of.Direction.OUTPUT,
            drive=of.Drive[want.drive.upper()],
            active_low=want.active_low,
            output_value=of.Value.ACTIVE if want.active else of.Value.INACTIVE,
        )
    return gpiod.LineSettings(
        direction=of.Direction.INPUT,
        edge_detection=of.Edge[want.edges.upper()],
        bias=of.Bias[want.bias.upper()],
        active_low=want.active_low,
        debounce_period=timedelta(microseconds=want.debounce_us),
        event_clock=of.Clock.MONOTONIC,
    )


def find_chip(gpiod: Any, name: str) -> str:
    """The path of the chip with that label, name or path.

    Raises UnavailableError where there is none, more than one, or where this user may not open them.
    """
    if name.startswith("/"):
        return name
    labels: dict[str, str] = {}
    refused = ""
    for path in sorted(DEVICES.glob(CHIPS)):
        if path.name == name:
            return str(path)
        try:
            with gpiod.Chip(str(path)) as chip:
                labels[str(path)] = chip.get_info().label
        except OSError as error:
            refused = trouble(str(path)) or str(error)
    found = [path for path, label in labels.items() if label == name]
    if len(found) == 1:
        return found[0]
    told = "".join(f"\n  {path} [{label}]" for path, label in labels.items())
    raise UnavailableError(
        f"{len(found) or 'no'} GPIO chips have the label {name!r}{told}"
        + (f"\n  {refused}" if refused else ""),
        hint="give its path"
        if found
        else suggest(name, labels.values(), "is this a board computer? see gpiodetect"),
    )


class GpiodLines:
    """Lines of a real chip."""

    def __init__(self, chip: str, wants: Sequence[Want], consumer: str) -> None:
        """Request them all, or none. Raises UnavailableError, ConfigurationError for an unknown name."""
        self._gpiod = gpiod = library()
        path = find_chip(gpiod, chip)
        try:
            with gpiod.Chip(path) as opened:
                self._offsets = [_offset(opened, want.line, chip) for want in wants]
                config = {
                    offset: settings(gpiod, want) for offset, want in zip(self._offsets, wants, strict=True)
                }
                try:
                    self._request = opened.request_lines(config, consumer, EVENT_BUFFER)
                except OSError as error:
                    held = _holders(opened, self._offsets) if error.errno == errno.EBUSY else ""
                    raise UnavailableError(
                        f"lines of {chip} cannot be had: {held or error}",
                        hint="end the other program" if held else "see gpioinfo",
                    ) from error
        except OSError as error:
            raise UnavailableError(
                f"{chip} cannot be opened: {trouble(path) or error}", hint="see gpiodetect"
            ) from error
        self._index = {offset: index for index, offset in enumerate(self._offsets)}

    def set(self, index: int, active: bool) -> None:
        """Drive an output."""
        value = self._gpiod.line.Value
        self._request.set_value(self._offsets[index], value.ACTIVE if active else value.INACTIVE)

    def get(self, index: int) -> bool:
        """Whether a line is active."""
        return bool(self._request.get_value(self._offsets[index]) is self._gpiod.line.Value.ACTIVE)

    def wait(self, timeout_s: float) -> list[LineEdge]:
        """The edges that have come."""
        if not self._request.wait_edge_events(timedelta(seconds=timeout_s)):
            return []
        rising = self._gpiod.EdgeEvent.Type.RISING_EDGE
        return [
            LineEdge(
                self._index[event.line_offset],
                event.event_type is rising,
                event.timestamp_ns,
                event.line_seqno,
            )
            for event in self._request.read_edge_events(EVENT_BUFFER)
        ]

    def release(self) -> None:
        """Give them back."""
        self._request.release()


def _offset(chip: Any, line: int | str, name: str) -> int:
    try:
        return int(chip.line_offset_from_id(line))
    except (OSError, ValueError) as error:
        count = chip.get_info().num_lines
        names = [chip.get_line_info(offset).name for offset in range(count)]
        raise ConfigurationError(
            f"{name} has no line {line!r}",
            hint=suggest(str(line), filter(None, names), f"it has 0 to {count - 1}"),
        ) from error


def _holders(chip: Any, offsets: Sequence[int]) -> str:
    told = []
    for offset in offsets:
        with contextlib.suppress(OSError):
            info = chip.get_line_info(offset)
            if info.used:
                told.append(f"line {info.name or offset} is in use by {info.consumer or 'the kernel'}")
    return ", ".join(told)
