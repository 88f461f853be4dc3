"""The vocabulary between content and template: plain dictionaries that ``templates/report.typ`` sets.

Content says what there is, the template how it looks. Every string is data: none is ever read as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

Block = dict[str, Any]
Tone = Literal["plain", "good", "bad", "warn", "muted", "strong"]
Align = Literal["left", "right"]
Column = tuple[str, Align] | tuple[str, Align, float]
"""Title and alignment, as wide as its content; or with a share of what the others leave."""


def heading(text: str, level: int = 1) -> Block:
    """A heading; level 1 is a numbered section."""
    return {"kind": "heading", "level": level, "text": text}


def paragraph(text: str, tone: Tone = "plain") -> Block:
    """A paragraph of running text."""
    return {"kind": "paragraph", "text": text, "tone": tone}


def bullets(items: Iterable[str]) -> Block:
    """A list of short texts."""
    return {"kind": "bullets", "items": list(items)}


def pairs(rows: Iterable[tuple[str, str]]) -> Block:
    """Names and their values, one a line."""
    return {"kind": "pairs", "rows": [[name, value] for name, value in rows]}


def code(text: str, label: str = "") -> Block:
    """Text that is shown as it is, in a fixed pitch, wrapped where a line is too long; what it is, above."""
    return {"kind": "code", "label": label, "lines": text.rstrip("\n").split("\n")}


def cell(text: str, tone: Tone = "plain") -> dict[str, str]:
    """One cell of a table whose tone matters."""
    return {"text": text, "tone": tone}


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Any]],
    caption: str = "",
) -> Block:
    """A table with a line of explanation under it. An entry is a string or a :func:`cell`."""
    return {
        "kind": "table",
        "columns": [{"title": c[0], "align": c[1], "share": c[2] if len(c) > 2 else 0} for c in columns],
        "rows": [[entry if isinstance(entry, dict) else cell(entry) for entry in row] for row in rows],
        "caption": caption,
    }


def figure(file: str, alt: str, caption: str) -> Block:
    """A picture in the same folder as the document's data; ``alt`` is its content in words."""
    return {"kind": "figure", "file": file, "alt": alt, "caption": caption}


def save(root: Path, stem: str, svg: str) -> str:
    """Write a picture beside the document's data; its file name."""
    (root / f"{stem}.svg").write_text(svg, encoding="utf-8")
    return f"{stem}.svg"
