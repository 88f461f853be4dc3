"""Several requirements on one scenario, from the tables of a run to its documents."""

import math

import numpy as np
import pytest
from analysis_data import MS, around, observations, readings, stimuli
from quantities_data import KINDS

from harness.analysis.derive import analyse
from harness.config import rig_from_resolved
from harness.model import Verdict
from harness.report.front import verdict_page
from harness.report.junit import render_junit
from harness.report.summary import render_summary

N = 1000
FAMILY = [{"id": name.upper().replace(" ", "-"), **asked} for name, asked in KINDS.items()]


def results_of(requirements, latency_ms, **top):
    """Results of a run at 200 Hz with these latencies, NaN where unanswered."""
    rig = rig_from_resolved(
        {
            "rig": {"name": "bench-rig", "simulated": True},
            "devices": {
                "robot": {
                    "adapter": "loopback",
                    "stop": {"port": "command", "values": {"value": 0.0}},
                    "ports": {
                        "command": {"stimulus": {"values": {"value": 0.5}, "key": "sequence"}},
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
                    "schedule": {"kind": "paced", "rate_hz": 200, "samples": N, "warmup_s": 0},
                }
            },
            "requirements": [{"scenario": "command", **each} for each in requirements],
            **top,
        }
    )
    latency = np.asarray(latency_ms, dtype=float)
    sent = np.arange(N, dtype=np.int64) * 5 * MS
    sent += np.random.default_rng(1).integers(0, MS, N)
    answered = np.flatnonzero(~np.isnan(latency))
    arrived = sent[answered] + np.round(latency[answered] * MS).astype(np.int64)
    run = {
        "status": "finished",
        "started": "2026-01-31T12:00:00.000+00:00",
        "ended": "2026-01-31T12:00:05.000+00:00",
        "rig": {},
        "scenarios": [{"name": "command", "variants": [{}]}],
        "ports": {},
        "clocks": [{"name": "host.monotonic"}, {"name": "host.realtime"}],
        "findings": [],
    }
    results, _ = analyse(
        run,
        rig,
        stimuli(sent),
        {"robot.applied": observations(answered, arrived)},
        readings(np.arange(7) * 1000 * MS, 0),
        [],
        run_id="r",
        changed=[],
    )
    return results


def family():
    # 200 Hz here, 5 Hz in the module that the kinds are from.
    rates = {"RATE_HZ": 150, "UPPER-RATE_HZ": 250}
    return [{**each, "limit": rates.get(each["id"], each["limit"])} for each in FAMILY]


def test_every_quantity_on_one_scenario():
    results = results_of(family(), around(3.0, N))
    by_id = {each.id: each for each in results.requirements}
    assert list(by_id) == [each["id"] for each in FAMILY]
    never = {"MAX", "LOWER-MAX", "MAX-PDV", "LOWER-LOSS_RATE"}
    assert {name for name, each in by_id.items() if each.verdict is not Verdict.PASS} == never
    assert by_id["RATE_HZ"].estimate == pytest.approx(200, rel=0.01)
    assert by_id["RATIO"].estimate == pytest.approx(100)
    assert by_id["LOSS_RATE"].upper_bound == pytest.approx(100 * (1 - 0.05 ** (1 / N)))


def test_the_error_is_shared_and_said_to_be():
    alone, shared = (
        results_of(family(), around(3.0, N), family_wise=wise).requirements for wise in (False, True)
    )
    for one, other in zip(alone, shared, strict=True):
        assert one.alpha == pytest.approx(0.05) and other.alpha == pytest.approx(0.05 / len(FAMILY))
        said = [line for line in other.decision if "the error is shared" in line]
        assert len(said) == 1 and f"= {other.alpha:g}" in said[0]
        assert not any("the error is shared" in line for line in one.decision)
    loss = next(each for each in shared if each.id == "LOSS_RATE")
    assert loss.upper_bound == pytest.approx(100 * (1 - (0.05 / len(FAMILY)) ** (1 / N)))


def test_a_shared_error_can_leave_undecided_what_alone_would_pass():
    latency = around(3.0, N)
    latency[np.random.default_rng(2).permutation(N)[:4]] = 20.0
    asked = [{"id": f"R{i}", "quantile": 0.99, "limit": 10} for i in range(10)]
    alone, shared = (results_of(asked, latency, family_wise=wise) for wise in (False, True))
    assert (alone.verdict, shared.verdict) == (Verdict.PASS, Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("unanswered", [0, 40, N])
def test_documents_read_well_for_every_quantity(unanswered):
    latency = around(3.0, N)
    latency[np.random.default_rng(3).permutation(N)[:unanswered]] = math.nan
    results = results_of(family(), latency)
    page = verdict_page(results, {})
    for entry, each in zip(page["requirements"], results.requirements, strict=True):
        pair = results.model_copy(update={"requirements": [each, each]})
        (_, figures), _ = verdict_page(pair, {})["figures"]
        names = [name for name, _ in entry["figures"]]
        counted = each.statistic != "mean" and each.quantity != "rate_hz"
        assert sum(name.endswith(" K") for name in names) == counted
        assert ("K =" in figures) == (counted and each.id != "LOWER-MAX")
        assert "None" not in figures and " nan" not in figures
        if each.quantity == "ratio":
            assert "\u202fms on latency" in figures
        bears = [letter for letter in ("U", "J") if letter in entry["headroom"]]
        timed = each.quantity in ("latency", "jitter")
        assert bears == (["U"] if timed and each.pass_threshold != each.limit else [])
        assert entry["headroom"].startswith("limit / ") == (each.limit_is == "upper")
        if entry["claim"]:
            assert each.verdict is Verdict.PASS
    for text in (render_summary(results), render_junit(results)):
        assert "unanswered" in text and "within 10 ms" in text and "\u202f1 " not in text


@pytest.mark.parametrize(
    ("kind", "claim"),
    [
        ("lower quantile", "above the limit"),
        ("loss_rate", "of what the limit allows"),
        ("pdv", "times what is shown"),
        ("mean", "times as fast"),
    ],
)
def test_headroom_claims_what_the_quantity_allows(kind, claim):
    (entry,) = verdict_page(results_of([{"id": "R", **KINDS[kind]}], around(3.0, N)), {})["requirements"]
    assert entry["claim"].endswith(claim)
