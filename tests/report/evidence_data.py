"""Made-up budgets, floors, clocks, trends and hosts for tests of the report."""

from __future__ import annotations

from typing import Any

import numpy as np
import report_data as data

from harness.results import (
    ClockResult,
    FloorResult,
    Results,
    Trend,
    UncertaintyItem,
)

EARLIER = [
    {
        "run_id": f"2026-01-3{day}T10-00-00Z-aa0{day}",
        "started": f"2026-01-3{day}T10:00:00+00:00",
        "verdict": verdict,
        "same_rig_file": same,
    }
    for day, verdict, same in ((1, "FAIL", "yes"), (0, "none: the run did not come to its end", "no"))
]
DOCTOR = [
    {"name": "clock source", "severity": "ok", "value": "tsc", "why": "Hidden reason.", "remedy": ""},
    {
        "name": "CPU governor",
        "severity": "warning",
        "value": "powersave",
        "why": "Waking takes longer.",
        "remedy": "cpupower frequency-set -g performance",
    },
    {"name": "disk", "severity": "error", "value": "full", "why": "Nothing fits.", "remedy": ""},
]


def item(requirement: str, name: str, half: float | None, source: str = "measured") -> UncertaintyItem:
    return UncertaintyItem(
        requirement=requirement,
        name=name,
        half_width_ms=half,
        distribution="rectangular, hard limit",
        standard_ms=None if half is None else half / 3**0.5,
        share_ms=half,
        hard=True,
        source=source,
    )


def budget(*ids: str) -> list[UncertaintyItem]:
    return [
        entry
        for name in ids
        for entry in (
            item(name, "clock reading", 0.0123),
            item(name, "resolution", 0.001),
            item(name, "expanded uncertainty U", 0.01234, "root of the sum of squares"),
        )
    ]


def floor(seed: int = 3) -> FloorResult:
    drawn = np.random.default_rng(seed).gamma(3.0, 0.02, 800)
    before, after, both = (data.distribution(part) for part in (drawn[:400], drawn[400:], drawn))
    return FloorResult(
        scenario="command",
        what="ROS 2 echo of the harness's own",
        rate_hz=200,
        message_bytes=48,
        n=801,
        lost=1,
        before=before,
        after=after,
        together=both,
    )


def clock(**changes_: Any) -> ClockResult:
    fields: dict[str, Any] = {
        "name": "board",
        "usable": False,
        "exchanges": 120,
        "round_trip_min_ms": 0.41,
        "bound_ms": 0.21,
        "drift_ppm": (11.2, 14.8),
        "asymmetry": 0.3,
        "evidence": "scope picture 7",
        "problems": ["a step of 0.1 ms at 12 s"],
        "notes": [],
        "words": ["120 exchanges bound the offset", "a step of 0.1 ms at 12 s"],
    }
    return ClockResult(**{**fields, **changes_})


def trend(ok: bool, count: int = 40) -> Trend:
    medians: list[float | None] = [0.55 + 0.005 * place for place in range(count)]
    medians[3] = None
    words = "no trend: tau = +0.01" if ok else "the level rose during the run: tau = +0.9"
    return Trend(tested=True, ok=ok, tau=0.9, p=0.5 if ok else 1e-6, medians=medians, words=words)


def full(n: int = 3000) -> tuple[Results, np.ndarray[Any, Any], dict[str, Any]]:
    """A run with every part filled in."""
    table = data.samples(n)
    scenario = data.scenario_result(table).model_copy(update={"trend": trend(False)})
    figures = {"uncertainty": 0.0123, "floor": 0.31, "pass_threshold": 9.988, "fail_threshold": 10.32}
    requirement = data.requirement(
        table, alpha=0.025, sampling_plan="3000 stimuli, fixed before the start", **figures
    )
    results = data.results(
        {"command": scenario},
        [requirement, data.requirement(table, id="CMD-2", limit=20.0, sampling_plan="in stages of 1000")],
        uncertainty=budget("CMD-RTT", "CMD-2"),
        floors=[floor()],
        clocks=[clock()],
        earlier_runs=EARLIER,
        environment={"doctor": DOCTOR},
    )
    return results, table, data.run_record()


def text_of(blocks: Any) -> str:
    """Everything that a tree of blocks says."""
    if isinstance(blocks, dict):
        return " ".join(text_of(value) for key, value in blocks.items() if key not in ("kind", "tone"))
    if isinstance(blocks, list | tuple):
        return " ".join(map(text_of, blocks))
    return blocks.replace("\u202f", " ") if isinstance(blocks, str) else ""


def tables(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [block for block in blocks if block["kind"] == "table"]
