"""A robot whose true delay is known: does the harness report it, and judge it rightly?

The loopback robot computes for 2, 5, 9 and 11 ms before it answers (``busy_ms``); on CLOCK_MONOTONIC it logs
the instant it took each command from its socket and the instant just before it answered. Their distance is
the true delay. A whole run of a made-up rig (limit 10 ms, p99 at 95 %) is made of each, by turns, and what it
reported is compared with the log, sample by sample and at the quantile:

    -U <= reported latency - true delay <= U + J        U and J: of the requirement in results.json

The lower side is hard: the harness only ever adds to a delay, so that not one sample may lie below. J is a
high order statistic of the harness alone, which may exceed it in a share of 0.13 p0: as many samples above
U + J are allowed as a binomial count with that share reaches in 99 % of cases. 2, 5 and 9 ms have to PASS and
11 ms has to FAIL; INCONCLUSIVE is what a noisy host makes of either, and is counted and shown.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from benchmarks.figures import Figure, Outcome, load
from harness.analysis.guard import FLOOR_SHARE
from harness.analysis.rule import complement
from harness.analysis.samples import latency_ms, tried
from harness.analysis.statistics import order_quantile, ordered
from harness.config import find_rig, load_rig
from harness.folder import RunFolder
from harness.model import NO_STAMP, Verdict
from harness.runner import RunOptions, run_rig

Floats = NDArray[np.float64]

DELAYS_MS = (2.0, 5.0, 9.0, 11.0)
LIMIT_MS = 10.0
RATE_HZ = 40
"""Intervals are jittered by half their mean, so the shortest is 12.5 ms: room for 11 ms."""
SAMPLES, QUANTILE, TURNS = 700, 0.99, 2
TOLERATED = 0.99

RIG = """
rig: {{name: known-delay, description: A robot whose true delay is known, simulated: true}}
devices:
  robot:
    adapter: loopback
    busy_ms: {delay_ms}
    log: {log}
    limits: {{value: 1.0}}
    stop: {{port: command, values: {{value: 0.0}}}}
    ports:
      command: {{stimulus: {{key: sequence, values: {{value: {{alternate: [0.5, -0.5]}}}}}}}}
      applied: {{response: {{of: command, match: {{kind: sequence, answers: each}}}}}}
scenarios:
  command:
    kind: command_round_trip
    stimulus: robot.command
    response: robot.applied
    timeout_ms: 200
    schedule: {{kind: paced, rate_hz: {rate_hz}, samples: {samples}, warmup_s: 0.5}}
    probing: {{consecutive: 5, rate_hz: {rate_hz}, timeout_s: 20}}
requirements:
  - {{id: KNOWN, scenario: command, quantity: latency, quantile: {quantile}, limit: {limit}, unit: ms,
      confidence: 0.95}}
"""


@dataclass(frozen=True)
class Compared:
    """One run and what the robot logged of it.

    ``reported_ms`` and ``true_ms``, shape (n,): latency from sent and true delay of the answered samples, in
    order of sending. ``lost``: samples that the robot answered and the harness did not see in time.
    ``unlogged``: samples of which the log says nothing. U and J in ms, None where the run did not measure it.
    """

    delay_ms: float
    quantile: float
    reported_ms: Floats
    true_ms: Floats
    lost: int
    unlogged: int
    uncertainty_ms: float | None
    floor_ms: float | None
    verdict: Verdict
    reasons: tuple[str, ...]
    load: float

    @property
    def added_ms(self) -> Floats:
        """Reported less true."""
        return self.reported_ms - self.true_ms

    @property
    def below(self) -> int:
        """Samples reported shorter than they were, by more than U (0 where it is not known)."""
        return int((self.added_ms < -(self.uncertainty_ms or 0.0)).sum())

    @property
    def bound_ms(self) -> float | None:
        """U + J; None where the floor was not measured."""
        return None if self.floor_ms is None else (self.uncertainty_ms or 0.0) + self.floor_ms

    @property
    def above(self) -> int | None:
        """Samples reported longer than they were, by more than U + J."""
        return None if self.bound_ms is None else int((self.added_ms > self.bound_ms).sum())

    @property
    def allowed_above(self) -> int:
        """How many may be: the 99 % quantile of a binomial count of n with the share that J grants."""
        share = complement(self.quantile) * FLOOR_SHARE
        return int(binom.ppf(TOLERATED, len(self.reported_ms), share))

    def added_at(self, quantile: float) -> float:
        """Reported less true, each at that quantile."""
        return order_quantile(ordered(self.reported_ms), quantile) - order_quantile(
            ordered(self.true_ms), quantile
        )

    @property
    def wrong(self) -> bool:
        """Whether the verdict is the opposite of the truth."""
        return self.verdict is (Verdict.FAIL if self.delay_ms <= LIMIT_MS else Verdict.PASS)


def served(log: Path) -> dict[int, float]:
    """True delay in ms by key, out of the robot's own log."""
    records = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())
    return {
        int(each["key"]): (each["answered_ns"] - each["taken_ns"]) * 1e-6
        for each in records
        if each["event"] == "served"
    }


