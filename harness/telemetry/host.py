"""What the host is doing, sampled: load of every core, memory, switches, faults, frequency, temperature,
network, GPU.

Each sample is a set of observations of budgets (``system.cpu``, ``system.memory``, ``system.gpu`` of the
catalogue) and of names without a limit below ``host.``. What a machine does not have is asked for once, and
said in plain words by :attr:`HostSampler.missing`; nothing of it is made up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import psutil

from harness.errors import UnavailableError
from harness.telemetry.export.extra import library
from harness.telemetry.export.periodic import Periodic
from harness.telemetry.perf import perf_counters

if TYPE_CHECKING:
    from harness.telemetry.budget.registry import Budgets

Sample = tuple[str, float, str]
"""Name, value, unit."""
Source = Callable[[], Iterator[Sample]]


class HostSampler(Periodic):
    """Samples every ``every_s`` seconds into ``budgets`` until it is closed; a context manager.

    Its own cost is observed as ``host.sampling`` (in ms of CPU time a sample). ``missing``: what this machine
    does not have, by name, with the reason.
    """

    def __init__(self, budgets: Budgets, every_s: float = 1.0) -> None:
        self._budgets = budgets
        self.missing: dict[str, str] = {}
        self._sources: list[Source] = [_cpu, _memory, _Rates()]
        for name, make in (("frequency", _frequency), ("temperature", _temperature), ("gpu", _gpu)):
            source = make()
            if isinstance(source, str):
                self.missing[name] = source
            else:
                self._sources.append(source)
        self._perf = perf_counters(every_s)
        if isinstance(self._perf, str):
            self.missing["hardware counters"] = self._perf
        else:
            self._sources.append(self._perf)
        budgets.define("host.sampling", unit="ms")
        # The first reading of a counter is where the next one counts from.
        for _ in self._samples():
            pass
        super().__init__(self.sample, every_s, "host-sampling")

    def sample(self) -> None:
        """Take one sample now."""
        begun = time.thread_time()
        for name, value, unit in self._samples():
            self._budgets.observe(name, value, unit)
        self._budgets.observe("host.sampling", 1e3 * (time.thread_time() - begun), "ms")

    def _samples(self) -> Iterator[Sample]:
        for source in self._sources:
            yield from source()

    @property
    def words(self) -> list[str]:
        """What is not available here, one line each."""
        return [f"{name}: not available: {reason}" for name, reason in self.missing.items()]

    def close(self) -> None:
        """Take a last sample, and end. Repeatable."""
        super().close()
        if not isinstance(self._perf, str):
            self._perf.close()


def _cpu() -> Iterator[Sample]:
    cores = psutil.cpu_percent(percpu=True)
    yield "system.cpu", sum(cores) / len(cores), "%"
    for number, share in enumerate(cores):
        yield f"host.cpu.{number}", share, "%"


def _memory() -> Iterator[Sample]:
    yield "system.memory", psutil.virtual_memory().percent, "%"


class _Rates:
    """Counters of the kernel as rates since the sample before."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}
        self._at = time.monotonic()

    def __call__(self) -> Iterator[Sample]:
        now, counters = time.monotonic(), dict(self._counters())
        seconds, self._at = now - self._at, now
        before, self._before = self._before, counters
        for name, count in counters.items():
            # A counter that went back (an interface that was taken away) says nothing.
            if name in before and seconds > 0 and count >= before[name]:
                unit = "B/s" if name.endswith(("received", "sent")) else "1/s"
                yield name, (count - before[name]) / seconds, unit

    def _counters(self) -> Iterator[tuple[str, float]]:
        stats = psutil.cpu_stats()
        yield "host.context_switches", stats.ctx_switches
        yield "host.interrupts", stats.interrupts
        faults = _vmstat("pgmajfault")
        if faults is not None:
            yield "host.major_page_faults", faults
        retransmitted = _retransmitted()
        if retransmitted is not None:
            yield "host.network.retransmitted", retransmitted
        network = psutil.net_io_counters()
        if network is not None:
            yield "host.network.received", network.bytes_recv
            yield "host.network.sent", network.bytes_sent
            yield "host.network.dropped", network.dropin + network.dropout
            yield "host.network.errors", network.errin + network.errout


def _vmstat(name: str) -> float | None:
    try:
        with open("/proc/vmstat", encoding="ascii") as lines:  # noqa: PTH123
            return next((float(line.split()[1]) for line in lines if line.startswith(name + " ")), None)
    except OSError:
        return None


def _retransmitted() -> float | None:
    """TCP segments sent again, of all connections: RFC 2012, tcpRetransSegs."""
    try:
        with open("/proc/net/snmp", encoding="ascii") as lines:  # noqa: PTH123
            names, values = (line.split() for line in lines if line.startswith("Tcp:"))
        return float(dict(zip(names, values, strict=True))["RetransSegs"])
    except (OSError, ValueError, KeyError):
        return None


def _frequency() -> Source | str:
    found = psutil.cpu_freq()
    if found is None or not found.current:
        return "the kernel tells no clock frequency, as in most virtual machines"

    def read() -> Iterator[Sample]:
        yield "host.frequency", psutil.cpu_freq().current, "MHz"

    return read


def _temperature() -> Source | str:
    if not psutil.sensors_temperatures():
        return "no sensor in /sys/class/hwmon or thermal, as in most virtual machines"

    def read() -> Iterator[Sample]:
        for chip, sensors in psutil.sensors_temperatures().items():
            if sensors:
                hottest = max(sensors, key=lambda each: each.current)
                yield f"host.temperature.{chip}", hottest.current, "Cel"

    return read


def _gpu() -> Source | str:
    try:
        nvml: Any = library("pynvml")
    except UnavailableError as error:
        return f"{error.message} ({error.hint})"
    try:
        nvml.nvmlInit()
        handles = [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError as error:
        return f"NVML: {error}"
    if not handles:
        return "NVML finds no GPU"

    def read() -> Iterator[Sample]:
        for number, handle in enumerate(handles):
            used = nvml.nvmlDeviceGetUtilizationRates(handle)
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            yield "system.gpu", used.gpu, "%"
            yield f"host.gpu.{number}.memory", 100 * memory.used / memory.total, "%"

    return read
