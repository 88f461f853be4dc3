"""Real runs of a little rig under a folder of reports, followed while they go on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "faults"))

from fault_bench import ROOT, rig_file, until

from harness.analysis.samples import counted, latency_ms
from harness.conclude import RunOutcome
from harness.config import load_rig
from harness.folder import RunFolder
from harness.runner import RunOptions, run_rig

__all__ = ["ROOT", "Runs", "made", "until"]

COMMON = {"scenario": "command", "confidence": 0.95}
REQUIREMENTS = [
    {"id": "MEDIAN", "quantile": 0.5, "limit": 100, "unit": "ms", **COMMON},
    {"id": "TAIL", "quantile": 0.8, "limit": 150, "unit": "ms", **COMMON},
    {"id": "MEAN", "statistic": "mean", "limit": 120, "unit": "ms", **COMMON},
    {"id": "LOSS", "quantity": "loss_rate", "limit": 20, "unit": "%", **COMMON},
]


@dataclass
class Runs:
    """A rig, and where its runs go to."""

    rig: Path
    reports: Path

    def run(self, look: Callable[[], Any] = lambda: None) -> RunOutcome:
        """One run; meanwhile ``look`` is called again and again."""
        with ThreadPoolExecutor(1) as pool:
            options = RunOptions(out=self.reports, report=False, anyway=True)
            run = pool.submit(run_rig, load_rig(self.rig), options)
            while not run.done():
                look()
                wait([run], 0.05)
        return run.result()

    def values_s(self, outcome: RunOutcome) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Latencies from intent of what counts in the first scenario; infinite ones got no answer."""
        samples = RunFolder.open(outcome.folder).samples()
        samples = samples[samples["scenario"] == 0]
        values = latency_ms(samples[counted(samples)], "intended_ns") * 1e-3
        return values[~np.isnan(values)]


def made(folder: Path, **changes: Any) -> Runs:
    """A rig that leaves every 20th command unanswered."""
    changed = {
        "requirements": REQUIREMENTS,
        "devices.robot.drop_every": 20,
        "scenarios.command.timeout_ms": 300.0,
        "scenarios.command.schedule.samples": 300,
    }
    return Runs(rig_file(folder, {**changed, **changes}), folder / "reports")
