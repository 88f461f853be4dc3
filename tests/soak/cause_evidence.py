"""What the causes of a run are found from, as one small file: ``cause_evidence.py RUN_DIR FILE.npz``.

The files in ``tests/analysis/causes_evidence`` are recorded, not made up: one run of ``cause_bench.py`` each.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from harness.analysis.causes import find_causes
from harness.analysis.clocks import Clocks
from harness.config import rig_from_resolved
from harness.folder import RunFolder
from harness.hosttable import HostTable, Subject
from harness.model import HostMeasure
from harness.results_causes import Bottlenecks

KEPT = ("rig", "clocks", "ports", "scenarios", "status")
BUSY_MS = 20.0


def save(folder: Path, file: Path) -> None:
    """Keep what :func:`load` needs."""
    run = RunFolder.open(folder)
    host = run.host()
    samples = run.samples()
    samples = samples[samples["scenario"] == 0]
    begin, end = samples["intended_ns"].min(), samples["seen_ns"].max()
    rows = host.rows[(host.rows["t_ns"] > begin) & (host.rows["t_ns"] - host.rows["over_ns"] < end)]
    run_ms = rows[rows["measure"] == HostMeasure.RUN_MS]
    keep = {
        pid
        for pid, each in host.subjects.items()
        if each.kind != "other" or run_ms["value"][run_ms["subject"] == pid].sum() > BUSY_MS
    }
    rows = rows[np.isin(rows["subject"], [-1, 0, 1, *keep])]
    about = {key: run.run.get(key) for key in KEPT}
    about["rig"] = {"file": "rig.yaml", "resolved": run.run["rig"]["resolved"]}
    for process in about["rig"]["resolved"]["processes"].values():
        process["command"] = ["python", "robot.py"]
    names = [[each.pid, each.kind, each.name] for pid, each in host.subjects.items() if pid in keep]
    (observed,) = [each for port, each in run.observations().items() if not port.startswith("_")]
    np.savez_compressed(
        file,
        samples=samples,
        host=rows,
        observed=observed,
        clocks=run.clocks(),
        about=np.array(json.dumps({"run": about, "names": names})),
    )


def load(file: Path) -> Bottlenecks:
    """The causes found in it."""
    with np.load(file) as kept:
        about: dict[str, Any] = json.loads(str(kept["about"]))
        run, rig = about["run"], rig_from_resolved(about["run"]["rig"]["resolved"])
        subjects = {pid: Subject(pid, kind, name) for pid, kind, name in about["names"]}
        spec = rig.scenarios["command"]
        return find_causes(
            "command",
            kept["samples"],
            HostTable(kept["host"], subjects),
            run,
            timeout_ms=spec.timeout_ms,
            limit_ms=float(rig.requirements[0].limit),
            quantile=rig.requirements[0].quantile,
            adapter=rig.devices["robot"].adapter,
            observed=kept["observed"],
            timebase=Clocks(run, rig, kept["clocks"]).timebase,
        )


if __name__ == "__main__":
    save(Path(sys.argv[1]), Path(sys.argv[2]))
