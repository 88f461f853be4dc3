"""Runs to render: realistic results with their samples, made from a seed. No analysis code is used."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.stats import binom

from harness.model import NO_STAMP, SAMPLE_DTYPE, SampleFlag, StimulusFlag, Verdict, combine
from harness.results import (
    Check,
    Distribution,
    Interval,
    MonitorResult,
    RequirementResult,
    Results,
    ScenarioResult,
)

RUN_ID = "2026-01-31T12-00-00Z-ab12"
RIG_TEXT = """\
rig:
  name: sim-diff-drive
  description: Differential-drive robot, MuJoCo physics, ROS 2
  simulated: true
devices:
  robot:
    adapter: ros2
    limits: {twist.linear.x: 0.5, twist.angular.z: 1.0}
    stop: {port: cmd_vel, values: {twist.linear.x: 0.0, twist.angular.z: 0.0}}
    ports:
      cmd_vel: {stimulus: {topic: /cmd_vel, type: geometry_msgs/msg/TwistStamped, key: header.stamp, \
values: {twist.linear.x: {alternate: [0.2, -0.2]}}}}
      applied: {response: {topic: /cmd_vel/applied, type: geometry_msgs/msg/TwistStamped, \
match: {kind: stamp, path: header.stamp, answers: each}}}
scenarios:
  command: {kind: command_round_trip, stimulus: robot.cmd_vel, response: robot.applied, timeout_ms: 100,
            schedule: {kind: paced, rate_hz: 200, samples: 3000, warmup_s: 2}}
requirements:
  - {id: CMD-RTT, scenario: command, quantity: latency, quantile: 0.99, limit: 10, unit: ms, confidence: 0.95}
