"""One page for a review."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import history_data as data
import pytest
from click.testing import CliRunner, Result
from pypdf import PdfReader

from harness.cli import cli
from harness.errors import ConfigurationError
from harness.history.digest import gather
from harness.history.digest_page import MOST, as_markdown

START = data.FIRST + timedelta(hours=10)


def harness(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words), standalone_mode=False)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    found = tmp_path / "reports"
    for number in range(20):
        wobble = 1 + (number * 7 % 5) / 100
        data.written(found, number, "slower", (5 if number < 10 else 8.5) * wobble)
        data.written(found, number, "faster", (8 if number < 10 else 4) * wobble, simulated=False)
        data.written(found, number, "steady", 3 * wobble)
    data.written(found, 2, "idle", 4.0)
    data.written(found, 3, "sim-diff-drive", 4.0)
    (data.written(found, 4, "idle") / "results.json").write_text("{")
    return found


def test_the_page_says_what_moved_what_is_near_and_what_is_missing(reports: Path) -> None:
    digest = gather(reports, START, now=START + timedelta(hours=10))
    assert [each.rig for each in digest.worse] == ["slower"]
    assert [each.rig for each in digest.better] == ["faster"]
    assert [each.name for each in digest.near] == ["slower CMD-RTT"]
    assert [run.rig for run in digest.stale] == ["idle", "sim-diff-drive"]
    assert "sim-arm" in digest.without and "sim-diff-drive" not in digest.without
    assert "compression.ratio" in {each.name for each in digest.unobserved}
    text = as_markdown(digest)
    assert text.startswith("# Latency review, 2026-01-31 to 2026-02-01\n")
    assert "30 of 3 rigs: 30 PASS; 10 of real items, 20 simulated" in text
    worse = text.split("## Worse")[1].split("##")[0]
    assert "slower CMD-RTT (simulated): p99 latency" in worse and "70.0 % worse" in worse
    assert "medians of 10 and 10 runs, p = " in worse and "limit ≤ 10 ms; PASS" in worse
    assert "faster CMD-RTT (real)" in text.split("## Better")[1].split("##")[0]
    assert "steady" not in text.split("## Better")[1]
    missing = text.split("## Not measured")[1]
    assert "2 rigs not in this period, last run: idle (2026-01-31), sim-diff-drive (2026-01-31)" in missing
    assert "1 run folder that cannot be read: idle/" in missing


def test_a_fail_that_was_pass_is_worse_whatever_a_test_says(tmp_path: Path) -> None:
    data.written(tmp_path, 1, p99_ms=8.9, **{"requirements.0.lower_bound": None})
    data.written(tmp_path, 11, p99_ms=11.5)
    digest = gather(tmp_path, START)
    (shift,) = digest.worse
    assert not shift.shown
    assert "FAIL, was PASS" in as_markdown(digest) and "too few to test" in as_markdown(digest)
    data.written(tmp_path, 12, p99_ms=8.8)
    assert gather(tmp_path, data.FIRST + timedelta(hours=12)).better[0].was is not None


def test_a_quantile_that_fell_among_the_lost_heads_the_page(tmp_path: Path) -> None:
    lost = {f"requirements.0.{name}": None for name in ("estimate", "upper_bound")}
    for number in range(20):
        data.written(tmp_path, number, "gone", 5 + number / 100, **(lost if number >= 10 else {}))
        data.written(tmp_path, number, "slower", (5 if number < 10 else 7) + number / 100)
    digest = gather(tmp_path, START)
    assert [each.rig for each in digest.worse] == ["gone", "slower"]
    assert "gone CMD-RTT (simulated): p99 latency among the lost, was 5.045 ms (worse;" in as_markdown(digest)


@pytest.mark.slow
def test_it_is_one_page_however_much_there_is_to_say(tmp_path: Path) -> None:
    for rig in range(20):
        for number in range(16):
            level = (5 if number < 10 else 9.5) if rig < 10 else (8 if number < 10 else 4)
            data.written(
                tmp_path / "reports", number, f"a-rig-of-a-rather-long-name-{rig:02d}", level + number / 100
            )
    out = tmp_path / "review.pdf"
    since = f"{START:%Y-%m-%dT%H:%M}"
    done = harness("digest", "--since", since, "--reports", str(tmp_path / "reports"), "--out", str(out))
    assert done.exception is None, done.exception
    pdf = PdfReader(out)
    assert len(pdf.pages) == 1
    text = pdf.pages[0].extract_text()
    assert f"and {10 - MOST} more" in text and "page 1 of 1" in text
    attached = json.loads(pdf.attachments["results.json"][0])
    assert len(attached["worse"]) == 10 and len(attached["used"]) == 20


@pytest.mark.slow
def test_nothing_at_all_is_a_page_too(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    out = tmp_path / "review.pdf"
    done = harness("digest", "--reports", str(tmp_path / "reports"), "--out", str(out))
    assert done.exception is None, done.exception
    assert "0 of 0 rigs" in PdfReader(out).pages[0].extract_text()


def test_what_programs_observed_and_budgets_of_ones_own_are_in_it(reports: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "pillar: mine\nbudgets:\n  mine.step: {text: a step, measured: m, origin: o, unit: ms, upper: 5}\n"
    )
    done = harness("digest", "--reports", str(reports), "--budgets", str(own), "--since", "2026-01-31")
    assert done.exception is None, done.exception
    assert "1 budget of which nothing was ever observed: mine.step" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--since", "x"], "--since 'x'"),
        (["--out", "page.html"], "no kind of page"),
        (["--reports", "no"], "no"),
    ],
)
def test_mistakes_of_a_digest_are_told(reports: Path, words: list[str], message: str) -> None:
    done = harness("digest", "--reports", str(reports), *words)
    assert isinstance(done.exception, ConfigurationError)
    assert message in done.exception.message and done.exception.hint
