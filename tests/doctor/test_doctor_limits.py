from __future__ import annotations

from pathlib import Path

import pytest
from doctor_trees import host

from harness.doctor import Health, limits
from harness.doctor.need import Need
from harness.doctor.result import NOT_AVAILABLE

CAPS = "Name:\tx\nCapEff:\t{:016x}\n"
LIMITS = (
    "Limit    Soft Limit   Hard Limit  Units\nMax locked memory         {}   {}   bytes\n"
    "Max realtime priority     {}   {}"
)


@pytest.mark.parametrize(
    ("limit", "caps", "realtime", "severity", "value"),
    [
        ("98", 0, True, "ok", "up to 98"),
        ("unlimited", 0, True, "ok", "up to 99"),
        ("10", 0, True, "warning", "up to 10"),
        ("0", 0, True, "warning", "not allowed"),
        ("0", 0, False, "info", "not allowed"),
        ("0", 1 << 23, True, "ok", "allowed (CAP_SYS_NICE)"),
        (None, 0, True, "info", NOT_AVAILABLE),
    ],
)
def test_real_time_priority(tmp_path: Path, limit, caps, realtime, severity, value) -> None:
    files = {"proc/self/status": CAPS.format(caps)}
    if limit is not None:
        files["proc/self/limits"] = LIMITS.format("1", "1", limit, limit)
    found = limits.rtprio(host(tmp_path, files, environ={"USER": "jane"}), Need(realtime=realtime))
    assert (found.severity, found.value) == (Health(severity), value)
    wanted = "echo 'jane - rtprio 98' | sudo tee -a /etc/security/limits.d/99-harness.conf"
    assert found.remedy.startswith(wanted) == ("not allowed" in value or value == "up to 10")


@pytest.mark.parametrize(
    ("limit", "caps", "severity", "value"),
    [
        ("unlimited", 0, "ok", "unlimited"),
        ("8388608", 0, "warning", "at most 8192 KiB"),
        ("8388608", 1 << 14, "ok", "unlimited (CAP_IPC_LOCK)"),
        (None, 0, "info", NOT_AVAILABLE),
    ],
)
def test_locked_memory(tmp_path: Path, limit, caps, severity, value) -> None:
    files = {"proc/self/status": CAPS.format(caps)}
    if limit is not None:
        files["proc/self/limits"] = LIMITS.format(limit, limit, "0", "0")
    found = limits.memlock(host(tmp_path, files), Need())
    assert (found.severity, found.value) == (Health(severity), value)
    assert ("memlock unlimited" in found.remedy) == (severity == "warning")


@pytest.mark.parametrize(
    ("runtime", "severity", "value"),
    [
        ("-1", "ok", "off"),
        ("950000", "ok", "950000 of 1000000 us (95 %)"),
        ("100000", "warning", "100000 of 1000000 us (10 %)"),
        ("0", "warning", "real-time threads never run"),
        ("rubbish", "info", NOT_AVAILABLE),
        (None, "info", NOT_AVAILABLE),
    ],
)
def test_real_time_throttling(tmp_path: Path, runtime, severity, value) -> None:
    files = {"proc/sys/kernel/sched_rt_period_us": "1000000"}
    if runtime is not None:
        files["proc/sys/kernel/sched_rt_runtime_us"] = runtime
    found = limits.throttling(host(tmp_path, files), Need())
    assert found.severity is Health(severity)
    assert value in found.value
    assert bool(found.remedy) == (severity == "warning")


GROUP = "sys/fs/cgroup"


@pytest.mark.parametrize(
    ("files", "severity", "value", "remedy"),
    [
        ({f"{GROUP}/cgroup.controllers": "cpu"}, "ok", "none", ""),
        ({f"{GROUP}/a.service/cpu.max": "max 100000"}, "ok", "none", ""),
        (
            {f"{GROUP}/a.service/cpu.max": "150000 100000", f"{GROUP}/a.service/cpu.stat": "nr_throttled 7"},
            "warning",
            "1.5 CPUs, stopped 7 times so far",
            "systemctl set-property --runtime a.service CPUQuota=",
        ),
        ({f"{GROUP}/a.service/cpu.max": "800000 100000"}, "info", "8 CPUs", "CPUQuota="),
        # The quota of a group above counts too, and version 1 has other files.
        ({f"{GROUP}/cpu.max": "50000 100000"}, "warning", "0.5 CPUs", "CPUQuota="),
        (
            {f"{GROUP}/cpu/cpu.cfs_quota_us": "200000", f"{GROUP}/cpu/cpu.cfs_period_us": "100000"},
            "warning",
            "2 CPUs",
            "CPUQuota=",
        ),
        (
            {f"{GROUP}/cpu/cpu.cfs_quota_us": "-1", f"{GROUP}/cpu/cpu.cfs_period_us": "100000"},
            "ok",
            "none",
            "",
        ),
        ({}, "info", NOT_AVAILABLE, ""),
    ],
)
def test_cpu_quota(tmp_path: Path, files, severity, value, remedy) -> None:
    roots = host(tmp_path, {"proc/self/cgroup": "3:cpu,cpuacct:/\n0::/a.service", **files})
    found = limits.cpu_quota(roots, Need())
    assert (found.severity, found.value) == (Health(severity), value)
    assert remedy in found.remedy and bool(found.remedy) == bool(remedy)


def test_a_containers_quota_is_mended_on_its_host(tmp_path: Path) -> None:
    roots = host(tmp_path, {"proc/self/cgroup": "0::/", f"{GROUP}/cpu.max": "50000 100000"})
    assert limits.cpu_quota(roots, Need()).remedy.startswith("docker update --cpus 0")
