"""The clock source, its stability, and who sets the clock."""

from __future__ import annotations

import re

from harness.doctor.mend import install, system
from harness.doctor.need import Need
from harness.doctor.result import Check, Health, unknown
from harness.doctor.roots import Roots, entries, read

FAST = ("tsc", "arch_sys_counter", "kvm-clock", "hyperv_clocksource_tsc_page", "riscv_clocksource")
"""Clock sources that are read without entering the kernel."""
MAX_ERROR_US = 1000
"""A clock that may be further off than this says little about a budget of 10 ms."""
QUERY_S = 2.0
DAEMONS = {
    # Names as /proc/PID/comm has them: cut off after 15 characters.
    "chronyd": "chrony",
    "systemd-timesyn": "systemd-timesyncd",
    "ntpd": "ntpd",
    "ptp4l": "ptp4l",
    "phc2sys": "phc2sys",
    "ts2phc": "ts2phc",
}
_SETTERS = ("chrony", "systemd-timesyncd", "ntpd", "phc2sys")
"""Those that steer the system clock; ptp4l steers that of a network card."""
_QUERIES = {
    "chrony": ["chronyc", "-n", "tracking"],
    "systemd-timesyncd": ["timedatectl", "timesync-status", "--no-pager"],
    "ntpd": ["ntpq", "-pn"],
    "ptp4l": ["pmc", "-u", "-b", "0", "GET TIME_STATUS_NP"],
}
_COMPLAINTS = re.compile(
    r"(clocksource.*(unstable|skew|wrong|too long)|tsc.*(unstable|warp|unsynchronized|not.*reliable)"
    r"|marking tsc unstable|sched_clock: marking unstable|clock.*jumped|lost ticks)",
    re.IGNORECASE,
)


def kernel_log(roots: Roots) -> list[str] | None:
    """The kernel's messages since boot, newest last; None where they may not be read.

    /dev/kmsg gives one record per read(2): ``priority,number,microseconds,flags;text``.
    """
    text = read(roots.root / "dev/kmsg")
    if text is None:
        text = read(roots.root / "var/log/dmesg") or read(roots.root / "var/log/kern.log")
    if text is None:
        return None
    return [line.partition(";")[2] or line for line in text.splitlines()]


def clock_source(roots: Roots, need: Need) -> Check:
    """What CLOCK_MONOTONIC and CLOCK_REALTIME are read from."""
    name = "clock source"
    why = "Every stamp reads this clock: a slow one delays and blurs each of them, a coarse one rounds them."
    base = roots.sys / "devices/system/clocksource/clocksource0"
    current, offered = (
        read(base / "current_clocksource"),
        (read(base / "available_clocksource") or "").split(),
    )
    if not current:
        return unknown(name, why)
    remedy = (
        f"echo tsc | sudo tee {base}/current_clocksource" if "tsc" in offered and current != "tsc" else ""
    )
    if current in ("jiffies", "refined-jiffies"):
        remedy = remedy or "sudo reboot  # after removing clocksource= and notsc from the kernel command line"
        return Check(name, Health.ERROR, f"{current}, a step of 1 to 10 ms", why, remedy)
    if current in FAST:
        return Check(name, Health.OK, current, why)
    # Where the kernel offers no TSC, it distrusts it, and putting it back would trade slow for wrong.
    remedy = remedy or "sudo dmesg | grep -iE 'tsc|clocksource'  # why the kernel distrusts the TSC"
    return Check(name, Health.WARNING, f"{current}, read through the kernel", why, remedy)


def clock_stability(roots: Roots, need: Need) -> Check:
    """The kernel's own complaints about its clocks since boot."""
    name = "clock stability"
    why = "Where the kernel found its clock unstable, an interval measured with it may be wrong."
    log = kernel_log(roots)
    if log is None:
        return unknown(name, why)
    complaints = [line.strip() for line in log if _COMPLAINTS.search(line)]
    if not complaints:
        return Check(name, Health.OK, "no complaint in the kernel's log", why)
    value = f"{len(complaints)} complaints, the last: {complaints[-1][:120]}"
    return Check(name, Health.WARNING, value, why, "sudo dmesg | grep -iE 'tsc|clocksource'")


