"""A run folder of any size without measuring for hours: rows as a loopback run leaves them, but drawn.

The run itself (host, versions, rig, clocks, ports, identities) is that of a real, short run of the loopback
rig; only the tables are drawn, and the number of samples in the rig file is made to fit. Latency is lognormal
with bursts, in which it is several times as large; losses come in clusters; some answers come twice, late or
out of order; the harness stalls now and then and skips what became due meanwhile. The host was looked at 25
times a second, and where the answers came slowly the robot waited for a CPU.
"""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.config import find_rig, load_rig
from harness.folder import JOURNAL, RunFolder
from harness.hosttable import HOST_SUBJECT, NAMES
from harness.model import (
    CLOCK_DTYPE,
    HOST_DTYPE,
    NO_STAMP,
    OBSERVATION_DTYPE,
    STIMULUS_DTYPE,
    HostMeasure,
    StimulusFlag,
)
from harness.runner import RunOptions, run_rig
from harness.tablefile import COUNT_OFFSET, HEADER_BYTES, SUFFIX, pack_header

RATE_HZ = 1000.0
WARM_UP = 2000
PORT = "robot.applied"
REALTIME_OFFSET_NS = 1_700_000_000_000_000_000
ROBOT, HARNESS = 5001, 5000
PROCESSES = {
    HARNESS: ("harness", "harness"),
    ROBOT: ("rig", "robot"),
    900: ("other", "a"),
    901: ("other", "b"),
}
LOOK_NS = 40_000_000
TIMEOUT_NS = 100_000_000
SLOW_NS = 1_500_000
"""An answer that took so long came in a burst, most often."""
ROOT = Path(__file__).resolve().parent.parent
Table = NDArray[Any]
Rng = np.random.Generator


def real_run(out: Path, samples: int = 200) -> dict[str, Any]:
    """``run.json`` of a real run of the loopback rig."""
    rig = load_rig(find_rig(str(ROOT / "rig_configs" / "loopback.yaml")))
    outcome = run_rig(rig, RunOptions(out=out, samples=samples, report=False, anyway=True))
    return RunFolder.open(outcome.folder).run


def clusters(rng: Rng, n: int, starts_per_row: float, longest: int) -> NDArray[np.bool_]:
    """Rows that belong to a cluster: starts at random, each 1 to ``longest`` rows."""
    out = np.zeros(n, dtype=bool)
    for start in np.flatnonzero(rng.random(n) < starts_per_row):
        out[start : start + rng.integers(1, longest + 1)] = True
    return out


def stimuli_table(rng: Rng, samples: int, timeline_ns: int = 5_000_000_000_000) -> Table:
    """Warm-up and ``samples`` measured rows, jittered as the paced schedule is."""
    n = WARM_UP + samples
    period = 1e9 / RATE_HZ
    rows = np.zeros(n, dtype=STIMULUS_DTYPE)
    rows["key"] = np.arange(n)
    rows["intended_ns"] = timeline_ns + np.cumsum(rng.uniform(0.5, 1.5, n) * period).astype(np.int64)
    rows["sent_ns"] = rows["intended_ns"] + rng.gamma(2.0, 30_000, n).astype(np.int64)
    rows["handed_ns"] = rows["sent_ns"] + rng.gamma(4.0, 3_000, n).astype(np.int64)
    rows["flags"][:WARM_UP] = int(StimulusFlag.WARM_UP)
    rows["variant"] = rows["key"] % 2
    skipped = clusters(rng, n, 2e-5, 20)
    rows["sent_ns"][skipped] = rows["handed_ns"][skipped] = NO_STAMP
    rows["flags"][skipped] |= np.uint32(int(StimulusFlag.SKIPPED))
    return rows


