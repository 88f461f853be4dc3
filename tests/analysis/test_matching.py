import numpy as np
import pytest
from analysis_data import EPOCH, MS, NAMES, monotonic_only, observations, readings, stimuli
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.matching import NOBODY, Arrivals, arrivals, match
from harness.analysis.timebase import Timebase
from harness.errors import RecordingError
from harness.model import NO_KEY, NO_STAMP, ObservationFlag, SampleFlag

TIMEOUT = 100 * MS
LOST, LATE = SampleFlag.LOST, SampleFlag.LOST | SampleFlag.LATE


def run(sent, table, *, kind="sequence", answers="each", keys=None, timebase=None):
    rows = stimuli(sent, keys=keys)
    when = arrivals(table, timebase or monotonic_only())
    return match(
        rows["key"].astype(np.int64), rows["sent_ns"], table, when, TIMEOUT, kind=kind, answers=answers
    )


def flags(matched):
    return [SampleFlag(int(f)) for f in matched.flags]


@pytest.mark.parametrize("kind", ["stamp", "sequence"])
def test_each_answer_finds_its_stimulus_by_key(kind):
    keys = EPOCH + np.array([0, 10, 20]) * MS
    out = run([0, 10 * MS, 20 * MS], observations(keys, [3 * MS, 14 * MS, 25 * MS]), kind=kind, keys=keys)
    assert out.arrived_ns.tolist() == [3 * MS, 14 * MS, 25 * MS]
    assert out.first.tolist() == [0, 1, 2] and out.answers.tolist() == [1, 1, 1]
    assert flags(out) == [SampleFlag(0)] * 3 and out.used.all()


def test_lost_late_twice_and_strange():
    sent = np.arange(4) * 10 * MS
    table = observations([1, 0, 1, 77, NO_KEY, 3], [14 * MS, 111 * MS, 15 * MS, 20 * MS, 20 * MS, 130 * MS])
    out = run(sent, table)
    assert flags(out) == [LATE | SampleFlag.OUT_OF_ORDER, SampleFlag.DUPLICATED, LOST, SampleFlag(0)]
    assert out.arrived_ns.tolist() == [111 * MS, 14 * MS, NO_STAMP, 130 * MS]
    assert out.answers.tolist() == [1, 2, 0, 1]
    assert out.used.tolist() == [True, True, True, False, False, True]


def test_exactly_the_timeout_is_in_time():
    assert flags(run([0], observations([0], [TIMEOUT]))) == [SampleFlag(0)]
    assert flags(run([0], observations([0], [TIMEOUT + 1]))) == [LATE]


def test_the_first_to_arrive_counts_even_when_recorded_second():
    out = run([0], observations([0, 0], [9 * MS, 4 * MS], seen_ns=[20 * MS, 21 * MS]))
    assert out.first.tolist() == [1] and out.arrived_ns.tolist() == [4 * MS]


def test_answers_at_the_same_instant_are_taken_as_recorded():
    out = run([0, MS], observations([1, 0, 0], [5 * MS] * 3))
    assert out.first.tolist() == [1, 0]
    assert out.answers.tolist() == [2, 1]


def test_rejections_answer_nothing():
    out = run([0], observations([0, 0], [2 * MS, 7 * MS], flags=[ObservationFlag.REJECTED, 0]))
    assert out.arrived_ns.tolist() == [7 * MS] and out.answers.tolist() == [1]


def test_what_was_seen_before_the_send_is_no_answer():
    out = run([10 * MS], observations([0], [2 * MS], seen_ns=[3 * MS]))
    assert flags(out) == [LOST] and not out.used.any()


def test_a_stamp_before_the_send_falls_back_to_the_seen_instant():
    out = run([10 * MS], observations([0], [2 * MS], seen_ns=[13 * MS]))
    assert flags(out) == [SampleFlag.CLOCK_STEP] and out.arrived_ns.tolist() == [13 * MS]


def test_not_middleware_means_the_seen_instant_without_a_flag():
    table = observations([0], [2 * MS], seen_ns=[13 * MS], flags=ObservationFlag.NOT_MIDDLEWARE)
    out = run([0], table)
    assert flags(out) == [SampleFlag(0)] and out.arrived_ns.tolist() == [13 * MS]


def test_order_of_arrival_follows_rfc_4737():
    sent = np.arange(5) * MS
    out = run(sent, observations([0, 3, 1, 2, 4], np.arange(5) * MS + 10 * MS))
    assert [bool(f & SampleFlag.OUT_OF_ORDER) for f in flags(out)] == [False, True, True, False, False]


