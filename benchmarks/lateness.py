"""How late the harness sends, beside what cyclictest (rt-tests) finds possible on the same host.

By turns, at the same mean interval of 5 ms, each for the same number of wake-ups:

- a run of the loopback rig, whole: guardian, echo process, housekeeping, recording; lateness = sent -
  intended of its ``stimuli`` table, a skipped stimulus infinitely late;
- ``cyclictest -t1``: one thread of a C program that does nothing but sleep to absolute deadlines.

Both at ordinary priority (SCHED_OTHER), and then both with real-time priority (SCHED_FIFO 80). cyclictest
leaves its timer slack as it was inherited, 50 us by default, while the harness sets its own to 1 ns; so
cyclictest is run both ways, and the target is on the one with 1 ns, which is harder to meet. Neither keeps
the CPUs from idle states at ordinary priority (``--default-system``); with real-time priority both do.

Before each block the CPUs are watched for half a second while the benchmark sleeps. The absolute target is
for an idle machine: it is judged on the blocks that began with less than a tenth of the CPUs in use.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.figures import Figure, Outcome, interleave, load, middle, ratio
from harness.analysis.statistics import order_quantile, rank
from harness.config import find_rig, load_rig
from harness.folder import RunFolder
from harness.model import NO_STAMP, StimulusFlag
from harness.runner import RunOptions, run_rig

ROOT = Path(__file__).resolve().parent.parent
RATE_HZ = 200
IDLE_P99_MS = 0.2
RATIO = 2.5
IDLE_BUSY = 0.1
WATCH_S = 0.5
LONGEST_US = 100_000
PR_SET_TIMERSLACK = 29
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
CYCLICTEST = "cyclictest"
HARNESS, SLACK_1NS, SLACK_50US = "harness", "cyclictest, slack 1 ns", "cyclictest, slack 50 us"
Block = Mapping[str, float]


def lateness_ms(stimuli: NDArray[Any]) -> NDArray[np.float64]:
    """sent - intended of the measured rows in ms, ascending; +inf where skipped."""
    not_measured = int(StimulusFlag.WARM_UP | StimulusFlag.PROBE)
    rows = stimuli[(stimuli["flags"] & not_measured) == 0]
    late = (rows["sent_ns"] - rows["intended_ns"]) / 1e6
    return np.sort(np.where(rows["sent_ns"] == NO_STAMP, np.inf, late))


def harness_block(samples: int, realtime: bool) -> Block:
    """A run of the loopback rig at 200 Hz without its report."""
    changes = [f"scenarios.command.schedule.rate_hz={RATE_HZ}", f"host.realtime={str(realtime).lower()}"]
    rig = load_rig(find_rig(str(ROOT / "rig_configs" / "loopback.yaml")), changes)
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as place:
        outcome = run_rig(rig, RunOptions(out=Path(place), samples=samples, report=False, anyway=True))
        folder = RunFolder.open(outcome.folder)
        if folder.run["status"] != "finished":
            raise SystemExit(f"the run of the loopback rig was cut short: {folder.run['abort_reason']}")
        if realtime and not folder.run["realtime"]["real-time priority"].startswith("on"):
            raise PermissionError(folder.run["realtime"]["real-time priority"])
        ascending = lateness_ms(folder.stimuli())
    return {name: order_quantile(ascending, q) for name, q in QUANTILES.items()}


def cyclictest_command(samples: int, realtime: bool) -> list[str]:
    """Absolute deadlines are its default."""
    command = [CYCLICTEST, "-t1", "-q", f"-i{1_000_000 // RATE_HZ}", f"-l{samples}", f"-h{LONGEST_US}"]
    return command + (
        ["-m", "-p80", "--policy=fifo"] if realtime else ["-p0", "--policy=other", "--default-system"]
    )


def cyclictest_block(samples: int, realtime: bool, slack_ns: int) -> Block:
    """What cyclictest finds in ``samples`` wake-ups."""
    libc = ctypes.CDLL(None, use_errno=True)

    def set_slack() -> None:
        # Inherited through fork and kept through exec, see PR_SET_TIMERSLACK in prctl(2).
        libc.prctl(PR_SET_TIMERSLACK, ctypes.c_ulong(slack_ns), 0, 0, 0)

    done = subprocess.run(
        cyclictest_command(samples, realtime),
        preexec_fn=set_slack,
        capture_output=True,
        text=True,
        check=False,
        timeout=samples / RATE_HZ + 60,
    )
    if done.returncode:
        raise PermissionError(done.stderr.strip() or f"cyclictest ended with status {done.returncode}")
    return quantiles_ms(*histogram(done.stdout))


def histogram(output: str) -> tuple[dict[int, int], int]:
    """Counts by latency in us, and how many were beyond the histogram, out of what cyclictest prints."""
    counts = {int(us): int(n) for us, n in re.findall(r"^(\d+) (\d+)\s*$", output, re.MULTILINE)}
    overflows = re.search(r"^# Histogram Overflows:\s*(\d+)", output, re.MULTILINE)
    if not counts or overflows is None:
        raise ValueError(f"not the histogram of cyclictest: {output[:200]!r}")
    return {us: n for us, n in counts.items() if n}, int(overflows[1])


def quantiles_ms(counts: Mapping[int, int], overflows: int) -> Block:
    """The same order statistics as the harness's, from whole us; +inf where beyond the histogram."""
    n = sum(counts.values()) + overflows
    found = {}
    for name, q in QUANTILES.items():
        remaining, wanted = rank(n, q), float("inf")
        for us in sorted(counts):
            remaining -= counts[us]
            if remaining <= 0:
                wanted = us / 1e3
                break
        found[name] = wanted
    return found


