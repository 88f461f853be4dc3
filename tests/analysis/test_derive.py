import json
import math
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from analysis_data import EPOCH, MS, around, monotonic_only, observations, readings, stimuli

from harness.analysis.derive import analyse, derive
from harness.analysis.matching import arrivals, match
from harness.analysis.provenance import repeat
from harness.config import rig_from_resolved
from harness.errors import ConfigurationError
from harness.folder import RunFolder
from harness.model import NO_STAMP, SampleFlag, StimulusFlag, Verdict
from harness.results import Results

N, WARM_UP, PROBES = 1000, 20, 5
RAMP = np.random.default_rng(3).permutation(np.linspace(1, 9, N))


def resolved(*, kind="sequence", monitors=(), second=False):
    key = {} if kind == "order" else {"key": kind}
    scenario = {
        "kind": "command_round_trip",
        "stimulus": "robot.command",
        "response": "robot.applied",
        "timeout_ms": 100,
        "schedule": {"kind": "trials", "samples": N}
        if kind == "order"
        else {"kind": "paced", "rate_hz": 200, "samples": N, "warmup_s": 0.1},
    }
    return {
        "rig": {"name": "bench-rig", "simulated": True, "item": {"model": "echo"}},
        "devices": {
            "robot": {
                "adapter": "loopback",
                "stop": {"port": "command", "values": {"value": 0.0}},
                "ports": {
                    "command": {"stimulus": {"values": {"value": 0.5}, **key}},
                    "applied": {"response": {"of": "command", "match": {"kind": kind}}},
                },
            }
        },
        "scenarios": {"command": scenario, **({"again": scenario} if second else {})},
        "monitors": list(monitors),
        "requirements": [
            {"id": "RTT", "scenario": "command", "quantile": 0.99, "limit": 10},
            *([{"id": "RTT-2", "scenario": "again", "quantile": 0.95, "limit": 10}] if second else []),
        ],
        "environment": {"surface": "none"},
    }


def run_json(**changes):
    return {
        "run_id": "2026-01-31T12-00-00Z-ab12",
        "started": "2026-01-31T12:00:00.000+00:00",
        "ended": "2026-01-31T12:00:09.000+00:00",
        "status": "finished",
        "abort_reason": None,
        "rig": {"file": "bench_rig.yaml", "sha256": "00", "overrides": ["host.realtime=false"]},
        "command_line": ["harness", "run", "bench-rig"],
        "operator": "somebody",
        "seed": 7,
        "host": {"cpus": 2},
        "clocks": [{"name": "host.monotonic"}, {"name": "host.realtime"}],
        "scenarios": [{"name": "command", "variants": [{}], "seed": 7}],
        "ports": {"robot.applied": {"received_is": "middleware receive stamp"}},
        "devices": {"robot": {"adapter": "loopback", "simulated": True, "identity": {"model": "echo"}}},
        "findings": [],
        **changes,
    }


def tables(*, latency_ms=3.0, start=0, scenario=0, first_key=0, step=0):
    """A run at 200 Hz: probes, warm-up, measured; ``step``: the wall clock is set by that in the middle."""
    n = PROBES + WARM_UP + N
    sent = start + np.arange(n, dtype=np.int64) * 5 * MS
    flags = np.zeros(n, dtype=np.uint32)
    flags[:PROBES], flags[PROBES : PROBES + WARM_UP] = StimulusFlag.PROBE, StimulusFlag.WARM_UP
    rows = stimuli(sent, keys=first_key + np.arange(n), flags=flags, scenario=scenario)
    latency = around(latency_ms, N) if np.isscalar(latency_ms) else np.asarray(latency_ms, dtype=float)
    latency = np.concatenate([np.full(n - N, 50.0), latency])
    answered = np.flatnonzero(~np.isnan(latency))
    arrived = sent[answered] + np.round(latency[answered] * MS).astype(np.int64)
    middle = start + 2_345 * MS
    received = arrived + EPOCH + np.where(arrived >= middle, step, 0)
    seen = observations(first_key + answered, received, seen_ns=arrived + 40_000, clock=1)
    at = start + np.arange(-1, 8) * 1000 * MS
    return rows, seen, readings(at, EPOCH + np.where(at >= middle, step, 0))


