"""The whole on large data: one hundred runs of one million samples, and every command that looks at them.

The runs are of one rig, six hours apart, the newest now; from the 71st on, latency is twice as large.
A tenth of them is drawn as :mod:`benchmarks.synthetic` says and derived, so that they are what a run leaves;
the others have copies of the tables of one of these, and names, times and commits of their own. Each command
runs in a process of its own. What it finds is looked at as well: a command that is quick because it missed
the change, or what went with the slow answers, ends the benchmark.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import synthetic
from benchmarks.figures import Cost, Figure, Outcome, cost, load
from harness.analysis.derive import derive
from harness.folder import RunFolder

RUNS, SAMPLES = 100, 1_000_000
QUICK_RUNS, QUICK_SAMPLES = 10, 20_000
GOOD = 0.7
"""Share of the runs before the change."""
SLOWER = 2.0
DRAWN = 0.1
"""Share of the runs that are drawn; of the others the tables are copies."""
APART = timedelta(hours=6)
BASELINE = 8
"""As many runs the newest one is compared with."""
BYTES_PER_SAMPLE = 70
"""Of a run folder with its derived tables, at most; measured: 56."""
SPARE_BYTES = 1 << 30
GB = 1.0
REPORT_S = 20.0


@dataclass(frozen=True)
class Plan:
    """Of ``count`` runs under ``reports``: when each began, at which commit, from which on they are bad."""

    reports: Path
    count: int
    now: datetime

    @property
    def bad(self) -> int:
        """The first run after the change."""
        return round(GOOD * self.count)

    def started(self, number: int) -> datetime:
        """When run ``number`` began."""
        return self.now - (self.count - 1 - number) * APART

    def commit(self, number: int) -> str:
        """Of the project, at run ``number``."""
        return f"{number // 7:040x}"


def room(place: Path, needed: int) -> None:
    """Raises SystemExit where ``place`` has less free space than ``needed`` bytes and some to spare."""
    free = shutil.disk_usage(place).free
    print(
        f"about {needed / 1e9:.1f} GB are written to {place} and removed; {free / 1e9:.1f} GB are free",
        flush=True,
    )
    if free < needed + SPARE_BYTES:
        raise SystemExit(
            f"{place} has {free / 1e9:.1f} GB, and {(needed + SPARE_BYTES) / 1e9:.1f} GB are wanted: "
            "set TMPDIR to a folder on a larger disk"
        )


def drawn(number: int, *, run: Mapping[str, Any], plan: Plan, samples: int) -> Path:
    """The folder of run ``number``, drawn and derived."""
    folder = synthetic.folder(
        plan.reports,
        {**run, "git": {**run["git"], "commit": plan.commit(number), "dirty": False}},
        samples,
        seed=1000 + number,
        started=plan.started(number),
        level=SLOWER if number >= plan.bad else 1.0,
    )
    derive(RunFolder.open(folder))
    return folder


def copied(number: int, template: Path, plan: Plan) -> Path:
    """The folder of run ``number``, with copies of the tables of another one."""
    made = synthetic.like(
        template, plan.reports, "loopback", plan.started(number), f"{number:04x}", plan.commit(number)
    )
    for file in template.iterdir():
        if file.is_file() and not (made / file.name).exists():
            shutil.copyfile(file, made / file.name)
    return made


def make(plan: Plan, samples: int) -> list[Path]:
    """All run folders; the oldest first. Two cores draw."""
    real = synthetic.real_run(plan.reports.parent / "real")
    good = list(range(math.ceil(DRAWN * plan.bad)))
    bad = list(range(plan.count - math.ceil(DRAWN * (plan.count - plan.bad)), plan.count))
    # Not forked: the run before has left threads of libraries.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(partial(drawn, run=real, plan=plan, samples=samples), good + bad))
    made = dict(zip(good + bad, found, strict=True))
    for number in range(plan.count):
        like = bad if number >= plan.bad else good
        if number not in made:
            made[number] = copied(number, made[like[number % len(like)]], plan)
    return [made[number] for number in range(plan.count)]


def ask(out: Path, folders: list[Path]) -> dict[str, Cost]:
    """Every command once, by its name in the table; raises SystemExit for one that fails or misses what is
    there. Few small runs tell neither a cause nor a regression."""
    reports, newest, all_of_it = out / "reports", folders[-1], len(folders) == RUNS
    good = folders[: round(GOOD * len(folders))][:BASELINE]
    where = ("--reports", reports)
    baseline = [part for each in good for part in ("--baseline", each)]
    gate = ("--fail-on", "p90:5%", "--out", out / "compare.html")
    found: dict[str, Cost] = {}

    def take(name: str, *arguments: str | Path, statuses: Sequence[int] = (0,)) -> None:
        found[name] = each = cost(*arguments).expect(*statuses)
        took = f"{each.seconds:.2f} s, {each.cpu:.2f} s of CPU, {each.gb:.2f} GB"
        print(f"  harness {name}: {took}", file=sys.stderr, flush=True)

    take("history --rebuild", "history", "loopback", *where, "--json", "--rebuild")
    take("history", "history", "loopback", *where, "--json")
    take("history --plot", "history", "loopback", *where, "--plot", out / "plot.svg")
    take("regressions", "regressions", "loopback", *where, "--json")
    take("digest as PDF", "digest", "--since", "7d", *where, "--out", out / "digest.pdf")
    take(
        f"compare with {len(good)} runs", "compare", newest, *baseline, *gate,
        statuses=(1,) if all_of_it else (0, 1, 3),
    )  # fmt: skip
    take("report", "report", newest, "--json", statuses=(0, 1, 3))
    take("why", "why", newest, "--json")
    take("prune, dry", "prune", "loopback", *where, "--keep-raw", "1d")
    for name in ("history --rebuild", "history"):
        if len(json.loads(found[name].said)["runs"]) != len(folders):
            raise SystemExit(f"harness {name} did not show all {len(folders)} runs")
    look_at_the_change(json.loads(found["regressions"].said), folders)
    (slow,) = json.loads(found["why"].said)
    first = max(slow["considered"], key=lambda each: each["share"] - each["chance"])
    if all_of_it and (first["kind"], first["subject"]) != ("run-queue delay", "robot"):
        raise SystemExit(f"harness why did not put the robot's wait for a CPU first: {slow['considered']}")
    if any(len(list(each.glob("*.parquet"))) < 5 for each in folders):
        raise SystemExit("a dry prune has removed tables, or a folder never had them")
    take("prune", "prune", "loopback", *where, "--keep-raw", "1d", "--yes")
    pruned = [each for each in folders if not list(each.glob("*.parquet"))]
    after = json.loads(cost("history", "loopback", *where, "--json").expect(0).said)["runs"]
    if pruned != folders[: len(folders) - 4] or len(after) != len(folders):
        raise SystemExit(f"{len(pruned)} runs let their tables go, and {len(after)} are in the history")
    return found


def look_at_the_change(told: Mapping[str, Any], folders: list[Path]) -> None:
    """Raises SystemExit where the one change there is is not told, once there are runs enough to tell."""
    (asked,) = told["requirements"]
    first = folders[round(GOOD * len(folders))].name
    if asked["runs_missing"]:
        return
    if not any(each["earliest"] <= first <= each["latest"] for each in asked["changes"]):
        raise SystemExit(f"the change at {first} was not told: {asked['changes']}")


def run(quick: bool) -> Outcome:
    count, samples = (QUICK_RUNS, QUICK_SAMPLES) if quick else (RUNS, SAMPLES)
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as place:
        out = Path(place)
        room(out, count * samples * BYTES_PER_SAMPLE)
        folders = make(Plan(out / "reports", count, datetime.now(timezone.utc)), samples)
        size = sum(file.stat().st_size for file in (out / "reports").rglob("*") if file.is_file()) / 1e9
        before = load()
        found = ask(out, folders)
        left = sum(file.stat().st_size for file in (out / "reports").rglob("*") if file.is_file()) / 1e9
    limits = {} if quick else {"report": (REPORT_S, GB), f"compare with {BASELINE} runs": (None, GB)}
    figures = [Figure(f"{count} runs of {samples:,} samples", size, "GB", None, before)]
    for name, each in found.items():
        seconds, gb = limits.get(name, (None, None if quick else GB))
        figures += [
            Figure(f"{name}, wall", each.seconds, "s", seconds, before),
            Figure(f"{name}, CPU", each.cpu, "s", None, before),
            Figure(f"{name}, peak RSS", each.gb, "GB", gb, before),
        ]
    figures.append(Figure("left after prune", left, "GB", None, before))
    return Outcome("large", figures, raw={name: {**asdict(each), "said": ""} for name, each in found.items()})