def daemons(roots: Roots) -> list[str]:
    """Names of the time-sync daemons that run."""
    found = set()
    for comm in entries(roots.proc, "[0-9]*/comm"):
        if daemon := DAEMONS.get(read(comm) or ""):
            found.add(daemon)
    return sorted(found)


def time_sync(roots: Roots, need: Need, timeout_s: float = QUERY_S) -> Check:
    """The time-sync daemon and its state: by process, its own query tool, and what the kernel was told."""
    name = "time synchronisation"
    why = (
        "Stamps of a robot or another host can be compared with ours only as well as both clocks are set; "
        "a clock that nobody steers drifts, one that is stepped breaks the comparison."
    )
    running = daemons(roots)
    kernel = roots.kernel_clock()
    parts = [", ".join(running) or "no daemon seen"]
    parts += [state for daemon in running if (state := _state(roots, daemon, timeout_s))]
    if kernel is not None:
        parts.append(
            f"kernel: within {kernel.max_error_us / 1e3:g} ms, {kernel.frequency_ppm:+.1f} ppm"
            if kernel.synchronised
            else "kernel: not synchronised"
        )
    value = "; ".join(parts)
    setters = [daemon for daemon in running if daemon in _SETTERS]
    if len(setters) > 1:
        loser = "systemd-timesyncd" if "systemd-timesyncd" in setters else setters[-1]
        remedy = f"sudo systemctl disable --now {_unit(roots, loser)}"
        return Check(name, Health.WARNING, f"{value}; they fight over the clock", why, remedy)
    if kernel is None and not running:
        return unknown(name, why)
    if kernel is not None and not kernel.synchronised:
        # A simulated rig has all its clocks on this host.
        bad = Health.INFO if need.real is False else Health.WARNING
        remedy = (
            f"{install(roots, 'chrony')} && sudo systemctl enable --now {_unit(roots, 'chrony')}"
            if not setters
            else f"sudo systemctl restart {_unit(roots, setters[0])}"
        )
        return Check(name, bad, value, why, remedy)
    if kernel is not None and kernel.max_error_us > MAX_ERROR_US and need.real is not False:
        remedy = (
            ""
            if "chrony" in running
            else f"{install(roots, 'chrony')} && sudo systemctl enable --now {_unit(roots, 'chrony')}"
        )
        return Check(name, Health.INFO, value, why, remedy)
    return Check(name, Health.OK, value, why)


def _unit(roots: Roots, daemon: str) -> str:
    """Name of the daemon's systemd unit."""
    debian = not {"fedora", "rhel", "arch", "suse"} & set(system(roots))
    return {"chrony": "chrony" if debian else "chronyd", "ntpd": "ntp" if debian else "ntpd"}.get(
        daemon, daemon
    )


def _state(roots: Roots, daemon: str, timeout_s: float) -> str:
    """One phrase out of what the daemon's own tool says; empty where there is none or it does not answer."""
    command = _QUERIES.get(daemon)
    text = roots.tool(command, timeout_s) if command else None
    if not text:
        return ""
    if daemon in ("chrony", "systemd-timesyncd"):
        fields = {
            key.strip(): rest.strip() for key, _, rest in (line.partition(":") for line in text.splitlines())
        }
        wanted = ("Last offset", "Leap status") if daemon == "chrony" else ("Server", "Offset")
        return ", ".join(f"{key.lower()} {fields[key]}" for key in wanted if fields.get(key))
    if daemon == "ntpd":
        peer = next((line.split() for line in text.splitlines() if line.startswith("*")), None)
        return f"peer {peer[0][1:]}, offset {peer[8]} ms" if peer and len(peer) > 8 else "no peer chosen"
    offset = re.search(r"master_offset\s+(-?\d+)", text)
    present = re.search(r"gmPresent\s+(\w+)", text)
    parts = [f"master offset {offset.group(1)} ns"] if offset else []
    if present and present.group(1) != "true":
        parts.append("no grandmaster")
    return ", ".join(parts)


CHECKS = (clock_source, clock_stability, time_sync)
