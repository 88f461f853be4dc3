"""Run folders to compare without measuring: rows as a run leaves them, results derived as for any other."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.derive import derive
from harness.config import find_rig, load_rig
from harness.folder import RunFolder
from harness.model import NO_STAMP, OBSERVATION_DTYPE, STIMULUS_DTYPE

ROOT = Path(__file__).resolve().parents[2]
PORT = "robot.applied"
HOST = {"cpu_model": "bench CPU", "cpus": 4, "architecture": "x86_64", "hostname": "bench"}
STARTED = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


def run_folder(
    out: Path,
    latency_ms: NDArray[np.float64],
    *,
    number: int = 0,
    rig: str = "loopback",
    rate_hz: float = 500.0,
    simulated: bool = True,
    host: dict[str, Any] | None = None,
    late_ms: NDArray[np.float64] | None = None,
) -> Path:
    """A finished run whose commands were answered after ``latency_ms`` (n,), never where infinite.
    ``late_ms``: how late each command was sent, which its latency from intent has on top."""
    n = len(latency_ms)
    loaded = load_rig(find_rig(str(ROOT / "rig_configs" / "loopback.yaml")))
    resolved = loaded.rig.model_dump(mode="json")
    resolved["rig"].update(name=rig, simulated=simulated)
    resolved["scenarios"]["command"]["schedule"].update(rate_hz=rate_hz, samples=n)
    stimuli = np.zeros(n, STIMULUS_DTYPE)
    stimuli["key"] = np.arange(n)
    stimuli["intended_ns"] = 10**9 + (np.arange(n) * 1e9 / rate_hz).astype(np.int64)
    late = np.full(n, 0.01) if late_ms is None else late_ms
    stimuli["sent_ns"] = stimuli["intended_ns"] + (late * 1e6).astype(np.int64)
    stimuli["handed_ns"] = stimuli["sent_ns"] + 5000
    answered = np.isfinite(latency_ms)
    answers = np.zeros(int(answered.sum()), OBSERVATION_DTYPE)
    answers["key"] = stimuli["key"][answered]
    answers["seen_ns"] = stimuli["sent_ns"][answered] + (latency_ms[answered] * 1e6).astype(np.int64)
    answers["received_ns"] = answers["stamp_ns"] = answers["seen_ns"]
    answers = answers[np.argsort(answers["seen_ns"], kind="stable")]
    folder = RunFolder.create(out, rig, STARTED + timedelta(minutes=number), f"n{number:03d}")
    for name, rows in (("stimuli", stimuli), (PORT, answers), ("clocks", None)):
        table = folder.create_table(name, max(1, 0 if rows is None else len(rows)))
        for row in [] if rows is None else rows.tolist():
            table.append(*row)
    folder.save_run(
        status="finished",
        ended=folder.run["started"],
        rig={"resolved": resolved, "sha256": "0" * 64, "path": f"{rig}.yaml", "overrides": []},
        scenarios=[{"name": "command", "number": 0, "variants": []}],
        clocks=[{"name": "host.monotonic", "kind": "host", "description": "", "resolution_ns": 1}],
        ports={PORT: {}},
        host=HOST if host is None else host,
        versions={},
        git={},
    )
    folder.finalise_raw()
    derive(folder)
    assert NO_STAMP not in folder.samples()["sent_ns"]
    return folder.path


def edited(folder: Path, **changes: Any) -> Path:
    """The folder with other top-level keys of results.json."""
    file = folder / "results.json"
    results = json.loads(file.read_text(encoding="utf-8"))
    results.update(changes)
    file.write_text(json.dumps(results), encoding="utf-8")
    return folder


def as_real(folder: Path) -> Path:
    """The folder of a simulated rig, marked as one of a real one: none can be run here."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    run["rig"]["resolved"]["rig"]["simulated"] = False
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return edited(folder, simulated=False)
