"""Blocks as Markdown and as one HTML file: the same content that ``templates/*.typ`` sets as a PDF."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from harness.report.blocks import Block
from harness.report.text import printable

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


def markdown(title: str, blocks: Sequence[Block], figure_file: Callable[[str], str] | None = None) -> str:
    """GitHub-flavoured Markdown. ``figure_file`` gives the path of a picture as the page names it; None: the
    pictures are left out, their captions too."""
    parts = [f"# {_md(title)}"]
    for block in blocks:
        if block["kind"] != "figure":
            parts.append(_MARKDOWN[block["kind"]](block))
        elif figure_file is not None:
            alt = _md(block["alt"].replace("\n", " "))
            parts.append(f"![{alt}]({figure_file(block['file'])})\n\n*{_md(block['caption'])}*")
    return "\n\n".join(part for part in parts if part) + "\n"


def _md(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", printable(text)).replace("\n", "<br>")


def _md_table(block: Block) -> str:
    lines = [
        "| " + " | ".join(_md(each["title"]) or " " for each in block["columns"]) + " |",
        "|" + "|".join("--:" if each["align"] == "right" else "---" for each in block["columns"]) + "|",
    ]
    lines += ["| " + " | ".join(_md_cell(entry) for entry in row) + " |" for row in block["rows"]]
    caption = f"\n\n*{_md(block['caption'])}*" if block["caption"] else ""
    return "\n".join(lines) + caption


def _md_cell(entry: dict[str, str]) -> str:
    text = _md(entry["text"])
    return f"**{text}**" if text and entry["tone"] in ("bad", "strong") else text


def _md_paragraph(block: Block) -> str:
    text = _md(block["text"])
    return f"**{text}**" if block["tone"] in ("bad", "warn", "strong") else text


_MARKDOWN: dict[str, Callable[[Block], str]] = {
    "heading": lambda block: f"{'#' * (block['level'] + 1)} {_md(block['text'])}",
    "paragraph": _md_paragraph,
    "bullets": lambda block: "\n".join(f"- {_md(each)}" for each in block["items"]),
    "pairs": lambda block: (
        "| | |\n|---|---|\n" + "\n".join(f"| {_md(name)} | {_md(value)} |" for name, value in block["rows"])
    ),
    "table": _md_table,
    "code": lambda block: (
        (f"{_md(block['label'])}:\n\n" if block["label"] else "")
        + "```\n"
        + "\n".join(block["lines"])
        + "\n```"
    ),
}


def html(title: str, blocks: Sequence[Block], root: Path, *, mark: str = "", note: str = "") -> str:
    """One file without any reference to another: pictures are read from ``root`` and put into it. ``mark``
    stands in a frame beside the title, ``note`` at the foot."""
    body = "\n".join(
        _figure(block, root) if block["kind"] == "figure" else _HTML[block["kind"]](block) for block in blocks
    )
    framed = f'<span class="mark">{_ht(mark)}</span>' if mark else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_ht(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{_ht(title)}</h1>{framed}</header>\n<main>\n{body}\n</main>\n"
        f"<footer>{_ht(note)}</footer>\n</body>\n</html>\n"
    )


def _ht(text: str) -> str:
    return escape(printable(text)).replace("\n", "<br>")


def _figure(block: Block, root: Path) -> str:
    picture = base64.b64encode((root / block["file"]).read_bytes()).decode("ascii")
    return (
        f'<figure><img src="data:image/svg+xml;base64,{picture}" alt="{escape(printable(block["alt"]))}">'
        f"<figcaption>{_ht(block['caption'])}</figcaption></figure>"
    )


def _html_table(block: Block) -> str:
    sides = [each["align"] for each in block["columns"]]
    head = "".join(
        f'<th class="{side}">{_ht(each["title"])}</th>'
        for side, each in zip(sides, block["columns"], strict=True)
    )
    rows = "\n".join(
        "<tr>"
        + "".join(
            f'<td class="{side} {entry["tone"]}">{_ht(entry["text"])}</td>'
            for side, entry in zip(sides, row, strict=True)
        )
        + "</tr>"
        for row in block["rows"]
    )
    caption = f"<caption>{_ht(block['caption'])}</caption>" if block["caption"] else ""
    body = f"{caption}<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody>"
    return f'<div class="wide"><table>{body}</table></div>'


_HTML: dict[str, Callable[[Block], str]] = {
    "heading": lambda block: f"<h{block['level'] + 1}>{_ht(block['text'])}</h{block['level'] + 1}>",
    "paragraph": lambda block: f'<p class="{block["tone"]}">{_ht(block["text"])}</p>',
    "bullets": lambda block: "<ul>" + "".join(f"<li>{_ht(each)}</li>" for each in block["items"]) + "</ul>",
    "pairs": lambda block: (
        "<dl>"
        + "".join(f"<dt>{_ht(name)}</dt><dd>{_ht(value)}</dd>" for name, value in block["rows"])
        + "</dl>"
    ),
    "table": _html_table,
    "code": lambda block: (
        (f"<p>{_ht(block['label'])}:</p>" if block["label"] else "")
        + f"<pre>{escape(chr(10).join(block['lines']))}</pre>"
    ),
}

# The colours of templates/parts.typ.
_STYLE = """
body{font:16px/1.5 Georgia,'Libertinus Serif',serif;color:#1a1a1a;background:#fff;max-width:56rem;
margin:2rem auto;padding:0 1rem}
header{display:flex;justify-content:space-between;align-items:center;gap:1rem;border-bottom:1px solid #bdbdbd}
h1{font-size:1.6rem;margin:.4rem 0}h2{font-size:1.25rem;margin:2rem 0 .6rem}h3{font-size:1.05rem}
.mark{border:1.5px solid #1a1a1a;padding:.15rem .6rem;font-weight:bold;white-space:nowrap}
dl{display:grid;grid-template-columns:minmax(9rem,auto) 1fr;gap:.3rem 1rem}dt{color:#5c5c5c}
dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;width:100%;font-size:.87rem;font-variant-numeric:tabular-nums;
border-top:2px solid #1a1a1a;border-bottom:2px solid #1a1a1a}
th{border-bottom:1px solid #1a1a1a;text-align:left;vertical-align:bottom}
th,td{padding:.2rem .45rem;vertical-align:top;overflow-wrap:break-word}
.right{text-align:right;white-space:nowrap}
caption{caption-side:bottom;text-align:left;color:#5c5c5c;padding-top:.4rem}
figure{margin:1.2rem 0}figure img{width:100%}figcaption,footer{color:#5c5c5c;font-size:.87rem}
.good{color:#00704f}.bad{color:#b34700;font-weight:bold}.warn{color:#6b4e00}.muted{color:#5c5c5c}
.strong{font-weight:bold}
pre{background:#f4f4f2;padding:.6rem;overflow-x:auto}
footer{border-top:1px solid #bdbdbd;margin-top:2rem;padding-top:.4rem}
@media print{body{margin:0}}
""".replace("\n", "")
