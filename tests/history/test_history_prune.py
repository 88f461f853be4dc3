"""Raw tables are let go, what they showed is kept; on folders of a real run."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.analysis.samples import tried
from harness.cli import cli
from harness.conclude import recover, rerender
from harness.config import find_rig, load_rig
from harness.errors import ConfigurationError, RecordingError
from harness.folder import RAW, RunFolder
from harness.history import History
from harness.history.prune import SHARES, candidates, release
from harness.retained import RAW_FILES
from harness.runner import RunOptions, run_rig

pytestmark = pytest.mark.slow
GONE = ["clocks.parquet", "host.parquet", "observations.parquet", "samples.parquet", "stimuli.parquet"]


def harness(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words), standalone_mode=False)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("prune")
    patch = pytest.MonkeyPatch()
    patch.setenv("HARNESS_LOCK_DIR", str(root / "locks"))
    loaded = load_rig(find_rig("loopback"), ["scenarios.command.schedule.warmup_s=0.1", "host.floor_s=0"])
    outcome = run_rig(loaded, RunOptions(out=root, samples=100, anyway=True, command_line=("test",)))
    patch.undo()
    return outcome.folder


@pytest.fixture
def reports(recorded: Path, tmp_path: Path) -> Path:
    """Three runs of one rig, 60, 40 and 1 days ago; each with a bag."""
    found = tmp_path / "reports"
    for number, days in enumerate((60, 40, 1)):
        started = datetime.now(timezone.utc) - timedelta(days=days)
        run_id = f"{started:%Y-%m-%dT%H-%M-%SZ}-{number:04d}"
        folder = found / "loopback" / run_id
        shutil.copytree(recorded, folder)
        for name in ("results.json", "run.json"):
            content = json.loads((folder / name).read_text())
            content |= {"run_id": run_id, "started": started.isoformat(timespec="milliseconds")}
            (folder / name).write_text(json.dumps(content))
        (folder / "bag").mkdir()
        (folder / "bag" / "bag_0.mcap").write_bytes(b"messages" * 1000)
    return found


def runs(reports: Path) -> list[Path]:
    return sorted((reports / "loopback").iterdir())


def test_nothing_goes_unasked_and_old_runs_go_when_asked(reports: Path) -> None:
    before = {path: path.read_bytes() for path in reports.rglob("*") if path.is_file()}
    done = harness("prune", "--reports", str(reports))
    assert done.exception is None, done.exception
    assert done.output.count("would go") == 2 and "nothing was removed" in done.output
    assert "kept      1 run: not old enough" in done.output
    after = {p: p.read_bytes() for p in reports.rglob("*") if p.is_file() and ".history" not in p.name}
    assert after == before
    done = harness("prune", "--reports", str(reports), "--yes")
    assert done.exception is None and done.return_value == 0, done.output
    assert done.output.count("let go") == 2 and "freed in 2 runs" in done.output
    old, _, young = runs(reports)
    assert all((young / name).is_file() for name in GONE) and (young / "bag").is_dir()
    assert not any((old / name).exists() for name in [*GONE, "bag", "journal"])
    for name in ("results.json", "report.pdf", "run.json", "events.jsonl", "junit.xml", "summary.md"):
        assert (old / name).read_bytes() == before[old / name], name
    marker = json.loads((old / "let_go.json").read_text())
    assert {each["name"] for each in marker["files"]} == {"bag/bag_0.mcap", *GONE}
    for each in marker["files"]:
        content = before[old / each["name"]]
        assert each["bytes"] == len(content)
        assert each["sha256"] == hashlib.sha256(content).hexdigest()
    with History.open(reports) as history:
        assert len(history.runs("loopback")) == 3, "the history stays"
    assert "nothing to let go" in harness("prune", "--reports", str(reports), "--yes").output


def test_the_summary_of_the_samples_is_theirs(reports: Path) -> None:
    old = runs(reports)[0]
    samples = RunFolder.open(old).samples()
    first = candidates(reports, timedelta(days=30))[0]
    release(first)
    kept = json.loads((old / "samples_summary.json").read_text())
    mine = kept["scenarios"]["command"]
    counting = samples[(samples["stimulus_flags"] == 0) & (samples["scenario"] == 0)]
    latency = np.sort((counting["arrived_ns"] - counting["sent_ns"]) * 1e-6)
    assert mine["n"] == len(counting) and mine["lost"] == 0
    values = dict(zip(kept["shares"], mine["latency_ms"], strict=True))
    assert values[1.0] == pytest.approx(latency[-1], abs=1e-5)
    assert values[0.5] == pytest.approx(latency[int(np.ceil(len(latency) * 0.5)) - 1], abs=1e-5)
    assert list(values) == list(SHARES)


def test_a_report_on_what_was_let_go_says_so_and_breaks_nothing(reports: Path) -> None:
    old = runs(reports)[0]
    before = (old / "results.json").read_bytes()
    release(candidates(reports, timedelta(days=30))[0])
    for again in (rerender, recover):
        with pytest.raises(RecordingError, match=r"let go at 20.* by harness prune") as caught:
            again(old)
        assert caught.value.hint is not None and "let_go.json" in caught.value.hint
    with pytest.raises(RecordingError, match="let go"):
        RunFolder.open(old).samples()
    with pytest.raises(RecordingError, match="let go"):
        RunFolder.open(old).stimuli()
    assert (old / "results.json").read_bytes() == before


def test_what_was_restored_can_be_reported_again(reports: Path, recorded: Path) -> None:
    old = runs(reports)[0]
    release(candidates(reports, timedelta(days=30))[0])
    assert tuple(RAW) == RAW_FILES
    for name in RAW_FILES:
        with pytest.raises(RecordingError, match="let go"):
            rerender(old)
        shutil.copy(recorded / name, old / name)
    assert rerender(old).results is not None


def test_the_newest_and_those_marked_are_spared(reports: Path) -> None:
    (runs(reports)[0] / "keep").touch()
    found = candidates(reports, timedelta(hours=1))
    assert [each.kept for each in found] == ["has a file keep", "", "the newest of its rig"]
    found = candidates(reports, timedelta(hours=1), last=2)
    assert [bool(each.kept) for each in found] == [True, True, True]
    assert [bool(each.kept) for each in candidates(reports, timedelta(hours=1), last=0)] == [
        True,
        False,
        False,
    ]
    assert candidates(reports, timedelta(hours=1), rig="other") == []


def test_tables_that_were_tampered_with_stay(reports: Path) -> None:
    old = runs(reports)[0]
    (old / "stimuli.parquet").write_bytes(b"something else")
    done = harness("prune", "--reports", str(reports), "--yes")
    assert done.return_value == 4 and "not what the run recorded" in done.output
    assert (old / "stimuli.parquet").is_file() and not (old / "let_go.json").exists()
    assert not (runs(reports)[1] / "stimuli.parquet").exists(), "the others go all the same"


def test_what_was_put_back_goes_again_only_if_it_is_the_same(reports: Path, recorded: Path) -> None:
    old = runs(reports)[0]
    release(candidates(reports, timedelta(days=30))[0])
    shutil.copy(recorded / "stimuli.parquet", old / "stimuli.parquet")
    (old / "clocks.parquet").write_bytes(b"something else")
    with pytest.raises(RecordingError, match=r"clocks\.parquet is not what let_go\.json names"):
        release(candidates(reports, timedelta(days=30))[0])
    assert (old / "stimuli.parquet").is_file()
    shutil.copy(recorded / "clocks.parquet", old / "clocks.parquet")
    release(candidates(reports, timedelta(days=30))[0])
    assert not (old / "stimuli.parquet").exists() and not (old / "clocks.parquet").exists()


def test_earlier_parts_of_a_series_are_treated_like_the_last(reports: Path, recorded: Path) -> None:
    old = runs(reports)[0]
    part = old / "parts" / "1_before"
    shutil.copytree(recorded, part)
    (part / "observations.parquet").write_bytes(b"something else")
    with pytest.raises(RecordingError, match=r"1_before: observations\.parquet is not what"):
        release(candidates(reports, timedelta(days=30))[0])
    shutil.copy(recorded / "observations.parquet", part / "observations.parquet")
    release(candidates(reports, timedelta(days=30))[0])
    kept = json.loads((old / "samples_summary.json").read_text())["scenarios"]["command"]
    samples = RunFolder.open(recorded).samples()
    counting = int(tried(samples[samples["scenario"] == 0]).sum())
    assert counting > 0 and kept["n"] == 2 * counting and not (part / "stimuli.parquet").exists()


def test_samples_that_cannot_be_read_keep_their_tables(reports: Path) -> None:
    old = runs(reports)[0]
    (old / "samples.parquet").write_bytes(b"no table")
    with pytest.raises(RecordingError):
        release(candidates(reports, timedelta(days=30))[0])
    assert (old / "stimuli.parquet").is_file() and not (old / "let_go.json").exists()


def test_what_a_killed_prune_left_is_finished_by_the_next(
    reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = runs(reports)[0]
    unlink = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.name == "observations.parquet":
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    first = candidates(reports, timedelta(days=30))[0]
    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        release(first)
    monkeypatch.undo()
    assert not (old / "clocks.parquet").exists() and (old / "observations.parquet").exists()
    with pytest.raises(RecordingError, match="let go"):
        rerender(old)
    before = json.loads((old / "let_go.json").read_text())
    assert len(before["files"]) == len(GONE) + 1
    release(candidates(reports, timedelta(days=30))[0])
    assert not any((old / name).exists() for name in GONE)
    assert json.loads((old / "let_go.json").read_text()) == before


def test_mistakes_of_a_prune_are_told(reports: Path) -> None:
    for words, message in (
        (["--keep-raw", "ever"], "--keep-raw 'ever'"),
        (["lopback"], "no run of 'lopback'"),
        (["--reports", "nowhere"], "nowhere"),
    ):
        done = harness("prune", "--reports", str(reports), *words)
        assert isinstance(done.exception, ConfigurationError) and message in done.exception.message
