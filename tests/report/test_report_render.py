from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pypdf
import pytest
import report_data as data
from junitparser import JUnitXml

from harness.errors import ConfigurationError, RecordingError
from harness.folder import RunFolder
from harness.model import Verdict
from harness.report import render
from harness.results import Results

STARTED = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


def folder_of(root: Path, results: Results | None, *, samples: int | None = 300) -> RunFolder:
    folder = RunFolder.create(root, "sim-diff-drive", STARTED, "ab12")
    folder.save_run(**data.run_record(status="finished"))
    folder.event("phase", name="measure")
    if samples is not None:
        folder.write_samples(data.samples(samples))
    if results is not None:
        folder.write_json("results.json", results.model_dump(mode="json", by_alias=True))
    return folder


@pytest.mark.slow
def test_a_run_folder_gets_its_three_documents(tmp_path: Path) -> None:
    results, _, _ = data.whole(300)
    folder = folder_of(tmp_path, results)
    before = {path.name for path in folder.path.iterdir()}
    written = render(folder.path)
    assert [path.name for path in written] == ["report.pdf", "junit.xml", "summary.md"]
    assert {path.name for path in folder.path.iterdir()} == before | {"report.pdf", "junit.xml", "summary.md"}
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(written[0]).pages)
    assert "End of report" in text
    assert "name: measure" in text
    assert JUnitXml.fromfile(str(written[1])).tests == 1
    assert "sim-diff-drive" in written[2].read_text(encoding="utf-8")


@pytest.mark.slow
def test_rendering_again_replaces_and_gives_the_same(tmp_path: Path) -> None:
    results, _, _ = data.whole(300)
    folder = folder_of(tmp_path, results)
    first = [path.read_bytes() for path in render(folder.path)]
    assert [path.read_bytes() for path in render(folder.path)] == first


@pytest.mark.slow
def test_a_run_without_samples_still_reports_every_agreed_requirement(tmp_path: Path) -> None:
    results = data.results(
        {}, [], verdict=Verdict.ERROR, aborted=True, abort_reason="nobody answered the probes"
    )
    folder = folder_of(tmp_path, results, samples=None)
    rig = json.loads(json.dumps(folder.run["rig"]))
    rig["resolved"]["requirements"] = [{"id": "CMD-RTT"}, {"id": "CMD-2"}]
    folder.save_run(rig=rig)
    _, junit, summary = render(folder.path)
    suite = JUnitXml.fromfile(str(junit))
    assert (suite.tests, suite.errors, suite.failures) == (2, 2, 0)
    assert "nobody answered the probes" in summary.read_text(encoding="utf-8")


def test_no_results_and_damaged_results_name_the_next_step(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, None)
    with pytest.raises(RecordingError, match=r"results\.json is not there") as raised:
        render(folder.path)
    assert "harness report" in (raised.value.hint or "")
    (folder.path / "results.json").write_text('{"schema": 1}', encoding="utf-8")
    with pytest.raises(RecordingError, match="not the results of this version"):
        render(folder.path)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        render(tmp_path)
