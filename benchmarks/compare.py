"""Comparing two runs of one million samples: ``harness compare A B``, wall time and peak memory."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks import synthetic
from benchmarks.figures import Figure, Outcome, cost, load, middle
from harness.analysis.derive import derive
from harness.folder import RunFolder

SAMPLES = 1_000_000
SECONDS = 10.0
GB = 1.0


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
        command = ["compare", *folders, "--fail-on", "p99:5%", "--out", page]
        found = [cost(*command).expect(0, 1, 3) for _ in range(turns)]
        if not page.is_file():
            raise SystemExit("harness compare left no page")
    target = (None, None) if quick else (SECONDS, GB)
    name = f"compare of two runs of {samples:,} samples"
    figures = [
        Figure(f"{name}, wall", middle([f.seconds for f in found]), "s", target[0], before),
        Figure(f"{name}, CPU", middle([f.cpu for f in found]), "s", None, before),
        Figure(f"{name}, peak RSS", middle([f.gb for f in found]), "GB", target[1], before),
    ]
    return Outcome("compare", figures, raw={"found": [asdict(each) for each in found]})
