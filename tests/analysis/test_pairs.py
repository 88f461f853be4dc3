from itertools import combinations
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.pairs import (
    dyadic,
    expected_pairs,
    gate,
    gate_distances,
    inflation,
    pair_counts,
    width_distances,
)


def subset(rng, n, k):
    return np.sort(rng.choice(n, k, replace=False))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 120), st.data())
def test_pairs_are_those_that_counting_by_hand_finds(n, data):
    members = sorted(data.draw(st.sets(st.integers(0, n - 1), max_size=n)))
    distances = dyadic(n / 2)
    counts = pair_counts(np.array(members, dtype=np.int64), distances, n)
    by_hand = [sum(1 for a, b in combinations(members, 2) if b - a <= h) for h in distances]
    assert counts.tolist() == by_hand


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.data())
def test_expected_pairs_are_the_share_of_all_pairs_of_positions(n, data):
    k, h = data.draw(st.integers(0, n)), data.draw(st.integers(1, n - 1))
    near = sum(1 for a, b in combinations(range(n), 2) if b - a <= h)
    assert expected_pairs(k, h, n) == pytest.approx(near * k * (k - 1) / (n * (n - 1)))


def test_all_positions_are_exactly_as_many_pairs_as_expected():
    n = 500
    for h, count in zip((1, 2, 4), pair_counts(np.arange(n), (1, 2, 4), n), strict=True):
        assert count == pytest.approx(expected_pairs(n, h, n))


def test_distances_are_dyadic_and_bounded_by_the_length():
    assert gate_distances(1000) == (1, 2, 4, 8, 16, 32)
    assert gate_distances(10**6) == (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    assert width_distances(10**6)[-1] == 1024
    assert width_distances(1000) == (1, 2, 4, 8, 16)
    assert gate_distances(19) == ()
    assert width_distances(49) == ()


def test_blocks_inflate_the_variance_by_their_length():
    rng = np.random.default_rng(1)
    starts = subset(rng, 5000, 150) * 20
    blocks = (starts[:, None] + np.arange(20)).ravel()
    v, distance = inflation(blocks, 100_000)
    # A block of 20 has 190 pairs: 1 + 2 * 190 / 20 = 20; the largest over H of a noisy sum lies above it.
    assert 19 < v < 30
    assert distance >= 16


@pytest.mark.parametrize("k", [0, 1000])
def test_nothing_or_everything_inflates_nothing(k):
    assert inflation(np.arange(k), 1000) == (1.0, 0)


@pytest.mark.parametrize(("n", "k"), [(1000, 0), (1000, 1), (1000, 1000), (19, 5), (1, 1), (0, 0)])
def test_gate_says_nothing_where_there_is_nothing_to_see(n, k):
    found = gate(np.arange(k), n)
    assert found.p == 1.0
    assert "not looked at" in found.how


def test_gate_is_the_same_whenever_it_is_asked():
    positions = subset(np.random.default_rng(2), 3000, 30)
    first = gate(positions, 3000)
    from harness.analysis import pairs

    pairs._calibration.cache_clear()
    assert gate(positions, 3000) == first


@pytest.mark.parametrize(("n", "k"), [(1000, 10), (60_000, 600), (1_000_000, 10_000), (1_000_000, 500_000)])
def test_gate_sees_a_block(n, k):
    rng = np.random.default_rng(3)
    spread = subset(rng, n, k)
    block = np.unique(np.concatenate((spread[k // 3 :], np.arange(n // 2, n // 2 + k // 3))))
    assert gate(block, n).p < 0.01


def test_gate_does_not_take_even_spacing_for_bursts():
    assert gate(np.arange(0, 60_000, 100), 60_000).p > 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "k", "how"),
    [
        (1000, 10, "2000 random subsets"),
        (10_000, 100, "2000 random subsets"),
        (4000, 199, "2000 random subsets"),
        # The limit distribution at the edge of its range, with heavy ends, and where it is comfortable.
        (4000, 200, "the limit"),
        (10_240, 5120, "the limit"),
        (17_000, 850, "the limit"),
        (100_000, 1000, "the limit"),
    ],
)
def test_gate_keeps_its_level(n, k, how):
    rng = np.random.default_rng((4, n, k))
    repetitions = 1500
    found = [gate(subset(rng, n, k), n) for _ in range(repetitions)]
    assert all(how in each.how for each in found)
    for level in (0.01, 0.05):
        share = np.mean([each.p <= level for each in found])
        # 2000 subsets place the threshold itself with an error of its own; both at 3 standard errors.
        slack = 3 * sqrt(level * (1 - level) * (1 / repetitions + 1 / 2000))
        assert share <= level + slack


@pytest.mark.slow
def test_limit_distribution_and_subsets_agree(monkeypatch):
    from harness.analysis import pairs

    rng = np.random.default_rng(5)
    n, k = 40_000, 800
    weak = []
    for extra in (0, 3, 6, 9, 12):
        pairs_ = rng.choice(n - 2, extra, replace=False)
        weak.append(np.unique(np.concatenate((subset(rng, n, k - 2 * extra), pairs_, pairs_ + 1))))
    # Only sets of one size share a calibration.
    weak = [np.sort(np.concatenate((w, np.setdiff1d(subset(rng, n, k), w)[: k - len(w)]))) for w in weak]
    limit = [gate(each, n) for each in weak]
    monkeypatch.setattr(pairs, "MANY_PAIRS", 1e9)
    drawn = [gate(each, n) for each in weak]
    for a, b in zip(limit, drawn, strict=True):
        assert "limit" in a.how and "subsets" in b.how
        assert abs(a.p - b.p) <= 0.01 + 0.2 * max(a.p, b.p)
