"""What the kernel lets the harness have: real-time priority, locked memory, CPU time without throttling."""

from __future__ import annotations

from harness.doctor.need import Need
from harness.doctor.result import Check, Health, unknown
from harness.doctor.roots import Roots, read, read_int

LEAST_PRIORITY = 80
"""SCHED_FIFO priority of the sender, see :mod:`harness.realtime`."""
_CAP_SYS_NICE, _CAP_IPC_LOCK = 23, 14
_FILE = "/etc/security/limits.d/99-harness.conf"


def _ability(roots: Roots, bit: int) -> bool:
    for line in (read(roots.proc / "self/status") or "").splitlines():
        if line.startswith("CapEff:"):
            try:
                return bool(int(line.split()[1], 16) >> bit & 1)
            except (IndexError, ValueError):
                return False
    return False


def _limit(roots: Roots, title: str) -> str | None:
    """The soft limit of that name in /proc/self/limits, as it is written there."""
    for line in (read(roots.proc / "self/limits") or "").splitlines():
        if line.startswith(title):
            words = line[len(title) :].split()
            return words[0] if words else None
    return None


def _grant(roots: Roots, what: str) -> str:
    user = roots.environ.get("USER") or roots.environ.get("LOGNAME") or "$USER"
    return f"echo '{user} - {what}' | sudo tee -a {_FILE}  # then log in again"


def rtprio(roots: Roots, need: Need) -> Check:
    """RLIMIT_RTPRIO, or the capability that stands above it."""
    name = "real-time priority"
    why = "Without real-time priority the sender waits behind every ordinary program that is ready to run."
    limit = _limit(roots, "Max realtime priority")
    if _ability(roots, _CAP_SYS_NICE):
        return Check(name, Health.OK, "allowed (CAP_SYS_NICE)", why)
    if limit is None:
        return unknown(name, why)
    highest = 99 if limit == "unlimited" else int(limit) if limit.isdecimal() else 0
    value = f"up to {highest}" if highest else "not allowed"
    if highest >= LEAST_PRIORITY:
        return Check(name, Health.OK, value, why)
    bad = Health.WARNING if need.realtime else Health.INFO
    return Check(name, bad, value, why, _grant(roots, "rtprio 98"))


def memlock(roots: Roots, need: Need) -> Check:
    """RLIMIT_MEMLOCK, or the capability that stands above it."""
    name = "locked memory"
    why = "A page that is not in memory when it is needed costs a fault, from a microsecond to a disk access."
    limit = _limit(roots, "Max locked memory")
    if _ability(roots, _CAP_IPC_LOCK):
        return Check(name, Health.OK, "unlimited (CAP_IPC_LOCK)", why)
    if limit is None:
        return unknown(name, why)
    if limit == "unlimited":
        return Check(name, Health.OK, "unlimited", why)
    value = f"at most {int(limit) >> 10} KiB" if limit.isdecimal() else limit
    bad = Health.WARNING if need.realtime else Health.INFO
    return Check(name, bad, value, why, _grant(roots, "memlock unlimited"))


def throttling(roots: Roots, need: Need) -> Check:
    """Share of each period that real-time threads may use: sched_rt_runtime_us of sched_rt_period_us."""
    name = "real-time throttling"
    why = "A real-time thread that used up its share is stopped for the rest of the period, 50 ms by default."
    runtime = read_int(roots.proc / "sys/kernel/sched_rt_runtime_us")
    period = read_int(roots.proc / "sys/kernel/sched_rt_period_us")
    if runtime is None or not period:
        return unknown(name, why)
    if runtime < 0:
        return Check(name, Health.OK, "off", why)
    value = f"{runtime} of {period} us"
    if runtime == 0:
        return Check(
            name, Health.WARNING, f"{value}: real-time threads never run", why,
            "sudo sysctl -w kernel.sched_rt_runtime_us=950000",
        )  # fmt: skip
    share = runtime / period
    # The harness's threads sleep most of the time: the usual 95 % never bites, and it saves the host
    # from a thread that runs wild.
    if share >= 0.5:
        return Check(name, Health.OK, f"{value} ({100 * share:.0f} %)", why)
    return Check(
        name, Health.WARNING, f"{value} ({100 * share:.0f} %)", why,
        "sudo sysctl -w kernel.sched_rt_runtime_us=950000",
    )  # fmt: skip


def cpu_quota(roots: Roots, need: Need) -> Check:
    """CPU quota of the control group (containers, CI): cpu.max of version 2, cfs_quota_us of version 1."""
    name = "CPU quota"
    why = "Once a container's quota is used up, every thread in it stands still for the rest of the period."
    found = [quota for quota in (_quota_v2(roots), _quota_v1(roots)) if quota is not None]
    if not found:
        return unknown(name, why)
    share, stopped = min(found)
    if share == float("inf"):
        return Check(name, Health.OK, "none", why)
    value = f"{share:g} CPUs" + (f", stopped {stopped} times so far" if stopped else "")
    unit = _group(roots, "").rpartition("/")[2]
    remedy = (
        f"sudo systemctl set-property --runtime {unit} CPUQuota="
        if unit.endswith((".service", ".slice", ".scope"))
        else "docker update --cpus 0 CONTAINER  # on the container's host"
    )
    return Check(
        name, Health.WARNING if stopped or share < len(roots.cpus) else Health.INFO, value, why, remedy
    )


def _group(roots: Roots, controller: str) -> str:
    """Path of this process's group: that of the controller, or of version 2 for ``""``."""
    for line in (read(roots.proc / "self/cgroup") or "").splitlines():
        _, names, path = [*line.split(":", 2), "", "", ""][:3]
        if controller in names.split(","):
            return path.strip("/")
    return ""


def _quota_v2(roots: Roots) -> tuple[float, int] | None:
    """CPUs allowed (the least along the path) and how often it was stopped."""
    top = roots.sys / "fs/cgroup"
    place = top / _group(roots, "")
    shares, stopped = [], 0
    while True:
        words = (read(place / "cpu.max") or "").split()
        if len(words) == 2 and words[1].isdecimal() and int(words[1]):
            shares.append(int(words[0]) / int(words[1]) if words[0].isdecimal() else float("inf"))
            stopped += _stopped(read(place / "cpu.stat") or "")
        if place == top or top not in place.parents:
            break
        place = place.parent
    if shares:
        return min(shares), stopped
    # The root group has no cpu.max, and no quota.
    return (float("inf"), 0) if (top / "cgroup.controllers").is_file() else None


def _quota_v1(roots: Roots) -> tuple[float, int] | None:
    place = roots.sys / "fs/cgroup/cpu"
    inner = place / _group(roots, "cpu")
    for folder in (inner, place):
        quota, period = read_int(folder / "cpu.cfs_quota_us"), read_int(folder / "cpu.cfs_period_us")
        if quota is not None and period:
            return (quota / period if quota > 0 else float("inf")), _stopped(read(folder / "cpu.stat") or "")
    return None


def _stopped(text: str) -> int:
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "nr_throttled" and words[1].isdecimal():
            return int(words[1])
    return 0


CHECKS = (rtprio, memlock, throttling, cpu_quota)
