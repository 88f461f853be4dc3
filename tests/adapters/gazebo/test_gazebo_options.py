"""What a rig file may say about Gazebo, and what is said without Gazebo's bindings."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import yaml
from gazebo_bench import PORTS, Bench, options

from harness.adapters.gazebo import vendor
from harness.config import load_rig
from harness.errors import ConfigurationError, HarnessError, UnavailableError
from harness.ports import Role

RIG: dict[str, Any] = {
    "rig": {"name": "g", "simulated": True},
    "devices": {
        "robot": {
            "adapter": "gazebo",
            "world": "bench",
            "limits": {"linear.x": 0.5},
            "stop": {"port": "cmd_vel", "values": {"linear.x": 0.0}},
            "ports": {
                "cmd_vel": PORTS["cmd_vel"],
                "odometry": {
                    "response": {
                        **PORTS["odometry"]["response"],
                        "match": {"kind": "onset", "threshold": 0.01, "rest_ms": 20},
                    }
                },
                "real_time_factor": {"response": {"signal": "real_time_factor"}},
            },
        }
    },
    "scenarios": {
        "step": {
            "kind": "command_round_trip",
            "stimulus": "robot.cmd_vel",
            "response": "robot.odometry",
            "timeout_ms": 300,
            "return_values": {"linear.x": 0.0},
            "schedule": {"kind": "trials", "samples": 100},
        }
    },
    "requirements": [
        {
            "id": "R",
            "scenario": "step",
            "quantity": "latency",
            "quantile": 0.9,
            "limit": 60,
            "unit": "ms",
            "confidence": 0.95,
        }
    ],
}


def load(tmp_path: Any, **changes: Any) -> Any:
    """The rig above with values at dotted paths replaced."""
    data = yaml.safe_load(yaml.safe_dump(RIG))
    for path, value in changes.items():
        *before, last = path.split("__")
        place = data
        for step in before:
            place = place[step]
        if value is None:
            del place[last]
        else:
            place[last] = value
    file = tmp_path / "g.yaml"
    file.write_text(yaml.safe_dump(data))
    return load_rig(str(file))


@pytest.mark.usefixtures("double")
def test_a_rig_file_is_read(tmp_path: Any) -> None:
    assert load(tmp_path).rig.devices["robot"].world == "bench"


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"devices__robot__ports__cmd_vel__stimulus__type": "gz.msgs.Twits"}, "did you mean 'Twist'?"),
        ({"devices__robot__ports__cmd_vel__stimulus__values": {"linear.y.z": 1.0}}, "linear.y.z"),
        (
            {"devices__robot__ports__odometry__response__value": "twist.linear"},
            "name a field that is a number",
        ),
        ({"devices__robot__ports__odometry__response__stamp": "header.stam"}, "did you mean 'stamp'?"),
        ({"devices__robot__limits": {"linear.w": 0.5}}, "no limit covers this field"),
        ({"devices__robot__stop__values": {"linear.x": True}}, "give a number"),
        ({"devices__robot__ports__placed": {"response": {"of": "cmd_vel"}}}, "no stimulus port that calls"),
        ({"devices__robot__world": None}, "world"),
        ({"devices__robot__ports__cmd_vel__stimulus__key": "linear.x"}, "carries no key"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Any, changes: Any, words: str) -> None:
    with pytest.raises(HarnessError) as caught:
        load(tmp_path, **changes)
    assert words in str(caught.value)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("control", ["pause", "run", "step"])
def test_who_steps_is_not_stepped_by_others(tmp_path: Any, control: str) -> None:
    changes = {"devices__robot__ports__go": {"stimulus": {"control": control}}}
    load(tmp_path, **changes)
    with pytest.raises(HarnessError, match="where the harness steps the simulation itself"):
        load(tmp_path, **changes, devices__robot__stepping={"steps": 1})


@pytest.mark.usefixtures("double")
def test_a_fault_that_holds_the_simulation_up_does_not_go_with_stepping(tmp_path: Any) -> None:
    changes = {"devices__robot__ports__held": {"fault": {"kind": "pause"}}}
    load(tmp_path, **changes)
    with pytest.raises(HarnessError, match="the harness steps the simulation itself"):
        load(tmp_path, **changes, devices__robot__stepping={"steps": 1})


@pytest.mark.usefixtures("double")
def test_simulated_time_has_to_be_recorded(tmp_path: Any) -> None:
    with pytest.raises(HarnessError, match=r"no port records simulated time"):
        load(
            tmp_path,
            devices__robot__ports__real_time_factor=None,
            devices__robot__ports__odometry__response__stamp=None,
        )


def test_without_bindings_a_rig_file_is_read_and_opening_names_the_packages(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _, transport, _ in vendor.RELEASES:
        monkeypatch.setitem(sys.modules, transport, None)
    vendor.load.cache_clear()
    try:
        rig = load(tmp_path).rig
        with pytest.raises(UnavailableError) as caught:
            Bench(rig.devices["robot"], Role.HARNESS).device.open()
        for package in ("python3-gz-transport13", "python3-gz-msgs10", "Jetty"):
            assert package in str(caught.value)
    finally:
        vendor.load.cache_clear()


def test_ports_refuse_what_contradicts_itself() -> None:
    topic = {"topic": "/t", "type": "gz.msgs.Twist"}
    for port, words in (
        ({"response": {**topic, "match": {"kind": "sequence"}}}, "needs `path`"),
        ({"response": {**topic, "match": {"kind": "onset"}}}, "needs `value`"),
        ({"response": {**topic, "match": {"kind": "call"}}}, "ports with `of`"),
        ({"response": {"signal": "paused", "match": {"kind": "order"}}}, "by onset or edge"),
        ({"stimulus": topic, "response": topic}, "exactly one"),
        ({"stimulus": {"control": "paws"}}, "pause"),
    ):
        with pytest.raises((ValueError, ConfigurationError), match=words):
            options({"x": port})
    with pytest.raises(ValueError, match=r"stop\.port"):
        options(stop={"port": "pause", "values": {}})