"""


def samples(
    n: int = 3000,
    *,
    seed: int = 1,
    lost: int = 6,
    late: int = 2,
    skipped: int = 3,
    scenario: int = 0,
    constant_ms: float | None = None,
    rate_hz: float = 200.0,
    scale: float = 1.0,
) -> np.ndarray[Any, Any]:
    """Bimodal latencies around 0.6 ms with bursts of slow answers; warm-up in front."""
    rng = np.random.default_rng(seed)
    warm = 20 if n else 0
    total = n + skipped + warm
    table = np.zeros(total, SAMPLE_DTYPE)
    period = 1e9 / rate_hz
    due = 5_000_000_000 + (np.arange(total) + rng.uniform(0, 0.5, total)) * period
    lateness = rng.gamma(2.0, 20_000, total)
    if constant_ms is None:
        latency = np.where(
            rng.random(total) < 0.7, rng.normal(0.55, 0.03, total), rng.normal(0.78, 0.05, total)
        )
        start = 0
        while start < total:
            start += int(rng.exponential(400)) + 1
            length = int(rng.integers(2, 12))
            latency[start : start + length] += rng.gamma(2.0, 0.8)
            start += length
        latency = np.maximum(latency, 0.3) * scale
    else:
        latency = np.full(total, constant_ms)
        lateness[:] = 20_000
    table["key"] = np.arange(total)
    table["intended_ns"] = due
    table["sent_ns"] = due + lateness
    table["handed_ns"] = table["sent_ns"] + rng.integers(8_000, 20_000, total)
    table["arrived_ns"] = table["sent_ns"] + (latency * 1e6).astype("<i8")
    table["seen_ns"] = table["arrived_ns"] + rng.integers(30_000, 90_000, total)
    table["answers"] = 1
    table["scenario"] = scenario
    table["stimulus_flags"][:warm] = int(StimulusFlag.WARM_UP)
    drawn = rng.permutation(np.arange(warm, total))
    away, gone, behind = np.split(drawn[: skipped + lost + late], [skipped, skipped + lost])
    table["stimulus_flags"][away] |= int(StimulusFlag.SKIPPED)
    table["flags"][away] |= int(SampleFlag.NOT_SENT)
    for column in ("sent_ns", "handed_ns"):
        table[column][away] = NO_STAMP
    nothing = np.concatenate([away, gone])
    table["flags"][gone] |= int(SampleFlag.LOST)
    for column in ("arrived_ns", "seen_ns"):
        table[column][nothing] = NO_STAMP
    table["answers"][nothing] = 0
    table["flags"][behind] |= int(SampleFlag.LOST | SampleFlag.LATE)
    table["arrived_ns"][behind] = table["sent_ns"][behind] + 130_000_000
    return table


def distribution(values: np.ndarray[Any, Any], confidence: float = 0.95) -> Distribution:
    """Summary of finite values with binomial order-statistic intervals."""
    n = len(values)
    if n == 0:
        return Distribution(n=0)
    ordered = np.sort(values)
    intervals = []
    for q in (0.5, 0.9, 0.95, 0.99, 0.999):
        low = int(binom.ppf((1 - confidence) / 2, n, q))
        high = int(binom.ppf((1 + confidence) / 2, n, q)) + 1
        intervals.append(
            Interval(
                quantile=q,
                estimate=float(np.quantile(ordered, q)),
                lower=float(ordered[low - 1]) if low >= 1 else None,
                upper=float(ordered[high - 1]) if high <= n else None,
                confidence=confidence,
            )
        )
    p50, p90, p99, p99_9 = (float(np.quantile(ordered, q)) for q in (0.5, 0.9, 0.99, 0.999))
    return Distribution(
        n=n,
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)) if n > 1 else None,
        min=float(ordered[0]),
        p50=p50,
        p90=p90,
        p99=p99,
        p99_9=p99_9,
        max=float(ordered[-1]),
        intervals=intervals,
    )


def scenario_result(table: np.ndarray[Any, Any], index: int = 0) -> ScenarioResult:
    """Counts and distributions of one scenario's samples."""
    rows = table[table["scenario"] == index]
    rows = rows[(rows["stimulus_flags"] & int(StimulusFlag.WARM_UP)) == 0]
    skipped = int(((rows["stimulus_flags"] & int(StimulusFlag.SKIPPED)) != 0).sum())
    sent = rows[rows["sent_ns"] != NO_STAMP]
    lost = (sent["flags"] & int(SampleFlag.LOST)) != 0
    ok = sent[~lost]
    return ScenarioResult(
        kind="command_round_trip",
        stimulus="robot.cmd_vel",
        response="robot.applied",
        match="stamp at header.stamp, answers: each",
        arrival_is="middleware receive stamp",
        schedule={
            "kind": "paced",
            "rate_hz": 200.0,
            "samples": len(rows),
            "warmup_s": 2.0,
            "periodic": False,
        },
        timeout_ms=100.0,
        scheduled=len(rows),
        sent=len(sent),
        skipped=skipped,
        unsent=0,
        answered=len(ok),
        lost=int(lost.sum()),
        late=int(((sent["flags"] & int(SampleFlag.LATE)) != 0).sum()),
        duplicates=0,
        out_of_order=1,
        superseded=0,
        unmatched=2,
        clock_steps=0,
        warm_up=20,
        probes=23,
        started_ns=int(rows["intended_ns"].min()) if len(rows) else None,
        ended_ns=int(rows["intended_ns"].max()) if len(rows) else None,
        achieved_rate_hz=199.8 if len(rows) else None,
        latency_ms=distribution((ok["arrived_ns"] - ok["sent_ns"]) * 1e-6),
        latency_from_intent_ms=distribution((ok["arrived_ns"] - ok["intended_ns"]) * 1e-6),
        lateness_ms=distribution((sent["sent_ns"] - sent["intended_ns"]) * 1e-6),
        stages_ms={
            "lateness": distribution((sent["sent_ns"] - sent["intended_ns"]) * 1e-6),
            "hand_over": distribution((sent["handed_ns"] - sent["sent_ns"]) * 1e-6),
            "robot_and_transport": distribution((ok["arrived_ns"] - ok["handed_ns"]) * 1e-6),
            "delivery": distribution((ok["seen_ns"] - ok["arrived_ns"]) * 1e-6),
        },
        checks=[
            Check(name="schedule kept", ok=True, value="lateness p99 0.13 ms", bound="≤ 1 ms (limit / 10)"),
            Check(name="latency stationary", ok=True, value="Kendall p = 0.42", bound="p ≥ 0.01"),
        ],
    )


