from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pypdf
import pytest
import report_data as data

from harness.errors import RecordingError
from harness.model import SAMPLE_DTYPE, Verdict
from harness.report import pdf as module
from harness.report.pdf import render_pdf
from harness.results import Results

pytestmark = pytest.mark.slow


@dataclass
class Document:
    """What a reader gets out of a PDF."""

    pages: list[str]
    reader: pypdf.PdfReader

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.pages))

    @property
    def solid(self) -> str:
        """Without any white space, for long strings that were wrapped."""
        return re.sub(r"\s+", "", self.text)


def render(
    folder: Path,
    results: Results,
    samples: np.ndarray[Any, Any],
    run: dict[str, Any],
    events: list[dict[str, Any]] | None = None,
) -> Document:
    out = folder / "report.pdf"
    render_pdf(results, samples, run, out, events or [])
    reader = pypdf.PdfReader(out)
    return Document([page.extract_text() for page in reader.pages], reader)


EVENTS = [
    {"t_ns": 1, "utc": "x", "event": "armed", "by": "Ada"},
    {
        "t_ns": 1_500_000_001,
        "utc": "x",
        "event": "exception",
        "traceback": 'File "secret.py"\nValueError: odd\n',
    },
]


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return render(tmp_path_factory.mktemp("usual"), *data.whole(), EVENTS)


def test_the_first_page_decides(usual: Document) -> None:
    page = re.sub(r"\s+", " ", usual.pages[0])
    for expected in (
        "✓PASS",
        "sim-diff-drive",
        data.RUN_ID,
        "CMD-RTT",
        "At least 99 %",
        "10 ms",
        "3000",
        "Decision rule, fixed before the test",
        "The decision in figures",
        "Rig file, SHA-256a3f5a3f5a3f5a3f5…",
        "Ada Example",
        "2026-01-31 12:00:00 UTC",
        "Reviewed and released by",
        "Signature",
    ):
        assert expected.replace(" ", "") in page.replace("\u202f", "").replace(" ", ""), expected


def test_every_page_names_rig_run_item_and_place(usual: Document) -> None:
    total = len(usual.pages)
    assert total >= 5
    for number, page in enumerate(usual.pages, 1):
        assert "sim-diff-drive" in page
        assert data.RUN_ID in page
        assert "SIMULATED ITEM" in page
        assert f"page {number} of {total}" in page
        assert "ABORTED" not in page


def test_sections_come_in_order_and_end_with_a_mark(usual: Document) -> None:
    titles = ["1 Method", "2 Item under test", "3 Environment", "4 Results", "5 Validity", "6 Provenance"]
    whole = re.sub("[ \t]+", " ", "\n".join(usual.pages))
    found = [re.search(rf"^{title}$", whole, re.MULTILINE) for title in titles]
    places = [match.start() for match in found if match]
    assert len(places) == len(titles)
    assert places == sorted(places)
    assert whole.rindex("End of report") > places[-1]
    assert "Results relate only to the items tested." in usual.text


def test_text_inside_plots_is_selectable(usual: Document) -> None:
    for expected in (
        "share of stimuli that took longer",
        "from intent (decides PASS)",
        "CMD-RTT: 10 ms",
        "0.1 %",
    ):
        assert expected in usual.text


def test_hashes_and_the_rig_file_come_out_unbroken(usual: Document) -> None:
    assert "a3f5" * 16 in usual.solid
    assert "\u200b" not in usual.text
    for line in data.RIG_TEXT.splitlines():
        assert re.sub(r"\s+", "", line) in usual.solid, line


def test_what_a_reviewer_expects_is_there(usual: Document) -> None:
    for expected in (
        "SN-0042",
        "concrete, dry",
        "SCHED_FIFO 80 refused: Operation not permitted",
        "reliable, keep last 1000, volatile",
        "U was not evaluated in this run",
        "3 of 3003 stimuli skipped",
        "real-time factor",
        "c4241da8f0e35ac9a8e8b3c7d6b5f4e3d2c1b0a9",
        "git dirty",
        "harness run sim_diff_drive --samples 3000",
        "answered late",
        "none was dropped",
        "0.000 armed by: Ada",
        "1.500 exception traceback: ValueError: odd",
    ):
        assert expected in usual.text.replace("\u202f", " "), expected


def test_a_traceback_is_its_last_line(usual: Document) -> None:
    assert "secret.py" not in usual.text


