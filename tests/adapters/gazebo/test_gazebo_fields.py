"""Paths into protobuf messages, on the message types of Gazebo."""

from __future__ import annotations

from typing import Any

import pytest

from harness.adapters.field_paths import parse
from harness.adapters.gazebo import fields
from harness.errors import ConfigurationError, SafetyError
from harness.testing.gazebo_double_world import message


def made(kind: str, **paths: Any) -> Any:
    found = message(kind)()
    for path, value in paths.items():
        fields.assign(found, path.replace("__", "."), value)
    return found


def test_fields_are_set_and_read_by_path() -> None:
    twist = made("Twist", linear__x=0.2, header__stamp=1.5)
    assert twist.linear.x == 0.2
    assert fields.read(twist, parse("header.stamp")) == 1_500_000_000


def test_lists_grow_and_elements_are_found_by_name() -> None:
    model = message("Model")()
    fields.assign(model, "joint[name=wheel].axis1.position", 0.5)
    fields.assign(model, "joint[name=other].axis1.position", 0.7)
    fields.assign(model, "joint[name=wheel].axis1.velocity", 2)
    assert [one.name for one in model.joint] == ["wheel", "other"]
    assert fields.read(model, parse("joint[name=wheel].axis1.velocity")) == 2.0
    with pytest.raises(LookupError):
        fields.read(model, parse("joint[name=none].axis1.position"))


def test_nested_lists_and_maps_of_headers() -> None:
    twist = message("Twist")()
    fields.assign(twist, "header.data[key=seq].value[1]", "7")
    assert list(twist.header.data[0].value) == ["", "7"]
    fields.assign(twist, "linear", {"x": 1, "y": 2.5})
    assert (twist.linear.x, twist.linear.y) == (1.0, 2.5)


def test_keys_are_written_again_and_again() -> None:
    twist = message("Twist")()
    put = fields.setter(twist, "header.stamp")
    for key in (1_764_000_000_123_456_789, 5):
        put(key)
        assert (
            fields.read(message("Twist").FromString(twist.SerializeToString()), parse("header.stamp")) == key
        )
    control = message("WorldControl")()
    fields.setter(control, "multi_step")(12)
    assert control.multi_step == 12


@pytest.mark.parametrize(
    ("kind", "path", "value", "words"),
    [
        ("Twist", "linear.xx", 0.1, "did you mean 'x'?"),
        ("Twist", "position.x", 0.1, "has no field 'position'"),
        ("Odometry", "linear.x", 0.1, "did you mean 'twist.linear.x'?"),
        ("Twist", "linear.x", "fast", "give a number"),
        ("Twist", "linear.x", True, "give a number"),
        ("Twist", "linear[0].x", 0.1, "takes no index"),
        ("WorldControl", "multi_step", 1.5, "give a whole number"),
        ("WorldControl", "multi_step", -1, "from 0 to"),
        ("WorldControl", "pause", 1, "give true or false"),
        ("Entity", "type", "MODEL_", "give one of"),
        ("Pose", "name", 3, "give a text"),
        ("Twist", "linear", 3, "give a mapping"),
        ("Model", "joint[nam=wheel].id", 1, "did you mean 'name'?"),
        ("Model", "joint", 1, "give a list"),
    ],
)
def test_what_does_not_fit_is_named(kind: str, path: str, value: Any, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        fields.assign(message(kind)(), path, value)
    assert words in str(caught.value)


def test_enums_are_given_by_name_or_number() -> None:
    assert made("Entity", type="MODEL").type == made("Entity", type=2).type == 2


def test_limits_hold_for_messages_and_lists() -> None:
    fields.refuse_beyond(made("Twist", linear__x=0.5), {"linear.x": 0.5}, "p")
    for limits in ({"linear.x": 0.4}, {"linear": 0.4}):
        with pytest.raises(SafetyError, match="beyond the limit"):
            fields.refuse_beyond(made("Twist", linear__x=-0.5), limits, "p")
    with pytest.raises(SafetyError):
        fields.refuse_beyond(made("Twist", linear__x=float("nan")), {"linear.x": 1.0}, "p")
    model = message("Model")()
    fields.assign(model, "joint[name=a].axis1.position", 3.0)
    with pytest.raises(SafetyError):
        fields.refuse_beyond(model, {"joint.axis1.position": 2.0}, "p")
    assert fields.unknown(message("Twist"), "linear.q") is not None
    assert fields.unknown(message("Twist"), "linear") is None