def _compared(realtime: bool, quick: bool, missing: list[str]) -> tuple[list[Figure], dict[str, Any]]:
    samples, turns = (400, 2) if quick else (2000, 7)
    arms: dict[str, Callable[[], Any]] = {HARNESS: partial(harness_block, samples, realtime)}
    if shutil.which(CYCLICTEST) is None:
        text = "cyclictest is not installed, so nothing is compared (apt-get install rt-tests)"
        missing += [] if text in missing else [text]
    else:
        arms[SLACK_1NS] = partial(cyclictest_block, samples, realtime, 1)
        if not realtime:  # the kernel gives real-time threads no slack
            arms[SLACK_50US] = partial(cyclictest_block, samples, realtime, 50_000)
    found = interleave({name: partial(_observed, arm) for name, arm in arms.items()}, turns)
    word = "SCHED_FIFO 80" if realtime else "ordinary priority"
    at = middle([block["load"] for blocks in found.values() for block in blocks])
    figures = []
    for name, blocks in found.items():
        for quantile in QUANTILES:
            values = [block[quantile] for block in blocks]
            note = f"blocks {min(values):.3g} to {max(values):.3g}"
            figures.append(Figure(f"{word}: {name}, {quantile}", middle(values), "ms", None, at, note))
    idle = [block["p99"] for block in found[HARNESS] if block["busy"] < IDLE_BUSY]
    if idle:
        name, note = f"{word}: harness, p99, blocks begun idle", f"{len(idle)} of {turns} blocks"
        figures.append(Figure(name, middle(idle), "ms", None if quick else IDLE_P99_MS, at, note))
    else:
        busy = middle([block["busy"] for block in found[HARNESS]])
        missing.append(
            f"{word}: no block began on an idle machine ({busy:.0%} in use): {IDLE_P99_MS} ms is not judged"
        )
    ours = [block["p99"] for block in found[HARNESS]]
    for peer in (SLACK_1NS, SLACK_50US):
        if peer in found:
            judged = peer == SLACK_1NS and not realtime and not quick
            value = ratio(ours, [block["p99"] for block in found[peer]])
            figures.append(Figure(f"{word}: p99 over {peer}", value, "times", RATIO if judged else None, at))
    return figures, {"blocks": found, "samples": samples}


def _observed(arm: Callable[[], Block]) -> Block:
    """A block, with the load average and the share of the CPUs that were in use just before it."""
    busy = psutil.cpu_percent(WATCH_S) / 100
    return {"load": load(), "busy": busy, **arm()}


def run(quick: bool) -> Outcome:
    missing: list[str] = []
    figures, raw = _compared(False, quick, missing)
    everything: dict[str, Any] = {"ordinary": raw}
    try:
        more, everything["realtime"] = _compared(True, quick, missing)
        figures += more
    except PermissionError as refused:
        missing.append(f"real-time priority: {refused}")
    return Outcome("lateness", figures, missing, everything)
