from math import inf

import numpy as np
import pytest

from harness.analysis.offset import estimate
from harness.model import CLOCK_DTYPE

START, FAR_AWAY = 10**13, 1_769_000_000_123_456_789
US = 1000.0


def exchanges(
    rng, *, n=600, seconds=60.0, path=200 * US, queue=50 * US, drift=2e-5, asymmetry=0.0, step=0.0, at=None
):
    """Exchanges with a clock of known offset; ``asymmetry``: (out - back) / (out + back) of the paths.
    ``step`` in ns, half-way. Returns the rows and the true offset as a function of host instants."""
    t1 = np.sort(rng.uniform(0, seconds, n)) * 1e9 if at is None else np.asarray(at) * 1e9
    n = len(t1)
    out = path / 2 * (1 + asymmetry) + rng.exponential(queue, n)
    back = path / 2 * (1 - asymmetry) + rng.exponential(queue, n)

    def theta(t):
        return 4321.0 + drift * t + np.where(t > seconds / 2 * 1e9, step, 0.0)

    t2 = t1 + out
    t3 = t2 + 20 * US
    t4 = t3 + back
    rows = np.zeros(n, dtype=CLOCK_DTYPE)
    # Clocks round; an exchange stays one that can have happened.
    rows["t1_ns"], rows["t4_ns"] = START + np.floor(t1), START + np.ceil(t4)
    rows["t2_ns"] = FAR_AWAY + START + np.rint(t2 + theta(t2)).astype(np.int64)
    rows["t3_ns"] = FAR_AWAY + START + np.rint(t3 + theta(t3)).astype(np.int64)
    return rows, lambda host: FAR_AWAY + np.rint(theta((host - START).astype(float))).astype(np.int64)


