"""Values that change in the course of a trial: their steps, and what has to fit around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.config import RigFileError, expand_variants, rig_from_resolved, rig_from_text
from harness.config.in_time import RampOver, course
from harness.config.measuring import SensorToAction
from harness.config.values import sent_values

RIG = Path(__file__).parents[2] / "rig_configs" / "sim_sensor_stop.yaml"


def ramp(last: float, messages: int) -> RampOver:
    return RampOver.model_validate({"ramp_over": {"last": last, "messages": messages}})


def test_a_ramp_goes_in_equal_steps_and_ends_where_it_says() -> None:
    rest, shown = {"x": 1.0, "y": 5}, {"x": ramp(3.0, 4), "y": 7}
    sets = course(rest, shown, {"x": 3.0, "y": 7})
    assert [each["x"] for each in sets] == [1.5, 2.0, 2.5, 3.0]
    assert {each["y"] for each in sets} == {7}


def test_a_shorter_ramp_stays_at_its_end_meanwhile() -> None:
    sets = course({"x": 0.0, "y": 0.0}, {"x": ramp(4.0, 4), "y": ramp(-1.0, 2)}, {"x": 4.0, "y": -1.0})
    assert [(each["x"], each["y"]) for each in sets] == [(1.0, -0.5), (2.0, -1.0), (3.0, -1.0), (4.0, -1.0)]


def test_a_step_is_one_message() -> None:
    assert course({"x": 0.0}, {"x": 1.0}, {"x": 1.0}) == [{"x": 1.0}]


def rig(change: Any = lambda rig: None) -> str:
    made = yaml.safe_load(RIG.read_text())
    made["scenarios"] = {"fall": made["scenarios"]["fall"]}
    made["requirements"] = [each for each in made["requirements"] if each["scenario"] == "fall"]
    change(made)
    return yaml.safe_dump(made, sort_keys=False)


def test_a_rig_with_a_ramp_is_recorded_as_it_is_and_shows_its_end() -> None:
    loaded = rig_from_text(rig(), "x.yaml")
    assert rig_from_resolved(loaded.model_dump(mode="json")).scenarios == loaded.scenarios
    spec = loaded.scenarios["fall"]
    assert isinstance(spec, SensorToAction)
    (shown,) = expand_variants(sent_values(spec, {"linear_acceleration.z": 9.8}))
    assert shown == {"linear_acceleration.z": 2.0}


def port(rig: Any) -> Any:
    return rig["devices"]["robot"]["ports"]["imu"]["stimulus"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rig: port(rig).pop("background"), "needs `background` at robot.imu"),
        (
            lambda rig: port(rig)["values"].pop("linear_acceleration.z"),
            "needs a number for linear_acceleration.z",
        ),
        (
            lambda rig: port(rig)["background"].update(rate_hz=10),
            "take 800 ms at 10 Hz, longer than timeout_ms, 400",
        ),
        (
            lambda rig: port(rig)["values"].update(
                {"orientation.x": {"ramp_over": {"last": 1, "messages": 3}}}
            ),
            "`ramp_over` is of `stimulus_values`",
        ),
        (
            lambda rig: (
                rig["devices"]["robot"].update(limits={"linear_acceleration.z": 9.81})
                or rig["scenarios"]["fall"].update(
                    stimulus_values={"linear_acceleration.z": {"ramp_over": {"last": -12, "messages": 8}}}
                )
            ),
            "exceeds its limit of 9.81",
        ),
    ],
)
def test_a_ramp_that_does_not_fit(change: Any, words: str) -> None:
    with pytest.raises(RigFileError, match=words.replace("(", r"\(")):
        rig_from_text(rig(change), "x.yaml")
