from __future__ import annotations

from pathlib import Path

import pytest
from doctor_trees import CPU, host

from harness.doctor import Health, load
from harness.doctor.need import Need
from harness.doctor.result import NOT_AVAILABLE


@pytest.mark.parametrize(
    ("text", "bound", "severity", "value"),
    [
        ("0.40 9 9 1/1 1", 1.5, "ok", "0.10 per CPU"),
        ("2.80 9 9 1/1 1", 1.5, "warning", "0.70 per CPU"),
        ("8.00 9 9 1/1 1", 1.5, "warning", "above 1.5: inconclusive"),
        ("8.00 9 9 1/1 1", 3.0, "warning", "2.00 per CPU in the last minute, 4 CPUs"),
        ("", 1.5, "info", NOT_AVAILABLE),
        ("much", 1.5, "info", NOT_AVAILABLE),
    ],
)
def test_load_of_each_cpu(tmp_path: Path, text, bound, severity, value) -> None:
    found = load.load_average(host(tmp_path, {"proc/loadavg": text}), Need(max_load_per_cpu=bound))
    assert found.severity is Health(severity) and value in found.value
    assert bool(found.remedy) == (severity == "warning")


@pytest.mark.parametrize(
    ("text", "severity", "value"),
    [
        (
            "some avg10=0.50 avg60=1.00 avg300=0 total=1\nfull avg10=90 avg60=9 avg300=0 total=0",
            "ok",
            "0.5 %",
        ),
        ("some avg10=9.96 avg60=8.02 avg300=0 total=1", "info", "9.96 % of the last 10 s"),
        ("some avg10=40.0 avg60=8.02 avg300=0 total=1", "warning", "40 %"),
        ("some", "info", NOT_AVAILABLE),
        ("", "info", NOT_AVAILABLE),
    ],
)
def test_pressure(tmp_path: Path, text, severity, value) -> None:
    found = load.pressure(host(tmp_path, {"proc/pressure/cpu": text}), Need())
    assert found.severity is Health(severity) and value in found.value


def sampled(place: Path, ticks: str, counts: dict[str, str] | None = None) -> load.Sample:
    files = {f"{CPU}/cpu0/thermal_throttle/{name}": text for name, text in (counts or {}).items()}
    return load.sample(host(place, {"proc/stat": f"cpu  {ticks}\ncpu0 1 2 3", **files}))


@pytest.mark.parametrize(
    ("before", "after", "severity", "value"),
    [
        ("0 0 0 9000 0 0 0 0 0 0", "50 0 0 9100 0 0 0 0 0 0", "ok", "0.0 % just now, 0.00 % since boot"),
        ("0 0 0 9000 0 0 0 0 0 0", "50 0 0 9045 0 0 0 5 0 0", "warning", "5.0 % just now"),
        ("0 0 0 100 0 0 0 900 0 0", "0 0 0 200 0 0 0 900 0 0", "info", "0.0 % just now, 81.82 % since boot"),
        ("0 0 0 100", "0 0 0 200", "info", NOT_AVAILABLE),
        ("0 0 0 100 0 0 0 0", "0 0 0 100 0 0 0 0", "info", NOT_AVAILABLE),
    ],
)
def test_steal_between_two_samples(tmp_path: Path, before, after, severity, value) -> None:
    found = load.steal(host(tmp_path), Need(), sampled(tmp_path, before), sampled(tmp_path, after))
    assert found.severity is Health(severity) and value in found.value
    assert bool(found.remedy) == (value != NOT_AVAILABLE and severity != "ok")


def test_steal_that_nobody_tells(tmp_path: Path) -> None:
    nothing = load.sample(host(tmp_path))
    assert nothing == load.Sample()
    assert load.steal(host(tmp_path), Need(), nothing, nothing).value == NOT_AVAILABLE


COOL, WARM, HOT = ({"core_throttle_count": a, "package_throttle_count": b} for a, b in ("00", "12", "13"))


@pytest.mark.parametrize(
    ("before", "after", "severity", "value"),
    [
        (COOL, COOL, "ok", "never since boot"),
        (WARM, WARM, "info", "3 times since boot, none just now"),
        (WARM, HOT, "warning", "1 times just now, 4 since boot"),
    ],
)
def test_throttling_between_two_samples(tmp_path: Path, before, after, severity, value) -> None:
    first, second = sampled(tmp_path, "1", before), sampled(tmp_path, "1", after)
    found = load.throttling(host(tmp_path), Need(), first, second)
    assert (found.severity, found.value) == (Health(severity), value)


@pytest.mark.parametrize(
    ("flags", "severity", "value"),
    [
        ("0x0", "ok", "never since boot"),
        ("0x50005", "warning", "now: under-voltage, throttled"),
        ("0x40000", "info", "since boot: throttled"),
        ("warm", "info", NOT_AVAILABLE),
        (None, "info", NOT_AVAILABLE),
    ],
)
def test_throttling_of_a_raspberry_pi(tmp_path: Path, flags, severity, value) -> None:
    files = {"sys/devices/platform/soc/soc:firmware/get_throttled": flags} if flags else {}
    found = load.throttling(host(tmp_path, files), Need(), load.Sample(), load.Sample())
    assert (found.severity, found.value) == (Health(severity), value)
