"""Made-up hosts for the doctor's tests: files in a folder instead of /, /proc and /sys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.doctor import Roots
from harness.doctor.adjtimex import KernelClock

SYNCED = KernelClock(True, 300, 1.5, -3.2)
ADRIFT = KernelClock(False, 16_000_000, 0.0, 0.0)


def put(place: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def host(
    place: Path,
    files: Mapping[str, str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    tools: Mapping[str, str] | None = None,
    kernel_clock: KernelClock | None = None,
    cpus: Sequence[int] = (0, 1, 2, 3),
    **more: Any,
) -> Roots:
    """A host of these files, named as under / (``proc/...``, ``sys/...``, ``dev/...``); ``tools``: what the
    program of that name prints."""
    put(place, files or {})
    known = dict(tools or {})

    def tool(command: Sequence[str], timeout_s: float) -> str | None:
        return known.get(command[0])

    clock: Callable[[], KernelClock | None] = lambda: kernel_clock  # noqa: E731
    return Roots(
        root=place,
        proc=place / "proc",
        sys=place / "sys",
        environ=dict(environ or {}),
        tool=tool,
        kernel_clock=clock,
        cpus=frozenset(cpus),
        reports=place / "reports",
        **more,
    )


CPU = "sys/devices/system/cpu"
CLOCK = "sys/devices/system/clocksource/clocksource0"

GOOD = {
    "proc/version": "Linux version 6.12.1-rt (gcc) #1 SMP PREEMPT_RT Mon",
    "proc/sys/kernel/osrelease": "6.12.1-rt",
    "sys/kernel/realtime": "1",
    **{f"{CPU}/cpu{n}/cpufreq/scaling_governor": "performance" for n in range(4)},
    f"{CPU}/cpu0/cpuidle/state0/name": "POLL",
    f"{CPU}/cpu0/cpuidle/state0/latency": "0",
    f"{CPU}/cpu0/cpuidle/state1/name": "C1",
    f"{CPU}/cpu0/cpuidle/state1/latency": "2",
    f"{CPU}/smt/active": "0",
    f"{CPU}/smt/control": "off",
    f"{CPU}/isolated": "",
    f"{CPU}/online": "0-3",
    f"{CPU}/cpu0/thermal_throttle/core_throttle_count": "0",
    f"{CLOCK}/current_clocksource": "tsc",
    f"{CLOCK}/available_clocksource": "tsc hpet acpi_pm",
    "dev/kmsg": "6,1,0,-;Linux version 6.12.1-rt\n6,2,10,-;tsc: Detected 2400.000 MHz processor",
    "proc/self/limits": "Max realtime priority   98   98\nMax locked memory   unlimited  unlimited  bytes",
    "proc/self/status": "CapEff:\t0000000000000000",
    "proc/self/cgroup": "0::/user.slice",
    "proc/sys/kernel/sched_rt_runtime_us": "950000",
    "proc/sys/kernel/sched_rt_period_us": "1000000",
    "sys/fs/cgroup/cgroup.controllers": "cpu",
    "proc/100/comm": "chronyd",
    "proc/sys/net/core/rmem_max": "2147483647",
    "proc/sys/net/core/wmem_max": "12582912",
    "proc/sys/net/core/rmem_default": "212992",
    "proc/sys/net/ipv4/ipfrag_time": "3",
    "proc/sys/net/ipv4/ipfrag_high_thresh": "134217728",
    "proc/net/route": "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
    "eth0 00000000 0100A8C0 0003 0 0 100 00000000 0 0 0",
    "sys/class/net/eth0/operstate": "up",
    "sys/class/net/eth0/speed": "1000",
    "sys/class/net/eth0/duplex": "full",
    "sys/class/net/eth0/mtu": "1500",
    "proc/loadavg": "0.10 0.20 0.30 1/100 4242",
    "proc/pressure/cpu": "some avg10=0.10 avg60=0.20 avg300=0.30 total=1",
    "proc/stat": "cpu  100 0 100 10000 0 0 0 0 0 0\ncpu0 100 0 100 10000 0 0 0 0 0 0",
    "proc/locks": "",
    "dev/shm/nothing": "",
}
"""A host that is well in every respect."""
ENVIRON = {"ROS_DOMAIN_ID": "42", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "USER": "jane"}
TOOLS = {"chronyc": "Last offset     : +0.000012 seconds\nLeap status     : Normal\n"}
