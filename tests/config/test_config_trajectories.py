"""Sequences of points, whole poses that alternate, numbers that count from what is observed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from harness.config import check_limits, expand_variants
from harness.config.changing import Value
from harness.config.elements import Relative
from harness.config.match import commanded_field
from harness.config.values import offsets, relatives, settled
from harness.errors import ConfigurationError, SafetyError

VALUE: TypeAdapter[Any] = TypeAdapter(Value)


def point(*positions: Any, at: float = 0.5) -> dict[str, Any]:
    return {"positions": list(positions), "time_from_start": at}


def from_shoulder(offset: float) -> dict[str, Any]:
    return {"relative_to": "arm.shoulder", "offset": offset}


HERE = {"arm.shoulder": 0.25, "arm.elbow": -1.0}


def test_points_go_out_as_they_are_written() -> None:
    points = [point(0.1, 0.2), point(0.3, 0.4, at=1.0)]
    assert expand_variants({"points": VALUE.validate_python(points)}) == [{"points": points}]
    nested = [{"transforms": [{"translation": {"x": 1.0}}, {"rotation": {"w": 1}}]}]
    assert VALUE.validate_python(nested) == nested


def test_whole_poses_alternate_along_with_other_fields() -> None:
    there, back = [point(0.5, 1.0)], [point(0.0, 0.0), point(-0.5, 0.0, at=1.0)]
    values = {
        "points": VALUE.validate_python({"alternate": [there, back]}),
        "frame": VALUE.validate_python({"alternate": ["a", "b"]}),
        "names": VALUE.validate_python(["shoulder", "elbow"]),
    }
    assert expand_variants(values) == [
        {"points": there, "frame": "a", "names": ["shoulder", "elbow"]},
        {"points": back, "frame": "b", "names": ["shoulder", "elbow"]},
    ]


@pytest.mark.parametrize("field", ["points", "points.positions"])
def test_limits_hold_inside_of_points(field: str) -> None:
    fine = {"points": [{"positions": [0.1, -0.9]}, {"positions": [0.9, 0.2]}]}
    check_limits({field: 1.0}, fine, "here")
    with pytest.raises(SafetyError, match=r"points\[1\]\.positions\[0\] = -1.1 exceeds its limit of 1"):
        check_limits({field: 1.0}, {"points": [{"positions": [0.1]}, {"positions": [-1.1]}]}, "here")


def test_what_counts_from_the_observed_is_settled_everywhere() -> None:
    written = {
        "x": VALUE.validate_python(from_shoulder(0.5)),
        "list": VALUE.validate_python([1.0, {"relative_to": "arm.elbow"}]),
        "points": VALUE.validate_python({"alternate": [[point(from_shoulder(0.5), 2)], [point(0.0, 0.0)]]}),
    }
    assert {one.relative_to for one in relatives(written)} == {"arm.shoulder", "arm.elbow"}
    first, second = (settled(each, HERE.__getitem__) for each in expand_variants(written))
    assert first == {"x": 0.75, "list": [1.0, -1.0], "points": [point(0.75, 2)]}
    assert second == {"x": 0.75, "list": [1.0, -1.0], "points": [point(0.0, 0.0)]}
    assert not any(relatives([first, second]))
    assert offsets(written["x"]) == 0.5


def test_limits_hold_for_what_was_added_up() -> None:
    limits = {"points.positions": 0.5}
    (written,) = expand_variants({"points": VALUE.validate_python([point(from_shoulder(0.4), 0.0)])})
    check_limits(limits, written, "before anything was observed")
    with pytest.raises(SafetyError, match=r"points\[0\]\.positions\[0\] = 0.65 exceeds its limit of 0.5"):
        check_limits(limits, settled(written, HERE.__getitem__), "here")


def test_it_survives_the_record_of_the_run() -> None:
    given = VALUE.validate_python({"alternate": [[point(from_shoulder(0.4), 0.0)], [point(0.0, 0.0)]]})
    dumped = VALUE.dump_python(given, mode="json")
    assert VALUE.validate_python(dumped) == given
    assert any(isinstance(one, Relative) for one in relatives(given))


def test_it_is_told_in_few_words() -> None:
    told = str(expand_variants({"x": VALUE.validate_python([point(from_shoulder(-0.4), 1.0)])})[0])
    assert "[arm.shoulder - 0.4, 1.0]" in told
    assert str(Relative(relative_to="arm.elbow")) == "arm.elbow"


@pytest.mark.parametrize(
    "given",
    [
        [{}],
        [{"positions": [float("nan")]}],
        [{"positions": [None]}],
        [{"positions": [{"relative_to": "arm.shoulder", "ofset": 1}]}],
        {"relative_to": "shoulder"},
        {"relative_to": "arm.shoulder", "offset": float("inf")},
    ],
)
def test_points_that_cannot_be(given: Any) -> None:
    with pytest.raises(ValidationError):
        VALUE.validate_python(given)


def test_a_commanded_number_may_lie_inside_of_points() -> None:
    variants = [{"points": [point(0.2, 0.0)]}, {"points": [point(-0.2, 0.0)]}]
    assert commanded_field(variants) == "points[0].positions[0]"
    assert commanded_field(variants, "points[0].positions[0]") == "points[0].positions[0]"
    with pytest.raises(ConfigurationError, match=r"no commanded number that changes"):
        commanded_field(variants, "points[0].positions[1]")
