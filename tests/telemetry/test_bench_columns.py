"""Latencies by time: nothing is lost when columns are merged, and memory is bounded."""

from __future__ import annotations

import numpy as np
import pytest

from harness.telemetry.bench.columns import MOST, TimeColumns


def test_every_value_is_in_the_column_of_its_time() -> None:
    columns = TimeColumns(1.0)
    columns.add(np.array([100.0, 100.9, 103.0]), np.array([0.001, 0.002, 0.004]))
    shown = columns.shown()
    assert (shown.width_s, [each.total for each in shown.columns], shown.total) == (1.0, [2, 0, 0, 1], 3)
    assert shown.columns[0].quantile(1.0) == pytest.approx(0.002, rel=0.011)


def test_a_long_run_is_shown_from_its_beginning_in_wider_columns() -> None:
    columns = TimeColumns(1.0)
    for second in range(10 * MOST):
        columns.add(np.array([50.0 + second]), np.array([0.001 if second < MOST else 0.1]))
        assert len(columns.shown().columns) <= MOST
    shown = columns.shown()
    assert shown.width_s == 16.0 and shown.total == 10 * MOST
    assert [each.total for each in shown.columns[:-1]] == [16] * (len(shown.columns) - 1)
    assert shown.columns[0].quantile(1.0) == pytest.approx(0.001, rel=0.011)
    assert shown.columns[-1].quantile(0.0) == pytest.approx(0.1, rel=0.011)


def test_what_comes_late_counts_and_a_leap_needs_no_more_columns() -> None:
    columns = TimeColumns(0.25)
    columns.add(np.array([10.0]), np.array([0.001]))
    columns.add(np.array([9.0]), np.array([0.001]))
    columns.add(np.array([10.0 + 1e6]), np.array([0.001]))
    columns.add(np.array([]), np.array([]))
    shown = columns.shown()
    assert shown.total == 3 and len(shown.columns) <= MOST and shown.columns[0].total == 2


def test_nothing_is_no_column() -> None:
    shown = TimeColumns().shown()
    assert (shown.columns, shown.total) == ([], 0)