def requirement(table: np.ndarray[Any, Any], index: int = 0, **changes: Any) -> RequirementResult:
    """A p99 requirement, decided by the binomial rule on the raw counts; ``changes`` replace fields."""
    q, limit = changes.get("quantile", 0.99), changes.get("limit", 10.0)
    sent = table[
        (table["scenario"] == index) & (table["stimulus_flags"] == 0) & (table["sent_ns"] != NO_STAMP)
    ]
    lost = (sent["flags"] & int(SampleFlag.LOST)) != 0
    intent = np.where(lost, np.inf, (sent["arrived_ns"] - sent["intended_ns"]) * 1e-6)
    latency = np.where(lost, np.inf, (sent["arrived_ns"] - sent["sent_ns"]) * 1e-6)
    n, over = len(sent), int((intent > limit).sum())
    if n and binom.cdf(over, n, 1 - q) <= 0.05:
        verdict, reasons = Verdict.PASS, [f"{over} of {n} stimuli over the limit; up to 21 would do."]
    elif n and binom.sf(over - 1, n, 1 - q) <= 0.05:
        verdict, reasons = Verdict.FAIL, [f"{over} of {n} stimuli over the limit prove more than 1 %."]
    else:
        verdict, reasons = Verdict.INCONCLUSIVE, [f"{n} stimuli with {over} over the limit prove neither."]
    ordered = np.sort(intent)
    rank = int(binom.ppf(0.95, n, q)) + 1 if n else 1
    upper = float(ordered[rank - 1]) if rank <= n and math.isfinite(ordered[rank - 1]) else None
    estimate = (
        float(ordered[math.ceil(n * q) - 1]) if n and math.isfinite(ordered[math.ceil(n * q) - 1]) else None
    )
    low_rank = int(binom.ppf(0.05, n, q)) if n else 0
    ordered_sent = np.sort(latency)
    lower = (
        float(ordered_sent[low_rank - 1])
        if low_rank >= 1 and math.isfinite(ordered_sent[low_rank - 1])
        else None
    )
    fields: dict[str, Any] = {
        "id": "CMD-RTT",
        "scenario": "command",
        "verdict": verdict,
        "reasons": reasons,
        "quantity": "latency",
        "quantile": q,
        "limit": limit,
        "unit": "ms",
        "confidence": 0.95,
        "estimate": estimate,
        "lower_bound": lower,
        "upper_bound": upper,
        "uncertainty": None,
        "floor": None,
        "pass_threshold": limit,
        "fail_threshold": limit,
        "n": n,
        "exceedances": over,
        "exceedances_sent": int((latency > limit).sum()),
        "pass_up_to": 21 if n else None,
        "fail_from": 40 if n else None,
        "headroom": limit / upper if upper else None,
        "checks": [
            Check(
                name="enough stimuli",
                ok=n >= 299,
                value=str(n),
                bound="≥ 299",
                remedy="Ask for more samples.",
            )
        ],
        "decision": [
            f"PASS if P(Bin({n}, 0.01) ≤ K) ≤ 0.05, K counted on latency from intent over {limit:g} ms.",
            f"FAIL if P(Bin({n}, 0.01) ≥ K) ≤ 0.05, K counted on latency from sent over {limit:g} ms.",
            f"K = {over}: P(Bin({n}, 0.01) ≤ {over}) = {binom.cdf(over, max(n, 1), 0.01):.3g}.",
        ],
    }
    return RequirementResult(**{**fields, **changes})


def results(
    scenarios: dict[str, ScenarioResult], requirements: list[RequirementResult], **changes: Any
) -> Results:
    """Results of a run with those scenarios and requirements; ``changes`` replace fields."""
    fields: dict[str, Any] = {
        "schema": 1,
        "run_id": RUN_ID,
        "rig": {"name": "sim-diff-drive", "description": "Differential-drive robot, MuJoCo physics, ROS 2"},
        "simulated": True,
        "started": "2026-01-31T12:00:00.250+00:00",
        "ended": "2026-01-31T12:00:23.250+00:00",
        "aborted": False,
        "abort_reason": None,
        "verdict": combine([entry.verdict for entry in requirements]),
        "requirements": requirements,
        "scenarios": scenarios,
        "monitors": [
            MonitorResult(
                name="real-time factor",
                port="robot.rtf",
                statistic="min",
                value=0.998,
                at_least=0.99,
                at_most=None,
                unit="",
                n=230,
                min=0.998,
                max=1.001,
                ok=True,
            )
        ],
        "findings": [
            {
                "name": "cpu governor",
                "severity": "warning",
                "message": "The governor is powersave.",
                "value": "powersave",
                "remedy": "cpupower frequency-set -g performance",
            }
        ],
        "environment": {"temperature_c": 21.5},
        "provenance": {"rig_sha256": "a3f5" * 16, "analysis_version": "0.1.0"},
    }
    return Results(**{**fields, **changes})