def look(rows, seen, clocks, *, run=None, rig=None, events=(), changed=()):
    return analyse(
        run or run_json(),
        rig_from_resolved(rig or resolved()),
        rows,
        {"robot.applied": seen},
        clocks,
        list(events),
        run_id="r",
        changed=list(changed),
    )


def test_a_good_run_passes_with_all_its_figures():
    results, samples = look(*tables(latency_ms=RAMP))
    (requirement,) = results.requirements
    scenario = results.scenarios["command"]
    assert results.verdict is requirement.verdict is Verdict.PASS
    assert (scenario.scheduled, scenario.sent, scenario.answered, scenario.lost) == (N, N, N, 0)
    assert (scenario.warm_up, scenario.probes, scenario.unmatched) == (WARM_UP, PROBES, 0)
    assert scenario.achieved_rate_hz == pytest.approx(200)
    assert scenario.latency_ms.p50 == pytest.approx(np.linspace(1, 9, N)[499], abs=0.001)
    assert scenario.arrival_is == "middleware receive stamp"
    assert scenario.stages_ms["harness_receive"].p50 == pytest.approx(0.04, abs=0.001)
    assert len(samples) == N + WARM_UP + PROBES
    assert {"lateness", "host load", "messages lost", "raw data"} <= {c.name for c in requirement.checks}
    assert {"loss", "wall clock", "schedule"} <= {c.name for c in scenario.checks}


@pytest.mark.parametrize("step", [-400 * MS, 2 * MS, 86_400_000 * MS])
def test_a_wall_clock_set_in_the_middle_leaves_latencies_right(step):
    latency = np.random.default_rng(5).uniform(1, 9, N)
    straight, _ = look(*tables(latency_ms=latency))
    results, samples = look(*tables(latency_ms=latency, step=step))
    measured = samples[samples["stimulus_flags"] == 0]
    found = (measured["arrived_ns"] - measured["sent_ns"]) / 1e6
    assert np.abs(found - latency).max() <= 0.041  # at worst the instant the harness saw it
    assert results.verdict is straight.verdict is Verdict.PASS
    scenario = results.scenarios["command"]
    assert 150 <= scenario.clock_steps <= 320 and scenario.lost == 0
    assert f"for {scenario.clock_steps} of {N} answers" in scenario.arrival_is
    assert any("set during the run" in check.value for check in scenario.checks)


def test_counts_add_up_with_everything_going_wrong():
    rng = np.random.default_rng(2)
    latency = rng.uniform(1, 9, N)
    latency[rng.random(N) < 0.05] = math.nan
    latency[rng.random(N) < 0.02] = 140.0
    rows, seen, clocks = tables(latency_ms=latency)
    rows["flags"][500:510] = StimulusFlag.SKIPPED
    rows["sent_ns"][500:510] = rows["handed_ns"][500:510] = NO_STAMP
    rows["flags"][600] = StimulusFlag.UNSENT
    rows["sent_ns"][600] = rows["handed_ns"][600] = NO_STAMP
    seen = np.concatenate([seen, seen[::50]])
    results, samples = look(rows, seen, clocks)
    s = results.scenarios["command"]
    assert (s.skipped, s.unsent, s.sent, s.scheduled) == (10, 1, N - 11, N)
    assert s.answered + s.lost + s.open == s.sent
    assert 0 < s.late < s.lost and s.duplicates > 10
    assert s.latency_ms.n == s.answered
    assert results.requirements[0].n == s.sent
    late = (samples["flags"] & SampleFlag.LATE) != 0
    assert (samples["arrived_ns"][late] != NO_STAMP).all()


