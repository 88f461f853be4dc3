"""Numbers, instants and names as a reader of the report sees them. Pure functions; no locale, no clock."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Container, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from harness.model import Verdict
from harness.results import Distribution, RequirementResult
from harness.wording import confidence_words, measured_name, outward, places, relation, with_uncertainty

NARROW = "\u202f"
"""Narrow no-break space: between groups of digits, and between a number and its unit."""
MISSING = "–"


def integer(value: int | None) -> str:
    """An integer with its digits in groups of three (ISO 80000-1, 7.3.1); four digits stay together."""
    if value is None:
        return MISSING
    return f"{value:,}".replace(",", NARROW) if abs(value) >= 10_000 else str(value)


def decimals_for(value: float | None, significant: int = 4) -> int:
    """Decimal places that show ``value`` with that many significant digits, from 0 to 6."""
    if value is None or not math.isfinite(value) or value == 0:
        return significant - 1
    return min(6, max(0, significant - 1 - math.floor(math.log10(abs(value)))))


def number(value: float | None, decimals: int | None = None) -> str:
    """A number with fixed decimals (default: four significant digits)."""
    if value is None:
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if math.isnan(value):
        return MISSING
    places = decimals_for(value) if decimals is None else decimals
    text = f"{value:.{places}f}"
    return "−" + text[1:] if text.startswith("-") else text


def short(value: float | None) -> str:
    """A number that was typed by a person, as it was typed: ``10``, ``0.5``, ``0.000057``."""
    if value is None:
        return MISSING
    text = f"{value:.10g}"
    if "e" in text and 1e-9 <= abs(value) < 1:
        text = f"{value:.12f}".rstrip("0")
    return text.replace("-", "−")


def with_unit(text: str, unit: str) -> str:
    """``text`` and ``unit`` kept on one line; no unit after a missing value."""
    return text if text == MISSING or not pretty_unit(unit) else f"{text}{NARROW}{pretty_unit(unit)}"


def pretty_unit(unit: str) -> str:
    """``us`` as µs; nothing for a share, whose unit is 1."""
    return {"us": "µs", "1": ""}.get(unit, unit)


def percent(fraction: float | None, digits: int = 6) -> str:
    """A fraction in per cent without trailing zeros."""
    return MISSING if fraction is None else f"{fraction * 100:.{digits}g}{NARROW}%"


def instant(iso: str | None) -> str:
    """An ISO 8601 instant as ``2026-01-31 12:00:00 UTC``; what cannot be read is shown as it is."""
    if not iso:
        return MISSING
    when = parse_instant(iso)
    return iso if when is None else when.strftime("%Y-%m-%d %H:%M:%S UTC")


def parse_instant(iso: str | None) -> datetime | None:
    """An ISO 8601 instant in UTC, or None."""
    if not iso:
        return None
    try:
        when = datetime.fromisoformat(iso.replace("Z", "+00:00"))
    except ValueError:
        return None
    return when.replace(tzinfo=timezone.utc) if when.tzinfo is None else when.astimezone(timezone.utc)


def seconds_between(started: str | None, ended: str | None) -> float | None:
    """Seconds from one ISO 8601 instant to another, or None."""
    first, last = parse_instant(started), parse_instant(ended)
    return None if first is None or last is None else (last - first).total_seconds()


def duration(seconds: float | None) -> str:
    """``12.3 s``, ``4 min 05 s`` or ``2 h 03 min``."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 120:
        return f"{seconds:.1f}{NARROW}s"
    whole = round(seconds)
    if whole < 7200:
        return f"{whole // 60}{NARROW}min {whole % 60:02d}{NARROW}s"
    return f"{whole // 3600}{NARROW}h {whole % 3600 // 60:02d}{NARROW}min"


def plural(count: int, noun: str) -> str:
    """``1 sample``, ``2 samples``."""
    return f"{integer(count)} {noun}" if count == 1 else f"{integer(count)} {noun}s"


