"""Reorganisation time over the number of robots and over loss, in simulated time.

``python -m harness.sim.swarm.model --robots 3..64 --loss 0,0.01,0.05 --trials 100``. Each trial is a swarm of
its own with a seed of its own, so the same command prints the same numbers. Links, wake-ups and the work per
message are drawn as world.Link says; all else is the election that the robots run.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from harness.sim.swarm.detector import Margins
from harness.sim.swarm.phases import Reorganisation, reorganisation
from harness.sim.swarm.settings import MS, Settings
from harness.sim.swarm.world import Link, World, quick

STABLE_BY_NS = 20_000 * MS
LEARN_NS = 550 * MS
"""How long the detectors see a healthy leader before it is killed: their window is 100 heartbeats."""
GIVE_UP_NS = 1_000 * MS
SETTLE_NS = 50 * MS


@dataclass(frozen=True)
class Trial:
    """What one killed leader led to; ``found`` is None where the survivors did not reorganise in 1 s."""

    found: Reorganisation | None
    unasked: int
    """Elections won before anything was wrong, once the swarm was stable."""


def trial(count: int, link: Link, settings: Settings, seed: int) -> Trial:
    """One swarm, one killed leader. Raises RuntimeError where the swarm never became stable."""
    world = World(count, link, quick(settings), seed)
    if not world.run(STABLE_BY_NS, world.stable):
        raise RuntimeError(
            f"{count} robots at {link} were not stable within 20 s of simulated time (seed {seed})"
        )
    began = world.now_ns
    # At any phase of the heartbeat: a kill in step with it would see one phase alone.
    dwell = random.Random(f"{seed} dwell").randrange(20 * MS)
    world.run(began + LEARN_NS + dwell)
    for _ in range(100):
        if world.leader:
            break
        world.run(world.now_ns + 10 * MS)
    fault = world.now_ns
    unasked = sum(event.name == "elected" and event.at_ns > began for _, event in world.events)
    world.kill(world.leader)
    world.run(fault + GIVE_UP_NS, world.stable)
    world.run(world.now_ns + SETTLE_NS)
    return Trial(reorganisation(world.events, world.robots, fault, world.now_ns), unasked)


def trials(count: int, link: Link, settings: Settings, number: int, seed: int = 0) -> list[Trial]:
    """Independent trials; the same arguments give the same ones."""
    return [trial(count, link, settings, hash_seed(seed, count, one)) for one in range(number)]


def hash_seed(*parts: int) -> int:
    """One seed of several numbers; the same in every process."""
    return random.Random(" ".join(map(str, parts))).randrange(1 << 62)


def summary(count: int, loss: float, made: Sequence[Trial]) -> dict[str, float]:
    """Quantiles in ms of the trials that reorganised, and how many did not."""
    found = [one.found.phases_ms() for one in made if one.found is not None]
    totals = [phases["total"] for phases in found]
    row: dict[str, float] = {"robots": count, "loss": loss, "trials": len(made)}
    row["not_reorganised"] = len(made) - len(found)
    row["more_rounds"] = sum(one.found is not None and one.found.rounds > 1 for one in made)
    row["unasked"] = sum(one.unasked for one in made)
    if totals:
        for name, level in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            row[name] = float(np.quantile(totals, level))
        row["max"] = max(totals)
        for phase in found[0]:
            row[f"{phase} p50"] = float(np.median([phases[phase] for phases in found]))
    return row


def numbers(text: str) -> list[int]:
    """``3..64`` (both ends and some between), or numbers with commas between."""
    first, dots, last = text.partition("..")
    if not dots:
        return [int(word) for word in text.split(",")]
    steps = [3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64]
    return sorted({int(first), int(last), *(n for n in steps if int(first) < n < int(last))})


def sweep(
    robots: Sequence[int], losses: Sequence[float], link: Link, settings: Settings, number: int, seed: int
) -> Iterator[dict[str, float]]:
    """One row for each number of robots and each loss."""
    for count in robots:
        for loss in losses:
            yield summary(count, loss, trials(count, replace(link, loss=loss), settings, number, seed))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table; returns the exit status."""
    link, settings = Link(), Settings()
    parser = argparse.ArgumentParser("python -m harness.sim.swarm.model", description=__doc__)
    add = parser.add_argument
    add("--robots", type=numbers, default=numbers("3..64"), help="3..64, or 3,5,9")
    add("--loss", default="0", help="probabilities with commas between")
    add("--trials", type=int, default=100)
    add("--seed", type=int, default=0)
    add("--delay-us", type=float, default=link.delay_ns / 1e3)
    add("--jitter-us", type=float, default=link.jitter_ns / 1e3, help="mean of an exponential")
    add("--handle-us", type=float, default=link.handle_ns / 1e3, help="a robot's work on one message")
    add("--wake-us", type=float, default=link.wake_ns / 1e3, help="mean lateness of a timer")
    add("--stall", type=float, default=link.stall, help="probability that a wake-up is later still")
    add("--stall-ms", type=float, default=link.stall_ns / MS, help="by up to this")
    add("--heartbeat-ms", type=float, default=settings.period_ns / MS)
    add("--misses", type=int, default=settings.margins.misses)
    add("--stagger-ms", type=float, default=settings.stagger_ns / MS)
    add("--spread-ms", type=float, default=settings.spread_ns / MS)
    add("--retry-ms", type=float, default=settings.retry_ns / MS)
    add("--json", type=Path, metavar="FILE")
    told = parser.parse_args(arguments)
    losses = [float(word) for word in told.loss.split(",")]
    if min(told.robots) < 3 or max(told.robots) > 64 or told.trials < 1:
        parser.error("--robots from 3 to 64, --trials 1 or more")
    if not all(0.0 <= loss < 1.0 for loss in losses):
        parser.error("--loss: from 0 to below 1")
    link = Link(
        round(told.delay_us * 1e3),
        round(told.jitter_us * 1e3),
        0.0,
        round(told.handle_us * 1e3),
        round(told.wake_us * 1e3),
        told.stall,
        round(told.stall_ms * MS),
    )
    settings = Settings(
        round(told.heartbeat_ms * MS),
        Margins(misses=told.misses),
        round(told.stagger_ms * MS),
        round(told.spread_ms * MS),
        round(told.retry_ms * MS),
    )
    rows = []
    print(f"{'robots':>6} {'loss':>6} {'p50':>7} {'p95':>7} {'p99':>7} {'max':>7}  rounds>1  not  unasked")
    for row in sweep(told.robots, losses, link, settings, told.trials, told.seed):
        rows.append(row)
        times = " ".join(f"{row.get(key, float('nan')):7.1f}" for key in ("p50", "p95", "p99", "max"))
        print(
            f"{row['robots']:>6} {row['loss']:>6g} {times}  {row['more_rounds']:>8} "
            f"{row['not_reorganised']:>4} {row['unasked']:>8}",
            flush=True,
        )
    if told.json:
        given = {"link": asdict(link), "settings": asdict(settings), "seed": told.seed, "rows": rows}
        told.json.write_text(json.dumps(given, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
