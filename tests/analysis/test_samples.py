import numpy as np
import pytest
from analysis_data import MS, monotonic_only, observations, stimuli
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.samples import (
    STAGES,
    build,
    counted,
    has,
    latency_ms,
    lateness_ms,
    stages_ms,
    tried,
)
from harness.config.schema import Match
from harness.model import NO_STAMP, ObservationFlag, SampleFlag, StimulusFlag

TIMEOUT = 100 * MS
EACH = Match(kind="sequence", path="n")


def sample(rows, table, **options):
    return build(rows, table, monotonic_only(), options.pop("rule", EACH), TIMEOUT, **options)


def test_latencies_and_lateness():
    rows = stimuli([10 * MS, 20 * MS], intended_ns=[8 * MS, 20 * MS])
    out = sample(rows, observations([0, 1], [13 * MS, 27 * MS])).samples
    assert latency_ms(out).tolist() == [3.0, 7.0]
    assert latency_ms(out, "intended_ns").tolist() == [5.0, 7.0]
    assert lateness_ms(out).tolist() == [2.0, 0.0]


@pytest.mark.parametrize("limit_ns", [1, 35_000, 7 * MS, 10 * MS, 33_333_333])
def test_a_latency_of_exactly_the_limit_compares_equal_to_it(limit_ns):
    out = sample(stimuli([5]), observations([0], [5 + limit_ns])).samples
    assert latency_ms(out)[0] == limit_ns / 1e6


def test_lost_and_late_are_infinite_unsent_is_nothing_skipped_is_infinitely_late():
    rows = stimuli(
        [0, MS, NO_STAMP, NO_STAMP],
        intended_ns=[0, MS, 2 * MS, 3 * MS],
        flags=[0, 0, StimulusFlag.SKIPPED, StimulusFlag.UNSENT],
    )
    out = sample(rows, observations([1], [150 * MS])).samples
    assert latency_ms(out)[:2].tolist() == [np.inf, np.inf]
    assert np.isnan(latency_ms(out)[2:]).all()
    late = lateness_ms(out)
    assert late[:3].tolist() == [0.0, 0.0, np.inf] and np.isnan(late[3])
    assert out["arrived_ns"].tolist() == [NO_STAMP, 150 * MS, NO_STAMP, NO_STAMP]
    assert tried(out).tolist() == [True, True, False, False]


def test_warm_up_and_probes_stay_in_the_table_and_are_not_counted():
    rows = stimuli([0, MS, 2 * MS], flags=[StimulusFlag.PROBE, StimulusFlag.WARM_UP, 0])
    out = sample(rows, observations([0, 1, 2], [3 * MS] * 3)).samples
    assert counted(out).tolist() == [False, False, True]
    assert (out["arrived_ns"] == 3 * MS).all()


def test_what_the_end_of_the_recording_left_open_is_not_lost():
    rows = stimuli(np.array([0, 50, 140, 190]) * MS)
    table = observations([3], [195 * MS])
    cut = sample(rows, table, recorded_until_ns=200 * MS).samples
    assert [SampleFlag(int(f)) for f in cut["flags"]] == [
        SampleFlag.LOST,
        SampleFlag.LOST,
        SampleFlag.OPEN,
        0,
    ]
    assert np.isnan(latency_ms(cut)[2]) and tried(cut).tolist() == [True, True, False, True]
    whole = sample(rows, table).samples
    assert has(whole, SampleFlag.LOST).tolist() == [True, True, True, False]


def test_a_hand_over_that_never_returned_is_open_unless_it_was_answered():
    rows = stimuli([0, MS], handed_ns=[NO_STAMP, NO_STAMP])
    out = sample(rows, observations([1], [4 * MS])).samples
    assert out["flags"].tolist() == [SampleFlag.OPEN, 0]


def test_strays_rejections_and_duplicates_are_counted():
    table = observations([0, 0, 0, 5, 8, 1], [2 * MS] * 6, flags=[0, 0, 0, 0, 0, ObservationFlag.REJECTED])
    out = sample(stimuli([0, MS]), table, foreign_keys=np.array([8]))
    assert (out.unmatched, out.rejected, out.duplicates, out.by_stamp) == (1, 1, 2, 1)


def test_a_superseded_stimulus_is_no_duplicate():
    rule = Match(kind="sequence", path="n", answers="latest")
    out = sample(stimuli([0, MS]), observations([1, 0], [5 * MS, 6 * MS]), rule=rule)
    assert out.duplicates == 0


def test_an_answer_before_the_hand_over_returned_cuts_that_stage():
    rows = stimuli([10 * MS], intended_ns=[9 * MS], handed_ns=[14 * MS])
    out = sample(rows, observations([0], [12 * MS], seen_ns=[13 * MS])).samples
    assert {k: v.tolist() for k, v in stages_ms(out).items()} == {
        "lateness": [1.0],
        "hand_over": [2.0],
        "robot_and_transport": [0.0],
        "harness_receive": [1.0],
    }


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(*[st.integers(0, 40 * MS)] * 4), min_size=1, max_size=20))
def test_stages_are_never_negative_and_add_up_to_the_whole(parts):
    late, handed, flight, receive = np.array(parts, dtype=np.int64).T
    intended = np.arange(len(late)) * 500 * MS
    sent = intended + late
    rows = stimuli(sent, intended_ns=intended, handed_ns=sent + handed)
    out = sample(
        rows, observations(np.arange(len(late)), sent + flight, seen_ns=sent + flight + receive)
    ).samples
    stages = stages_ms(out)
    assert tuple(stages) == STAGES
    assert all((part >= 0).all() for part in stages.values())
    three = sum(stages[name] for name in STAGES[:3])
    assert np.allclose(three, latency_ms(out, "intended_ns"), rtol=0, atol=1e-9)
    assert np.allclose(
        three + stages["harness_receive"], (out["seen_ns"] - out["intended_ns"]) / 1e6, rtol=0, atol=1e-9
    )