def test_latest_is_answered_by_the_newest():
    sent = np.arange(4) * 10 * MS
    out = run(sent, observations([2, 3], [25 * MS, 33 * MS]), answers="latest")
    assert out.arrived_ns.tolist() == [25 * MS, 25 * MS, 25 * MS, 33 * MS]
    assert flags(out) == [SampleFlag.SUPERSEDED, SampleFlag.SUPERSEDED, SampleFlag(0), SampleFlag(0)]
    assert out.answers.tolist() == [1, 1, 1, 1]


def test_latest_takes_its_own_answer_when_that_came_first_and_flags_one_that_came_after():
    sent = np.arange(3) * 10 * MS
    out = run(sent, observations([0, 2, 1], [5 * MS, 25 * MS, 30 * MS]), answers="latest")
    assert out.arrived_ns.tolist() == [5 * MS, 25 * MS, 25 * MS]
    assert flags(out) == [SampleFlag(0), SampleFlag.SUPERSEDED | SampleFlag.OUT_OF_ORDER, SampleFlag(0)]
    assert out.answers.tolist() == [1, 2, 1]


def test_latest_ignores_keys_that_nobody_sent_and_keeps_the_end_lost():
    out = run([0, 10 * MS], observations([99, 0], [3 * MS, 4 * MS]), answers="latest")
    assert flags(out) == [SampleFlag(0), LOST]


def test_latest_that_comes_too_late_is_late_and_superseded():
    out = run([0, 90 * MS], observations([1], [101 * MS]), answers="latest")
    assert flags(out) == [LATE | SampleFlag.SUPERSEDED, SampleFlag(0)]


def test_order_takes_the_first_after_each_send():
    sent = np.arange(4) * 200 * MS
    at = [-5 * MS, 4 * MS, 6 * MS, 150 * MS, 310 * MS, 320 * MS]
    out = run(sent, observations(None, at), kind="order")
    assert out.arrived_ns.tolist() == [4 * MS, 310 * MS, NO_STAMP, NO_STAMP]
    assert flags(out) == [SampleFlag.DUPLICATED, LATE, LOST, LOST]
    assert out.answers.tolist() == [2, 1, 0, 0]
    assert out.used.tolist() == [False, True, True, False, True, False]


def test_order_gives_an_answer_at_the_next_send_to_the_next():
    out = run([0, 10 * MS], observations(None, [10 * MS]), kind="order")
    assert flags(out) == [LOST, SampleFlag(0)]


def test_unsent_stimuli_are_neither_answered_nor_lost():
    for kind in ("sequence", "order"):
        out = run([0, NO_STAMP, 200 * MS], observations([0, 1, 2], [5 * MS, 6 * MS, 203 * MS]), kind=kind)
        assert out.flags[1] == SampleFlag.NOT_SENT and out.first[1] == NOBODY
        assert out.arrived_ns[2] == 203 * MS


@pytest.mark.parametrize("kind", ["sequence", "order"])
@pytest.mark.parametrize("answers", ["each", "latest"])
def test_empty_tables(kind, answers):
    nothing = observations([], [])
    assert flags(run([0, 300 * MS], nothing, kind=kind, answers=answers)) == [LOST, LOST]
    out = run([], observations([1], [5]), kind=kind, answers=answers)
    assert len(out.first) == 0 and not out.used.any()
    assert len(run([], nothing, kind=kind, answers=answers).first) == 0


def test_a_key_sent_twice_is_refused():
    with pytest.raises(RecordingError, match="key 7 was sent more than once"):
        run([0, MS], observations([7], [5]), keys=[7, 7])


def test_keys_of_stimuli_that_were_not_sent_may_repeat():
    out = run([NO_STAMP, NO_STAMP, 0], observations([5], [2 * MS]), keys=[NO_KEY, NO_KEY, 5])
    assert out.arrived_ns[2] == 2 * MS


def test_a_wall_clock_step_leaves_latencies_right():
    sent = np.arange(2000) * 5 * MS
    latency = np.random.default_rng(1).integers(1 * MS, 9 * MS, len(sent))
    arrived, step_at = sent + latency, 4_321 * MS
    at = np.arange(0, 11) * 1000 * MS
    for size in (-700 * MS, -MS, MS, 3_600_000 * MS):
        timebase = Timebase(NAMES, readings(at, EPOCH + np.where(at >= step_at, size, 0)))
        stamps = arrived + EPOCH + np.where(arrived >= step_at, size, 0)
        table = observations(np.arange(len(sent)), stamps, seen_ns=arrived + 60_000, clock=1)
        out = run(sent, table, timebase=timebase)
        error = out.arrived_ns - arrived
        stepped = (out.flags & SampleFlag.CLOCK_STEP) != 0
        assert np.abs(error[~stepped]).max() <= timebase.bound_ns
        assert (error[stepped] == 60_000).all()
        assert 190 <= stepped.sum() <= 340  # the window between two readings, and what is ambiguous after it
        assert not (out.flags & LOST).any()