def test_empty_tables_of_a_run_that_never_began():
    rows, seen, clocks = tables()
    results, samples = look(
        rows[:0], seen[:0], clocks[:0], run=run_json(status="aborted", abort_reason="no robot")
    )
    assert results.verdict is Verdict.ERROR and results.aborted and len(samples) == 0
    assert results.scenarios["command"].sent == 0
    finished, _ = look(rows[:0], seen[:0], clocks[:0])
    assert finished.verdict is Verdict.INCONCLUSIVE


def test_a_scenario_that_was_never_reached_is_in_the_results():
    results, _ = look(
        *tables(), run=run_json(status="recovered", abort_reason="killed"), rig=resolved(second=True)
    )
    assert [r.verdict for r in results.requirements] == [Verdict.ERROR, Verdict.ERROR]
    assert results.scenarios["again"].scheduled == 0


def test_a_killed_run_leaves_its_last_stimuli_open():
    rows, seen, clocks = tables()
    cut = rows["sent_ns"][700]
    rows, seen = rows[rows["sent_ns"] <= cut], seen[seen["seen_ns"] <= cut]
    rows["handed_ns"][-1] = NO_STAMP
    run = run_json(status="recovered", abort_reason="killed")
    results, _ = look(rows, seen, clocks[clocks["t4_ns"] <= cut], run=run)
    s = results.scenarios["command"]
    assert (s.open, s.lost) == (1, 0)
    assert results.verdict is Verdict.ERROR


def test_two_scenarios_on_one_port_are_kept_apart():
    first = tables()
    second = tables(start=20_000 * MS, scenario=1, first_key=10_000, latency_ms=20.0)
    late = second[1][:1].copy()
    late["key"] = 500  # an answer to the first scenario that comes in the second
    run = run_json(scenarios=[{"name": "command"}, {"name": "again"}])
    joined = [np.concatenate(pair) for pair in zip(first, second, strict=True)]
    joined[1] = np.concatenate([joined[1], late])
    results, samples = look(*joined, run=run, rig=resolved(second=True))
    assert [r.verdict for r in results.requirements] == [Verdict.PASS, Verdict.FAIL]
    assert [s.unmatched for s in results.scenarios.values()] == [0, 0]
    assert (samples["key"] == joined[0]["key"]).all()


@pytest.mark.parametrize("bounds", [{"at_least": 0.9}, {"at_most": 0.4}])
def test_monitors_look_at_the_measured_time_only(bounds):
    rows, seen, clocks = tables()
    seen["value"] = 1.0
    seen["value"][: PROBES + WARM_UP - 10] = 0.0
    monitor = {"port": "robot.applied", "name": "speed", "statistic": "min", **bounds}
    results, _ = look(rows, seen, clocks, rig=resolved(monitors=[monitor]))
    (found,) = results.monitors
    assert found.ok == ("at_least" in bounds)
    assert results.verdict is (Verdict.PASS if found.ok else Verdict.INCONCLUSIVE)


LOST = {"name": "messages lost", "severity": "error", "message": "3 samples dropped by the reader"}
LOADED = {"name": "host load", "severity": "warning", "message": "load 5 per CPU"}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"run": run_json(findings=[LOST])}, "ERROR"),
        ({"run": run_json(findings=[LOADED])}, "INCONCLUSIVE"),
        ({"run": run_json(status="running")}, "ERROR"),
        ({"events": [{"event": "messages_lost", "t_ns": 400 * MS}]}, "ERROR"),
        ({"events": [{"event": "messages_lost", "port": "other.port", "t_ns": 400 * MS}]}, "PASS"),
        ({"changed": ["stimuli.parquet"]}, "ERROR"),
    ],
)
def test_what_the_bench_did_wrong_never_passes(more, expected):
    results, _ = look(*tables(), **more)
    assert results.verdict.value == expected


def test_a_response_without_a_matching_rule_is_refused():
    rig = rig_from_resolved(resolved())
    bare = rig.model_copy(update={"devices": {"robot": {"adapter": "loopback", "ports": {"applied": {}}}}})
    rows, seen, clocks = tables()
    with pytest.raises(ConfigurationError, match=r"robot\.applied"):
        analyse(run_json(), bare, rows, {"robot.applied": seen}, clocks, [], run_id="r", changed=[])


