"""Hardware counters by ``perf stat``, which runs beside and prints what it counted, or the reason why there
are none.

Source of the format: ``man perf-stat``, "CSV FORMAT" and ``-I``.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator

EVENTS = ("cycles", "instructions", "cache-references", "cache-misses", "branches", "branch-misses")
PROBE_S = 10.0


class PerfCounters:
    """Counts of the whole machine over the last interval. A process of its own, ended by :meth:`close`."""

    def __init__(self, program: str, every_s: float) -> None:
        command = [
            program,
            "stat",
            "-a",
            "-x,",
            "-I",
            str(max(10, int(every_s * 1e3))),
            "-e",
            ",".join(EVENTS),
        ]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self._lock = threading.Lock()
        self._latest: dict[str, float] = {}
        self._thread = threading.Thread(target=self._read, name="harness-perf", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                found = parsed(line)
                if found is not None:
                    with self._lock:
                        self._latest[found[0]] = found[1]

    def __call__(self) -> Iterator[tuple[str, float, str]]:
        """Shares of the last interval: instructions a cycle, and misses among their kind."""
        with self._lock:
            counts = dict(self._latest)
        for name, part, whole, factor, unit in (
            ("host.perf.instructions_per_cycle", "instructions", "cycles", 1.0, "1"),
            ("host.perf.cache_misses", "cache-misses", "cache-references", 100.0, "%"),
            ("host.perf.branch_misses", "branch-misses", "branches", 100.0, "%"),
        ):
            if counts.get(whole) and part in counts:
                yield name, factor * counts[part] / counts[whole], unit

    def close(self) -> None:
        """End the process. Repeatable."""
        self._process.terminate()
        self._process.wait()
        self._thread.join()


def parsed(line: str) -> tuple[str, float] | None:
    """Event and count of a line of ``perf stat -x, -I``; None for a line without a count."""
    fields = line.strip().split(",")
    if len(fields) < 4 or not fields[1].strip().isdigit():
        return None
    return fields[3].split(":")[0], float(fields[1])


def perf_counters(every_s: float) -> PerfCounters | str:
    """The counters, or why there are none on this machine."""
    program = shutil.which("perf")
    if program is None:
        return "perf is not installed (apt-get install linux-perf)"
    try:
        probe = subprocess.run(
            [program, "stat", "-a", "-x,", "-I", "10", "-e", ",".join(EVENTS[:2]), "--", "sleep", "0.02"],
            capture_output=True,
            text=True,
            timeout=PROBE_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"perf stat: {error}"
    if any(parsed(line) for line in probe.stderr.splitlines()):
        return PerfCounters(program, every_s)
    if "<not supported>" in probe.stderr:
        return "perf: this CPU has no counters that the kernel can reach, as most virtual machines"
    said = probe.stderr.strip().splitlines()
    reason = said[0] if said else f"exit status {probe.returncode}"
    return f"perf stat: {reason}; kernel.perf_event_paranoid may forbid it"
