"""The drawn run is what a loopback run leaves, and its report is not an empty one."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from benchmarks import recording, rerender, synthetic
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


@pytest.mark.slow
def test_a_report_of_it_is_timed_and_weighed(run_dir: Path) -> None:
    seconds, gb, status = rerender.render_once(run_dir)
    assert status in (0, 1, 3) and seconds > 0 and 0.05 < gb < 2
    assert json.loads((run_dir / "results.json").read_text())["scenarios"]["command"]["scheduled"] == SAMPLES
    assert (run_dir / "report.pdf").stat().st_size > 10_000


def test_peak_memory_is_counted_in_kib() -> None:
    usage = cast(resource.struct_rusage, SimpleNamespace(ru_maxrss=10**6))
    assert rerender.peak_gb(usage) == 1.024


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
