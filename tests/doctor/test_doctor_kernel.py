from __future__ import annotations

from pathlib import Path

import pytest
from doctor_trees import CPU, host

from harness.doctor import Health, kernel
from harness.doctor.need import Need
from harness.doctor.result import NOT_AVAILABLE
from harness.doctor.roots import cpu_set

NEED = Need()


@pytest.mark.parametrize(
    ("files", "severity", "value", "remedy"),
    [
        ({"proc/version": "Linux version 6.12 (x) #1 SMP PREEMPT_RT"}, "ok", "PREEMPT_RT", ""),
        ({"sys/kernel/realtime": "1", "proc/version": "Linux version 5.4 #1 SMP"}, "ok", "PREEMPT_RT", ""),
        (
            {"proc/version": "Linux version 6.8 #1 SMP PREEMPT_DYNAMIC"},
            "info",
            "mode not readable",
            "tee",
        ),
        (
            {
                "proc/version": "Linux version 6.8 #1 SMP PREEMPT_DYNAMIC",
                "sys/kernel/debug/sched/preempt": "none (voluntary) full",
            },
            "warning",
            "voluntary",
            "echo full | sudo tee",
        ),
        (
            {
                "proc/version": "Linux version 6.8 #1 SMP PREEMPT_DYNAMIC",
                "proc/cmdline": "quiet preempt=full",
                "etc/os-release": "ID=ubuntu\nID_LIKE=debian",
            },
            "info",
            "(full)",
            "pro enable realtime-kernel",
        ),
        ({"proc/version": "Linux version 6.1 #1 SMP Debian"}, "warning", "no preemption", "preempt=full"),
        (
            {"proc/version": "Linux version 6.1 #1 SMP x", "etc/os-release": 'ID="rocky"\nID_LIKE="rhel"'},
            "warning",
            "6.1",
            "grubby",
        ),
        (
            {"proc/version": "Linux version 6.1 #1 SMP x", "boot/firmware/cmdline.txt": "quiet"},
            "warning",
            "6.1",
            "cmdline.txt",
        ),
        ({"proc/sys/kernel/osrelease": "6.1"}, "info", NOT_AVAILABLE, ""),
        ({}, "info", NOT_AVAILABLE, ""),
    ],
)
def test_preemption_model(tmp_path: Path, files, severity, value, remedy) -> None:
    found = kernel.preemption(host(tmp_path, files), NEED)
    assert found.severity is Health(severity), found
    assert value in found.value
    assert remedy in found.remedy and bool(found.remedy) == bool(remedy)


def test_governor_names_every_kind_and_how_to_change_it(tmp_path: Path) -> None:
    where = f"{CPU}/cpu{{}}/cpufreq/scaling_governor"
    roots = host(tmp_path, {where.format(0): "performance", where.format(1): "performance"})
    assert kernel.governor(roots, NEED).severity is Health.OK
    found = kernel.governor(host(tmp_path, {where.format(1): "powersave"}), NEED)
    assert found.severity is Health.WARNING
    assert found.value == "performance, powersave on 2 CPUs"
    assert found.remedy.startswith("echo performance | sudo tee ")


def test_governor_of_a_virtual_machine_is_not_available(tmp_path: Path) -> None:
    found = kernel.governor(host(tmp_path), NEED)
    assert (found.severity, found.value, found.remedy) == (Health.INFO, NOT_AVAILABLE, "")


IDLE = {
    f"{CPU}/cpu0/cpuidle/state1/name": "C1",
    f"{CPU}/cpu0/cpuidle/state1/latency": "2",
    f"{CPU}/cpu0/cpuidle/state2/name": "C6",
    f"{CPU}/cpu0/cpuidle/state2/latency": "133",
}


def test_a_deep_idle_state_counts_unless_it_is_disabled_or_forbidden(tmp_path: Path) -> None:
    assert kernel.idle_states(host(tmp_path), NEED).value == NOT_AVAILABLE
    found = kernel.idle_states(host(tmp_path, IDLE), NEED)
    assert found.severity is Health.WARNING
    assert "C6, 133 us" in found.value and "cpu_dma_latency" in found.remedy
    held = host(tmp_path, {"dev/cpu_dma_latency": ""})
    assert kernel.idle_states(held, NEED).severity is Health.OK
    assert kernel.idle_states(held, Need(realtime=False)).severity is Health.WARNING
    off = host(tmp_path, {f"{CPU}/cpu0/cpuidle/state2/disable": "1"})
    assert kernel.idle_states(off, Need(realtime=False)).value.startswith("up to C1")


@pytest.mark.parametrize(
    ("files", "severity", "value"),
    [
        ({"smt/active": "1", "smt/control": "on"}, "info", "on"),
        ({"smt/active": "0", "smt/control": "off"}, "ok", "off (off)"),
        ({"smt/active": "0", "smt/control": "notsupported"}, "ok", "off"),
        ({}, "info", NOT_AVAILABLE),
    ],
)
def test_smt(tmp_path: Path, files, severity, value) -> None:
    found = kernel.smt(host(tmp_path, {f"{CPU}/{name}": text for name, text in files.items()}), NEED)
    assert (found.severity, found.value) == (Health(severity), value)
    assert bool(found.remedy) == (value == "on")


@pytest.mark.parametrize(
    ("isolated", "sender", "cpus", "severity", "remedy"),
    [
        ("", None, (0, 1, 2, 3), "info", "isolcpus=3"),
        ("", None, (0, 1), "info", ""),
        ("2-3", None, (0, 1), "info", "taskset -c 0-3 harness run RIG --set host.cpu=2"),
        ("2-3", 2, (0, 1, 2, 3), "ok", ""),
        ("", 1, (0, 1, 2, 3), "warning", "isolcpus=1"),
        ("2-3", 3, (0, 1), "warning", "taskset -c 0-3 harness run RIG"),
        ("", 9, (0, 1), "error", "host: {cpu: 1}"),
    ],
)
def test_isolated_cpus_and_the_senders(tmp_path: Path, isolated, sender, cpus, severity, remedy) -> None:
    roots = host(tmp_path, {f"{CPU}/isolated": isolated, f"{CPU}/online": "0-3"}, cpus=cpus)
    found = kernel.isolated_cpus(roots, Need(sender_cpu=sender))
    assert found.severity is Health(severity), found
    assert remedy in found.remedy and bool(found.remedy) == bool(remedy)


def test_isolated_cpus_that_nobody_tells(tmp_path: Path) -> None:
    assert kernel.isolated_cpus(host(tmp_path), NEED).value == NOT_AVAILABLE


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0-2,5", {0, 1, 2, 5}),
        ("7", {7}),
        ("", set()),
        ("managed_irq,3", {3}),
        ("3-1", set()),
        ("a-b,-,1-", {1}),
        ("1-99999999999999", set(range(1, 8193))),
    ],
)
def test_sets_of_cpus(text: str, cpus: set[int]) -> None:
    assert cpu_set(text) == cpus
