from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config import check_limits, cycles, expand_variants
from harness.config.schema import Alternate, Sequence
from harness.config.values import MAX_CELLS, MAX_VARIANTS
from harness.errors import ConfigurationError, SafetyError


def test_constants_are_one_set() -> None:
    assert expand_variants({}) == [{}]
    assert expand_variants({"a": 1, "b": [1.0, 2.0]}) == [{"a": 1, "b": [1.0, 2.0]}]
    assert not cycles({"a": 1})


def test_alternates_combine_to_the_least_common_multiple() -> None:
    values: dict[str, Any] = {
        "a": Alternate(alternate=[1, 2]),
        "b": Alternate(alternate=["x", "y", "z"]),
        "c": True,
    }
    assert expand_variants(values) == [
        {"a": 1, "b": "x", "c": True},
        {"a": 2, "b": "y", "c": True},
        {"a": 1, "b": "z", "c": True},
        {"a": 2, "b": "x", "c": True},
        {"a": 1, "b": "y", "c": True},
        {"a": 2, "b": "z", "c": True},
    ]
    assert cycles(values)


def test_a_shorter_sequence_stays_at_its_last_value() -> None:
    values: dict[str, Any] = {"a": Sequence(sequence=[1, 2, 3]), "b": {"sequence": [[7, 8]]}}
    assert expand_variants(values) == [{"a": 1, "b": [7, 8]}, {"a": 2, "b": [7, 8]}, {"a": 3, "b": [7, 8]}]
    assert not cycles(values)


@given(st.lists(st.integers(2, 12), min_size=1, max_size=3))
def test_cycling_the_list_is_cycling_each_field(lengths: list[int]) -> None:
    values = {f"f{i}": Alternate(alternate=list(range(n))) for i, n in enumerate(lengths)}
    sets = expand_variants(values)
    for index in range(3 * max(lengths)):
        assert sets[index % len(sets)] == {f"f{i}": index % n for i, n in enumerate(lengths)}


def test_mixed_kinds_and_too_many_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"`alternate` and `sequence` are mixed .*\(a, b\)"):
        expand_variants({"a": {"alternate": [1, 2]}, "b": {"sequence": [1]}})
    primes = {f"p{n}": {"alternate": list(range(n))} for n in (13, 17, 19)}
    with pytest.raises(ConfigurationError, match=f"4199 sets of 3 fields; at most {MAX_VARIANTS}"):
        expand_variants(primes)
    many = {f"f{n}": {"alternate": list(range(4096))} for n in range(200)}
    with pytest.raises(ConfigurationError, match=f"4096 sets of 200 fields; .* {MAX_CELLS} values"):
        expand_variants(many)
    with pytest.raises(ConfigurationError, match="neither"):
        expand_variants({"a": {"alternat": [1, 2]}})


LIMITS = {"twist.x": 0.5, "data": 1.0, "poses": 2.0}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"twist.x": 0.5},
        {"twist.x": -0.5, "twist.y": 99.0},
        {"twist.x": True},
        {"data": [1, -1.0, 0]},
        {"data[3]": 1},
        {"twist.xx": 9.0},
        {"twist": {"x": 0.1, "z": 9.0}},
        {"frame": "map"},
    ],
)
def test_within_limits(values: dict[str, Any]) -> None:
    check_limits(LIMITS, values, "robot.cmd")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"twist.x": 0.51}, r"robot\.cmd: twist\.x = 0\.51 exceeds its limit of 0\.5"),
        ({"twist.x": -3}, r"twist\.x = -3 exceeds"),
        ({"data": [0.0, 0.0, -1.5]}, r"data\[2\] = -1\.5 exceeds its limit of 1"),
        ({"data": (0.0, 1.5)}, r"data\[1\] = 1\.5"),
        ({"data": np.array([0.0, 1.5])}, r"data\[1\] = 1\.5"),
        ({"data": np.float64(1.5)}, r"data = 1\.5"),
        ({"data[3]": 1.5}, r"data\[3\] = 1\.5"),
        ({"poses[name=cf3].x": 2.5}, r"poses\[name=cf3\]\.x = 2\.5 exceeds its limit of 2"),
        ({"poses": [{"x": 0.0}, {"x": 3.0}]}, r"poses\[1\]\.x = 3"),
        ({"twist": {"x": 0.6}}, r"twist\.x = 0\.6"),
        ({"twist.x": "0.1"}, r"twist\.x = '0\.1' is not a number"),
        ({"twist.x": None}, r"twist\.x = None is not a number"),
        ({"twist.x": nan}, "not a finite number"),
        ({"twist.x": inf}, "not a finite number"),
        ({"free": -inf}, "not a finite number"),
        ({"twist.x": 0.6, "data": [2]}, r"twist\.x = 0\.6 .*; data\[0\] = 2"),
        ({"twist.x": 0.5000001}, r"twist\.x = 0\.5000001 exceeds its limit of 0\.5"),
    ],
)
def test_beyond_limits(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SafetyError, match=message):
        check_limits(LIMITS, values, "robot.cmd")


def test_the_smallest_of_several_limits_holds() -> None:
    with pytest.raises(SafetyError, match=r"limit of 0\.2"):
        check_limits({"twist": 0.2, "twist.x": 0.5}, {"twist.x": 0.3}, "here")
    with pytest.raises(SafetyError, match=r"limit of 0\.2"):
        check_limits({"twist": 0.5, "twist.x": 0.2}, {"twist.x": 0.3}, "here")


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(1e-9, 1e9))
def test_nothing_larger_than_its_limit_passes(value: float, limit: float) -> None:
    if abs(value) <= limit:
        check_limits({"v": limit}, {"v": value}, "here")
    else:
        with pytest.raises(SafetyError):
            check_limits({"v": limit}, {"v": value}, "here")


@pytest.mark.parametrize("limits", [{"data": 7.0}, {"data[3]": 7.0}, {"image": 7.0}, {}])
def test_long_arrays_are_judged_as_short_ones_are(limits: dict[str, float]) -> None:
    """At once where all is well, element by element to say which of them is not."""
    key = "image.data" if "image" in limits else "data"
    within = [7] * 5000
    check_limits(limits, {key: within}, "here")
    for wrong in (8, nan, inf, 2**60, 10**400):
        if limits == {} and isinstance(wrong, int):
            continue
        spoilt = list(within)
        spoilt[3] = wrong
        with pytest.raises(SafetyError, match=r"data\[3\] = "):
            check_limits(limits, {key: spoilt}, "here")
    if limits:
        with pytest.raises(SafetyError, match="not a number"):
            check_limits(limits, {key: [7, 7, 7, "x", *within]}, "here")
