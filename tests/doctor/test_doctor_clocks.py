from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from doctor_trees import ADRIFT, CLOCK, SYNCED, host

from harness.doctor import Health, adjtimex, clocks
from harness.doctor.need import Need
from harness.doctor.result import NOT_AVAILABLE

NEED = Need()


@pytest.mark.parametrize(
    ("current", "offered", "severity", "remedy"),
    [
        ("tsc", "tsc hpet", "ok", ""),
        ("kvm-clock", "kvm-clock tsc", "ok", ""),
        ("arch_sys_counter", "arch_sys_counter", "ok", ""),
        ("hpet", "tsc hpet", "warning", "echo tsc | sudo tee"),
        ("hpet", "hpet acpi_pm", "warning", "dmesg"),
        ("jiffies", "jiffies", "error", "reboot"),
        ("refined-jiffies", "tsc refined-jiffies", "error", "echo tsc"),
    ],
)
def test_clock_source(tmp_path: Path, current, offered, severity, remedy) -> None:
    files = {f"{CLOCK}/current_clocksource": current, f"{CLOCK}/available_clocksource": offered}
    found = clocks.clock_source(host(tmp_path, files), NEED)
    assert found.severity is Health(severity)
    assert found.value.startswith(current)
    assert remedy in found.remedy and bool(found.remedy) == bool(remedy)


def test_clock_source_that_nobody_tells(tmp_path: Path) -> None:
    assert clocks.clock_source(host(tmp_path), NEED).value == NOT_AVAILABLE


CALM = "6,1,0,-;clocksource: Switched to clocksource tsc\n6,2,0,-;sched_clock: Marking stable (1, 2)->(3)"


@pytest.mark.parametrize(
    "line",
    [
        "clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable because",
        "tsc: Marking TSC unstable due to clocksource watchdog",
        "TSC found unstable after boot, most likely due to broken BIOS.",
        "[   12.3] sched_clock: Marking unstable (4, 5)<-(6)",
        "Measured 1234 cycles TSC warp between CPUs, turning off TSC clock.",
    ],
)
def test_the_kernels_complaints_are_found(tmp_path: Path, line: str) -> None:
    calm = clocks.clock_stability(host(tmp_path, {"dev/kmsg": CALM}), NEED)
    assert calm.severity is Health.OK
    found = clocks.clock_stability(host(tmp_path, {"dev/kmsg": f"{CALM}\n3,9,99,-;{line}"}), NEED)
    assert found.severity is Health.WARNING
    assert found.value.startswith("1 complaints, the last: ") and line[:50] in found.value
    assert "dmesg" in found.remedy


def test_a_kernel_log_in_a_file_will_do(tmp_path: Path) -> None:
    roots = host(tmp_path, {"var/log/kern.log": "kernel: tsc: Marking TSC unstable due to x"})
    assert clocks.clock_stability(roots, NEED).severity is Health.WARNING
    assert clocks.clock_stability(host(tmp_path / "empty"), NEED).value == NOT_AVAILABLE


CHRONYC = "Reference ID : 1\nLast offset     : -0.000012345 seconds\nLeap status     : Normal"
TIMEDATECTL = "       Server: 192.0.2.1 (ntp.example.org)\n       Offset: -2.095ms\n"
NTPQ = " remote refid st t when poll reach delay offset jitter\n*192.0.2.1 .GPS. 1 u 1 64 377 0.1 -0.25 0.01"
PMC = "  master_offset              -7\n  gmPresent                  true\n"


@pytest.mark.parametrize(
    ("comms", "tools", "words"),
    [
        (
            ["chronyd"],
            {"chronyc": CHRONYC},
            ["chrony;", "last offset -0.000012345 seconds", "leap status Normal"],
        ),
        (
            ["systemd-timesyn"],
            {"timedatectl": TIMEDATECTL},
            ["systemd-timesyncd", "192.0.2.1", "offset -2.095ms"],
        ),
        (["ntpd"], {"ntpq": NTPQ}, ["ntpd", "peer 192.0.2.1, offset -0.25 ms"]),
        (["ntpd"], {"ntpq": "no association"}, ["ntpd", "no peer chosen"]),
        (["ptp4l", "phc2sys"], {"pmc": PMC}, ["phc2sys, ptp4l", "master offset -7 ns"]),
        (["ptp4l", "phc2sys"], {"pmc": PMC.replace("true", "false")}, ["no grandmaster"]),
        (["chronyd"], {}, ["chrony"]),
        ([], {}, ["no daemon seen", "kernel: within 0.3 ms, -3.2 ppm"]),
    ],
)
def test_a_clock_that_is_steered(tmp_path: Path, comms, tools, words) -> None:
    files = {f"proc/{number}/comm": name for number, name in enumerate([*comms, "bash"], 10)}
    found = clocks.time_sync(host(tmp_path, files, tools=tools, kernel_clock=SYNCED), NEED)
    assert found.severity is Health.OK
    assert all(word in found.value for word in words), found.value


def test_two_that_steer_one_clock(tmp_path: Path) -> None:
    files = {"proc/1/comm": "chronyd", "proc/2/comm": "systemd-timesyn"}
    found = clocks.time_sync(host(tmp_path, files, kernel_clock=SYNCED), NEED)
    assert found.severity is Health.WARNING
    assert found.remedy == "sudo systemctl disable --now systemd-timesyncd"


@pytest.mark.parametrize(
    ("files", "need", "severity", "remedy"),
    [
        ({}, Need(), "warning", "sudo apt-get install -y chrony && sudo systemctl enable --now chrony"),
        (
            {"etc/os-release": "ID=fedora"},
            Need(),
            "warning",
            "sudo dnf install -y chrony && sudo systemctl enable --now chronyd",
        ),
        ({}, Need(real=True), "warning", "chrony"),
        ({}, Need(real=False), "info", "chrony"),
        ({"proc/1/comm": "systemd-timesyn"}, Need(), "warning", "sudo systemctl restart systemd-timesyncd"),
    ],
)
def test_a_clock_that_drifts(tmp_path: Path, files, need, severity, remedy) -> None:
    found = clocks.time_sync(host(tmp_path, files, kernel_clock=ADRIFT), need)
    assert found.severity is Health(severity)
    assert "not synchronised" in found.value
    assert remedy in found.remedy


def test_a_clock_of_which_little_is_known(tmp_path: Path) -> None:
    assert clocks.time_sync(host(tmp_path), NEED).value == NOT_AVAILABLE
    vague = dataclasses.replace(SYNCED, max_error_us=40_000)
    found = clocks.time_sync(host(tmp_path, kernel_clock=vague), NEED)
    assert found.severity is Health.INFO and "within 40 ms" in found.value


def test_the_query_of_a_daemon_is_given_its_time(tmp_path: Path) -> None:
    asked = []

    def tool(command, timeout_s):
        asked.append((command[0], timeout_s))

    roots = dataclasses.replace(host(tmp_path, {"proc/1/comm": "chronyd"}, kernel_clock=SYNCED), tool=tool)
    clocks.time_sync(roots, NEED, timeout_s=0.25)
    assert asked == [("chronyc", 0.25)]


def test_this_kernels_clock_is_read_without_setting_it() -> None:
    found = adjtimex.read()
    assert found is not None
    assert found.max_error_us >= 0
    assert abs(found.frequency_ppm) <= 500.0  # the most that the kernel takes