def test_it_is_an_archivable_tagged_document_with_its_figures(usual: Document) -> None:
    metadata = usual.reader.trailer["/Root"]["/Metadata"].get_data().decode()
    assert "<pdfaid:part>3" in metadata
    assert "<pdfaid:conformance>A" in metadata
    assert usual.reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    attached = usual.reader.attachments["results.json"][0]
    assert Results.model_validate_json(attached).run_id == data.RUN_ID
    for page in usual.reader.pages:
        for font in page["/Resources"].get("/Font", {}).values():
            assert "/ToUnicode" in font.get_object()


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    results, samples, run = data.whole(400)
    render_pdf(results, samples, run, tmp_path / "a.pdf")
    render_pdf(results, samples, run, tmp_path / "b.pdf")
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pdf", "b.pdf"]


def test_a_failed_and_aborted_run_says_so_on_every_page(tmp_path: Path) -> None:
    table = data.samples(800, lost=120, scale=4)
    reason = "the robot stopped answering: 100 commands in a row\nlast answer at 3.2 s"
    results = data.results(
        {"command": data.scenario_result(table)},
        [data.requirement(table)],
        aborted=True,
        abort_reason=reason,
        simulated=False,
    )
    document = render(tmp_path, results, table, data.run_record(status="aborted"))
    assert "✗FAIL" in document.solid
    for page in document.pages:
        assert "ABORTED" in page
        assert "REAL ITEM" in page
        assert "SIMULATED ITEM" not in page
    assert "last answer at 3.2 s" in document.text


@pytest.mark.parametrize(
    "how",
    [
        {"n": 0, "lost": 0, "late": 0, "skipped": 0},
        {"n": 0, "lost": 0, "late": 0, "skipped": 30},
        {"n": 1, "lost": 0, "late": 0, "skipped": 0},
        {"n": 2, "lost": 1, "late": 0, "skipped": 0},
        {"n": 40, "lost": 40, "late": 0},
        {"n": 40, "lost": 0, "late": 40},
        {"n": 200, "constant_ms": 0.5, "lost": 0, "late": 0},
        {"n": 200, "constant_ms": 0.0, "lost": 0, "late": 0},
        {"n": 200, "constant_ms": -1.0},
        {"n": 300, "scale": 4000.0},
    ],
    ids=[
        "none",
        "all-skipped",
        "one",
        "one-of-two",
        "all-lost",
        "all-late",
        "constant",
        "zero",
        "negative",
        "slow",
    ],
)
def test_odd_data_still_make_a_report(tmp_path: Path, how: dict[str, Any]) -> None:
    results, table, run = data.whole(**how)
    document = render(tmp_path, results, table, run)
    assert "End of report" in document.text
    counted = results.scenarios["command"].sent
    assert ("No stimulus was counted" in document.text) == (counted == 0)
    assert ("Every stimulus was lost" in document.text) == (0 < counted == results.scenarios["command"].lost)


def test_a_run_that_broke_before_measuring(tmp_path: Path) -> None:
    results = data.results(
        {},
        [],
        verdict=Verdict.ERROR,
        aborted=True,
        abort_reason="rclpy is not importable",
        ended=None,
        monitors=[],
    )
    bare = {"schema": 1, "run_id": data.RUN_ID, "rig": {}, "operator": None}
    document = render(tmp_path, results, np.empty(0, SAMPLE_DTYPE), bare)
    assert "!ERROR" in document.solid
    assert "rclpy is not importable" in document.text
    assert "No requirement was decided." in document.text
    assert "No scenario was measured in this run" in document.text


def test_several_scenarios_and_requirements(tmp_path: Path) -> None:
    table = np.concatenate([data.samples(600, scenario=0), data.samples(500, seed=2, scenario=1, scale=8)])
    record = data.run_record(
        scenarios=[{"name": "command", "variants": []}, {"name": "sensor", "variants": []}]
    )
    results = data.results(
        {"command": data.scenario_result(table, 0), "sensor": data.scenario_result(table, 1)},
        [
            data.requirement(table, 0),
            data.requirement(table, 1, id="SENS-1", scenario="sensor", limit=50.0),
            data.requirement(table, 1, id="SENS-2", scenario="sensor", limit=3.0, unit="ms"),
        ],
    )
    document = render(tmp_path, results, table, record)
    for expected in (
        "CMD-RTT",
        "SENS-1",
        "SENS-2",
        "Scenario “command”",
        "Scenario “sensor”",
        "SENS-2: 3 ms",
    ):
        assert expected in document.text
    assert "✗FAIL" in document.solid
    # The first page keeps to the thresholds; the arithmetic follows in the method section.
    first = re.sub(r"\s+", "", document.pages[0])
    assert first.count("PASSuptoK=21,FAILfromK=40") == 3
    assert "P(Bin(" not in first
    assert "Signature" in first
    assert "Decision on SENS-2, step by step" in document.text


