"""Arrivals by a device's own stamp, from made tables with a known truth, through the whole analysis."""

import numpy as np
import pytest
from analysis_data import EPOCH, MS, around, observations, readings, stimuli

from harness.analysis.derive import analyse
from harness.config import rig_from_resolved
from harness.model import CLOCK_DTYPE, NO_STAMP, SampleFlag, Verdict

N, PERIOD = 2000, 10 * MS
LASTS = N * PERIOD
AHEAD, DRIFT = 77_000 * MS, 30e-6
ROUND_TRIP = 200_000
CLOCK = 2


def theta(at, step_ns=0):
    """Robot's clock less CLOCK_MONOTONIC at host instants; ``step_ns`` half-way."""
    at = np.asarray(at, dtype=np.int64)
    return AHEAD + np.rint(DRIFT * at).astype(np.int64) + np.where(at > LASTS // 2, step_ns, 0)


def exchanged(*, first_s=-1.0, last_s=LASTS / 1e9 + 1.0, every_s=0.1, step_ns=0, seed=4):
    """Exchanges ten times a second: half of the shortest round trip each way, queues on top."""
    t1 = (np.arange(first_s, last_s, every_s) * 1e9).astype(np.int64)
    rng = np.random.default_rng(seed)
    out, back = ROUND_TRIP // 2 + rng.exponential(30_000, (2, len(t1))).astype(np.int64)
    rows = np.zeros(len(t1), dtype=CLOCK_DTYPE)
    t2, t3 = t1 + out, t1 + out + 5_000
    rows["t1_ns"], rows["t4_ns"] = t1, t3 + back
    rows["t2_ns"], rows["t3_ns"] = t2 + theta(t2, step_ns), t3 + theta(t3, step_ns)
    rows["clock"] = CLOCK
    return rows


def judged(
    exchanges,
    *,
    arrival="stamp",
    step_ns=0,
    clock=None,
    kind="offset-estimated",
    changes=None,
    requirement=None,
):
    """A run whose robot acts 3 ms after each command and is seen to have done so 5 ms after it."""
    sent = np.arange(N, dtype=np.int64) * PERIOD
    acted = sent + np.rint(around(3.0, N) * MS).astype(np.int64)
    seen = observations(np.arange(N), acted + 2 * MS, seen_ns=acted + 2 * MS)
    seen["stamp_ns"], seen["stamp_clock"] = acted + theta(acted, step_ns), CLOCK
    if changes is not None:
        changes(seen)
    rig = {
        "rig": {"name": "stamped", "simulated": True},
        "devices": {
            "robot": {
                "adapter": "loopback",
                "clock": clock,
                "ports": {
                    "command": {"stimulus": {"key": "sequence"}},
                    "applied": {"response": {"of": "command", "match": {"kind": "sequence"}}},
                },
            }
        },
        "scenarios": {
            "command": {
                "kind": "command_round_trip",
                "stimulus": "robot.command",
                "response": "robot.applied",
                "timeout_ms": 100,
                "arrival": arrival,
                "schedule": {"kind": "paced", "rate_hz": 100, "samples": N, "warmup_s": 0.0},
            }
        },
        "requirements": [
            requirement or {"id": "R", "scenario": "command", "quantile": 0.99, "limit": 4.0, "unit": "ms"}
        ],
        "host": {"floor_s": 0},
    }
    run = {
        "started": "2026-01-31T12:00:00.000+00:00",
        "ended": "2026-01-31T12:00:30.000+00:00",
        "status": "finished",
        "rig": {},
        "clocks": [
            {"name": "host.monotonic", "kind": "host"},
            {"name": "host.realtime", "kind": "host"},
            {"name": "robot.robot", "kind": kind, "device": "robot", "resolution_ns": 1000},
        ],
        "scenarios": [{"name": "command", "variants": [{}], "seed": 1}],
        "ports": {
            "robot.applied": {
                "stamp_clock": "robot.robot",
                "received_clock": "host.monotonic",
                "received_is": "instant the reader had it",
            }
        },
        "findings": [],
    }
    clocks = np.concatenate([readings(np.arange(-1, 25) * 1000 * MS, EPOCH), exchanges])
    results, samples = analyse(
        run,
        rig_from_resolved(rig),
        stimuli(sent),
        {"robot.applied": seen},
        clocks,
        [],
        run_id="r",
        changed=[],
    )
    return results, samples, acted


def check_of(results):
    return next((check for check in results.scenarios["command"].checks if check.name == "clock"), None)


def test_a_stamped_arrival_is_the_truth_within_its_bound():
    results, samples, acted = judged(exchanged())
    (clock,) = results.clocks
    assert clock.usable and clock.bound_ms is not None
    assert 0.9 < clock.bound_ms / (clock.round_trip_min_ms / 2) < 1.1
    assert np.abs(samples["arrived_ns"] - acted).max() <= clock.bound_ms * 1e6
    assert results.verdict is Verdict.PASS and check_of(results).ok
    scenario = results.scenarios["command"]
    assert scenario.arrival_is.startswith("the device's own stamp, clock robot.robot, converted within +-0.1")
    # By what was received the robot takes 5 ms, and fails.
    assert judged(exchanged(), arrival="received")[0].verdict is Verdict.FAIL


def test_u_contains_the_bound_and_narrows_the_decision():
    (requirement,) = judged(exchanged())[0].requirements
    assert 0.09 < requirement.uncertainty < 0.12
    assert requirement.pass_threshold == pytest.approx(4.0 - requirement.uncertainty)
    (close,) = judged(
        exchanged(), requirement={"id": "R", "scenario": "command", "quantile": 0.99, "limit": 3.13}
    )[0].requirements
    assert close.verdict is Verdict.INCONCLUSIVE


def test_a_declared_asymmetry_tightens_and_is_printed_as_assumed():
    wide = judged(exchanged())[0]
    tight, samples, acted = judged(exchanged(), clock={"asymmetry": 0.2, "evidence": "one switch, measured"})
    assert tight.clocks[0].bound_ms < 0.4 * wide.clocks[0].bound_ms
    assert np.abs(samples["arrived_ns"] - acted).max() <= tight.clocks[0].bound_ms * 1e6
    words = " ".join(tight.clocks[0].words)
    assert "assumed, not observable" in words and "one switch, measured" in words
    assert tight.requirements[0].uncertainty < wide.requirements[0].uncertainty


@pytest.mark.parametrize("step_us", [100, -100, 500, 20_000])
def test_a_step_leaves_the_requirement_undecided(step_us):
    results, samples, _ = judged(exchanged(step_ns=step_us * 1000), step_ns=step_us * 1000)
    assert results.verdict is Verdict.INCONCLUSIVE
    check = check_of(results)
    assert not check.ok and "step" in check.value and "arrival: received" in check.remedy
    assert "robot.robot" in " ".join(results.requirements[0].reasons)
    assert results.requirements[0].uncertainty is None
    assert results.uncertainty[-1].half_width_ms is None
    # The stamps are not used: what was seen here is an upper bound.
    assert (samples["arrived_ns"] == samples["seen_ns"]).all()


def test_a_step_of_a_clock_that_is_not_used_is_information():
    results, _, _ = judged(exchanged(step_ns=500_000), arrival="received", step_ns=500_000)
    assert results.verdict is Verdict.FAIL  # of the robot, which took 5 ms as received
    assert check_of(results) is None
    (fact,) = [c for c in results.scenarios["command"].checks if c.name == "clock robot.robot"]
    assert fact.ok and "step" in fact.value


@pytest.mark.parametrize(
    ("exchanges", "says"),
    [
        (exchanged()[:0], "no exchange with it was recorded"),
        (exchanged(last_s=0.5), "no exchange after the last answer"),
        (exchanged(first_s=3.0), "no exchange before measuring began"),
    ],
)
def test_exchanges_have_to_bracket_what_is_measured(exchanges, says):
    results, _, _ = judged(exchanges)
    assert results.verdict is Verdict.INCONCLUSIVE and says in check_of(results).value
    assert "before, during and after" in check_of(results).remedy


def test_a_clock_that_is_not_related_at_all_decides_nothing():
    results, _, _ = judged(exchanged()[:0], kind="unknown")
    assert results.verdict is Verdict.INCONCLUSIVE
    assert "not related" in check_of(results).value and results.clocks == []


def corrupt(shift_ns):
    def change(seen):
        seen["stamp_ns"][100:103] += shift_ns

    return change


@pytest.mark.parametrize("shift_ns", [-4 * MS, 3 * MS, -(10**17)])
def test_stamps_that_cannot_be_are_counted_never_clamped(shift_ns):
    results, samples, _ = judged(exchanged(), changes=corrupt(shift_ns))
    assert results.verdict is Verdict.INCONCLUSIVE
    assert "3 of 2000 stamps lie before the command was sent" in check_of(results).value
    hit = samples[100:103]
    assert (hit["flags"] & SampleFlag.CLOCK_STEP != 0).all() and (hit["arrived_ns"] == hit["seen_ns"]).all()


def test_a_clock_that_stands_still_between_ticks_decides_nothing(monkeypatch):
    """As simulated time does: here a tick of 2 ms and a command every millisecond, answered 3 ms later."""
    monkeypatch.setattr(f"{__name__}.PERIOD", MS)

    def tick(seen):
        seen["stamp_ns"] -= seen["stamp_ns"] % (2 * MS)

    results, _, _ = judged(exchanged(), changes=tick)
    assert results.verdict is Verdict.INCONCLUSIVE
    assert "of 2000 arrivals have the stamp of another answer" in check_of(results).value
    results, _, _ = judged(exchanged(), changes=tick, arrival="received")
    assert results.verdict is not Verdict.INCONCLUSIVE
    results, _, _ = judged(exchanged())
    assert "stamp of another" not in check_of(results).value


def test_answers_without_a_stamp_are_not_taken_silently():
    def lose(seen):
        seen["stamp_ns"][7] = NO_STAMP

    results, _, _ = judged(exchanged(), changes=lose)
    assert results.verdict is Verdict.INCONCLUSIVE
    assert "1 of 2000 answers carry no stamp" in check_of(results).value


def test_the_budget_names_every_item_and_ends_with_u():
    results, _, _ = judged(exchanged())
    names = [item.name for item in results.uncertainty]
    assert names == [
        "clock offset",
        "clock drift",
        "resolution of the send",
        "resolution of the arrival",
        "expanded uncertainty U",
    ]
    drift, arrival, total = results.uncertainty[1], results.uncertainty[3], results.uncertainty[4]
    assert drift.half_width_ms == pytest.approx(4.0 * 500e-6) and drift.hard
    assert arrival.half_width_ms == pytest.approx(1e-3)
    assert total.half_width_ms == results.requirements[0].uncertainty
    root = 2 * sum(i.standard_ms**2 for i in results.uncertainty[:-1]) ** 0.5
    assert total.half_width_ms == pytest.approx(
        min(root, sum(i.half_width_ms for i in results.uncertainty[:-1]))
    )


def test_in_jitter_the_offset_cancels_and_its_drift_stays():
    wanted = {"id": "J", "scenario": "command", "quantity": "jitter", "quantile": 0.99, "limit": 1.0}
    results, _, _ = judged(exchanged(), requirement=wanted)
    offset, change = results.uncertainty[:2]
    assert offset.name == "clock offset" and offset.half_width_ms == 0 and "cancels" in offset.source
    assert change.name == "clock offset, its change"
    assert 0 < change.half_width_ms <= 2 * results.clocks[0].bound_ms


def test_a_share_of_lost_ones_has_no_uncertainty_of_time():
    wanted = {"id": "L", "scenario": "command", "quantity": "loss_rate", "limit": 0.01}
    results, _, _ = judged(exchanged(), requirement=wanted)
    assert results.uncertainty == [] and results.requirements[0].uncertainty is None
