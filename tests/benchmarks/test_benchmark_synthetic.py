"""The drawn run is what a loopback run leaves, and its report is not an empty one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import figures, recording, synthetic
from harness.analysis.derive import derive
from harness.folder import RunFolder
from harness.model import NO_STAMP, StimulusFlag

SAMPLES = 20_000


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(out / "locks"))
        return synthetic.folder(out, synthetic.real_run(out, 20), SAMPLES, seed=3)


@pytest.mark.slow
def test_the_tables_are_those_of_a_run(run_dir: Path) -> None:
    folder = RunFolder.open(run_dir)
    stimuli, observed = folder.stimuli(), folder.observations()[synthetic.PORT]
    measured = stimuli["flags"] & int(StimulusFlag.WARM_UP) == 0
    assert (len(stimuli), int(measured.sum())) == (SAMPLES + synthetic.WARM_UP, SAMPLES)
    assert (np.diff(stimuli["intended_ns"]) >= 500_000 - 1).all()
    assert (np.diff(observed["seen_ns"]) >= 0).all()
    skipped = stimuli["flags"] & int(StimulusFlag.SKIPPED) != 0
    assert ((stimuli["sent_ns"] == NO_STAMP) == skipped).all()
    assert folder.verify_raw() == [] and not (run_dir / "journal").exists()


@pytest.mark.slow
def test_its_results_show_what_was_drawn(run_dir: Path) -> None:
    results = derive(RunFolder.open(run_dir))
    scenario = results.scenarios["command"]
    assert scenario.scheduled == SAMPLES and scenario.unmatched == 0 and scenario.clock_steps == 0
    assert scenario.lost > 0 and scenario.out_of_order > 0
    assert scenario.latency_ms.p50 == pytest.approx(0.4, abs=0.05)
    assert not results.aborted
    assert scenario.arrival_is.startswith("instant the reader took it")
    looked = results.bottlenecks[0]
    assert looked.looks == pytest.approx((SAMPLES + synthetic.WARM_UP) / 40, rel=0.15)
    (waited,) = [
        each for each in looked.considered if (each.kind, each.subject) == ("run-queue delay", "robot")
    ]
    assert waited.share > 3 * waited.chance


@pytest.mark.slow
def test_a_report_of_it_is_timed_and_weighed(run_dir: Path) -> None:
    found = figures.cost("report", run_dir, "--json").expect(0, 1, 3)
    assert found.seconds > 0 and found.cpu > 0 and 0.05 < found.gb < 2
    assert json.loads(found.said)["run_id"] == run_dir.name
    assert json.loads((run_dir / "results.json").read_text())["scenarios"]["command"]["scheduled"] == SAMPLES
    assert (run_dir / "report.pdf").stat().st_size > 10_000


def test_a_small_process_weighs_less_than_the_one_that_weighs_it() -> None:
    ballast = np.ones(400_000_000 // 8)
    found = figures.cost("--version").expect(0)
    assert 0.005 < found.gb < 0.3 < ballast.nbytes / 1e9
    assert found.said.startswith("harness") and found.cpu > 0 and found.seconds > 0
    with pytest.raises(SystemExit, match="status 0"):
        found.expect(4)


def test_clusters_start_at_random_and_stay_within_the_table() -> None:
    rng = np.random.default_rng(1)
    assert not synthetic.clusters(rng, 1000, 0.0, 5).any()
    assert synthetic.clusters(rng, 1000, 1.0, 5).all()
    share = synthetic.clusters(rng, 100_000, 0.001, 9).mean()
    assert 0.004 < share < 0.006


@pytest.mark.slow
def test_recording_is_timed_on_real_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    real = recording.per_call_us

    def counting(call: Any, calls: int) -> float:
        found = real(call, calls)
        counts.append(calls)
        return found

    monkeypatch.setattr(recording, "per_call_us", counting)
    outcome = recording.run(quick=True)
    assert counts == [20_000] * 9
    sample, sink, row, _ = outcome.figures
    assert sample.value == pytest.approx(sink.value + row.value) and sample.at_most == 5.0
    assert all(figure.value > 0 for figure in outcome.figures)


def test_a_sending_without_hand_over_writes_its_rows() -> None:
    with recording.open_tables(100) as bench:
        append, amend = bench.stimuli.append, bench.stimuli.amender("sent_ns", "handed_ns")
        append(7, 1, 2, NO_STAMP, 0, 0, 1)
        amend(3, 4)
        assert bench.folder.stimuli()[["key", "sent_ns", "handed_ns"]].tolist() == [(7, 3, 4)]