def test_the_places_for_signatures_stay_on_the_first_page(tmp_path: Path) -> None:
    results, table, record = data.whole(300)
    long = [f"Reason {place} " + "and so on " * 30 for place in range(18)]
    only = results.requirements[0].model_copy(update={"reasons": long})
    document = render(tmp_path, results.model_copy(update={"requirements": [only]}), table, record)
    first, second, *_ = document.pages
    assert "Reviewed and released by" in first and "Reviewed and released by" not in second
    assert "The decision in figures" in second and "1 Method" in second, "what is left over shares its page"
    assert f"page 2 of {len(document.pages)}" in second


def test_a_check_that_concerns_several_is_listed_once(tmp_path: Path) -> None:
    table = data.samples(60)
    scenario = data.scenario_result(table)
    results = data.results({"command": scenario}, [data.requirement(table, checks=scenario.checks)])
    record = data.run_record(host={"env.ROS_DISTRO": "jazzy", "env.RMW_IMPLEMENTATION": "not set"})
    document = render(tmp_path, results, table, record)
    assert document.text.count("Kendall p = 0.42") == 1
    assert "command, CMD-RTT" in document.text
    assert "env.ROS_DISTRO jazzy" in document.text
    assert "env, not set RMW_IMPLEMENTATION" in document.text


HOSTILE = "#panic(1) *bold* $x^2$ [a] <label> @ref `raw` \\ // \"q\" _{u}_ ~ --- 'x' https://x.y"


def test_strings_are_data_and_never_markup(tmp_path: Path) -> None:
    table = data.samples(60)
    requirement = data.requirement(table, id=HOSTILE, reasons=[HOSTILE], decision=[HOSTILE], text=HOSTILE)
    record = data.run_record(operator=HOSTILE)
    record["rig"]["text"] = HOSTILE
    results = data.results(
        {"command": data.scenario_result(table)}, [requirement], rig={"name": HOSTILE, "description": HOSTILE}
    )
    document = render(tmp_path, results, table, record)
    assert document.solid.count(re.sub(r"\s+", "", HOSTILE)) >= 6
    # Also inside the plots, where it is cut, and where a dollar sign must not start mathematics.
    assert "#panic(1)*bold*$x^2$…:10ms" in document.solid


def test_very_long_and_foreign_texts_are_wrapped_not_cut(tmp_path: Path) -> None:
    word = "x" * 300
    foreign = "Größe Ωμέγα Привет ≤ 10 µs"
    table = data.samples(60)
    requirement = data.requirement(table, reasons=["A long reason. " * 60, word, foreign])
    record = data.run_record(operator=foreign)
    record["rig"]["resolved"]["environment"] = {word: word, "long": "lorem ipsum " * 300}
    results = data.results(
        {"command": data.scenario_result(table)},
        [requirement],
        findings=[{"name": word, "severity": "error", "message": word, "value": word, "remedy": word}],
    )
    document = render(tmp_path, results, table, record)
    assert document.solid.count(word) >= 5
    assert document.text.count("A long reason.") == 60
    assert foreign in document.text
    # Nothing is set beyond the right margin: all words of the widest page end within the text block.
    for page in document.reader.pages:
        rights = []
        page.extract_text(
            visitor_text=lambda text, cm, tm, font, size, r=rights: r.append(tm[4]) if text.strip() else None
        )
        assert max(rights) < float(page.mediabox.right) - 55


def test_characters_without_a_glyph_are_spelt_out(tmp_path: Path) -> None:
    table = data.samples(60)
    requirement = data.requirement(table, reasons=["bell \x07, private \ue000, tab\there"])
    results = data.results({"command": data.scenario_result(table)}, [requirement])
    document = render(tmp_path, results, table, data.run_record(operator="山田 🤖"))
    assert "\\u0007" in document.text
    assert "\\ue000" in document.text
    assert "山田" in document.text or "\\u5c71\\u7530" in document.text


def test_a_folder_that_is_not_there_is_a_recording_error(tmp_path: Path) -> None:
    results, table, run = data.whole(60)
    with pytest.raises(RecordingError, match=r"report\.pdf"):
        render_pdf(results, table, run, tmp_path / "gone" / "report.pdf")


def test_templates_are_all_that_is_shipped() -> None:
    shipped = {"report.typ", "parts.typ", "page.typ", "compare.typ"}
    assert {path.name for path in module.TEMPLATES.iterdir()} == shipped
