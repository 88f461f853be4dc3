"""Re-rendering a run of one million samples: ``harness report RUN_DIR``, wall time and peak memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import synthetic
from benchmarks.figures import Figure, Outcome, load, middle

SAMPLES = 1_000_000
SECONDS = 20.0
GB = 1.0


def render_once(run_dir: Path) -> tuple[float, float, int]:
    """Seconds, peak resident GB, and exit status of one ``harness report``, in a process of its own."""
    command = [sys.executable, "-m", "harness", "report", str(run_dir), "--json"]
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=synthetic.ROOT, stdout=subprocess.DEVNULL)
    # wait4 alone gives the peak of this one child; RUSAGE_CHILDREN keeps the largest of all there ever were.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.monotonic() - start, peak_gb(usage), process.returncode


def peak_gb(usage: resource.struct_rusage) -> float:
    """Peak resident set of a process that has ended. Linux counts in KiB, see getrusage(2)."""
    return usage.ru_maxrss * 1024 / 1e9


def run(quick: bool) -> Outcome:
    samples, turns = (100_000, 1) if quick else (SAMPLES, 3)
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as place:
        out = Path(place)
        run_dir = synthetic.folder(out, synthetic.real_run(out), samples)
        size_mib = sum(file.stat().st_size for file in run_dir.rglob("*") if file.is_file()) / (1 << 20)
        before = load()
        found = [render_once(run_dir) for _ in range(turns)]
        broken = [status for _, _, status in found if status not in (0, 1, 3)]
        if broken or not (run_dir / "report.pdf").is_file():
            raise SystemExit(f"harness report ended with status {broken or 'fine but left no report'}")
    target = (None, None) if quick else (SECONDS, GB)
    figures = [
        Figure(f"report of {samples:,} samples, wall", middle([f[0] for f in found]), "s", target[0], before),
        Figure(
            f"report of {samples:,} samples, peak RSS",
            middle([f[1] for f in found]),
            "GB",
            target[1],
            before,
        ),
        Figure(f"raw tables of {samples:,} samples", size_mib, "MiB", None, before),
    ]
    return Outcome("rerender", figures, raw={"seconds": [f[0] for f in found], "gb": [f[1] for f in found]})
