"""Comparing two runs of one million samples: ``harness compare A B``, wall time and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import synthetic
from benchmarks.figures import Figure, Outcome, load, middle
from benchmarks.rerender import peak_gb
from harness.analysis.derive import derive
from harness.folder import RunFolder

SAMPLES = 1_000_000
SECONDS = 10.0
GB = 1.0


def compare_once(a: Path, b: Path, page: Path) -> tuple[float, float, float, int]:
    """Wall seconds, CPU seconds, peak resident GB, and exit status of one ``harness compare`` with a gate and
    its page, in a process of its own."""
    command = [sys.executable, "-m", "harness", "compare", str(a), str(b), "--fail-on", "p99:5%"]
    start = time.monotonic()
    process = subprocess.Popen([*command, "--out", str(page)], cwd=synthetic.ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    return seconds, usage.ru_utime + usage.ru_stime, peak_gb(usage), process.returncode


def run(quick: bool) -> Outcome:
    """Two drawn runs, with dependence and losses as a loopback run has them."""
    samples, turns = (100_000, 1) if quick else (SAMPLES, 3)
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as place:
        out = Path(place)
        real = synthetic.real_run(out)
        folders = [synthetic.folder(out, real, samples, seed) for seed in (1, 2)]
        for folder in folders:
            derive(RunFolder.open(folder))
        before = load()
        page = out / "page.html"
        found = [compare_once(*folders, page) for _ in range(turns)]
        broken = [each[3] for each in found if each[3] not in (0, 1, 3)]
        if broken or not page.is_file():
            raise SystemExit(f"harness compare ended with status {broken or 'fine but left no page'}")
    target = (None, None) if quick else (SECONDS, GB)
    name = f"compare of two runs of {samples:,} samples"
    figures = [
        Figure(f"{name}, wall", middle([f[0] for f in found]), "s", target[0], before),
        Figure(f"{name}, CPU", middle([f[1] for f in found]), "s", None, before),
        Figure(f"{name}, peak RSS", middle([f[2] for f in found]), "GB", target[1], before),
    ]
    return Outcome("compare", figures, raw={"found": found})
