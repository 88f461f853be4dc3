"""Counters of the kernel about the host and its cores, each as what it rose by since the look before.

Files are kept open and read from their beginning again, which costs a fifth of opening them. What a kernel
does not tell (``/proc/schedstat`` and pressure need build options, frequencies a driver) is left out.
Sources: proc_stat(5), proc_vmstat(5), Documentation/accounting/psi.rst,
Documentation/scheduler/sched-stats.rst, RFC 2011 to 2013 for the names in ``/proc/net/snmp``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from harness.model import HostMeasure

HOST = -1
TICK_MS = 1e3 / os.sysconf("SC_CLK_TCK")
STATES = {HostMeasure.CORE_FREQUENCY_MHZ, HostMeasure.CORE}
Reading = tuple[HostMeasure, int, float]
"""Measure, subject, counter (or state)."""

_SNMP = {
    ("Tcp", "RetransSegs"): HostMeasure.TCP_RETRANSMITS,
    ("Udp", "RcvbufErrors"): HostMeasure.UDP_DROPS,
    ("Udp", "SndbufErrors"): HostMeasure.UDP_DROPS,
    ("Udp", "InCsumErrors"): HostMeasure.UDP_DROPS,
    ("Udp", "InDatagrams"): HostMeasure.UDP_DATAGRAMS,
    ("Ip", "ReasmFails"): HostMeasure.REASSEMBLY_FAILURES,
}
_VMSTAT = {
    b"pgmajfault": HostMeasure.MAJOR_FAULTS,
    b"allocstall": HostMeasure.RECLAIMS,
    b"compact_stall": HostMeasure.RECLAIMS,
}


class KeptOpen:
    """A file that is read again and again; ``read`` gives b"" where it is not there (any more)."""

    def __init__(self, path: str, most: int = 1 << 16) -> None:
        self._most = most
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1

    @property
    def there(self) -> bool:
        """Whether it could be opened."""
        return self._fd >= 0

    def read(self) -> bytes:
        """What it says now."""
        try:
            return os.pread(self._fd, self._most, 0) if self._fd >= 0 else b""
        except OSError:
            return b""

    def close(self) -> None:
        """Let go of it. Repeatable."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


class HostCounters:
    """All of the host; ``read()`` yields every counter with its present value."""

    def __init__(self) -> None:
        self._pressure = {kind: KeptOpen(f"/proc/pressure/{kind}", 512) for kind in ("cpu", "memory", "io")}
        self._stat = KeptOpen("/proc/stat")
        self._vmstat = KeptOpen("/proc/vmstat")
        self._snmp = KeptOpen("/proc/net/snmp")
        self._schedstat = KeptOpen("/proc/schedstat")
        self._frequency = {
            core: file
            for core in range(os.cpu_count() or 0)
            if (file := KeptOpen(f"/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq", 64)).there
        }

    def read(self) -> Iterator[Reading]:
        """Every counter and state that this kernel tells."""
        yield from self._pressures()
        yield from self._of_stat(self._stat.read())
        yield from self._of_vmstat(self._vmstat.read())
        yield from snmp(self._snmp.read())
        yield from self._of_schedstat(self._schedstat.read())
        for core, file in self._frequency.items():
            if (text := file.read().strip()).isdigit():
                yield HostMeasure.CORE_FREQUENCY_MHZ, core, int(text) / 1e3

    def _pressures(self) -> Iterator[Reading]:
        for kind, measure in (
            ("cpu", HostMeasure.CPU_PRESSURE_MS),
            ("memory", HostMeasure.MEMORY_PRESSURE_MS),
            ("io", HostMeasure.IO_PRESSURE_MS),
        ):
            totals = [int(each) for each in re.findall(rb"total=(\d+)", self._pressure[kind].read())]
            if totals:
                yield measure, HOST, totals[0] * 1e-3
            if kind == "memory" and len(totals) > 1:
                yield HostMeasure.MEMORY_FULL_MS, HOST, totals[1] * 1e-3

    @staticmethod
    def _of_stat(text: bytes) -> Iterator[Reading]:
        for line in text.split(b"\n"):
            if line.startswith(b"cpu") and line[3:4].isdigit():
                name, *words = line.split()
                user, nice, system, _idle, _iowait, irq, softirq, steal = (int(each) for each in words[:8])
                core = int(name[3:])
                yield HostMeasure.CORE_BUSY_MS, core, (user + nice + system + irq + softirq) * TICK_MS
                yield HostMeasure.CORE_IRQ_MS, core, (irq + softirq) * TICK_MS
                yield HostMeasure.CORE_STEAL_MS, core, steal * TICK_MS
            elif line.startswith(b"ctxt "):
                yield HostMeasure.CONTEXT_SWITCHES, HOST, float(line.split()[1])
            elif line.startswith(b"intr "):
                yield HostMeasure.INTERRUPTS, HOST, float(line.split(None, 2)[1])

    @staticmethod
    def _of_vmstat(text: bytes) -> Iterator[Reading]:
        sums: dict[HostMeasure, float] = {}
        for line in text.split(b"\n"):
            for name, measure in _VMSTAT.items():
                if line.startswith(name):  # allocstall_normal, allocstall_movable, ...
                    sums[measure] = sums.get(measure, 0.0) + float(line.split()[1])
        for measure, value in sums.items():
            yield measure, HOST, value

    @staticmethod
    def _of_schedstat(text: bytes) -> Iterator[Reading]:
        for line in text.split(b"\n"):
            words = line.split()
            # cpuN and nine numbers, of which the eighth is the time waited, in ns (version 15 and later).
            if len(words) >= 10 and words[0].startswith(b"cpu"):
                yield HostMeasure.CORE_WAIT_MS, int(words[0][3:]), int(words[8]) * 1e-6


def snmp(text: bytes) -> Iterator[Reading]:
    """The counters of ``/proc/net/snmp``: a line of names, then a line of numbers, for each protocol."""
    lines = text.decode(errors="replace").splitlines()
    sums: dict[HostMeasure, float] = {}
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        protocol = names.partition(":")[0]
        for name, value in zip(names.split()[1:], values.split()[1:], strict=False):
            measure = _SNMP.get((protocol, name))
            if measure is not None:
                sums[measure] = sums.get(measure, 0.0) + float(value)
    for measure, total in sums.items():
        yield measure, HOST, total