def observations_table(rng: Rng, stimuli: Table, level: float = 1.0) -> Table:
    """Answers to ``stimuli``, in the order in which the harness saw them; ``level``: factor of latency."""
    sent = stimuli[stimuli["sent_ns"] != NO_STAMP]
    n = len(sent)
    latency = rng.lognormal(np.log(400_000 * level), 0.35, n)
    latency[clusters(rng, n, 1e-4, 200)] *= 6
    latency[rng.random(n) < 2e-5] = 150_000_000  # after the timeout
    lost = clusters(rng, n, 2e-4, 5)
    answered = np.flatnonzero(~lost)
    answers = np.concatenate([answered, answered[rng.random(len(answered)) < 1e-4]])  # some of them twice
    rows = np.zeros(len(answers), dtype=OBSERVATION_DTYPE)
    arrived = sent["sent_ns"][answers] + latency[answers].astype(np.int64)
    rows["key"] = sent["key"][answers]
    rows["received_ns"] = arrived + REALTIME_OFFSET_NS
    rows["seen_ns"] = arrived + rng.gamma(2.0, 15_000, len(rows)).astype(np.int64)
    rows["stamp_ns"] = rows["received_ns"] - 40_000
    rows["value"] = np.where(rows["key"] % 2 == 0, 0.5, -0.5)
    rows["stamp_clock"], rows["received_clock"] = 2, 1
    return rows[np.argsort(rows["seen_ns"], kind="stable")]


def clocks_table(rng: Rng, stimuli: Table) -> Table:
    """A pair of readings of CLOCK_REALTIME every second, a little wider now and then."""
    start, end = int(stimuli["intended_ns"][0]) - 10**9, int(stimuli["intended_ns"][-1]) + 10**9
    rows = np.zeros(len(range(start, end, 10**9)), dtype=CLOCK_DTYPE)
    rows["t1_ns"] = np.arange(start, end, 10**9)
    width = rng.gamma(2.0, 60, len(rows)).astype(np.int64) + 40
    rows["t2_ns"] = rows["t3_ns"] = rows["t1_ns"] + width // 2 + REALTIME_OFFSET_NS
    rows["t4_ns"] = rows["t1_ns"] + width
    rows["clock"], rows["phase"] = 1, 1
    return rows


def host_table(rng: Rng, stimuli: Table, observed: Table, level: float = 1.0) -> Table:
    """What the host did: looks 40 ms apart, 18 rows each. While an answer was slow, or one got lost, the
    robot waited for a CPU, at a few other moments too."""
    took = observed["received_ns"] - REALTIME_OFFSET_NS - stimuli["sent_ns"][observed["key"]]
    lost = ~np.isin(stimuli["key"], observed["key"]) & (stimuli["sent_ns"] != NO_STAMP)
    late = stimuli["sent_ns"][lost][:, None] + np.arange(0, TIMEOUT_NS, LOOK_NS)
    slow = np.concatenate([observed["seen_ns"][took > SLOW_NS * level], late.ravel()])
    start = int(stimuli["intended_ns"][0]) - 10**9
    ends = np.arange(start, int(observed["seen_ns"].max()) + 10**9, LOOK_NS)
    n = len(ends)
    waited = rng.gamma(2.0, 0.02, n)
    waited[np.unique(np.searchsorted(ends, slow))] += 35.0
    waited[rng.random(n) < 0.002] += 35.0
    drawn: list[tuple[HostMeasure, int, Table]] = [
        (HostMeasure.SAMPLING_MS, HOST_SUBJECT, rng.gamma(9.0, 0.1, n)),
        (HostMeasure.CPU_PRESSURE_MS, HOST_SUBJECT, rng.gamma(1.0, 2.0, n)),
        (HostMeasure.CONTEXT_SWITCHES, HOST_SUBJECT, rng.poisson(300, n)),
        (HostMeasure.INTERRUPTS, HOST_SUBJECT, rng.poisson(500, n)),
        (HostMeasure.CORE_BUSY_MS, 0, rng.uniform(2, 30, n)),
        (HostMeasure.CORE_BUSY_MS, 1, rng.uniform(2, 30, n)),
        (HostMeasure.WAIT_MS, ROBOT, waited),
        *((HostMeasure.WAIT_MS, pid, rng.gamma(2.0, 0.02, n)) for pid in PROCESSES if pid != ROBOT),
        *((HostMeasure.RUN_MS, pid, rng.uniform(1, 8, n)) for pid in PROCESSES),
        *((HostMeasure.SWITCHES, pid, rng.poisson(50, n)) for pid in PROCESSES),
    ]
    rows = np.zeros((n, len(drawn)), dtype=HOST_DTYPE)
    rows["t_ns"], rows["over_ns"] = ends[:, None], LOOK_NS
    for place, (measure, subject, values) in enumerate(drawn):
        rows["measure"][:, place], rows["subject"][:, place] = int(measure), subject
        rows["value"][:, place] = values
    return rows.ravel()


