"""Bytes that hold records: what a rig file writes of a cloud or an image, against numpy's reading."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from harness.config import expand_variants
from harness.config.changing import Value, brief, plain

VALUE: TypeAdapter[Any] = TypeAdapter(Value)


def packed(format: str, count: int, record: list[Any], window: dict[str, Any] | None = None) -> Any:
    given = {"packed": {"format": format, "count": count, "record": record}}
    return VALUE.validate_python({**given, **({"window": window} if window else {})})


def read(value: Any, dtype: Any) -> Any:
    return np.frombuffer(bytes(plain(value)), dtype=dtype)


def test_a_wall_of_points_with_an_obstacle_before_it() -> None:
    obstacle = {"first": 4, "last": 6, "record": [0.4, {"first": -0.1, "last": 0.1}, 0.5]}
    cloud = packed("fff", 11, [8.0, {"first": -2.0, "last": 2.0}, 0.5], obstacle)
    points = read(cloud, "<f4").reshape(11, 3)
    wall = [0, 1, 2, 3, 7, 8, 9, 10]
    assert (points[wall, 0] == 8.0).all()
    assert points[wall, 1] == pytest.approx(np.linspace(-2, 2, 11)[wall])
    assert points[4:7, 0] == pytest.approx([0.4] * 3)
    assert points[4:7, 1] == pytest.approx([-0.1, 0.0, 0.1])
    assert (points[:, 2] == 0.5).all()
    assert expand_variants({"data": cloud}) == [{"data": plain(cloud)}]
    assert VALUE.validate_python(VALUE.dump_python(cloud, mode="json")) == cloud
    assert brief(cloud) == "11 records 'fff', 1 x 3 of them [0.4, -0.1 to 0.1, 0.5]"


def test_a_block_in_an_image_is_a_window_again_in_each_row() -> None:
    bright = {"first": 2 * 8 + 3, "last": 2 * 8 + 4, "record": [250], "every": 8, "times": 3}
    image = read(packed("B", 48, [20], bright), np.uint8).reshape(6, 8)
    assert (image[2:5, 3:5] == 250).all()
    assert (image == 250).sum() == 6
    assert (image == 20).sum() == 42


@pytest.mark.parametrize(
    ("format", "dtype", "record"),
    [
        (">fff", [("x", ">f4"), ("y", ">f4"), ("z", ">f4")], [1.0, 2.0, 3.0]),
        ("3fxxxxHH", [("v", "<f4", 3), ("pad", "<u4"), ("ring", "<u2", 2)], [1.5, 2, 3, 7, 9]),
        ("<dI", [("t", "<f8"), ("rgb", "<u4")], [0.1, 0xFF00FF]),
        ("2e", [("v", "<f2", 2)], [0.5, -2]),
    ],
)
def test_the_layout_is_that_of_the_format(format: str, dtype: Any, record: list[float]) -> None:
    rows = read(packed(format, 3, record), np.dtype(dtype))
    assert len(rows) == 3
    flat = [number for name in rows.dtype.names if name != "pad" for number in np.ravel(rows[1][name])]
    assert flat == pytest.approx(record, rel=1e-6)


def test_what_goes_across_whole_numbers_takes_the_nearest() -> None:
    assert plain(packed("B", 5, [{"first": 0, "last": 10}])) == [0, 2, 5, 8, 10]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (("fff", 10, [1.0, 2.0]), "record: does not fit the format 'fff'"),
        (("B", 10, [300]), "record: does not fit the format 'B'"),
        (("B", 10, [0.5]), "0.5 is not a whole number"),
        (("B", 10, [{"first": 0, "last": 256}]), "record: does not fit"),
        (("s", 10, [1]), "format: 's' is not made of"),
        (("", 10, [1]), "format: '' is not made of"),
        (("<>B", 10, [1]), "is not made of"),
        (("3", 10, [1]), "format: '3'"),
        (("d", 2_000_000, [1]), "more than 8000000 bytes"),
        (("B", 10, [1], {"first": 9, "last": 10, "record": [2]}), "record 10 is beyond the last one, 9"),
        (("B", 10, [1], {"first": 2, "last": 1, "record": [2]}), "lies before first, 2"),
        (("B", 10, [1], {"first": 0, "last": 1, "record": [2, 3]}), "record: does not fit"),
        (("B", 10, [1], {"first": 0, "last": 1, "record": [2], "every": 4}), "need each other"),
        (("B", 10, [1], {"first": 0, "last": 3, "record": [2], "every": 3, "times": 2}), "overlap"),
        (
            ("B", 10, [1], {"first": 0, "last": 1, "record": [2], "every": 4, "times": 4}),
            "record 13 is beyond",
        ),
    ],
)
def test_records_that_cannot_be(form: tuple[Any, ...], words: str) -> None:
    with pytest.raises(ValidationError, match=words.replace("(", r"\(")):
        packed(*form)