def test_order_needs_no_keys():
    rows, seen, clocks = tables()
    keep = rows["flags"] == 0
    seen["key"] = -1
    results, _ = look(
        rows[keep], seen[seen["seen_ns"] > rows["sent_ns"][keep][0]], clocks, rig=resolved(kind="order")
    )
    assert results.scenarios["command"].answered == N
    assert results.scenarios["command"].match == "order"


def test_the_command_that_repeats_a_run_carries_overrides_and_seeds():
    assert repeat(run_json()) == (
        "harness run bench_rig.yaml --set host.realtime=false --set scenarios.command.schedule.seed=7"
    )
    given = run_json()
    given["rig"]["overrides"] = ["scenarios.command.schedule.seed=9"]
    assert repeat(given).count("seed") == 1


def make_folder(root, parts):
    folder = RunFolder.create(root, "bench-rig", datetime(2026, 1, 31, tzinfo=timezone.utc), "ab12")
    run = run_json()
    run.pop("run_id")
    run["rig"] = {**run["rig"], "resolved": resolved()}
    folder.save_run(**run)
    rows, seen, clocks = parts
    for name, part in (("stimuli", rows), ("robot.applied", seen), ("clocks", clocks)):
        table = folder.create_table(name, len(part) + 1)
        for row in part.tolist():
            table.append(*row)
    folder.finalise_raw()
    return folder


@pytest.mark.slow
def test_a_real_folder_gives_the_same_results_again_and_again(tmp_path):
    folder = make_folder(tmp_path, tables(latency_ms=RAMP))
    first = derive(folder)
    text = (folder.path / "results.json").read_text()
    again = derive(RunFolder.open(folder.path))
    assert first == again and (folder.path / "results.json").read_text() == text
    assert first.verdict is Verdict.PASS and first.provenance["raw_unchanged"]
    assert Results.model_validate(json.loads(text)).requirements == first.requirements
    assert len(folder.samples()) == N + WARM_UP + PROBES


@pytest.mark.slow
def test_raw_tables_that_were_changed_are_an_error(tmp_path):
    folder = make_folder(tmp_path, tables())
    clocks = folder.path / "clocks.parquet"
    observed = folder.path / "observations.parquet"
    assert derive(folder).verdict is Verdict.PASS
    recorded = dict(folder.run["raw_sha256"])
    folder.save_run(raw_sha256={**recorded, observed.name: "0" * 64})
    results = derive(RunFolder.open(folder.path))
    assert results.verdict is Verdict.ERROR and not results.provenance["raw_unchanged"]
    assert "observations.parquet" in results.requirements[0].reasons[0] and clocks.is_file()


@pytest.mark.slow
def test_matching_a_hundred_thousand_rows_loses_none():
    n = 100_000
    sent = np.arange(n, dtype=np.int64) * MS
    table = observations(np.random.default_rng(0).permutation(n), np.zeros(n, dtype=np.int64))
    table["received_ns"] = sent[table["key"]] + 3 * MS
    table["seen_ns"] = table["received_ns"]
    out = match(np.arange(n), sent, table, arrivals(table, monotonic_only()), 100 * MS, kind="sequence")
    assert (out.arrived_ns - sent == 3 * MS).all() and not out.flags.any()


def test_the_page_about_results_names_what_the_open_objects_hold():
    results, _ = look(*tables())
    page = (Path(__file__).parents[2] / "docs" / "results.md").read_text(encoding="utf-8")
    for name in ("rig", "environment", "provenance"):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        assert all(f"`{key}`" in row for key in getattr(results, name)), name
    (row,) = [line for line in page.splitlines() if line.startswith("| `stages_ms` |")]
    assert all(f"`{key}`" in row for key in results.scenarios["command"].stages_ms)
