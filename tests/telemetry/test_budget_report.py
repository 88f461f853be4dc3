"""Reports: text, JSON, Markdown and PDF say the same."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pypdf
import pytest

from harness.errors import ConfigurationError, RecordingError
from harness.telemetry.budget import Budgets
from harness.telemetry.budget.words import figure, with_unit


@pytest.fixture(scope="module")
def budgets() -> Budgets:
    """A good one, a bad one, one with too little evidence, one without a limit, one that is silent."""
    book, rng = Budgets(reports=None), np.random.default_rng(1)
    book.define("security.check", upper=5, pillar="security")
    book.define("robot.command", upper=10, pillar="robotics")
    book.define("ratio", lower=0.4, upper=0.6, unit="1", pillar="compression")
    book.define("silent", upper=1, pillar="space")
    book.define("weird|name*", upper=3, pillar="other")
    for value in rng.uniform(3.5, 4.9, 500):
        book.observe("security.check", value)
    for value in rng.uniform(5, 12, 500):
        book.observe("robot.command", value)
    for value in rng.uniform(0.45, 0.55, 20):
        book.observe("ratio", value)
    book.observe("weird|name*", 1)
    book.observe("frames", 31.5, unit="frames/s")
    return book


def test_text_is_grouped_by_pillar_and_worst_outranks(
    budgets: Budgets, capsys: pytest.CaptureFixture[str]
) -> None:
    report = budgets.report()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Security Platform:" and lines[2] == "Robotics HAL:"
    assert lines[1].startswith("- security.check: 4.")
    assert "(PASS) 0 of 500 above 5 ms; up to 1 pass; p99 4.8" in lines[1]
    assert "(FAIL)" in lines[3] and "or more fail" in lines[3]
    assert "(INCONCLUSIVE) 0 of 20 above 0.6; n = 20; fewer than 299 samples never pass" in lines[5]
    assert lines[-2] == "- frames: 31.5frames/s avg (no budget) 1 observation, at most 31.5frames/s"
    assert lines[-1] == "1 budget of which nothing was observed: silent"
    assert report.verdict == "FAIL" and str(report) == "\n".join(lines) + "\n"


def test_json_has_everything(budgets: Budgets, tmp_path: Path) -> None:
    out = tmp_path / "budgets.json"
    budgets.report(format="json", out=out)
    found = json.loads(out.read_text())
    assert (found["schema"], found["verdict"], found["processes"]) == (1, "FAIL", 1)
    line = next(each for each in found["budgets"] if each["name"] == "security.check")
    assert (
        line["verdict"] == "PASS" and line["n"] == 500 and line["upper"] == 5 and line["pillar"] == "security"
    )
    limit = line["limits"][0]
    assert (limit["which"], limit["over"], limit["pass_up_to"]) == ("upper", 0, 1)
    assert line["max"] == pytest.approx(limit["bound"], rel=0.05) and limit["headroom"] > 1
    assert any("P(Bin(500, 0.01) <= 0)" in each for each in limit["lines"])
    silent = next(each for each in found["budgets"] if each["name"] == "silent")
    assert silent["n"] == 0 and silent["mean"] is None and silent["verdict"] == "INCONCLUSIVE"


def test_markdown_keeps_names_as_they_are(budgets: Budgets, capsys: pytest.CaptureFixture[str]) -> None:
    budgets.report(format="markdown")
    text = capsys.readouterr().out
    assert text.startswith("# Performance budgets: FAIL\n")
    assert "| weird\\|name\\* | INCONCLUSIVE |" in text and "Nothing was observed of: silent." in text
    rows = [line for line in text.splitlines() if line.startswith("| security")]
    assert len(rows) == 1 and rows[0].count("|") - rows[0].count("\\|") == 9


@pytest.mark.slow
def test_the_pdf_has_the_same_and_its_figures_for_machines(budgets: Budgets, tmp_path: Path) -> None:
    out = tmp_path / "budgets.pdf"
    budgets.report(format="pdf", out=out)
    reader = pypdf.PdfReader(out)
    text = " ".join(page.extract_text() for page in reader.pages)
    for word in ("FAIL", "security.check", "Robotics HAL", "weird|name*", "Nothing observed", "silent"):
        assert word in text, word
    attached = json.loads(reader.attachments["results.json"][0])
    assert {each["name"] for each in attached["budgets"]} >= {"security.check", "silent"}
    info = subprocess.run(["pdfinfo", str(out)], capture_output=True, text=True, check=True).stdout
    assert "Performance budget report" in info


@pytest.mark.slow
def test_a_pdf_of_nothing_can_be_set(tmp_path: Path) -> None:
    Budgets(reports=None).report(format="pdf", out=tmp_path / "empty.pdf")
    assert "nothing judged" in pypdf.PdfReader(tmp_path / "empty.pdf").pages[0].extract_text()


def test_what_cannot_be_written_is_told(budgets: Budgets, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"format='html'[\s\S]*text, json, markdown, pdf"):
        budgets.report(format="html")
    with pytest.raises(ConfigurationError, match="a PDF needs a file"):
        budgets.report(format="pdf")
    with pytest.raises(RecordingError):
        budgets.report(format="json", out=tmp_path / "nowhere" / "x.json")


@pytest.mark.parametrize(
    ("value", "text"),
    [(4.2, "4.2"), (8.7, "8.7"), (87.0, "87"), (0.52, "0.52"), (0.000337, "0.000337"), (1234.5, "1234"),
     (0, "0"), (1e-9, "1e-09"), (None, "–"), (-0.3, "-0.3")],
)  # fmt: skip
def test_figures(value: float | None, text: str) -> None:
    assert figure(value) == text


def test_units() -> None:
    assert with_unit(4.2, "ms") == "4.2ms" and with_unit(0.5, "1") == "0.5" and with_unit(None, "ms") == "–"
