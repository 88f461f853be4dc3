from __future__ import annotations

import re
from pathlib import Path

import pytest
import report_data as data

from harness.errors import RecordingError
from harness.model import Verdict
from harness.report.summary import STEP_SUMMARY, append_step_summary, render_summary
from harness.results import Check


def tables(text: str) -> list[list[list[str]]]:
    """Every table as rows of cells, split where Markdown splits."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    return [[re.split(r"(?<!\\)\|", row)[1:-1] for row in block.splitlines()] for block in blocks]


def test_the_verdict_comes_first_and_tables_are_whole() -> None:
    results, _, _ = data.whole(3000)
    text = render_summary(results)
    assert text.startswith("## ✅ PASS: sim-diff-drive\n")
    assert "simulated item" in text
    requirements, counts = tables(text)
    for table in (requirements, counts):
        assert len({len(row) for row in table}) == 1
    assert [cell.strip() for cell in requirements[2]][:2] == ["CMD-RTT", "✅ PASS"]
    scenario = results.scenarios["command"]
    wanted = ["command", "3003", "3000", "3", str(scenario.answered), "8", "2"]
    assert [cell.strip() for cell in counts[2]][:7] == wanted
    assert results.requirements[0].reasons[0] in text
    for name in ("report.pdf", "junit.xml", "results.json"):
        assert f"`{name}`" in text
    assert "powersave" in text


@pytest.mark.parametrize("verdict", list(Verdict))
def test_each_verdict_has_its_word(verdict: Verdict) -> None:
    table = data.samples(50)
    text = render_summary(data.results({}, [data.requirement(table, verdict=verdict)]))
    assert verdict.value in text.splitlines()[0]


def test_an_aborted_run_and_failed_checks_are_told() -> None:
    table = data.samples(50)
    check = Check(name="phases", ok=False, value="1", bound="≥ 8", remedy="Use a jittered schedule.")
    results = data.results(
        {}, [data.requirement(table, checks=[check])], aborted=True, abort_reason="Ctrl-C", simulated=False
    )
    text = render_summary(results)
    assert "**ABORTED:** Ctrl-C" in text
    assert "real item" in text
    assert "check phases: 1, wanted ≥ 8. Next: Use a jittered schedule." in text.replace("\\", "")


def test_no_requirement_is_no_pass() -> None:
    text = render_summary(data.results({}, [], verdict=Verdict.ERROR, findings=[], monitors=[]))
    assert "ERROR" in text.splitlines()[0]
    assert "No requirement was decided." in text


def test_text_cannot_break_out_of_a_cell() -> None:
    table = data.samples(50)
    nasty = "a|b\n## PASS <img src=x> `c` [d](http://e) *f*"
    text = render_summary(data.results({}, [data.requirement(table, id=nasty, reasons=[nasty])]))
    (requirements,) = tables(text)
    assert len({len(row) for row in requirements}) == 1
    assert not re.search(r"^## PASS", text, re.MULTILINE)
    assert not re.search(r"(?<!\\)<img", text)
    assert not re.search(r"(?<!\\)\]\(", text)


def test_the_step_summary_is_appended_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "step.md"
    file.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv(STEP_SUMMARY, str(file))
    assert append_step_summary("## ✅ one") == file
    append_step_summary("## two\n")
    assert file.read_text(encoding="utf-8") == "before\n## ✅ one\n## two\n"


def test_nothing_is_written_outside_of_a_ci_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STEP_SUMMARY, raising=False)
    assert append_step_summary("text") is None
    monkeypatch.setenv(STEP_SUMMARY, "")
    assert append_step_summary("text") is None


def test_an_unwritable_step_summary_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STEP_SUMMARY, str(tmp_path / "gone" / "step.md"))
    with pytest.raises(RecordingError, match="cannot be written") as raised:
        append_step_summary("text")
    assert STEP_SUMMARY in (raised.value.hint or "")
