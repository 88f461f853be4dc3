"""Pieces of HTML. Every name is escaped: rigs and operations are named by whoever wrote their files."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from html import escape
from urllib.parse import quote

NUMBERS = ("n", "p50", "p99", "value", "shown", "limit", "headroom", "quantile")
"""Columns whose cells stand at the right."""


def table(head: str, rows: Iterable[str]) -> str:
    """``head``: titles between bars."""
    cells = "".join(f"<th{_side(each)}>{each}</th>" for each in head.split("|"))
    return f'<div class="wide"><table><tr>{cells}</tr>{"".join(rows)}</table></div>'


def row(head: str, *cells: str) -> str:
    """A row of cells that are HTML already, under the titles of ``head``."""
    titles = head.split("|")
    return (
        "<tr>"
        + "".join(f"<td{_side(title)}>{cell}</td>" for title, cell in zip(titles, cells, strict=True))
        + "</tr>"
    )


def group(title: str, columns: int) -> str:
    """A row that says what the rows below it have in common."""
    return f'<tr class="group"><th colspan="{columns}">{escape(title)}</th></tr>'


def section(name: str, title: str, body: str) -> str:
    """A part of the page that is renewed as a whole. ``name`` is its address."""
    return f'<section id="{escape(name)}"><h2>{title}</h2>{body}</section>'


def verdict(said: str) -> str:
    """A verdict in its colour."""
    return f'<span class="{escape(said)}">{escape(said)}</span>'


def at(seconds: float) -> str:
    """A moment, in seconds since 1970."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def report_of(rig: str, run: str) -> str:
    """The address of a run's PDF."""
    return f"/runs/{quote(rig, '')}/{quote(run, '')}/report.pdf"


def _side(title: str) -> str:
    if title in NUMBERS:
        return ' class="n"'
    return ' class="name"' if title in ("rig", "operation", "run", "ended", "samples") else ""