def cut(text: str, most: int) -> str:
    """``text`` in one line of at most ``most`` characters, for places that do not wrap."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def words(name: str) -> str:
    """A key as words: ``cpu_model`` as cpu model. Names of variables, files and packages stay as they are."""
    return name.replace("_", " ").strip() if name.isidentifier() and name.islower() else name


def scalar(value: Any) -> str:
    """Any value of a JSON document in one line of plain text."""
    if value is None:
        return MISSING
    if value is True:
        return "yes"
    if value is False:
        return "no"
    if isinstance(value, float):
        return short(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {scalar(entry)}" for key, entry in value.items()) or MISSING
    if isinstance(value, list | tuple):
        return ", ".join(scalar(entry) for entry in value) or MISSING
    return str(value) or MISSING


def section(tree: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """The mapping found by going down ``keys`` (of run.json); empty where a run broke before it was
    written.
    """
    for key in keys:
        value = tree.get(key)
        if not isinstance(value, Mapping):
            return {}
        tree = value
    return tree


def sentences(what: str, remedy: str) -> str:
    """What was found, and what to do about it as a sentence of its own."""
    if not remedy:
        return what
    stop = "" if what.endswith((".", "!", "?")) else "."
    return f"{what}{stop} Next: {remedy}"


def quantile(part: Distribution, value: float | None, q: float, decimals: int | None = None) -> str:
    """A quantile of ``part``; of n < 1/(1 − q) values it is the largest of them, and is called ``max``."""
    return "max" if value is not None and q > 0.5 and part.n * (1 - q) < 1 - 1e-9 else number(value, decimals)


def stage_words(name: str, *, signal: bool) -> str:
    """The name of a stage. Of a ``signal`` the last one is no slowness of the harness."""
    return "until the value was here" if signal and name == "harness_receive" else words(name)


def flatten(tree: Mapping[str, Any], skip: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Rows of (dotted name, value) of nested mappings, in their own order; keys of ``skip`` are left out."""
    left_out = set(skip)
    rows: list[tuple[str, str]] = []
    for key, value in tree.items():
        if key in left_out:
            continue
        if isinstance(value, Mapping) and value:
            rows += [(f"{words(str(key))}: {name}", text) for name, text in flatten(value)]
        else:
            rows.append((words(str(key)), scalar(value)))
    return rows


def statement(requirement: RequirementResult) -> str:
    """The requirement in words: its own text, or the sentence that its figures make."""
    if requirement.text:
        return requirement.text
    limit = with_unit(short(requirement.limit), requirement.unit)
    sure = confidence(requirement)
    sure = f"a confidence of {sure}" if "each" in sure else f"{sure} confidence"
    plain = requirement.quantity == "latency" and requirement.limit_is == "upper"
    if requirement.quantile is None or not plain:
        return (
            f"The {measured_name(requirement)} of “{requirement.scenario}” is {relation(requirement)} "
            f"{limit}, shown with {sure}."
        )
    return (
        f"At least {percent(requirement.quantile)} of the stimuli of “{requirement.scenario}” are answered "
        f"within {limit}, shown with {sure}."
    )


def alpha(requirement: RequirementResult) -> float:
    """The error that each decision on a requirement is made with."""
    return 1 - requirement.confidence if requirement.alpha is None else requirement.alpha


def confidence(requirement: RequirementResult) -> str:
    """95 %, or 99.5 % each (95 % over the 10) where the error is shared among requirements."""
    return confidence_words(requirement.confidence, requirement.alpha).replace(" %", f"{NARROW}%")


def estimate(requirement: RequirementResult) -> str:
    """The estimate: with U where that is not small against it, else with the decimals of its bounds."""
    return with_uncertainty(requirement).replace("-", "−") or number(
        requirement.estimate, places(requirement)
    )


def bounds(requirement: RequirementResult) -> tuple[str, str]:
    """Lower and upper bound, each rounded outward: no figure claims more than was shown."""
    decimals = places(requirement)
    low, high = requirement.lower_bound, requirement.upper_bound
    return (
        number(None if low is None else outward(low, decimals, up=False), decimals),
        number(None if high is None else outward(high, decimals, up=True), decimals),
    )


def headroom(requirement: RequirementResult) -> str:
    """Headroom as a factor, rounded down; none where none was shown."""
    value = requirement.headroom
    if value is None or requirement.verdict is not Verdict.PASS:
        return MISSING
    factor = f"{outward(value, 2, up=False):.2f}" if value < 10 else f"{outward(value, 1, up=False):.1f}"
    return f"{factor}{NARROW}×"


_NOT_SHOWN = {"Cc", "Cs", "Co", "Cn"}


def printable(text: str, glyphs: Container[int] | None = None) -> str:
    r"""``text`` with everything that cannot be shown written as ``\u....``.

    That is controls, surrogates, private use, and what is not among ``glyphs`` (code points; None: any will
    do). Line feeds stay; tabs become four spaces.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char, glyphs) for char in text.replace("\r\n", "\n").replace("\t", "    "))


def _shown(char: str, glyphs: Container[int] | None) -> str:
    if char == "\n" or (char.isascii() and char.isprintable()):
        return char
    if unicodedata.category(char) not in _NOT_SHOWN and (glyphs is None or ord(char) in glyphs):
        return char
    return f"\\u{ord(char):04x}"
