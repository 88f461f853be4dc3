"""How long the reference swarm takes to reorganise when its leader is killed, by its own truth logs.

``python -m benchmarks.swarm_reorganisation --trials 60 --out FILE.json``. Each trial waits until the swarm is
stable, waits for a random time, kills the leader's process, and looks at what the survivors logged; the
launcher starts the killed robot again. The load of the host is part of the result.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from harness.sim.swarm import truth
from harness.sim.swarm.phases import reorganisation
from harness.sim.swarm.settings import Event

SETTLE_NS = 200_000_000
DEADLINE_S = 30.0


def stable(events: list[tuple[int, Event]], count: int, now_ns: int) -> int:
    """The leader that all follow, and hold a slot of, since SETTLE_NS; 0 where there is none."""
    holds: dict[int, Event] = {}
    wavering: set[int] = set()
    for robot, event in events:
        if event.name in ("holds", "assigned"):
            holds[robot] = event
        if event.name in ("suspects", "votes", "stands", "resigns"):
            wavering.add(robot)
        elif event.name in ("follows", "elected"):
            wavering.discard(robot)
    roles = {(event.term, event.version, event.leader) for event in holds.values()}
    slots = {event.slot for event in holds.values()}
    quiet = all(now_ns - event.at_ns > SETTLE_NS for event in holds.values())
    if len(holds) == count == len(slots) and not wavering and len(roles) == 1 and quiet:
        return next(iter(roles))[2] if min(slots) >= 0 else 0
    return 0


def wait_stable(log: Path, count: int) -> int:
    """Poll until stable; the leader. Raises TimeoutError."""
    limit = time.monotonic() + DEADLINE_S
    while time.monotonic() < limit:
        if leader := stable(truth.events(log), count, time.monotonic_ns()):
            return leader
        time.sleep(0.1)
    raise TimeoutError(f"not stable within {DEADLINE_S:g} s: {truth.events(log)[-20:]}")


class Sleeper(threading.Thread):
    """Sleeps for 1 ms again and again: by how much it is late says how much the host keeps others waiting."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.worst_ns = 0
        self.ended = False

    def run(self) -> None:
        while not self.ended:
            before = time.monotonic_ns()
            time.sleep(0.001)
            self.worst_ns = max(self.worst_ns, time.monotonic_ns() - before - 1_000_000)


def measure(robots: int, trials: int, seed: int, more: list[str], keep: Path | None = None) -> dict[str, Any]:
    """Kill the leader this many times; phases in ms, and what went on beside."""
    draw = random.Random(seed)
    rows: list[dict[str, float]] = []
    failed = unasked = 0
    sleeper = Sleeper()
    sleeper.start()
    with tempfile.TemporaryDirectory() as folder:
        log = keep or Path(folder)
        command = [
            sys.executable,
            "-m",
            "harness.sim.swarm",
            "--robots",
            str(robots),
            "--log-truth",
            str(log),
        ]
        swarm = subprocess.Popen([*command, "--restart-after-s", "0.6", *more], stdout=subprocess.DEVNULL)
        try:
            began = time.monotonic_ns()
            before = os.getloadavg()
            for _ in range(trials):
                leader = wait_stable(log, robots)
                # The log grows; what lies behind is not needed again, but for the newest word of each robot.
                quiet_from = time.monotonic_ns()
                time.sleep(draw.uniform(0.2, 0.5))
                sleeper.worst_ns = 0
                unasked += sum(
                    event.name == "elected" and event.at_ns > quiet_from for _, event in truth.events(log)
                )
                if stable(truth.events(log), robots, time.monotonic_ns()) != leader:
                    leader = wait_stable(log, robots)  # there was an election meanwhile
                lives = [
                    entry["pid"]
                    for entry in truth.read(log)
                    if entry["event"] == "started" and entry["robot"] == leader
                ]
                fault = time.monotonic_ns()
                os.kill(lives[-1], signal.SIGKILL)
                time.sleep(0.5)
                worst = sleeper.worst_ns * 1e-6
                survivors = set(range(1, robots + 1)) - {leader}
                found = reorganisation(truth.events(log), survivors, fault, fault + 450_000_000)
                if found is None:
                    failed += 1
                    print(
                        f"not reorganised: robot {leader} killed at {fault}, host late by {worst:.0f} ms",
                        flush=True,
                    )
                else:
                    rows.append(
                        {**found.phases_ms(), "rounds": found.rounds, "fault_ns": fault, "host_late": worst}
                    )
            suspicions = [event for _, event in truth.events(log) if event.name == "suspects"]
            return {
                "robots": robots,
                "trials": trials,
                "not_reorganised": failed,
                "elections_without_fault": unasked,
                "suspicions": len(suspicions),
                "seconds": (time.monotonic_ns() - began) * 1e-9,
                "load_before": before,
                "load_after": os.getloadavg(),
                "cores": os.cpu_count(),
                "options": more,
                "rows": rows,
            }
        finally:
            sleeper.ended = True
            swarm.send_signal(signal.SIGINT)
            swarm.wait(20)


def table(result: dict[str, Any]) -> str:
    """Quantiles of each phase, as Markdown."""
    lines = ["| phase | p50 | p95 | max |", "|---|---|---|---|"]
    for phase in [name for name in result["rows"][0] if name != "fault_ns"]:
        values = [row[phase] for row in result["rows"]]
        p50, p95 = np.quantile(values, [0.5, 0.95])
        lines.append(f"| {phase} | {p50:.1f} | {p95:.1f} | {max(values):.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robots", type=int, default=5)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keep", type=Path, help="an empty directory for the truth logs")
    told, more = parser.parse_known_args()
    result = measure(told.robots, told.trials, told.seed, more, told.keep)
    if told.out:
        told.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print({key: value for key, value in result.items() if key != "rows"})
    if result["rows"]:
        print(table(result))


if __name__ == "__main__":
    main()
