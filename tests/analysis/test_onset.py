"""Onsets of made signals, of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_data import EPOCH, MS, monotonic_only, observations, readings, stimuli
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.matching import NOBODY
from harness.analysis.onset import FEWEST_AT_REST, directions, level_and_noise
from harness.analysis.onset_known import onset_checks, onset_counts, onset_items, with_declared
from harness.analysis.samples import build, latency_ms, tried
from harness.analysis.timebase import Timebase
from harness.config.match import Match
from harness.errors import ConfigurationError
from harness.model import NO_STAMP, SampleFlag, StimulusFlag

TIMEOUT = 100 * MS
SENT = 200 * MS
"""Instant of the stimulus of the signals below, which begin at 0."""


def rule(**options):
    options.setdefault("threshold", None if {"sigma", "at_least"} & set(options) else 0.1)
    return Match(kind="onset", **options)


def table(at_ms, value, **more):
    return observations(None, np.round(np.asarray(at_ms) * MS).astype(np.int64), value=value, **more)


def ramp(at_ms, *, departs_ms=210.0, slope_per_ms=0.05, top=1.0, level=0.0):
    """At ``level``, then a straight line from ``departs_ms`` on, up (or down) to ``top``."""
    moved = np.clip((np.asarray(at_ms) - departs_ms) * slope_per_ms, 0.0, abs(top))
    return level + np.sign(top) * moved


def sample(seen, how, sent=(SENT,), *, flags=0, timebase=None, **more):
    rows = stimuli(list(sent), flags=flags)
    return build(rows, seen, timebase or monotonic_only(), how, TIMEOUT, **more)


def flags_of(sampled):
    return [SampleFlag(int(each)) for each in sampled.samples["flags"]]


GRID = np.arange(0.0, 400.0, 2.0)


# --- the instant


def test_a_ramp_between_two_values_is_interpolated_exactly():
    # Departs at 211 and crosses 0.1 at 213 ms, between the values of 212 and 214 ms.
    seen = table(GRID, ramp(GRID, departs_ms=211.0))
    assert latency_ms(sample(seen, rule()).samples)[0] == pytest.approx(13.0, abs=1e-6)
    assert latency_ms(sample(seen, rule(interpolate=False)).samples)[0] == pytest.approx(14.0)


@settings(max_examples=60, deadline=None)
@given(
    departs=st.floats(201.0, 280.0),
    slope=st.floats(0.01, 2.0),
    period=st.floats(0.5, 10.0),
    up=st.booleans(),
    level=st.floats(-5.0, 5.0),
)
def test_the_truth_is_within_the_gap_whatever_the_ramp(departs, slope, period, up, level):
    at = np.arange(0.0, 600.0, period)
    seen = table(at, ramp(at, departs_ms=departs, slope_per_ms=slope, top=1.0 if up else -1.0, level=level))
    found = sample(seen, rule(direction="rising" if up else "falling"))
    crosses = departs + 0.1 / slope - 200.0
    if crosses > 99.0:
        return
    assert latency_ms(found.samples)[0] == pytest.approx(crosses, abs=found.onsets.gap_ms[0] + 1e-5)
    later = sample(seen, rule(interpolate=False)).samples
    assert latency_ms(later)[0] >= crosses - 1e-5


def test_a_step_lies_between_the_values_around_it():
    seen = table(GRID, np.where(GRID >= 231.0, 0.7, 0.0))
    found = sample(seen, rule())
    assert 30.0 <= latency_ms(found.samples)[0] <= 32.0
    assert found.onsets.gap_ms[0] == pytest.approx(2.0)


def test_an_onset_that_the_line_puts_before_the_send_is_at_the_send():
    at = np.arange(0.0, 400.0, 20.0)
    at[at >= 200.0] += 5.0  # 180, 205: the line from 0 at 180 to 1 at 205 crosses 0.1 at 182.5 ms
    found = sample(table(at, np.where(at > 200.0, 1.0, 0.0)), rule(hold_samples=2))
    assert flags_of(found) == [SampleFlag(0)]
    assert latency_ms(found.samples)[0] == 0.0


def test_arrival_is_on_the_clock_of_the_values():
    received = np.round(GRID * MS).astype(np.int64) + EPOCH
    seen = observations(None, received, seen_ns=received - EPOCH + 40_000, clock=1, value=ramp(GRID))
    timebase = Timebase(["host.monotonic", "host.realtime"], readings(np.arange(-1, 5) * 100 * MS, EPOCH))
    found = sample(seen, rule(), timebase=timebase)
    assert latency_ms(found.samples)[0] == pytest.approx(12.0, abs=0.01)
    assert found.by_stamp == 1
    assert (
        found.samples["seen_ns"][0] == 212 * MS + 40_000 or found.samples["seen_ns"][0] == 214 * MS + 40_000
    )


# --- band, noise, spikes


def noisy(seed=5, sd=0.01, **more):
    return ramp(GRID, **more) + np.random.default_rng(seed).normal(0.0, sd, len(GRID))


def test_noise_is_learnt_and_the_band_follows_it():
    found = sample(table(GRID, noisy()), rule(sigma=6.0))
    assert found.onsets.noise[0] == pytest.approx(0.01, rel=0.5)
    assert found.onsets.band[0] == pytest.approx(6 * found.onsets.noise[0])
    assert 10.0 <= latency_ms(found.samples)[0] <= 14.0


def test_at_least_is_the_smallest_band_of_a_signal_without_noise():
    still = table(GRID, ramp(GRID))
    found = sample(still, rule(sigma=6.0, at_least=0.2))
    assert (found.onsets.noise[0], found.onsets.band[0]) == (0.0, 0.2)
    assert latency_ms(found.samples)[0] == pytest.approx(14.0)


def test_a_band_wider_than_that_of_rest_counts_neither_way():
    noise = np.random.default_rng(9).normal(0.0, 0.05, len(GRID))
    loud = table(GRID, ramp(GRID) + noise)
    assert flags_of(sample(loud, rule(sigma=6.0, at_most=0.1))) == [SampleFlag.FALSE_ONSET]
    assert flags_of(sample(loud, rule(sigma=6.0, at_most=0.6))) == [SampleFlag(0)]


def test_a_wider_band_is_crossed_later():
    seen = table(GRID, ramp(GRID))
    latencies = [latency_ms(sample(seen, rule(threshold=band)).samples)[0] for band in (0.05, 0.2, 0.6)]
    assert latencies == sorted(latencies) and latencies[2] - latencies[0] == pytest.approx(11.0)


def test_level_and_noise_do_not_mind_outliers():
    values = np.concatenate([np.random.default_rng(1).normal(3.0, 0.1, 60), np.full(20, 900.0)])
    level, noise = level_and_noise(values)
    assert level == pytest.approx(3.0, abs=0.1) and noise == pytest.approx(0.1, rel=1.0)


@pytest.mark.parametrize("spike_ms", [150.0, 206.0])
def test_a_spike_is_no_onset(spike_ms):
    values = ramp(GRID, departs_ms=240.0)
    values[(spike_ms <= GRID) & (spike_ms + 3.0 > GRID)] = 50.0  # two values in a row
    assert latency_ms(sample(table(GRID, values), rule()).samples)[0] == pytest.approx(42.0)
    single = sample(table(GRID, values), rule(hold_samples=1))
    assert flags_of(single)[0] in (SampleFlag.FALSE_ONSET, SampleFlag(0))
    assert latency_ms(single.samples)[0] != pytest.approx(42.0)


def test_values_that_are_no_number_are_passed_over():
    values = ramp(GRID)
    values[::7] = np.nan
    assert latency_ms(sample(table(GRID, values), rule()).samples)[0] == pytest.approx(12.0, abs=2.0)


# --- direction


def test_only_the_direction_that_is_waited_for_counts():
    # First the wrong way, as a base that is not minimum-phase does.
    values = ramp(GRID, departs_ms=240.0) - ramp(GRID, departs_ms=204.0, top=0.3) * (GRID < 240.0)
    seen = table(GRID, values)
    assert latency_ms(sample(seen, rule(direction="rising")).samples)[0] == pytest.approx(42.0)
    assert latency_ms(sample(seen, rule(direction="falling")).samples)[0] == pytest.approx(6.0)
    assert latency_ms(sample(seen, rule()).samples)[0] == pytest.approx(6.0)


def test_with_command_follows_what_was_commanded():
    variants = [{"v": 0.5, "w": 1.0}, {"v": -0.5, "w": 1.0}, {"v": 0.0, "w": 1.0}]
    sent = np.array([10, 20, NO_STAMP, 30, 40])
    assert directions(np.array([0, 2, 0, 1, 2]), sent, variants).tolist() == [0, -1, 0, -1, 1]
    assert directions(np.array([0, 0, 0, 0, 0]), sent, variants).tolist() == [0] * 5


@pytest.mark.parametrize(
    ("variants", "field", "words"),
    [
        ([{"v": 1.0}, {"v": 1.0}], None, "not 0"),
        ([{"v": 1.0, "w": 1.0}, {"v": 2.0, "w": 2.0}], None, r"not 2 \(v, w\)"),
        ([{"v": 1.0, "w": 1.0}, {"v": 2.0, "w": 1.0}], "w", "those that do: v"),
    ],
)
def test_a_direction_that_cannot_be_told_is_an_error(variants, field, words):
    with pytest.raises(ConfigurationError, match=words):
        directions(np.array([0, 1]), np.array([1, 2]), variants, field)


# --- what is no answer


def test_a_signal_that_stays_is_a_miss_and_lost():
    found = sample(table(GRID, np.zeros(len(GRID))), rule())
    assert flags_of(found) == [SampleFlag.LOST]
    assert latency_ms(found.samples)[0] == np.inf
    assert found.onsets.matched.first[0] == NOBODY
    assert onset_counts(found) == {"misses": 1, "false_onsets": 0, "no_signal": 0}


def test_a_signal_that_falls_silent_is_a_miss():
    keep = GRID < 204.0
    assert flags_of(sample(table(GRID[keep], ramp(GRID)[keep]), rule())) == [SampleFlag.LOST]


def test_a_late_onset_is_lost_and_its_instant_is_kept():
    found = sample(table(GRID, ramp(GRID, departs_ms=330.0)), rule())
    assert flags_of(found) == [SampleFlag.LOST | SampleFlag.LATE]
    assert found.samples["arrived_ns"][0] == 332 * MS
    assert onset_counts(found)["misses"] == 0


@pytest.mark.parametrize("departs_ms", [120.0, 180.0, 195.0])
def test_a_departure_before_the_stimulus_is_a_false_onset(departs_ms):
    found = sample(table(GRID, ramp(GRID, departs_ms=departs_ms, top=5.0)), rule(rest_ms=150.0))
    assert flags_of(found) == [SampleFlag.FALSE_ONSET]
    assert np.isnan(latency_ms(found.samples)[0]) and not tried(found.samples)[0]
    assert onset_counts(found) == {"misses": 0, "false_onsets": 1, "no_signal": 0}


def test_a_false_onset_counts_in_either_direction():
    values = ramp(GRID) - 0.5 * ((GRID >= 180.0) & (GRID < 190.0))
    assert flags_of(sample(table(GRID, values), rule(direction="rising"))) == [SampleFlag.FALSE_ONSET]


def test_what_was_before_the_rest_window_does_not_count():
    values = ramp(GRID) + (GRID < 90.0)
    assert flags_of(sample(table(GRID, values), rule())) == [SampleFlag(0)]


def test_too_few_values_before_the_stimulus_tell_nothing():
    keep = (GRID >= 200.0 - 2.0 * (FEWEST_AT_REST - 1)) | (GRID < 90.0)
    found = sample(table(GRID[keep], ramp(GRID)[keep]), rule())
    assert flags_of(found) == [SampleFlag.NO_SIGNAL]
    assert onset_counts(found) == {"misses": 0, "false_onsets": 0, "no_signal": 1}


def test_a_drift_is_noise_to_sigma_and_a_false_onset_to_a_narrow_threshold():
    values = 0.002 * GRID + ramp(GRID, slope_per_ms=0.5, top=5.0)
    found = sample(table(GRID, values), rule(sigma=6.0))
    assert flags_of(found) == [SampleFlag(0)]
    assert 10.0 < latency_ms(found.samples)[0] < 14.0
    assert flags_of(sample(table(GRID, values), rule(threshold=0.05))) == [SampleFlag.FALSE_ONSET]


@pytest.mark.parametrize("seed", range(20))
def test_where_rest_is_promised_a_signal_on_its_way_is_no_rest(seed):
    noise = np.random.default_rng(seed).normal(0.0, 0.002, len(GRID))
    drifting = table(GRID, 0.002 * GRID + ramp(GRID, slope_per_ms=0.5, top=5.0) + noise)
    assert flags_of(sample(drifting, rule(sigma=6.0), still=True)) == [SampleFlag.FALSE_ONSET]
    # On the way back to 0 until 60 ms before the stimulus, of 100: most of the window moves.
    back = ramp(GRID, departs_ms=200.0, top=1.0) + np.clip((160.0 - GRID) * 0.02, 0.0, 1.2) + noise
    assert flags_of(sample(table(GRID, back), rule(sigma=6.0), still=True)) == [SampleFlag.FALSE_ONSET]
    resting = table(GRID, ramp(GRID) + noise)
    assert flags_of(sample(resting, rule(sigma=6.0), still=True)) == [SampleFlag(0)]


def test_a_robot_that_is_never_at_rest_departs_from_its_own_sway():
    at = np.arange(0.0, 2000.0, 2.0)
    sway = 0.05 * np.sin(2 * np.pi * 3e-3 * at) + np.random.default_rng(2).normal(0, 0.002, len(at))
    seen = table(at, sway + ramp(at, departs_ms=1012.0, top=1.0, slope_per_ms=0.05))
    found = sample(seen, rule(sigma=4.0, rest_ms=700.0), sent=[1000 * MS])
    assert flags_of(found) == [SampleFlag(0)]
    assert 12.0 < latency_ms(found.samples)[0] < 22.0
    # Without a stimulus that moves it, nothing is found.
    assert flags_of(sample(table(at, sway), rule(sigma=4.0, rest_ms=700.0), sent=[1000 * MS])) == [
        SampleFlag.LOST
    ]


# --- several trials


def test_the_next_stimulus_ends_a_trial_and_the_return_is_none():
    values = ramp(GRID, departs_ms=310.0)
    flags = [0, StimulusFlag.RETURN]
    # The timeout had not passed when the robot was sent back: what would have come is not known.
    cut = stimuli([SENT, 290 * MS], flags=flags)
    found = build(cut, table(GRID, values), monotonic_only(), rule(), TIMEOUT)
    assert flags_of(found) == [SampleFlag.OPEN, SampleFlag(0)]
    assert found.samples["arrived_ns"].tolist() == [NO_STAMP, NO_STAMP]
    waited = build(
        stimuli([SENT, 301 * MS], flags=flags), table(GRID, values), monotonic_only(), rule(), TIMEOUT
    )
    assert flags_of(waited)[0] == SampleFlag.LOST


def test_trials_are_told_apart_whatever_the_order_of_rows_and_values():
    rng = np.random.default_rng(8)
    at = np.arange(0.0, 3000.0, 2.0)
    sent = np.arange(200, 3000, 500) * MS
    values = np.zeros(len(at))
    for number, begin in enumerate(sent / MS):
        values += ramp(at, departs_ms=begin + 10 + number, top=1.0) - ramp(
            at, departs_ms=begin + 200, top=1.0
        )
    order = rng.permutation(len(at))
    found = sample(table(at[order], values[order]), rule(), rng.permutation(sent))
    expected = 12.0 + (found.samples["sent_ns"] / MS - 200) / 500
    assert latency_ms(found.samples) == pytest.approx(expected, abs=1e-6)
    assert found.unmatched == 0


def test_what_was_not_sent_is_not_judged():
    found = sample(table(GRID, ramp(GRID)), rule(), [SENT, NO_STAMP], flags=[0, StimulusFlag.UNSENT])
    assert flags_of(found) == [SampleFlag(0), SampleFlag.NOT_SENT]


def test_an_empty_table_finds_nothing():
    found = sample(table([], np.zeros(0)), rule())
    assert flags_of(found) == [SampleFlag.NO_SIGNAL]
    assert len(build(stimuli([]), table(GRID, GRID), monotonic_only(), rule(), TIMEOUT).samples) == 0
    unsent = sample(table(GRID, GRID), rule(), [NO_STAMP], flags=StimulusFlag.UNSENT)
    assert flags_of(unsent) == [SampleFlag.NOT_SENT]


# --- how well it is known


def many(period_ms=2.0, sd=0.0, trials=12, gap_at=None):
    """Trials of which each departs 10 ms after its stimulus; ``gap_at``: no values around that onset."""
    at = np.arange(0.0, 500.0 * trials + 500.0, period_ms)
    sent = (np.arange(trials) * 500 + 300.3) * MS
    values = np.zeros(len(at))
    for begin in sent / MS:
        values += ramp(at, departs_ms=begin + 10) - ramp(at, departs_ms=begin + 200)
    values += np.random.default_rng(4).normal(0, sd, len(at)) if sd else 0.0
    keep = np.ones(len(at), dtype=bool)
    if gap_at is not None:
        begin = sent[gap_at] / MS
        keep &= ~((at > begin + 5) & (at < begin + 20))
    return sample(table(at[keep], values[keep]), rule(rest_ms=150.0), sent.astype(np.int64))


def test_the_largest_gap_around_an_onset_enters_u_in_both_directions():
    items = onset_items(many().onsets, many().samples)
    assert [item.name for item in items] == ["sampling period"]
    assert items[0].half_width_ms == pytest.approx(2.0) and items[0].hard
    holed = many(gap_at=3)
    assert onset_items(holed.onsets, holed.samples)[0].half_width_ms > 14.0
    doubled = onset_items(many().onsets, many().samples, jitter=True)
    assert doubled[0].half_width_ms == pytest.approx(4.0)


def test_noise_enters_u_through_the_slope():
    quiet, loud = (many(sd=sd) for sd in (0.005, 0.02))
    sds = [onset_items(each.onsets, each.samples)[1].standard_ms for each in (quiet, loud)]
    # 0.05 per ms: 0.005 moves the crossing by 0.1 ms.
    assert sds[0] == pytest.approx(0.1, rel=0.9) and sds[1] > 2 * sds[0]


def test_a_declared_period_counts_where_it_is_longer():
    items = onset_items(many().onsets, many().samples)
    assert with_declared(items, 1.0)[0].half_width_ms == pytest.approx(2.0)
    assert with_declared(items, 5.0)[0].half_width_ms == 5.0
    assert [each.half_width_ms for each in with_declared([], 5.0)] == [5.0]
    assert with_declared(items, None) == items


def test_nothing_known_where_nothing_departed():
    found = sample(table(GRID, np.zeros(len(GRID))), rule())
    assert onset_items(found.onsets, found.samples) == []


def test_too_many_trials_that_tell_nothing_leave_it_undecided():
    good = many()
    assert [(check.name, check.ok) for check in onset_checks(good, rule(), aborted=False)] == [
        ("rest before the stimulus", True),
        ("trials long enough", True),
    ]
    good.samples["flags"][:2] = SampleFlag.FALSE_ONSET
    assert [check.ok for check in onset_checks(good, rule(), aborted=False)] == [False, True]
    good.samples["flags"][:2] = SampleFlag.OPEN
    assert [check.ok for check in onset_checks(good, rule(), aborted=False)] == [True, False]
    assert [check.ok for check in onset_checks(good, rule(), aborted=True)] == [True]
