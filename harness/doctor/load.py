"""What else runs here: load, CPU pressure, time stolen by other machines, heat."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.doctor.need import Need
from harness.doctor.result import Check, Health, unknown
from harness.doctor.roots import Roots, entries, read, read_int

BUSY_LOAD = 0.5
"""Runnable threads per CPU from which a paced sender now and then finds its CPU taken."""
PRESSURE = (5.0, 25.0)
"""Per cent of the last ten seconds in which somebody waited for a CPU: worth a word, worth a warning."""
STEAL_SHARE = 0.01
_TICKS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_PI_NOW = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}


@dataclass(frozen=True)
class Sample:
    """Counters at one instant; two of them make a rate. ``ticks``: those of /proc/stat's first line."""

    ticks: tuple[int, ...] = ()
    throttled: dict[str, int] = field(default_factory=dict)


def sample(roots: Roots) -> Sample:
    """Read the counters now."""
    words = (read(roots.proc / "stat") or "").partition("\n")[0].split()
    numbers = words[1 : len(_TICKS) + 1] if words[:1] == ["cpu"] else []
    ticks = tuple(int(word) for word in numbers if word.isdecimal())
    counts = {}
    for file in entries(roots.cpu, "cpu[0-9]*/thermal_throttle/*_throttle_count"):
        if (count := read_int(file)) is not None:
            counts[str(file.relative_to(roots.cpu))] = count
    return Sample(ticks, counts)


def load_average(roots: Roots, need: Need) -> Check:
    """Load of the last minute for each CPU that this process may use."""
    name = "load"
    why = "A thread that is due waits for a CPU when others keep all of them busy."
    words = (read(roots.proc / "loadavg") or "").split()
    try:
        load = float(words[0]) / max(len(roots.cpus), 1)
    except (IndexError, ValueError):
        return unknown(name, why)
    value = f"{load:.2f} per CPU in the last minute, {len(roots.cpus)} CPUs"
    # Beyond the rig file's bound the runner calls the verdict INCONCLUSIVE.
    remedy = "ps -eo pid,pcpu,comm --sort=-pcpu | head  # end what need not run"
    if load > need.max_load_per_cpu:
        return Check(
            name, Health.WARNING, f"{value}, above {need.max_load_per_cpu:g}: inconclusive", why, remedy
        )
    if load > BUSY_LOAD:
        return Check(name, Health.WARNING, value, why, remedy)
    return Check(name, Health.OK, value, why)


def pressure(roots: Roots, need: Need) -> Check:
    """Pressure stall information: /proc/pressure/cpu, https://docs.kernel.org/accounting/psi.html."""
    name = "CPU pressure"
    why = "The share of time in which some thread was ready to run and got no CPU."
    fields = {}
    for line in (read(roots.proc / "pressure/cpu") or "").splitlines():
        if line.startswith("some "):
            fields = dict(word.partition("=")[::2] for word in line.split()[1:])
    try:
        short, long = float(fields["avg10"]), float(fields["avg60"])
    except (KeyError, ValueError):
        return unknown(name, why)
    value = f"{short:g} % of the last 10 s, {long:g} % of the last minute"
    low, high = PRESSURE
    if short < low:
        return Check(name, Health.OK, value, why)
    remedy = "ps -eo pid,pcpu,comm --sort=-pcpu | head  # end what need not run"
    return Check(name, Health.WARNING if short >= high else Health.INFO, value, why, remedy)


def steal(roots: Roots, need: Need, before: Sample, after: Sample) -> Check:
    """CPU time that the hypervisor gave to others between two samples."""
    name = "stolen CPU time"
    why = "While the hypervisor runs another machine on our CPU, everything here stands still unnoticed."
    total = sum(after.ticks) - sum(before.ticks)
    if len(before.ticks) < len(_TICKS) or len(after.ticks) < len(_TICKS) or total <= 0:
        return unknown(name, why)
    share = (after.ticks[-1] - before.ticks[-1]) / total
    always = after.ticks[-1] / max(sum(after.ticks), 1)
    value = f"{100 * share:.1f} % just now, {100 * always:.2f} % since boot"
    if share <= STEAL_SHARE and always <= STEAL_SHARE:
        return Check(name, Health.OK, value, why)
    remedy = "lscpu | grep -i hypervisor  # then: a dedicated host, or CPUs pinned to this machine"
    return Check(name, Health.WARNING if share > STEAL_SHARE else Health.INFO, value, why, remedy)


def throttling(roots: Roots, need: Need, before: Sample, after: Sample) -> Check:
    """Thermal throttling: x86's counters, or the flags of a Raspberry Pi's firmware."""
    name = "thermal throttling"
    why = "A CPU that is too hot slows down, and everything on it with it, until it has cooled."
    pi = read(roots.sys / "devices/platform/soc/soc:firmware/get_throttled")
    if not after.throttled and pi is not None:
        return _pi(name, why, pi)
    if not after.throttled:
        return unknown(name, why)
    now = sum(after.throttled.values()) - sum(before.throttled.get(key, 0) for key in after.throttled)
    ever = sum(after.throttled.values())
    remedy = "sensors  # then clean the fan, or lower the load"
    if now > 0:
        return Check(name, Health.WARNING, f"{now} times just now, {ever} since boot", why, remedy)
    if ever:
        return Check(name, Health.INFO, f"{ever} times since boot, none just now", why, remedy)
    return Check(name, Health.OK, "never since boot", why)


def _pi(name: str, why: str, text: str) -> Check:
    # https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
    try:
        flags = int(text, 16)
    except ValueError:
        return unknown(name, why)
    now = [word for bit, word in _PI_NOW.items() if flags >> bit & 1]
    ever = [word for bit, word in _PI_NOW.items() if flags >> (bit + 16) & 1]
    remedy = "vcgencmd get_throttled; vcgencmd measure_temp  # better cooling, a stronger power supply"
    if now:
        return Check(name, Health.WARNING, f"now: {', '.join(now)}", why, remedy)
    if ever:
        return Check(name, Health.INFO, f"since boot: {', '.join(ever)}", why, remedy)
    return Check(name, Health.OK, "never since boot", why)


CHECKS = (load_average, pressure)
SAMPLED = (steal, throttling)
