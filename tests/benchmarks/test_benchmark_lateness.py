"""Lateness out of the tables of a run and out of what cyclictest prints, by the same order statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks import lateness
from harness.analysis.statistics import order_quantile
from harness.model import NO_STAMP, STIMULUS_DTYPE, StimulusFlag

OUTPUT = """\
# /dev/cpu_dma_latency set to 0us
# Histogram
000000 000000
000040 000002
000100 000097
002500 000001
# Total: 000000100
# Min Latencies: 00040
# Avg Latencies: 00108
# Max Latencies: 02500
# Histogram Overflows: 00000
# Histogram Overflow at cycle number:
# Thread 0:
"""


def test_the_histogram_is_read() -> None:
    assert lateness.histogram(OUTPUT) == ({40: 2, 100: 97, 2500: 1}, 0)
    assert lateness.histogram(OUTPUT.replace("Overflows: 00000", "Overflows: 00007"))[1] == 7


@pytest.mark.parametrize(
    "output", ["", "cyclictest: permission denied", OUTPUT.partition("# Histogram Ov")[0]]
)
def test_anything_else_is_no_histogram(output: str) -> None:
    with pytest.raises(ValueError, match="histogram"):
        lateness.histogram(output)


def test_quantiles_of_a_histogram_are_the_order_statistics_of_its_values() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(1, 300, 777)
    us, counts = np.unique(values, return_counts=True)
    found = lateness.quantiles_ms(dict(zip(us.tolist(), counts.tolist(), strict=True)), 0)
    ascending = np.sort(values) / 1e3
    assert found == {name: order_quantile(ascending, q) for name, q in lateness.QUANTILES.items()}


def test_what_is_beyond_the_histogram_is_infinite() -> None:
    assert lateness.quantiles_ms({40: 98}, 2) == {"p50": 0.04, "p99": math.inf, "p99.9": math.inf}
    assert lateness.quantiles_ms({40: 99}, 1)["p99"] == 0.04


def test_lateness_is_of_measured_rows_and_infinite_where_skipped() -> None:
    rows = np.zeros(5, dtype=STIMULUS_DTYPE)
    rows["intended_ns"] = 10**15
    rows["sent_ns"] = 10**15 + np.array([9_000_000, 8_000_000, 300_000, 100_000, 0])
    rows["flags"][0], rows["flags"][1] = int(StimulusFlag.PROBE), int(StimulusFlag.WARM_UP)
    rows["flags"][4], rows["sent_ns"][4] = int(StimulusFlag.SKIPPED), NO_STAMP
    assert lateness.lateness_ms(rows).tolist() == [0.1, 0.3, math.inf]


def test_cyclictest_is_asked_for_the_same_interval_and_priority() -> None:
    ordinary, realtime = (lateness.cyclictest_command(400, kind) for kind in (False, True))
    assert {"-t1", "-i5000", "-l400"} <= set(ordinary) & set(realtime)
    assert {"-p0", "--policy=other", "--default-system"} <= set(ordinary)
    assert {"-p80", "--policy=fifo"} <= set(realtime)
    assert not {"-r", "--relative"} & {*ordinary, *realtime}


def test_only_blocks_that_began_idle_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    began = iter([0.02, 0.9, 0.05, 0.9, 0.95, 0.9, 0.04, 0.9, 0.01, 0.9, 0.03, 0.9, 0.02, 0.9])
    p99 = iter([0.10, 0.11, 7.0, 0.12, 0.13, 0.14, 0.15])
    monkeypatch.setattr(lateness.psutil, "cpu_percent", lambda seconds: next(began) * 100)
    monkeypatch.setattr(lateness, "harness_block", lambda *_: {"p50": 0.05, "p99": next(p99), "p99.9": 9.0})
    monkeypatch.setattr(lateness, "cyclictest_block", lambda *_: {"p50": 0.05, "p99": 0.1, "p99.9": 0.2})
    monkeypatch.setattr(lateness.shutil, "which", lambda _: "/usr/bin/cyclictest")
    missing: list[str] = []
    figures, raw = lateness._compared(True, False, missing)
    by_name = {figure.name: figure for figure in figures}
    assert len(raw["blocks"]["harness"]) == len(raw["blocks"]["cyclictest, slack 1 ns"]) == 7
    assert by_name["SCHED_FIFO 80: p99 over cyclictest, slack 1 ns"].value == pytest.approx(1.3)
    idle = by_name["SCHED_FIFO 80: harness, p99, blocks begun idle"]
    # Turns are reversed in between, so the harness comes 1st, 4th, 5th, 8th, 9th, 12th, 13th.
    assert idle.note == "3 of 7 blocks" and idle.value == 0.13 and idle.at_most == lateness.IDLE_P99_MS
    assert missing == []


def test_without_cyclictest_the_benchmark_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lateness.psutil, "cpu_percent", lambda seconds: 50.0)
    monkeypatch.setattr(lateness, "harness_block", lambda *_: {"p50": 0.05, "p99": 0.1, "p99.9": 0.2})
    monkeypatch.setattr(lateness.shutil, "which", lambda _: None)
    outcome = lateness.run(quick=False)
    assert [text for text in outcome.missing if "rt-tests" in text] == [outcome.missing[0]]
    assert sum("no block began on an idle machine" in text for text in outcome.missing) == 2
    assert all(figure.at_most is None for figure in outcome.figures)
