"""Change points in series of one figure per run: what is found, when, where, and what is left alone."""

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import rankdata

from harness.regressions import watch
from harness.regressions.placing import effect, first_bad
from harness.regressions.shift import compare_parts, inflation, lag_one, normal_scores
from harness.regressions.watching import BASELINE, FULL_BASELINE, LOOKS, MOST_RERUNS

NOISE = 0.03


def series(seed: int, *levels: tuple[int, float], noise: float = NOISE) -> np.ndarray:
    """Runs at each level, ``(how many, level)``, with normal noise of that relative size."""
    rng = np.random.default_rng(seed)
    level = np.concatenate([np.full(n, value) for n, value in levels])
    return level * np.exp(noise * rng.normal(size=len(level)))


def test_a_large_shift_is_confirmed_with_place_direction_and_size():
    values = series(1, (60, 2.0), (20, 2.4))
    watched = watch(values)
    (change,) = watched.changes
    assert change.up and change.first == 60 and change.earliest <= 60 <= change.latest
    assert 60 < change.raised < change.confirmed < 80
    assert change.effect.relative and change.effect.low < 0.2 < change.effect.high
    assert change.effect.change == pytest.approx(0.2, abs=0.03)
    assert (change.since, change.until) == (0, 80)
    assert watched.suspicion is None and watched.baseline == 20


def test_a_fall_is_a_change_downwards():
    (change,) = watch(series(2, (60, 2.0), (20, 1.7))).changes
    assert not change.up and change.effect.high < 0


def test_two_changes_each_against_the_level_before_it():
    first, second = watch(series(3, (60, 2.0), (60, 2.3), (40, 2.0))).changes
    assert (first.up, second.up) == (True, False)
    assert abs(first.first - 60) <= 1 and abs(second.first - 120) <= 1
    assert second.since == first.first and first.until == second.first
    assert second.effect.change == pytest.approx(2.0 / 2.3 - 1, abs=0.03)


def test_a_suspicion_waits_for_the_runs_that_decide_it():
    values = series(1, (60, 2.0), (20, 2.4))
    raised = watch(values).changes[0].raised
    waiting = watch(values[: raised + 1]).suspicion
    assert waiting is not None and waiting.up and waiting.raised == raised
    assert (waiting.so_far, waiting.next_look, waiting.last_look) == (0, LOOKS[0].runs, MOST_RERUNS)
    later = watch(values[: raised + 4]).suspicion
    assert later is not None and (later.so_far, later.next_look, later.last_look) == (3, 1, MOST_RERUNS - 3)


def test_a_short_excursion_is_suspected_and_dropped():
    values = series(4, (60, 2.0), (3, 2.5), (30, 2.0))
    watched = watch(values)
    assert not watched.changes
    assert any(each.raised in (61, 62) for each in watched.dropped)


def test_what_was_confirmed_stays_as_the_series_grows():
    values = series(5, (60, 2.0), (60, 2.2))
    (change,) = watch(values[:90]).changes
    for n in (95, 105, 120):
        again = watch(values[:n]).changes[0]
        assert (again.raised, again.confirmed, again.first) == (change.raised, change.confirmed, change.first)
        assert again.until == n


def test_a_single_outlier_of_any_size_is_nothing():
    values = series(6, (120, 2.0))
    values[80] = 1e6
    assert not watch(values).changes


def test_too_few_runs_say_how_many_are_missing():
    values = series(7, (12, 2.0))
    watched = watch(values)
    assert not watched.changes and watched.missing == BASELINE + 2 - 12
    assert watched.missing_for_rates == FULL_BASELINE - 12
    assert watch(values[:0]).baseline == 0
    assert watch(series(7, (100, 2.0))).missing == 0


def test_a_quantile_among_the_lost_is_the_largest_value():
    values = series(8, (60, 2.0), (20, 2.0))
    values[60:] = np.inf
    (change,) = watch(values).changes
    assert change.up and change.first == 60
    assert change.effect.after is None and change.effect.change is None
    assert change.effect.before == pytest.approx(2.0, abs=0.05)


