"""The plots of docs/sim-swarm.md: reorganisation time over N and over loss, and the model beside processes.

``python -m benchmarks.swarm_model_plots --measured quiet.json --measured other.json``, with what
``benchmarks.swarm_reorganisation --out`` wrote. All but the measured curves is the same each time.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from harness.sim.swarm.model import summary, trials
from harness.sim.swarm.settings import Settings
from harness.sim.swarm.world import Link

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "harness"
import matplotlib.pyplot as plt  # noqa: E402 (after the backend was chosen)

IMAGES = Path(__file__).parents[1] / "docs" / "images"
ROBOTS = (3, 5, 8, 16, 32, 64)
LOSSES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
LIMIT_MS = 50.0


def save(figure: Any, name: str) -> None:
    figure.tight_layout()
    figure.savefig(IMAGES / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)
    print(f"docs/images/{name}.svg")


def curve(axes: Any, x: Sequence[float], rows: Sequence[dict[str, float]], label: str) -> None:
    (line,) = axes.plot(x, [row["p95"] for row in rows], marker="o", label=f"{label}, p95")
    axes.plot(
        x, [row["p50"] for row in rows], marker=".", ls=":", color=line.get_color(), label=f"{label}, p50"
    )
    for row in rows:
        print({key: round(value, 2) for key, value in row.items() if "p50" not in key or key == "p50"})


def finish(axes: Any, title: str, xlabel: str) -> None:
    axes.axhline(LIMIT_MS, color="tab:red", lw=1, label="budget")
    axes.set_title(title)
    axes.set_xlabel(xlabel)
    axes.set_ylabel("reorganisation time in ms")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()


def over_robots(number: int) -> None:
    figure, axes = plt.subplots(figsize=(7, 4))
    for loss in (0.0, 0.05):
        rows = [summary(n, loss, trials(n, Link(loss=loss), Settings(), number)) for n in ROBOTS]
        curve(axes, ROBOTS, rows, f"{loss:.0%} lost")
    axes.set_xscale("log", base=2)
    axes.set_xticks(ROBOTS, [str(n) for n in ROBOTS])
    finish(axes, f"Leader killed, {number} simulated trials each", "robots")
    save(figure, "swarm-over-robots")


def over_loss(number: int) -> None:
    figure, axes = plt.subplots(figsize=(7, 4))
    for title, settings in (
        ("staggered", Settings()),
        ("random alone", replace(Settings(), stagger_ns=0, spread_ns=15_000_000)),
    ):
        rows = [summary(5, loss, trials(5, Link(loss=loss), settings, number)) for loss in LOSSES]
        curve(axes, [100 * loss for loss in LOSSES], rows, title)
    finish(axes, f"5 robots, leader killed, {number} simulated trials each", "messages lost in %")
    save(figure, "swarm-over-loss")


def beside(files: Sequence[Path], number: int) -> None:
    figure, axes = plt.subplots(figsize=(7, 4))
    made = trials(5, Link(), Settings(), number)
    model = [one.found.phases_ms()["total"] for one in made if one.found is not None]
    curves = {f"model, {number} trials": model}
    for file in files:
        result = json.loads(file.read_text(encoding="utf-8"))
        curves[f"{file.stem}, {len(result['rows'])} trials"] = [row["total"] for row in result["rows"]]
    for label, values in curves.items():
        axes.ecdf(values, label=label)
        print(label, np.round(np.quantile(values, [0.05, 0.5, 0.95]), 1), round(max(values), 1))
    axes.axvline(LIMIT_MS, color="tab:red", lw=1, label="budget")
    axes.set(xlim=(0, 100), xlabel="reorganisation time in ms", ylabel="part of the trials")
    axes.set_title("5 robots, leader killed: simulated and real processes")
    axes.grid(alpha=0.3)
    axes.legend()
    save(figure, "swarm-model-and-processes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--measured", type=Path, action="append", default=[])
    parser.add_argument("--only", choices=("robots", "loss", "beside"))
    told = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    if told.only in (None, "loss"):
        over_loss(told.trials)
    if told.only in (None, "beside"):
        beside(told.measured, 2 * told.trials)
    if told.only in (None, "robots"):
        over_robots(told.trials)


if __name__ == "__main__":
    main()
