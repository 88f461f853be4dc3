from __future__ import annotations

import numpy as np
import report_data as data
from hypothesis import given
from hypothesis import strategies as st

from harness.model import SAMPLE_DTYPE
from harness.report.series import envelope, exceedance_curve, extract, thin_marks


def test_only_what_counts_is_drawn_and_losses_are_infinite() -> None:
    table = np.concatenate(
        [data.samples(500, lost=7, late=3, skipped=9), data.samples(40, seed=5, scenario=1)]
    )
    series = extract(table, 0)
    scenario = data.scenario_result(table, 0)
    assert len(series) == scenario.sent == 500
    assert int(series.lost.sum()) == scenario.lost == 10
    assert np.isinf(series.intent_ms).sum() == 10
    assert np.isfinite(series.late_ms).sum() == 3
    assert np.all(series.late_ms[np.isfinite(series.late_ms)] > 100)
    assert series.time_s[0] == 0
    assert np.all(np.diff(series.time_s) > 0)
    answered = ~series.lost
    np.testing.assert_allclose(
        series.intent_ms[answered] - series.latency_ms[answered], series.lateness_ms[answered], atol=1e-6
    )
    assert series.latency_ms[answered].max() == scenario.latency_ms.max


def test_nothing_in_nothing_out() -> None:
    assert len(extract(np.empty(0, SAMPLE_DTYPE), 0)) == 0
    assert len(extract(data.samples(10), 7)) == 0


values = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=300)


@given(values, st.integers(1, 50))
def test_an_envelope_keeps_every_extreme(numbers: list[float], columns: int) -> None:
    y = np.array(numbers)
    band = envelope(np.arange(len(y), dtype=float), y, columns)
    assert len(band.low) == min(columns, len(y))
    assert band.low.min() == y.min()
    assert band.high.max() == y.max()
    assert np.all(band.low <= band.middle)
    assert np.all(band.middle <= band.high)
    assert np.all(np.diff(band.time_s) > 0)


@given(
    st.lists(st.one_of(st.floats(0, 1e3), st.just(float("inf"))), min_size=1, max_size=400),
    st.integers(5, 60),
)
def test_an_exceedance_curve_is_the_share_above(numbers: list[float], points: int) -> None:
    y = np.array(numbers)
    x, share = exceedance_curve(y, points)
    assert len(x) <= points or len(x) == np.isfinite(y).sum() <= points
    lost = np.isinf(y).mean()
    for place, height in zip(x, share, strict=True):
        assert height <= (y >= place).mean()
        assert height >= (y > place).mean() - 1e-12
        assert height >= lost - 1e-12
    if len(x):
        assert x[-1] == y[np.isfinite(y)].max()
        assert x[0] == y[np.isfinite(y)].min()


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300), st.integers(1, 40))
def test_thinned_marks_keep_the_largest(numbers: list[float], columns: int) -> None:
    y = np.array(numbers)
    x = np.arange(len(y), dtype=float)
    kept_x, kept_y = thin_marks(x, y, columns)
    assert len(kept_x) <= max(columns, 1) or len(y) <= columns
    assert kept_y.max() == y.max()
    assert np.all(np.isin(kept_x, x))