def test_figures_without_spread():
    steady = np.full(80, 3.0)
    assert not watch(steady).changes
    steady[60:] = 3.5
    (change,) = watch(steady).changes
    assert (change.first, change.earliest, change.latest) == (60, 60, 60)
    assert change.effect.change == pytest.approx(0.5 / 3)


def test_zeros_are_compared_by_their_difference():
    values = np.zeros(90)
    values[60:] = np.random.default_rng(9).uniform(0.01, 0.02, size=30)
    (change,) = watch(values).changes
    assert not change.effect.relative and change.effect.change == pytest.approx(0.015, abs=0.003)


def test_nan_is_refused():
    with pytest.raises(ValueError, match="without a figure"):
        watch(np.array([1.0, np.nan]))


def test_scale_and_unit_change_nothing():
    values = series(10, (60, 2.0), (30, 2.15))
    a, b = watch(values), watch(values * 1e6)
    assert [(c.first, c.confirmed, c.p) for c in a.changes] == [
        (c.first, c.confirmed, c.p) for c in b.changes
    ]
    assert a.changes and a.changes[0].effect.change == pytest.approx(b.changes[0].effect.change)


def test_more_requirements_share_the_level_of_confirmation():
    """A change just clear enough for one requirement is not for a hundred."""
    kept = [seed for seed in range(40) if watch(series(seed, (60, 2.0), (26, 2.09))).changes]
    shared = [seed for seed in kept if watch(series(seed, (60, 2.0), (26, 2.09)), family=1000).changes]
    assert len(shared) < len(kept)


def test_parts_that_are_alike_differ_by_nothing():
    same = compare_parts(np.ones(5), np.ones(3))
    assert same.p == 1.0
    apart = compare_parts(np.zeros(5), np.ones(3))
    assert apart.p == 0.0 and apart.up


def test_correlated_neighbours_make_means_less_certain():
    assert inflation(0.0, 8) == 1.0
    # Variance of the mean of two values that correlate by r is (1 + r) / 2.
    assert inflation(0.3, 2) == pytest.approx(1.3)
    rng = np.random.default_rng(11)
    level = np.repeat(rng.normal(size=200), 5)
    assert lag_one(level) == 0.6
    assert lag_one(rng.normal(size=5000)) < 0.05
    assert lag_one(np.ones(10)) == 0.0


def test_scores_rank_infinite_values_last_and_ties_alike():
    scores = normal_scores(np.array([3.0, 1.0, np.inf, 1.0]))
    assert np.argmax(scores) == 2 and scores[1] == scores[3] < scores[0]
    values = np.random.default_rng(12).integers(0, 9, size=40).astype(float)
    assert normal_scores(values) == pytest.approx(ndtri((rankdata(values) - 0.375) / 40.25))


def test_the_interval_of_first_runs_holds_the_true_one_and_narrows_with_the_shift():
    wide = [first_bad(series(seed, (60, 2.0), (16, 2.1))) for seed in range(30)]
    sharp = [first_bad(series(seed, (60, 2.0), (16, 2.4))) for seed in range(30)]
    assert sum(each.earliest <= 60 <= each.latest for each in wide) >= 26
    assert all(each.earliest <= each.first <= each.latest for each in wide)
    assert np.mean([e.latest - e.earliest for e in sharp]) < np.mean([e.latest - e.earliest for e in wide])


def test_an_effect_of_one_run_has_no_interval():
    found = effect(np.array([1.0, 2.0]), np.array([4.0]))
    assert found.after == 4.0 and found.change is None and found.low is None


def test_shifts_of_five_percent_at_three_percent_noise():
    """A small edition of benchmarks/regressions.py, fixed seeds: 40 shifts and 12 clean histories."""
    found = []
    for seed in range(40):
        changes = watch(series(seed, (60, 2.0), (26, 2.1))).changes
        found += [each for each in changes if each.up and each.raised >= 60]
    assert len(found) >= 36
    assert sum(abs(each.first - 60) <= 2 for each in found) >= 0.7 * len(found)
    alarms = [change for seed in range(12) for change in watch(series(100 + seed, (260, 2.0))).changes]
    assert len(alarms) <= 1