def run_record(**changes: Any) -> dict[str, Any]:
    """A complete run.json; ``changes`` replace top-level keys."""
    record: dict[str, Any] = {
        "schema": 1,
        "run_id": RUN_ID,
        "harness_version": "0.1.0",
        "started": "2026-01-31T12:00:00.250+00:00",
        "ended": "2026-01-31T12:00:23.250+00:00",
        "status": "finished",
        "abort_reason": None,
        "abort_kind": None,
        "rig": {
            "file": "rig_configs/sim_diff_drive.yaml",
            "sha256": "a3f5" * 16,
            "text": RIG_TEXT,
            "overrides": ["scenarios.command.schedule.samples=3000"],
            "resolved": {
                "rig": {
                    "name": "sim-diff-drive",
                    "simulated": True,
                    "item": {"model": "DD-1", "serial number": "SN-0042", "firmware": "1.8.2"},
                },
                "setup": [{"wait_for": "robot.odom", "timeout_s": 10.0}],
                "teardown": [],
                "environment": {"payload": "none", "surface": "concrete, dry"},
            },
        },
        "command_line": ["harness", "run", "sim_diff_drive", "--samples", "3000"],
        "operator": "Ada Example",
        "seed": 20260131,
        "host": {
            "hostname": "bench-3",
            "kernel": "Linux 6.8.0-51-generic #52 SMP PREEMPT_DYNAMIC x86_64",
            "cpu_model": "Intel(R) Core(TM) i7-1370P",
            "cpus": 2,
            "governor": "powersave",
            "memory_gib": 15.5,
        },
        "versions": {
            "python": "3.11.7",
            "rclpy": "7.1.4",
            "rmw_fastrtps_cpp": "8.4.2",
            "mujoco": "3.3.1",
            "numpy": "2.4.6",
        },
        "git": {"commit": "c4241da8f0e35ac9a8e8b3c7d6b5f4e3d2c1b0a9", "dirty": True},
        "clocks": [
            {"name": "host.monotonic", "kind": "host", "description": "CLOCK_MONOTONIC", "resolution_ns": 1},
            {"name": "host.realtime", "kind": "host", "description": "CLOCK_REALTIME", "resolution_ns": 1},
        ],
        "scenarios": [{"name": "command", "variants": [{"twist.linear.x": 0.2}, {"twist.linear.x": -0.2}]}],
        "ports": {
            "robot.applied": {
                "stamp_clock": "host.realtime",
                "received_clock": "host.realtime",
                "received_is": "middleware receive stamp",
            }
        },
        "devices": {
            "robot": {
                "adapter": "ros2",
                "simulated": True,
                "identity": {
                    "model": "simulated differential drive",
                    "software": "harness.sim.diff_drive 0.1.0",
                    "middleware": "rmw_fastrtps_cpp 8.4.2",
                    "QoS /cmd_vel": "reliable, keep last 1000, volatile",
                    "ROS_DOMAIN_ID": "42",
                },
            }
        },
        "findings": [],
        "realtime": {
            "priority": "SCHED_FIFO 80 refused: Operation not permitted",
            "memory": "locked",
            "garbage_collector": "frozen",
        },
        "raw_sha256": {"stimuli.parquet": "0f1e" * 16, "observations.parquet": "9c2d" * 16},
    }
    return {**record, **changes}


def whole(n: int = 3000, **how: Any) -> tuple[Results, np.ndarray[Any, Any], dict[str, Any]]:
    """Results, samples and run record of one scenario with one requirement."""
    table = samples(n, **how)
    return results({"command": scenario_result(table)}, [requirement(table)]), table, run_record()
