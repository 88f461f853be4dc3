"""Arrays in few words, and what a sensor shows at rest and as a stimulus."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from harness.config import expand_variants
from harness.config.changing import LONG, Fill, Ramp, Value, brief, plain, plain_or_length
from harness.config.measuring import CommandRoundTrip, SensorToAction
from harness.config.values import back_set, sent_values

VALUE: TypeAdapter[Any] = TypeAdapter(Value)
TRIALS = {"kind": "trials", "samples": 20}
PACED = {"kind": "paced", "rate_hz": 50, "samples": 20}


def value(given: Any) -> Any:
    return VALUE.validate_python(given)


def fill(count: int, window: dict[str, Any] | None = None, of: Any = 10.0) -> dict[str, Any]:
    return {"fill": {"value": of, "count": count}, **({"window": window} if window else {})}


def sensor(schedule: dict[str, Any], **stimulus_values: Any) -> SensorToAction:
    return SensorToAction.model_validate(
        {
            "kind": "sensor_to_action",
            "stimulus": "robot.scan",
            "response": "robot.cmd_vel",
            "timeout_ms": 300,
            "schedule": schedule,
            "stimulus_values": stimulus_values,
        }
    )


@pytest.mark.parametrize(
    ("given", "elements"),
    [
        (fill(3), [10.0, 10.0, 10.0]),
        (fill(3, of=7), [7, 7, 7]),
        (fill(5, {"first": 1, "last": 2, "value": 0.4}), [10.0, 0.4, 0.4, 10.0, 10.0]),
        (fill(3, {"first": 0, "last": 0, "value": 0.4}), [0.4, 10.0, 10.0]),
        (fill(3, {"first": 2, "last": 2, "value": 0.4}), [10.0, 10.0, 0.4]),
        (fill(2, {"first": 0, "last": 1, "value": 0.4}), [0.4, 0.4]),
        ({"ramp": {"first": -1.0, "last": 1.0, "count": 5}}, [-1.0, -0.5, 0.0, 0.5, 1.0]),
        ({"ramp": {"first": 3.0, "last": 1.0, "count": 3}}, [3.0, 2.0, 1.0]),
    ],
)
def test_an_array_is_what_was_described(given: dict[str, Any], elements: list[Any]) -> None:
    described = value(given)
    assert plain(described) == elements
    assert expand_variants({"ranges": described}) == [{"ranges": elements}]
    assert VALUE.validate_python(VALUE.dump_python(described, mode="json")) == described


def test_a_ramp_ends_where_it_says() -> None:
    made = plain(value({"ramp": {"first": 0.1, "last": 0.7, "count": 11}}))
    assert (made[0], made[-1], len(made)) == (0.1, 0.7, 11)
    assert made == sorted(made)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (fill(0), "greater than 0"),
        (fill(10, {"first": 5, "last": 10, "value": 1.0}), "the array, whose last element is 9"),
        (fill(10, {"first": 5, "last": 4, "value": 1.0}), "lies before first, 5"),
        (fill(10, {"first": -1, "last": 4, "value": 1.0}), "greater than or equal to 0"),
        (fill(10, of=[1.0]), "must be a number"),
        (fill(100_000_000), "less than or equal to"),
        ({"ramp": {"first": 0.0, "last": 1.0, "count": 1}}, "greater than or equal to 2"),
        ({"fil": {"value": 1.0, "count": 3}}, "`fill: {...}`"),
    ],
)
def test_an_array_that_cannot_be(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        value(given)
    assert words in str(caught.value)


def test_arrays_go_with_values_that_change() -> None:
    values = {"x": value({"alternate": [1.0, 2.0]}), "ranges": value(fill(2))}
    assert expand_variants(values) == [{"x": 1.0, "ranges": [10.0, 10.0]}, {"x": 2.0, "ranges": [10.0, 10.0]}]


def test_a_long_array_is_named_in_few_words() -> None:
    obstacle = value(fill(360, {"first": 170, "last": 190, "value": 0.4}))
    assert isinstance(obstacle, Fill)
    assert brief(obstacle) == "360 x 10.0, 0.4 from 170 to 190"
    ramp = value({"ramp": {"first": 0.0, "last": 1.5, "count": 40}})
    assert isinstance(ramp, Ramp)
    assert brief(ramp) == "40 elements from 0 to 1.5"
    assert brief(value({"alternate": [1, 2]})) == "alternate [1, 2]"
    assert plain_or_length([0] * (LONG + 1)) == f"{LONG + 1} elements"
    assert plain_or_length([0] * LONG) == [0] * LONG


def test_a_sensor_shows_at_rest_what_its_port_says_and_the_stimulus_beside_it() -> None:
    port = {"range_max": 12.0, "ranges": value(fill(3))}
    scenario = sensor(TRIALS, ranges=fill(3, {"first": 1, "last": 1, "value": 0.4}))
    assert expand_variants(sent_values(scenario, port)) == [{"range_max": 12.0, "ranges": [10.0, 0.4, 10.0]}]
    assert scenario.returns
    assert back_set(scenario, port) == {"range_max": 12.0, "ranges": [10.0, 10.0, 10.0]}


def test_a_paced_sensor_does_not_return() -> None:
    scenario = sensor(PACED, ranges=[1.0])
    assert not scenario.returns
    assert back_set(scenario, {"ranges": [2.0]}) is None


def test_a_command_returns_with_its_return_values_only() -> None:
    common = {"stimulus": "a.b", "response": "a.c", "timeout_ms": 10, "schedule": TRIALS}
    plain_one = CommandRoundTrip.model_validate({"kind": "command_round_trip", **common})
    values = {"data": value(fill(2)), "x": value({"alternate": [1.0, -1.0]})}
    assert sent_values(plain_one, values) == values
    assert back_set(plain_one, values) is None
    returning = plain_one.model_copy(update={"return_values": {"x": 0.0}})
    assert back_set(returning, values) == {"data": [10.0, 10.0], "x": 0.0}