def measure(delay_ms: float, out: Path, *, samples: int = SAMPLES, quantile: float = QUANTILE) -> Compared:
    """One run against a robot of that delay, its folder in ``out``, beside the robot's log."""
    log, file = out / f"robot-{delay_ms:g}.jsonl", out / f"known-delay-{delay_ms:g}.yaml"
    log.unlink(missing_ok=True)
    text = RIG.format(
        delay_ms=delay_ms,
        log=json.dumps(str(log)),
        rate_hz=RATE_HZ,
        samples=samples,
        quantile=quantile,
        limit=LIMIT_MS,
    )
    file.write_text(text, encoding="utf-8")
    before = load()
    outcome = run_rig(load_rig(find_rig(str(file))), RunOptions(out=out, report=False))
    if outcome.results is None or outcome.results.aborted:
        raise SystemExit(f"the run at {delay_ms:g} ms was cut short: {outcome.error}")
    folder = RunFolder.open(outcome.folder)
    rows = folder.samples()
    # The table also holds what the harness's own floor was measured with, under numbers of its own.
    number = [str(each["name"]) for each in folder.run["scenarios"]].index("command")
    rows = rows[(rows["scenario"] == number) & tried(rows)]
    reported, truth = latency_ms(rows), served(log)
    true = np.array([truth.get(int(key), np.nan) for key in rows["key"]])
    answered = (rows["arrived_ns"] != NO_STAMP) & np.isfinite(reported)
    usable = answered & np.isfinite(true)
    found = outcome.results.requirements[0]
    return Compared(
        delay_ms=delay_ms,
        quantile=quantile,
        reported_ms=reported[usable],
        true_ms=true[usable],
        lost=int((~answered).sum()),
        unlogged=int((answered & np.isnan(true)).sum()),
        uncertainty_ms=found.uncertainty,
        floor_ms=found.floor,
        verdict=found.verdict,
        reasons=tuple(found.reasons),
        load=before,
    )


def figures_of(delay_ms: float, runs: Sequence[Compared]) -> list[Figure]:
    """What is shown of all runs at one delay."""
    at = max(each.load for each in runs)
    n = sum(len(each.reported_ms) for each in runs)
    name = f"true delay {delay_ms:g} ms"
    worst = min(float(each.added_ms.min()) for each in runs)
    figures = [
        Figure(
            f"{name}: samples below true - U",
            sum(each.below for each in runs),
            "",
            0,
            at,
            f"of {n}; least reported - true {worst:.4f} ms, U {_span(r.uncertainty_ms for r in runs)}",
        ),
        Figure(f"{name}: lost, or not in the log", sum(r.lost + r.unlogged for r in runs), "", 0, at),
    ]
    above = [each.above for each in runs if each.above is not None]
    if above:
        most = sum(each.allowed_above for each in runs if each.above is not None)
        note = f"of {n}, J {_span(r.floor_ms for r in runs)}"
        figures.append(Figure(f"{name}: samples above true + U + J", sum(above), "", most, at, note))
    for quantile in (0.5, runs[0].quantile):
        # The worst of the runs, as is its bound.
        gaps = [each.added_at(quantile) for each in runs]
        bounds = [each.bound_ms for each in runs if each.bound_ms is not None]
        worst_run = int(np.argmax(gaps))
        bound = runs[worst_run].bound_ms if bounds else None
        note = f"from {min(gaps):.4f} ms"
        figures.append(
            Figure(f"{name}: reported - true, p{quantile * 100:g}", max(gaps), "ms", bound, at, note)
        )
    counts = {verdict.value: sum(r.verdict is verdict for r in runs) for verdict in Verdict}
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    why = sorted({r.reasons[0] for r in runs if r.reasons and r.verdict is Verdict.INCONCLUSIVE})
    wanted = "PASS" if delay_ms <= LIMIT_MS else "FAIL"
    note = f"{said}; {wanted} is right" + (f" ({'; '.join(why)})" if why else "")
    figures.append(Figure(f"{name}: wrong verdicts", sum(r.wrong for r in runs), "", 0, at, note))
    undecided = len(runs) - counts[wanted] - sum(r.wrong for r in runs)
    figures.append(Figure(f"{name}: undecided runs", undecided, "", None, at))
    return figures


def _span(values: Any) -> str:
    known = [each for each in values if each is not None]
    if not known:
        return "not measured"
    low, high = min(known), max(known)
    return f"{low:.4g} ms" if low == high else f"{low:.4g} to {high:.4g} ms"


def _raw(run: Compared) -> Mapping[str, Any]:
    added = ordered(run.added_ms)
    return {
        "delay_ms": run.delay_ms,
        "load": run.load,
        "n": len(added),
        "uncertainty_ms": run.uncertainty_ms,
        "floor_ms": run.floor_ms,
        "added_ms": {f"{q:g}": order_quantile(added, q) for q in (0.0, 0.5, 0.9, 0.99, 0.999, 1.0)},
        "true_ms": {f"{q:g}": order_quantile(ordered(run.true_ms), q) for q in (0.5, 0.99, 1.0)},
        "below": run.below,
        "above": run.above,
        "verdict": run.verdict.value,
        "reasons": run.reasons,
    }


def run(quick: bool) -> Outcome:
    """All delays by turns; a quick one takes p95 and fewer samples."""
    samples, quantile, turns = (120, 0.95, 1) if quick else (SAMPLES, QUANTILE, TURNS)
    found: dict[float, list[Compared]] = {delay: [] for delay in DELAYS_MS}
    for turn in range(turns):
        for delay in DELAYS_MS[:: 1 if turn % 2 == 0 else -1]:
            with tempfile.TemporaryDirectory(prefix="harness-bench-") as place:
                found[delay].append(measure(delay, Path(place), samples=samples, quantile=quantile))
    figures = [figure for delay, runs in found.items() for figure in figures_of(delay, runs)]
    everything = [each for runs in found.values() for each in runs]
    missing = []
    if any(each.floor_ms is None for each in everything):
        missing.append("a run did not measure its floor: nothing was compared with U + J there")
    if any(each.uncertainty_ms is None for each in everything):
        missing.append("a run did not state its uncertainty: U was taken as 0 there")
    return Outcome("known delay", figures, missing, {"runs": [_raw(each) for each in everything]})
