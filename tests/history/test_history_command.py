"""What ``harness history`` prints, draws and refuses."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import history_data as data
import pytest
from click.testing import CliRunner, Result

from harness.cli import cli
from harness.errors import ConfigurationError
from harness.history.ages import age, since
from harness.history.marks import marked
from harness.history.reading import read_run


def harness(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words), standalone_mode=False)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    for number in range(30):
        data.written(
            tmp_path,
            number,
            "sim-arm",
            5.0 if number < 25 else 12.0,
            **{
                "provenance.git": {"commit": f"{number // 10:040x}", "branch": "m", "dirty": number == 12},
                "provenance.harness_version": "0.1.0" if number < 15 else "0.2.0",
                "environment.host.cpus": 2 if number < 28 else 4,
            },
        )
    data.written(tmp_path, 1, "other")
    (data.written(tmp_path, 2, "other") / "results.json").write_text("{")
    return tmp_path


def test_without_a_rig_every_rig_has_a_line_and_what_is_broken_is_named(reports: Path) -> None:
    done = harness("history", "--reports", str(reports))
    assert done.exception is None, done.exception
    lines = done.output.splitlines()
    assert "25 PASS, 5 FAIL" in lines[2] and lines[2].startswith("sim-arm")
    assert lines[1].startswith("other") and "1 PASS" in lines[1]
    assert "left out" in lines[3] and "results.json" in lines[3]


def test_the_newest_runs_of_a_rig_with_versions_and_commits_marked(reports: Path) -> None:
    done = harness("history", "sim_arm", "--reports", str(reports))
    assert done.exception is None, done.exception
    lines = done.output.splitlines()
    assert lines[0] == "sim-arm  SIMULATED  20 of 30 runs: 15 PASS, 5 FAIL"
    assert lines[2] == "CMD-RTT  p99 latency ≤ 10 ms"
    rows = [line for line in lines if line.startswith(" 2026-")]
    assert len(rows) == 20
    assert "0000000000+" not in rows[2] and "000000000+" in rows[2]
    assert [number for number, row in enumerate(rows) if "harness 0.1.0 → 0.2.0" in row] == [5]
    assert [number for number, row in enumerate(rows) if "⌇" in row] == [18]
    assert "5.000 ms" in rows[0] and "≤ 5.250 ms" in rows[0] and "52 %" in rows[0]
    assert "FAIL" in rows[-1] and "126 %" in rows[-1]
    assert any("2 CPUs" in line and "4 CPUs" in line for line in lines)


def test_runs_are_filtered_by_number_time_and_requirement(reports: Path) -> None:
    rows = harness("history", "sim-arm", "--reports", str(reports), "--last", "3").output
    assert sum(line.startswith(" 2026-") for line in rows.splitlines()) == 3
    rows = harness("history", "sim-arm", "--reports", str(reports), "--since", "2026-02-01T12:00").output
    assert sum(line.startswith(" 2026-") for line in rows.splitlines()) == 6
    done = harness("history", "sim-arm", "--reports", str(reports), "--requirement", "NO")
    assert isinstance(done.exception, ConfigurationError)
    assert done.exception.hint == "there are: CMD-RTT"


def test_json_holds_every_run_with_its_marks(reports: Path) -> None:
    said = json.loads(harness("history", "sim-arm", "--reports", str(reports), "--json").output)
    assert said["schema"] == 1 and len(said["runs"]) == 30 and len(said["broken"]) == 1
    last = said["runs"][28]
    assert last["requirements"]["CMD-RTT"]["estimate"] == 12.0 and last["verdict"] == "FAIL"
    assert last["not_comparable"] and not last["new_commit"]
    assert said["runs"][15]["changes"] == ["harness 0.1.0 → 0.2.0"]
    assert Path(last["path"]).is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_it_is_drawn(reports: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"plot.{kind}"
    done = harness("history", "sim-arm", "--reports", str(reports), "--plot", str(out))
    assert done.exception is None, done.exception
    assert str(out) in done.output
    begins = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[kind]
    assert out.read_bytes().startswith(begins)
    if kind == "svg":
        text = out.read_text()
        assert "CMD-RTT: p99 latency ≤ 10 ms" in text and "harness 0.1.0 → 0.2.0" in text
        assert "30 runs" in text and "000000000+" in text


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["sim_arn"], "no run of 'sim_arn'", "did you mean sim-arm?"),
        (["sim-arm", "--plot", "x.gif"], ".gif is no kind of picture", ".svg, .png or .pdf"),
        (["--plot", "x.svg"], "a plot is of one rig", "harness history RIG"),
        (["sim-arm", "--since", "soon"], "--since 'soon' is neither", "2026-01-31"),
        (["sim-arm", "--since", "2036-01-01"], "has no run since 2036-01-01", "further back"),
    ],
)
def test_mistakes_are_told_with_the_next_step(
    reports: Path, words: list[str], message: str, hint: str
) -> None:
    done = harness("history", *words, "--reports", str(reports))
    assert isinstance(done.exception, ConfigurationError), done.output
    assert message in done.exception.message and hint in str(done.exception.hint)


def test_no_folder_and_no_run_are_told(tmp_path: Path) -> None:
    done = harness("history", "--reports", str(tmp_path / "no"))
    assert isinstance(done.exception, ConfigurationError) and "--reports" in str(done.exception.hint)
    done = harness("history", "sim", "--reports", str(tmp_path))
    assert isinstance(done.exception, ConfigurationError) and "harness run sim" in str(done.exception.hint)


def test_a_requirement_without_a_value_leaves_its_bar_out(tmp_path: Path) -> None:
    nothing = {f"requirements.0.{key}": None for key in ("estimate", "lower_bound", "upper_bound")}
    data.written(tmp_path, 1, **nothing, **{"requirements.0.verdict": "ERROR", "aborted": True})
    done = harness("history", "sim", "--reports", str(tmp_path))
    assert done.exception is None, done.exception
    assert "ERROR aborted" in done.output and "%" not in done.output.splitlines()[4]


def test_ages_and_dates() -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    assert (now - since("7d", "x", now)).days == 7
    assert (now - since("90min", "x", now)).total_seconds() == 5400
    assert since("2026-01-01", "x") == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert since("2026-01-01T00:00:00Z", "x") == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert since("99999999w", "x", now).year == 1
    for wrong in ("7", "d", "-3d", "1e400d", "9" * 400 + "d", ""):
        with pytest.raises(ConfigurationError, match="--keep-raw"):
            age(wrong, "--keep-raw")


def test_long_changes_are_named_and_short_ones_shown(tmp_path: Path) -> None:
    a = read_run(data.written(tmp_path, 1, **{"provenance.overrides": ["a.b=1"]}))
    long = "x" * 30
    b = read_run(data.written(tmp_path, 2, **{"environment.host.kernel": long, "rig.sha256": "cd" * 32}))
    _, second = marked([a, b])
    assert set(second.changes) == {"kernel", "rig file", "without --set a.b=1"} and second.new_commit
    assert marked([]) == []
