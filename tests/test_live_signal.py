"""The rough view of a signal that a run goes by: rest, and whether to go on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.config.match import Match
from harness.live_signal import KEPT, SignalTracker, signal_tracker
from harness.model import NO_KEY, ObservationFlag

MS = 1_000_000


def rule(**options):
    return Match(kind="onset", **(options or {"sigma": 6.0, "at_least": 0.05}))


def fed(values, how=None, *, start_ms=0, period_ms=1):
    tracker = SignalTracker(how or rule())
    give(tracker, values, start_ms, period_ms)
    return tracker


def give(tracker, values, start_ms, period_ms=1):
    for number, value in enumerate(values):
        tracker.observed(NO_KEY, (start_ms + number * period_ms) * MS, 0, float(value))


def noise(n, sd=0.01, seed=3):
    return np.random.default_rng(seed).normal(0.0, sd, n)


def test_noise_alone_is_rest():
    assert fed(noise(200)).why_not_at_rest(199 * MS, 100 * MS) == ""


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "no value"),
        (np.zeros(50), "not followed yet"),
        (np.concatenate([np.zeros(140), np.full(60, 1.0)]), "from the median"),
        (np.concatenate([np.zeros(150), np.arange(50) * 0.024]), "from the median"),
        (np.arange(200) * 0.0006, "drifted"),
        (0.3 * np.sin(np.arange(200) / 20), "the band is"),
    ],
)
def test_what_is_no_rest_is_said(values, words):
    end = max(len(values) - 1, 0)
    assert words in fed(values).why_not_at_rest(end * MS, 100 * MS)


@pytest.mark.parametrize("quiet_ms", [20, 40, 60, 80])
@pytest.mark.parametrize("passed_ms", range(1, 80, 7))
def test_a_robot_that_is_on_its_way_is_not_at_rest_whatever_part_of_the_way_is_seen(quiet_ms, passed_ms):
    # Up in 33 ms, 10 ms there, down in 33 ms: seen until ``passed_ms`` after it began.
    at = np.arange(100 + 76)
    way = 0.2 * np.clip(np.minimum(at - 100, 176 - at) / 33.0, 0.0, 1.0)
    seen = (way + noise(len(at), 0.0008))[: 100 + passed_ms]
    why = fed(seen, rule(sigma=6.0, at_least=0.01)).why_not_at_rest((len(seen) - 1) * MS, quiet_ms * MS)
    assert why or np.ptp(seen[-quiet_ms - 1 :]) < 0.03


def test_a_noise_that_is_no_rest():
    how = rule(sigma=6.0, at_most=0.1)
    assert "more than at_most" in fed(noise(200, 0.05), how).why_not_at_rest(199 * MS, 100 * MS)
    assert fed(noise(200, 0.005), how).why_not_at_rest(199 * MS, 100 * MS) == ""


def test_a_signal_that_stopped_coming_is_no_rest():
    assert "only 0 values" in fed(noise(200)).why_not_at_rest(400 * MS, 100 * MS)


def test_rest_counts_from_what_was_sent_last():
    tracker = fed(noise(300))
    tracker.moved(250 * MS)
    assert "moved" in tracker.why_not_at_rest(299 * MS, 100 * MS)
    assert tracker.why_not_at_rest(299 * MS, 40 * MS) == ""


def armed(side=0, how=None):
    tracker = fed(noise(200), how)
    tracker.arm(200 * MS, side)
    tracker.sent(7, 200 * MS)
    return tracker


def test_an_onset_answers_the_one_that_is_outstanding():
    tracker = armed()
    give(tracker, [0.0, 5.0, 5.0], 201)
    assert tracker.is_pending(7)
    give(tracker, [5.0], 204)
    assert not tracker.pending() and tracker.answered == 1


def test_a_spike_the_wrong_way_and_what_is_rejected_answer_nothing():
    tracker = armed(side=1)
    give(tracker, [5.0, 5.0, 0.0, 5.0, 5.0, 0.0] + [-5.0] * 10, 201)
    assert tracker.is_pending(7)
    for number in range(5):
        tracker.observed(NO_KEY, (230 + number) * MS, ObservationFlag.REJECTED, 5.0)
        tracker.observed(NO_KEY, (230 + number) * MS, 0, math.nan)
    assert tracker.is_pending(7)
    give(tracker, [5.0] * 3, 240)
    assert not tracker.pending()


def test_the_live_band_is_wider_than_the_one_that_judges():
    tracker = armed(how=rule(threshold=1.0))
    give(tracker, [1.4] * 20, 201)
    assert tracker.is_pending(7)
    give(tracker, [1.6] * 3, 230)
    assert not tracker.pending()


def test_without_values_a_trial_waits_for_its_timeout():
    tracker = SignalTracker(rule())
    tracker.arm(200 * MS)
    tracker.sent(7, 200 * MS)
    give(tracker, [9.0] * 10, 201)
    assert tracker.is_pending(7)


def test_what_is_kept_is_bounded():
    tracker = fed(np.zeros(KEPT + 500))
    assert len(tracker._kept) == KEPT


def edge(direction="rising"):
    return signal_tracker(Match(kind="edge", direction=direction))


def test_an_edge_answers_and_a_level_does_not():
    tracker = edge()
    give(tracker, [0, 0], 0)
    tracker.sent(7, 10 * MS)
    give(tracker, [0, 0], 11)
    assert tracker.pending()
    give(tracker, [1], 20)
    assert tracker.wait_answer(7, 0)


@pytest.mark.parametrize(("direction", "answered"), [("rising", False), ("falling", True), ("either", True)])
def test_only_an_edge_in_its_direction_answers(direction, answered):
    tracker = edge(direction)
    give(tracker, [1, 1], 0)
    tracker.sent(7, 10 * MS)
    give(tracker, [0], 20)
    assert tracker.wait_answer(7, 0) is answered


@pytest.mark.parametrize(
    ("levels", "direction", "words"),
    [
        ([], "rising", ""),  # published when it changes, and it has not
        ([0] * 100, "rising", ""),
        ([1] * 100, "falling", ""),
        ([1] * 100, "either", ""),
        ([1] * 100, "rising", "high already"),
        ([0] * 100, "falling", "low already"),
        ([1] * 80 + [0] * 20, "rising", "changed"),
        ([1] * 20 + [0] * 80, "rising", ""),
    ],
)
def test_a_level_is_at_rest_when_it_does_not_change(levels, direction, words):
    tracker = edge(direction)
    give(tracker, levels, 0)
    why = tracker.why_not_at_rest(99 * MS, 50 * MS)
    assert words in why
    assert bool(why) == bool(words)


def test_an_edge_is_not_at_rest_just_after_something_was_sent():
    tracker = edge()
    give(tracker, [0] * 100, 0)
    tracker.moved(99 * MS)
    assert "moved" in tracker.why_not_at_rest(120 * MS, 50 * MS)
    assert tracker.why_not_at_rest(150 * MS, 50 * MS) == ""