def instants(rows, count=200):
    span = int(rows["t4_ns"].max()) - int(rows["t1_ns"].min())
    return rows["t1_ns"].min() + np.arange(count, dtype=np.int64) * (span // (count - 1))


def covered(found, rows, truth, slack=3):
    host = instants(rows)
    centre, bound = found.offset_ns(host)
    return bool((np.abs(centre - truth(host)) <= bound + slack).all())


@pytest.mark.slow
@pytest.mark.parametrize("asymmetry", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("drift", [-8e-5, 0.0, 2e-5])
def test_truth_is_within_the_bound_at_every_instant(asymmetry, drift):
    rng = np.random.default_rng((1, int(asymmetry * 10), int(drift * 1e6) + 100))
    for _ in range(40):
        rows, truth = exchanges(rng, asymmetry=asymmetry, drift=drift)
        found = estimate(rows)
        assert found.usable and covered(found, rows, truth)


@pytest.mark.slow
def test_the_bound_is_half_the_smallest_round_trip():
    rng = np.random.default_rng(2)
    ratios = []
    for _ in range(40):
        found = estimate(exchanges(rng, n=2000)[0])
        ratios.append(found.largest_bound_ns() / (found.round_trip_min_ns / 2))
    assert max(ratios) <= 1.1 and min(ratios) >= 0.9


@pytest.mark.slow
def test_a_declared_asymmetry_narrows_the_bound_and_covers_what_it_covers():
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(100):
        rows, truth = exchanges(rng, n=2000, asymmetry=rng.uniform(-0.15, 0.15))
        found = estimate(rows, asymmetry=0.2)
        assert found.largest_bound_ns() < 0.4 * found.round_trip_min_ns / 2
        inside.append(covered(found, rows, truth))
    assert np.mean(inside) >= 0.95
    assert any("assumed, not observable" in line for line in found.words())


def test_without_exchanges_afterwards_the_bound_widens():
    rng = np.random.default_rng(4)
    before, _ = exchanges(rng, at=np.sort(rng.uniform(0, 5, 100)))
    around, truth = exchanges(
        rng, at=np.sort(np.concatenate((rng.uniform(0, 5, 50), rng.uniform(300, 305, 50)))), seconds=305
    )
    late = START + 300 * 10**9
    alone, bracketed = estimate(before), estimate(around)
    assert alone.offset_ns(np.array([late]))[1][0] > 20 * bracketed.offset_ns(np.array([late]))[1][0]
    assert covered(bracketed, around, truth)
    assert any("no exchange for 29" in note for note in bracketed.notes)


@pytest.mark.slow
@pytest.mark.parametrize("step", [100 * US, -100 * US])
def test_a_step_of_a_tenth_of_a_millisecond_is_found(step):
    rng = np.random.default_rng((5, int(step > 0)))
    for _ in range(30):
        found = estimate(exchanges(rng, step=step)[0])
        assert not found.usable
        assert found.shift.of_clock
        assert found.shift.size_ns == pytest.approx(step, abs=40 * US)
        assert abs(found.shift.at_ns - 30e9) < 3e9
        assert "stepped" in found.problems[-1]


def test_a_large_step_contradicts_every_line():
    found = estimate(exchanges(np.random.default_rng(6), step=500 * US)[0])
    assert found.lines is None and not found.usable
    assert "no straight line fits" in found.problems[0]
    assert found.largest_bound_ns() == inf


@pytest.mark.slow
def test_a_steady_clock_raises_no_alarm():
    rng = np.random.default_rng(7)
    for n in (60, 120, 600, 3000):
        for _ in range(15):
            assert estimate(exchanges(rng, n=n)[0]).problems == ()


def test_a_longer_path_is_told_from_a_step():
    rng = np.random.default_rng(8)
    rows, truth = exchanges(rng, n=1200)
    later = rows["t1_ns"] > START + 30 * 10**9
    for name in ("t2_ns", "t3_ns", "t4_ns"):
        rows[name][later] += 300_000  # the way out takes longer, on a clock that runs on
    found = estimate(rows)
    assert found.usable and found.shift is not None and not found.shift.of_clock
    assert any("path changed" in note for note in found.notes)
    assert covered(found, rows, truth, slack=20)


def test_conversion_there_and_back():
    rows, truth = exchanges(np.random.default_rng(9))
    found, host = estimate(rows), instants(rows)
    back, bound = found.to_host(host + truth(host))
    assert (np.abs(back - host) <= bound + 3).all()
    assert back.dtype == np.int64


def test_the_point_estimate_is_close_where_paths_are_symmetric():
    rows, truth = exchanges(np.random.default_rng(10), queue=20 * US)
    found = estimate(rows)
    assert abs(found.point_ns - truth(np.array([found.origin_ns]))[0]) < 0.2 * found.round_trip_min_ns / 2
    assert found.point_drift == pytest.approx(2e-5, abs=2e-6)


def test_one_exchange_bounds_the_instant_and_little_else():
    rows, truth = exchanges(np.random.default_rng(11), n=1)
    found = estimate(rows)
    assert found.usable and covered(found, rows, truth)
    later = found.offset_ns(rows["t4_ns"] + 10**9)[1][0]
    assert later > 0.9e6  # 1000 ppm of a second


def test_an_exchange_that_runs_backwards_is_a_problem():
    rows, _ = exchanges(np.random.default_rng(12))
    rows["t3_ns"][5] -= 10**6
    assert not estimate(rows).usable


def test_order_of_rows_does_not_matter():
    rows, _ = exchanges(np.random.default_rng(13))
    shuffled = rows[np.random.default_rng(14).permutation(len(rows))]
    host = instants(rows)
    assert np.array_equal(estimate(rows).offset_ns(host)[0], estimate(shuffled).offset_ns(host)[0])


def test_what_cannot_be_estimated_is_refused():
    with pytest.raises(ValueError, match="no exchange"):
        estimate(np.zeros(0, dtype=CLOCK_DTYPE))
    rows, _ = exchanges(np.random.default_rng(15), n=5)
    with pytest.raises(ValueError, match="asymmetry"):
        estimate(rows, asymmetry=1.5)
