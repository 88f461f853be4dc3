"""Re-rendering a run of one million samples: ``harness report RUN_DIR``, wall time and peak memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks import synthetic
from benchmarks.figures import Figure, Outcome, cost, load, middle

SAMPLES = 1_000_000
SECONDS = 20.0
GB = 1.0


def run(quick: bool) -> Outcome:
    samples, turns = (100_000, 1) if quick else (SAMPLES, 3)
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as place:
        out = Path(place)
        run_dir = synthetic.folder(out, synthetic.real_run(out), samples)
        size_mib = sum(file.stat().st_size for file in run_dir.rglob("*") if file.is_file()) / (1 << 20)
        before = load()
        found = [cost("report", run_dir, "--json").expect(0, 1, 3) for _ in range(turns)]
        if not (run_dir / "report.pdf").is_file():
            raise SystemExit("harness report left no report")
    target = (None, None) if quick else (SECONDS, GB)
    name = f"report of {samples:,} samples"
    seconds, gb = [each.seconds for each in found], [each.gb for each in found]
    figures = [
        Figure(f"{name}, wall", middle(seconds), "s", target[0], before),
        Figure(f"{name}, CPU", middle([each.cpu for each in found]), "s", None, before),
        Figure(f"{name}, peak RSS", middle(gb), "GB", target[1], before),
        Figure(f"raw tables of {samples:,} samples", size_mib, "MiB", None, before),
    ]
    return Outcome("rerender", figures, raw={"seconds": seconds, "gb": gb})