def fitted(run: Mapping[str, Any], samples: int) -> dict[str, Any]:
    """``run`` with the schedule of ``samples`` at 1 kHz, as if that had been in the rig file."""
    made = copy.deepcopy(dict(run))
    schedule = made["rig"]["resolved"]["scenarios"]["command"]["schedule"]
    schedule.update(rate_hz=RATE_HZ, samples=samples, warmup_s=WARM_UP / RATE_HZ)
    made["findings"] = []
    made.pop("raw_sha256", None)
    return made


def folder(
    out: Path,
    run: Mapping[str, Any],
    samples: int,
    seed: int = 1,
    *,
    started: datetime | None = None,
    level: float = 1.0,
) -> Path:
    """Write the run folder from a journal, as a run does; returns it, its raw tables final.

    ``started``: now by default; ``level``: factor of the latency.
    """
    rng = np.random.default_rng(seed)
    stimuli = stimuli_table(rng, samples)
    observed = observations_table(rng, stimuli, level)
    started = datetime.now(timezone.utc) if started is None else started
    made = RunFolder.create(out, "loopback", started, f"syn{secrets.token_hex(2)}")
    tables = {
        "stimuli": stimuli,
        f"observations.{PORT}": observed,
        "clocks": clocks_table(rng, stimuli),
        "host": host_table(rng, stimuli, observed, level),
    }
    for name, rows in tables.items():
        write_table(made.path / JOURNAL / (name + SUFFIX), rows)
    names = [json.dumps({"pid": pid, "kind": kind, "name": name}) for pid, (kind, name) in PROCESSES.items()]
    (made.path / JOURNAL / NAMES).write_text("\n".join(names) + "\n", encoding="utf-8")
    ended = started + timedelta(seconds=(WARM_UP + samples) / RATE_HZ)
    own = {"run_id": made.run_id, "started": made.run["started"], "ended": ended.isoformat()}
    made.save_run(**{**fitted(run, samples), **own, "status": "finished"})
    made.event("phase", name="measuring", scenario="command")
    made.finalise_raw()
    return made.path


def like(
    template: Path, reports: Path, rig: str, started: datetime, token: str, commit: str, factor: float = 1.0
) -> Path:
    """A folder with the results.json and run.json of the run in ``template``, but of another run: rig, name,
    time and commit are its own, and estimates ``factor`` times as large. Without tables."""
    run_id = f"{started:%Y-%m-%dT%H-%M-%SZ}-{token}"
    about = {"run_id": run_id, "started": started.isoformat(timespec="milliseconds")}
    results = {**json.loads((template / "results.json").read_text(encoding="utf-8")), **about}
    results["rig"]["name"] = rig
    results["provenance"]["git"]["commit"] = commit
    for requirement in results["requirements"]:
        requirement["estimate"] = factor * (requirement["estimate"] or 1.0)
    run = {**json.loads((template / "run.json").read_text(encoding="utf-8")), **about}
    run["git"]["commit"] = commit
    made = reports / rig / run_id
    made.mkdir(parents=True)
    for name, content in (("results.json", results), ("run.json", run)):
        (made / name).write_text(json.dumps(content, indent=2), encoding="utf-8")
    return made


def write_table(file: Path, rows: Table) -> None:
    """A table of a journal as a run leaves it, at once: to append a million rows takes seconds."""
    header = bytearray(pack_header(rows.dtype).ljust(HEADER_BYTES, b"\0"))
    header[COUNT_OFFSET : COUNT_OFFSET + 8] = len(rows).to_bytes(8, "little")
    with file.open("xb") as written:
        written.write(header)
        written.write(memoryview(rows.view(np.uint8)))
