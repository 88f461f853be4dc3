"""Stages between ports against made tables whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from analysis_data import EPOCH, MS, monotonic_only, observations, readings, stimuli

from harness.analysis.derive import analyse
from harness.analysis.hops import SENT, Tap, correlation, summarise_hops, tail, trace
from harness.analysis.samples import build
from harness.config import rig_from_resolved
from harness.config.schema import Match
from harness.errors import ConfigurationError
from harness.model import NO_STAMP, StimulusFlag
from harness.results import Results

N = 1000
BY_NUMBER = Match(kind="sequence", path="n")
PORTS = ("planner.in", "base.cmd", "robot.applied")


def made(seed=1, n=N):
    """Three stages in ms, shape (3, n): of the slowest 5 % (every 20th) the second one has 8 ms more, and the
    third 2 ms."""
    rng = np.random.default_rng(seed)
    stages = np.array([rng.uniform(0.9, 1.1, n), rng.uniform(1.9, 2.1, n), rng.uniform(0.4, 0.6, n)])
    stages[1, ::20] += 8
    stages[2, ::20] += 2
    return stages


def at_ports(stages, *, sent=None, missing=None):
    """Tables of the three ports: observed when the stages say; ``missing`` (3, n): not seen there."""
    n = stages.shape[1]
    sent = np.arange(n, dtype=np.int64) * 20 * MS if sent is None else sent
    at = sent + np.round(np.cumsum(stages, axis=0) * MS).astype(np.int64)
    missing = np.zeros(stages.shape, dtype=bool) if missing is None else missing
    keys = np.arange(n)
    tables = [observations(keys[~gone], when[~gone]) for when, gone in zip(at, missing, strict=True)]
    return stimuli(sent), tables


def found(stages, *, missing=None, order=(0, 1), rule=BY_NUMBER, timeout_ms=100, flags=0, quantiles=(0.95,)):
    """The hops of such a run, its taps listed in that order."""
    rows, tables = at_ports(stages, missing=missing)
    rows["flags"] = flags
    sampled = build(rows, tables[-1], monotonic_only(), BY_NUMBER, timeout_ms * MS)
    taps = [Tap(PORTS[index], rule, tables[index], "receive stamp") for index in order]
    response = Tap(PORTS[-1], BY_NUMBER, tables[-1], "receive stamp")
    way = trace(sampled.samples, response, taps, monotonic_only(), timeout_ms * MS)
    return summarise_hops(way, quantiles)


def test_stages_are_what_they_were_made():
    stages = made()
    hopped = found(stages)
    assert [(hop.from_, hop.name) for hop in hopped.hops] == [
        (SENT, "planner.in"),
        ("planner.in", "base.cmd"),
        ("base.cmd", "robot.applied"),
    ]
    for hop, stage, since in zip(hopped.hops, stages, np.cumsum(stages, axis=0), strict=True):
        assert (hop.missing, hop.negative, hop.clock_steps, hop.stage_ms.n) == (0, 0, 0, N)
        assert hop.arrival_is == "receive stamp"
        assert hop.stage_ms.mean == pytest.approx(stage.mean(), abs=1e-5)
        assert hop.stage_ms.p50 == pytest.approx(np.sort(stage)[N // 2 - 1], abs=1e-5)
        assert hop.since_sent_ms.max == pytest.approx(since.max(), abs=1e-5)
    assert sum(hop.stage_ms.mean for hop in hopped.hops) == pytest.approx(
        hopped.hops[-1].since_sent_ms.mean, abs=1e-9
    )
    assert hopped.words == [] and set(hopped.lost.values()) == {0}


def test_the_tail_is_laid_to_the_stages_that_make_it():
    (slow,) = found(made()).tail
    assert (slow.n, slow.slowest) == (N, 50)
    shares = [part.share for part in slow.stages]
    assert sum(shares) == pytest.approx(1, abs=1e-12)
    assert shares == pytest.approx([0.0, 0.8, 0.2], abs=0.01)
    assert [part.largest for part in slow.stages] == [0, 50, 0]
    assert slow.tail_ms - slow.middle_ms == pytest.approx(10, abs=0.1)
    assert slow.threshold_ms < 4 < slow.tail_ms
    assert slow.words == (
        "the tail (50 slowest of 1000) is made by planner.in → base.cmd: 80 % of the excess, the largest in"
        " 50 of the 50"
    )


def test_a_long_stage_that_is_always_long_does_not_make_the_tail():
    stages = made()
    stages[0] += 30
    (slow,) = found(stages).tail
    assert slow.stages[0].share == pytest.approx(0, abs=0.01)
    assert [part.largest for part in slow.stages] == [0, 50, 0]


def test_a_stage_that_is_shorter_in_the_tail_has_a_share_below_zero():
    stages = made()
    stages[2, ::20] = 0.1
    (slow,) = found(stages).tail
    assert slow.stages[2].share < -0.03 and slow.stages[1].share > 1
    assert sum(part.share for part in slow.stages) == pytest.approx(1, abs=1e-12)


def test_no_single_stage():
    stages = made()
    stages[:, ::20] = np.array([[4.0], [5.2], [3.6]]) + np.random.default_rng(2).uniform(0, 0.1, (3, N // 20))
    (slow,) = found(stages).tail
    assert slow.words.startswith("no single stage makes the tail (50 slowest of 1000): ")


@pytest.mark.parametrize(
    ("n", "quantile", "expected"), [(20, 0.99, 0), (200, 0.99, 2), (1, 0.5, 0), (0, 0.5, 0)]
)
def test_small_tails_are_said_to_be_small(n, quantile, expected):
    tails = found(made(n=n), quantiles=(quantile,)).tail
    assert [each.slowest for each in tails] == ([expected] if expected else [])
    assert all("of so few samples" in each.words for each in tails)


def test_a_tail_that_is_no_slower_has_no_shares():
    (slow,) = found(np.ones((3, 100))).tail
    assert {part.share for part in slow.stages} == {None}
    assert "no excess" in slow.words


def test_lost_commands_are_shown_where_they_were_last_seen():
    missing = np.zeros((3, N), dtype=bool)
    missing[:, 10:12] = True  # never seen
    missing[1:, 20:29] = True  # seen at the planner
    missing[2, 30:33] = True  # seen at the base
    missing[0::2, 40] = True  # seen at the base and not at the planner
    stages = made()
    stages[2, 50] = 150.0  # late
    hopped = found(stages, missing=missing)
    assert hopped.lost == {SENT: 2, "planner.in": 9, "base.cmd": 4, "robot.applied": 1}
    assert hopped.words == [
        "of 16 lost, 2 were sent and not seen at planner.in; 9 were seen at planner.in and not seen at"
        " base.cmd; 4 were seen at base.cmd and not seen at robot.applied; 1 came to robot.applied after the"
        " timeout"
    ]
    assert [hop.missing for hop in hopped.hops] == [0, 0, 0]
    assert hopped.hops[0].stage_ms.n == N - 16
    assert hopped.tail[0].n == N - 15  # the late one is of the tail


def test_answered_but_not_seen_in_between():
    missing = np.zeros((3, N), dtype=bool)
    missing[1, 100:130] = True
    hopped = found(made(), missing=missing)
    assert [hop.missing for hop in hopped.hops] == [0, 30, 0]
    assert [hop.stage_ms.n for hop in hopped.hops] == [N, N - 30, N - 30]
    assert hopped.hops[2].since_sent_ms.n == N
    assert hopped.tail[0].n == N - 30
    assert hopped.words[0].startswith("30 answered stimuli were not seen at base.cmd")


def test_ports_in_the_wrong_order_are_named():
    hopped = found(made(), order=(1, 0))
    assert [hop.negative for hop in hopped.hops] == [0, N, 0]
    assert hopped.hops[1].stage_ms.p50 < -1.8
    assert hopped.words == [
        "the ports base.cmd and planner.in seem swapped: in 1000 of 1000 the second was first",
        "in order of their medians since the send the ports are planner.in, base.cmd, robot.applied",
    ]
    assert hopped.tail[0].words.startswith("which stage makes the tail (50 slowest of 1000) cannot be told")


def test_a_port_behind_the_response_is_named():
    stages = made()
    stages[2] = -0.3
    hopped = found(stages)
    assert hopped.hops[2].negative == N
    assert "base.cmd and robot.applied seem swapped" in hopped.words[0]


def test_some_that_crossed_are_counted_and_not_clamped():
    stages = made()
    stages[1, 5:12] = -0.05
    hopped = found(stages)
    assert hopped.hops[1].negative == 7
    assert hopped.hops[1].stage_ms.min == pytest.approx(-0.05, abs=1e-6)
    assert hopped.words == [
        "in 7 of 1000 base.cmd was there before planner.in: the stage is no longer than what the ways of the"
        " two to the harness differ by"
    ]


def test_warm_up_and_what_was_not_sent_count_nowhere():
    flags = np.zeros(N, dtype=np.uint32)
    flags[:100] = StimulusFlag.WARM_UP
    stages = made()
    stages[1, :100] = 70.0
    hopped = found(stages, flags=flags)
    assert hopped.hops[1].stage_ms.n == N - 100 and hopped.hops[1].stage_ms.max < 11
    rows, tables = at_ports(made())
    rows["sent_ns"][::10] = rows["handed_ns"][::10] = NO_STAMP
    sampled = build(rows, tables[-1], monotonic_only(), BY_NUMBER, 100 * MS)
    response = Tap(PORTS[-1], BY_NUMBER, tables[-1])
    way = trace(sampled.samples, response, [Tap(PORTS[0], BY_NUMBER, tables[0])], monotonic_only(), 100 * MS)
    assert way.since_ms.shape == (3, N - N // 10)


def test_a_hop_that_passes_only_the_newest_serves_the_older_ones():
    missing = np.zeros((3, N), dtype=bool)
    missing[1, 0:-1:2] = True
    latest = Match(kind="sequence", path="n", answers="latest")
    hopped = found(made(), missing=missing, rule=latest)
    assert hopped.hops[1].missing == 0
    assert hopped.hops[1].negative == 0 and hopped.hops[2].negative == N // 2  # it came with the next one


def test_correlation_of_stages():
    rng = np.random.default_rng(3)
    a = rng.exponential(1, 2000)
    assert correlation(a, np.exp(a)) == pytest.approx(1)
    assert correlation(a, -a) == pytest.approx(-1)
    assert abs(correlation(a, rng.exponential(1, 2000))) < 0.1
    assert correlation(a, np.ones(2000)) is None
    assert correlation(a[:2], a[:2]) is None
    gaps = a.copy()
    gaps[::3] = math.nan
    assert correlation(gaps, a) == pytest.approx(1)


def test_tail_of_nothing():
    rows, tables = at_ports(made())
    sampled = build(rows, tables[-1][:0], monotonic_only(), BY_NUMBER, 100 * MS)
    response = Tap(PORTS[-1], BY_NUMBER, tables[-1][:0])
    way = trace(sampled.samples, response, [Tap(PORTS[0], BY_NUMBER, tables[0])], monotonic_only(), 100 * MS)
    assert tail(way, 0.5) is None
    hopped = summarise_hops(way, [0.5])
    assert hopped.lost == {SENT: 0, PORTS[0]: N, PORTS[-1]: 0}
    assert [hop.stage_ms.n for hop in hopped.hops] == [0, 0]


# -- from tables to results ----------------------------------------------------------------------------------


def rig(stages):
    port = {"response": {"of": "command", "match": {"kind": "sequence"}}}
    return {
        "rig": {"name": "chain", "simulated": True},
        "devices": {
            "robot": {
                "adapter": "loopback",
                "stop": {"port": "command", "values": {"value": 0.0}},
                "ports": {
                    "command": {"stimulus": {"values": {"value": 0.5}, "key": "sequence"}},
                    "mid": port,
                    "applied": port,
                },
            }
        },
        "scenarios": {
            "command": {
                "kind": "command_round_trip",
                "stimulus": "robot.command",
                "response": "robot.applied",
                "timeout_ms": 100,
                "schedule": {"kind": "paced", "rate_hz": 50, "samples": N},
                "stages": stages,
            }
        },
        "requirements": [
            {"id": "MEDIAN", "scenario": "command", "quantile": 0.5, "limit": 50},
            {"id": "P95", "scenario": "command", "quantile": 0.95, "limit": 50},
            {"id": "LOSS", "scenario": "command", "quantity": "loss_rate", "limit": 0.5},
        ],
    }


def derived(stages, names=("robot.mid",), step=0, change=None):
    rows, tables = at_ports(stages)
    middle = 10_000 * MS
    for table in tables:
        table["received_ns"] += EPOCH + np.where(table["received_ns"] >= middle, step, 0)
        table["received_clock"] = 1
    at = np.arange(-1, 22) * 1000 * MS
    run = {
        "run_id": "r",
        "status": "finished",
        "started": "2026-01-31T12:00:00.000+00:00",
        "ended": "2026-01-31T12:00:21.000+00:00",
        "rig": {},
        "clocks": [{"name": "host.monotonic"}, {"name": "host.realtime"}],
        "scenarios": [{"name": "command", "variants": [{}]}],
        "ports": {
            "robot.mid": {"received_is": "stamp of mid"},
            "robot.applied": {"received_is": "of applied"},
        },
        "findings": [],
    }
    results, _ = analyse(
        run,
        change(rig_from_resolved(rig(list(names)))) if change else rig_from_resolved(rig(list(names))),
        rows,
        {"robot.mid": tables[1], "robot.applied": tables[2]},
        readings(at, EPOCH + np.where(at >= middle, step, 0)),
        [],
        run_id="r",
        changed=[],
    )
    return results


def test_results_have_hops_and_survive_json():
    results = derived(made())
    scenario = results.scenarios["command"]
    assert [hop.name for hop in scenario.hops] == ["robot.mid", "robot.applied"]
    assert [hop.arrival_is for hop in scenario.hops] == ["stamp of mid", "of applied"]
    assert [each.quantile for each in scenario.hops_tail] == [0.5, 0.95]
    assert scenario.hops_tail[1].stages[0].share == pytest.approx(0.8, abs=0.01)
    text = results.model_dump_json(by_alias=True)
    assert '"from":"sent"' in text and '"from_"' not in text
    assert Results.model_validate_json(text) == results
    assert set(scenario.stages_ms) == {"lateness", "hand_over", "robot_and_transport", "harness_receive"}


def test_without_stages_there_are_no_hops():
    scenario = derived(made(), names=()).scenarios["command"]
    assert (scenario.hops, scenario.hops_lost, scenario.hops_tail, scenario.hops_words) == ([], {}, [], [])


def test_the_verdict_does_not_depend_on_the_hops():
    with_hops, without = derived(made()), derived(made(), names=())
    assert with_hops.requirements == without.requirements


def test_a_clock_that_was_set_leaves_stages_out_instead_of_bending_them():
    stages = made()
    hopped = derived(stages, step=-400 * MS).scenarios["command"].hops
    assert hopped[0].clock_steps > 0 and hopped[0].missing == 0
    assert hopped[0].stage_ms.n == N - hopped[0].clock_steps
    assert hopped[0].stage_ms.min > 2.5 and hopped[0].stage_ms.max < 12
    assert hopped[1].negative == 0
    assert "the instant the harness saw it" in hopped[0].arrival_is


def test_a_stage_without_a_match_is_refused():
    def without(rig_file):
        devices = {"robot": {"ports": {"applied": {"response": {"match": {"kind": "sequence"}}}, "mid": {}}}}
        return rig_file.model_copy(update={"devices": devices})

    with pytest.raises(ConfigurationError, match=r"robot\.mid"):
        derived(made(), change=without)
