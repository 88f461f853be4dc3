"""Blocks as Markdown and HTML: everything is there, nothing of it is markup."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from harness.report import blocks as b
from harness.report.pages import html, markdown

NASTY = "<b>*bold*</b> | `x` [link](y) & _under_ \x07"


def every(root: Path) -> list[b.Block]:
    return [
        b.heading(f"Head {NASTY}"),
        b.paragraph(f"Text {NASTY}", "warn"),
        b.bullets(["first", NASTY]),
        b.pairs([("name", f"two\nlines {NASTY}")]),
        b.code("a | b\n  <c>", "A command"),
        b.table([("left", "left"), ("right", "right")], [[NASTY, b.cell("7", "bad")]], "Caption"),
        b.figure(b.save(root, "picture", "<svg/>"), "what it shows", "Under it"),
    ]


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_stands_alone_and_shows_text_as_it_is(tmp_path: Path) -> None:
    page = html(f"Title {NASTY}", every(tmp_path), tmp_path, mark="SIMULATED", note="foot")
    seen = Seen()
    seen.feed(page)
    assert "b" not in seen.tags
    assert "a" not in seen.tags
    shown = NASTY.replace("\x07", "\\u0007")
    assert seen.text.count(shown) == 7  # the title twice
    assert "a | b\n  <c>" in seen.text
    for word in ("Caption", "Under it", "SIMULATED", "foot", "A command:"):
        assert word in seen.text
    assert 'alt="what it shows"' in page
    assert "data:image/svg+xml;base64,PHN2Zy8+" in page
    assert '<td class="right bad">7</td>' in page


def test_markdown_escapes_what_would_be_markup(tmp_path: Path) -> None:
    page = markdown("Title", every(tmp_path), lambda file: f"pictures/{file}")
    assert page.startswith("# Title\n")
    assert "\\<b\\>\\*bold\\*\\</b\\> \\| \\`x\\` \\[link\\](y)" in page
    assert "| name | two<br>lines" in page
    assert "```\na | b\n  <c>\n```" in page
    assert "|---|--:|" in page
    assert "| **7** |" in page
    assert "![what it shows](pictures/picture.svg)\n\n*Under it*" in page


def test_markdown_without_pictures_has_none_of_their_captions(tmp_path: Path) -> None:
    page = markdown("Title", every(tmp_path))
    assert "Under it" not in page
    assert "Caption" in page