@st.composite
def tables(draw):
    n = draw(st.integers(0, 25))
    gaps = draw(st.lists(st.integers(0, 150), min_size=n, max_size=n))
    sent = np.cumsum(np.array(gaps, dtype=np.int64)) * MS
    unsent = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    sent[np.array(unsent, dtype=bool)] = NO_STAMP
    m = draw(st.integers(0, 40))
    keys = draw(st.lists(st.integers(-1, 30), min_size=m, max_size=m))
    at = np.array(draw(st.lists(st.integers(-50, 4000), min_size=m, max_size=m)), dtype=np.int64) * MS
    rejected = draw(st.lists(st.sampled_from([0, 0, 0, 2]), min_size=m, max_size=m))
    return sent, observations(np.array(keys, dtype=np.int64), at, flags=np.array(rejected, dtype=np.uint32))


def slow_truth(sent, table, kind, answers):
    """The same in plain words: for each stimulus the instant of its answer, or None."""
    ok = [(int(o["received_ns"]), int(o["key"])) for o in table if not o["flags"] & 2]
    alive = {k: int(t) for k, t in enumerate(sent) if t != NO_STAMP}
    out = []
    for k in range(len(sent)):
        if k not in alive:
            out.append(None)
            continue
        if kind == "order":
            after = [t for t in alive.values() if t > alive[k]]
            same_later = any(t == alive[k] and other > k for other, t in alive.items())
            until = alive[k] if same_later else min(after, default=2**62)
            fits = [t for t, _ in ok if alive[k] <= t < until]
        elif answers == "each":
            fits = [t for t, key in ok if key == k and t >= alive[k]]
        else:
            fits = [t for t, key in ok if key >= k and key in alive and t >= alive[key]]
        out.append(min(fits, default=None))
    return out


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(tables(), st.sampled_from(["sequence", "order"]), st.sampled_from(["each", "latest"]))
def test_matching_agrees_with_the_plain_definition_and_invents_nothing(data, kind, answers):
    sent, table = data
    # Seen at once: a later seen instant would let an early stamp fall back to it, which has tests of its own.
    table["seen_ns"] = table["received_ns"]
    out = run(sent, table, kind=kind, answers=answers)
    truth = slow_truth(sent, table, kind, answers)
    assert out.arrived_ns.tolist() == [NO_STAMP if t is None else t for t in truth]
    answered = out.first != NOBODY
    assert len(set(out.first[answered])) == answered.sum() or answers == "latest"
    assert (table["flags"][out.first[answered]] == 0).all()
    assert (out.arrived_ns[answered] >= sent[answered]).all()
    is_sent, lost = sent != NO_STAMP, (out.flags & SampleFlag.LOST) != 0
    in_time = answered & (out.arrived_ns - sent <= TIMEOUT)
    assert int(in_time.sum()) + int(lost.sum()) == int(is_sent.sum())
    assert ((out.answers > 0) == answered).all()
    assert out.used.sum() == (out.answers.sum() - ((out.flags & SampleFlag.SUPERSEDED) != 0).sum())


def test_by_order_a_stamp_just_before_its_send_within_its_bound_stays_with_it():
    sent = np.array([0, 10, 20], dtype=np.int64) * MS
    seen = sent + 2 * MS
    at = sent + np.array([1 * MS, -30_000, -5 * MS])
    table = observations(None, seen)
    bound = np.full(3, 50_000)
    when = Arrivals(at, seen, np.zeros(3, dtype=bool), np.ones(3, dtype=bool), bound, placed_ns=seen)
    out = match(np.arange(3), sent, table, when, TIMEOUT, kind="order")
    assert out.first.tolist() == [0, 1, 2]
    # Within the bound the truth is not before the send; beyond it the stamp is wrong: what was seen stands.
    assert out.arrived_ns.tolist() == [1 * MS, 10 * MS, 22 * MS]
    assert flags(out) == [SampleFlag(0), SampleFlag(0), SampleFlag.CLOCK_STEP]
