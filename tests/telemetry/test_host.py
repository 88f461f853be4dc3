"""Sampling the host: what is there is observed, what is not is said."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import psutil
import pytest

from harness.telemetry import host as module
from harness.telemetry import perf
from harness.telemetry.budget import Budgets
from harness.telemetry.host import HostSampler

CATALOGUE = Path(__file__).resolve().parents[2] / "budgets"

PERF = """#!/bin/sh
# One interval of two events in the format of perf stat -x, -I; then it stays, unless it is the probe.
for word in "$@"; do case "$word" in sleep) probe=1;; esac; done
echo "     0.010,2000000,,cycles,100,100.00,," >&2
echo "     0.010,3000000,,instructions:u,100,100.00,1.50,insn per cycle" >&2
echo "     0.010,1000,,cache-references,100,100.00,," >&2
echo "     0.010,50,,cache-misses,100,100.00,," >&2
echo "     0.010,<not counted>,,branches,0,0.00,," >&2
[ -n "$probe" ] || exec sleep 60
"""


@pytest.fixture
def budgets() -> Budgets:
    book = Budgets(reports=None)
    book.load(CATALOGUE)
    return book


@pytest.fixture(autouse=True)
def no_perf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "perf_counters", lambda every_s: "not asked in this test")


def test_a_sample_feeds_the_budgets_of_the_system(budgets: Budgets) -> None:
    sampler = HostSampler(budgets, 3600)
    sampler.sample()
    sampler.close()
    found = {line.limits.name: line for line in budgets.results().lines if line.n}
    assert found["system.cpu"].n == 2 and 0 <= found["system.cpu"].mean <= 100  # type: ignore[operator]
    assert 0 < found["system.memory"].mean < 100  # type: ignore[operator]
    cores = [name for name in found if name.startswith("host.cpu.")]
    assert len(cores) == psutil.cpu_count()
    assert found["host.context_switches"].smallest > 0  # type: ignore[operator]
    assert {"host.network.received", "host.network.retransmitted", "host.major_page_faults"} <= set(found)
    assert found["host.network.received"].limits.unit == "B/s"
    assert found["host.sampling"].n == 2 and found["host.sampling"].mean > 0  # type: ignore[operator]


def test_samples_come_by_themselves(budgets: Budgets) -> None:
    with HostSampler(budgets, 0.01):
        waited = threading.Event()
        for _ in range(1000):
            if budgets.results()["system.cpu"].n >= 3:
                break
            waited.wait(0.02)
    assert budgets.results()["system.cpu"].n >= 3
    assert not any(each.name == "harness-host-sampling" for each in threading.enumerate())


def test_what_is_not_there_is_said_and_not_made_up(budgets: Budgets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "sensors_temperatures", dict)
    monkeypatch.setattr(psutil, "cpu_freq", lambda: None)
    sampler = HostSampler(budgets, 3600)
    sampler.close()
    words = "\n".join(sampler.words)
    assert "temperature: not available: no sensor" in words and "frequency: not available" in words
    assert "hardware counters: not available: not asked in this test" in words
    names = {line.limits.name for line in budgets.results().lines if line.n}
    assert not any("temperature" in name or "frequency" in name for name in names)


def test_gpus_are_observed_where_nvml_has_them(budgets: Budgets, monkeypatch: pytest.MonkeyPatch) -> None:
    class Nvml:
        class NVMLError(Exception): ...

        count = 1

        @staticmethod
        def nvmlInit() -> None: ...

        @classmethod
        def nvmlDeviceGetCount(cls) -> int:
            return cls.count

        @staticmethod
        def nvmlDeviceGetHandleByIndex(number: int) -> int:
            return number

        @staticmethod
        def nvmlDeviceGetUtilizationRates(handle: int) -> object:
            return type("Used", (), {"gpu": 37})

        @staticmethod
        def nvmlDeviceGetMemoryInfo(handle: int) -> object:
            return type("Memory", (), {"used": 1, "total": 4})

    monkeypatch.setattr(module, "library", lambda name: Nvml)
    HostSampler(budgets, 3600).close()
    assert budgets.results()["system.gpu"].mean == 37
    assert budgets.results()["host.gpu.0.memory"].mean == 25
    Nvml.count = 0
    assert HostSampler(Budgets(reports=None), 3600).missing["gpu"] == "NVML finds no GPU"


def test_a_counter_that_went_back_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = module._Rates()
    counts = iter([{"a": 10.0, "b": 10.0}, {"a": 30.0, "b": 5.0}])
    monkeypatch.setattr(rates, "_counters", lambda: next(counts).items())
    assert list(rates()) == []
    assert [name for name, value, _ in rates() if value > 0] == ["a"]


@pytest.mark.slow
def test_hardware_counters_are_read_from_perf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "perf"
    program.write_text(PERF)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = perf.perf_counters(1.0)
    assert not isinstance(found, str)
    waited = threading.Event()
    for _ in range(1000):
        if len(list(found())) == 2:
            break
        waited.wait(0.02)
    assert list(found()) == [
        ("host.perf.instructions_per_cycle", 1.5, "1"),
        ("host.perf.cache_misses", 5.0, "%"),
    ]
    found.close()
    found.close()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo '0.01,<not supported>,,cycles,0,100.00,,' >&2", "no counters that the kernel can reach"),
        (
            "echo 'Access to performance monitoring is limited' >&2; exit 255",
            "Access to .*perf_event_paranoid",
        ),
    ],
)
def test_why_there_are_no_counters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    program = tmp_path / "perf"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = perf.perf_counters(1.0)
    assert isinstance(found, str)
    assert re.search(said, found)
    monkeypatch.setenv("PATH", "")
    assert perf.perf_counters(1.0) == "perf is not installed (apt-get install linux-perf)"
