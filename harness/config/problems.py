"""Mistakes in a rig file: where each is, what is wrong, what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.errors import ConfigurationError

P = TypeVar("P")

DataPath = tuple["str | int", ...]
"""Keys and list indices from the top of the file to one place in it."""

SHOWN = 40
"""Problems printed at most; :attr:`RigFileError.problems` has all."""


@dataclass(frozen=True)
class Position:
    """Where something was written: a file with line and column (from 1), or an override without them."""

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One mistake. ``path`` is dotted, e.g. ``requirements[0].quantile``, empty for the file as a whole."""

    position: Position
    path: str
    message: str

    @property
    def line(self) -> int | None:
        """Line, counted from 1; None for an override."""
        return self.position.line

    @property
    def column(self) -> int | None:
        """Column, counted from 1; None for an override."""
        return self.position.column

    def __str__(self) -> str:
        return (
            f"{self.position}: {self.path}: {self.message}"
            if self.path
            else f"{self.position}: {self.message}"
        )


class RigFileError(ConfigurationError):
    """A rig file that cannot be used; ``problems`` lists every mistake found, in the order of the file."""

    def __init__(self, problems: Sequence[Problem], *, hint: str | None = None) -> None:
        self.problems = sorted(
            dict.fromkeys(problems), key=lambda p: (p.line is None, p.line or 0, p.column or 0, p.path)
        )
        lines = [str(problem) for problem in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"... and {len(self.problems) - SHOWN} more problems")
        super().__init__("\n".join(lines), hint=hint)


def dotted(path: DataPath) -> str:
    """``("requirements", 0, "limit")`` -> ``requirements[0].limit``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The choice that ``name`` was probably meant to be, or None."""
    by_lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def suggest(name: str, choices: Iterable[str], none: str = "there are none") -> str:
    """What to say after naming a wrong ``name``: the nearest choice, or what the choices are."""
    known = list(choices)
    if not known:
        return none
    close = nearest(name, known)
    if close is not None:
        return f"did you mean {close!r}?"
    shown = ", ".join(known[:16]) + (", ..." if len(known) > 16 else "")
    return f"valid here: {shown}"


def port_named(device: str, what: str, port: str, known: Mapping[str, P]) -> P:
    """The port of that name. Raises ConfigurationError for an unknown one; ``what``: which way it goes."""
    if port in known:
        return known[port]
    hint = suggest(port, known, f"it has no {what} port")
    raise ConfigurationError(f"{device} has no {what} port {port!r}", hint=hint)
