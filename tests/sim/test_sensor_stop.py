"""Five sorts of sensor, shown to a robot that needs them all: what it heard is what the rig file says."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from harness.adapters.ros2 import messages
from harness.config import expand_variants, load_rig
from harness.config.devices import values_of
from harness.config.measuring import SensorToAction
from harness.config.schema import RigFile
from harness.config.values import sent_values
from harness.folder import RunFolder
from harness.model import StimulusFlag
from harness.results import Results
from harness.runner import RunOptions, run_rig

RIG = Path(__file__).parents[2] / "rig_configs" / "sim_sensor_stop.yaml"
SENSOR = {"scan": "scan", "points": "cloud", "imu": "imu", "image": "image", "joints": "joints"}
"""What the robot calls the sensor of each port."""
SCENARIOS = ["scan", "points", "bump", "light", "jam"]
"""One for each sensor. Two more are of the IMU: ``contact`` is answered by an edge, ``fall`` is a ramp."""
FALL = len(SCENARIOS) + 1
TRIALS, WARM_UP = 5, 1


@cache
def whole() -> RigFile:
    """The rig file, read once."""
    return load_rig(RIG).rig


@cache
def shown(scenario: str) -> tuple[str, str, list[dict[str, Any]]]:
    """Port, type, and the sets of values at rest and as a stimulus, as the rig file says."""
    rig = whole()
    spec = rig.scenarios[scenario]
    assert isinstance(spec, SensorToAction)
    port = spec.stimulus.partition(".")[2]
    options: Any = rig.devices["robot"].ports[port]
    values = values_of(options)
    (rest,), (stimulus,) = expand_variants(values), expand_variants(sent_values(spec, values))
    return port, options.stimulus.type, [rest, stimulus]


def built(scenario: str) -> list[Any]:
    """Both messages, as a robot receives them."""
    from rclpy.serialization import deserialize_message, serialize_message

    _, name, sets = shown(scenario)
    kind = messages.message_class(name)
    return [deserialize_message(serialize_message(messages.build(kind, values)), kind) for values in sets]


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_robot_stops_for_the_stimulus_and_not_for_what_is_there_at_rest(scenario: str) -> None:
    from harness.sim.sensors import SENSORS, Bounds, digest

    port, name, _ = shown(scenario)
    sensor = SENSORS[SENSOR[port]]
    rest, stimulus = built(scenario)
    assert name == f"sensor_msgs/msg/{sensor.type.__name__}"
    assert [sensor.stops(message, Bounds()) for message in (rest, stimulus)] == [False, True]
    assert digest(rest) == digest(built(scenario)[0]) != digest(stimulus)


@pytest.mark.ros
def test_a_cloud_is_read_by_the_layout_that_it_declares() -> None:
    from sensor_msgs.msg import PointCloud2, PointField

    from harness.sim.sensors import points_of

    rows = np.zeros(4, np.dtype([("ring", ">u2"), ("z", ">f8"), ("x", ">f8"), ("y", ">f8")]))
    rows["x"], rows["y"], rows["z"] = [1, 2, 3, 4], [5, 6, 7, 8], [0, -1, -2, -3]
    offsets = {"z": 2, "x": 10, "y": 18}
    cloud = PointCloud2(height=2, width=2, point_step=26, row_step=52, is_bigendian=True)
    cloud.fields = [
        PointField(name=name, offset=at, datatype=PointField.FLOAT64) for name, at in offsets.items()
    ]
    cloud.data = rows.tobytes()
    assert points_of(cloud).tolist() == [[1, 5, 0], [2, 6, -1], [3, 7, -2], [4, 8, -3]]


@pytest.mark.ros
def test_a_digest_is_of_every_field_but_the_stamp() -> None:
    from harness.sim.sensors import digest

    rest, _ = built("bump")
    before = digest(rest)
    rest.header.stamp.sec += 1
    assert digest(rest) == before
    rest.orientation_covariance[8] = 1e-9
    assert digest(rest) != before


@pytest.mark.ros
@pytest.mark.parametrize(
    ("change", "stops"),
    [
        ({"orientation.x": 0.131, "orientation.w": 0.991}, False),  # 15 degrees
        ({"orientation.x": 0.216, "orientation.w": 0.976}, True),  # 25 degrees
        ({"orientation.z": 1.0, "orientation.w": 0.0}, False),  # turned about the vertical
        ({"linear_acceleration.z": 0.0}, True),  # falling
        ({"linear_acceleration.x": 3.0}, False),
    ],
)
def test_tilt_and_jolt(change: dict[str, float], stops: bool) -> None:
    from harness.sim.sensors import Bounds, upset

    _, name, (rest, _) = shown("bump")
    assert upset(messages.build(messages.message_class(name), {**rest, **change}), Bounds()) is stops


class Measured:
    """A short run of the rig with all five scenarios, and the robot's own log of it."""

    def __init__(self, folder: Path) -> None:
        rig = yaml.safe_load(RIG.read_text())
        for scenario in rig["scenarios"].values():
            scenario["timeout_ms"] = 2000
            scenario["schedule"] |= {
                "samples": TRIALS,
                "warmup": WARM_UP,
                "stopping": "fixed",
                "rest_timeout_s": 60,
            }
        for requirement in rig["requirements"]:
            requirement |= {"quantile": 0.5, "limit": 1000}
        rig["host"] = {"realtime": False, "max_load_per_cpu": 1000, "floor_s": 0}
        file = folder / "rig.yaml"
        file.write_text(yaml.safe_dump(rig, sort_keys=False))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HARNESS_LOCK_DIR", str(folder / "locks"))
            outcome = run_rig(load_rig(file), RunOptions(out=folder / "out", report=False, anyway=True))
        assert outcome.results is not None, outcome.error
        self.results: Results = outcome.results
        self.folder = RunFolder.open(outcome.folder)
        log = (outcome.folder / "processes" / "robot.log").read_text().splitlines()
        self.log = [json.loads(line) for line in log if line.startswith("{")]
        events = (outcome.folder / "events.jsonl").read_text().splitlines()
        self.events = [json.loads(line) for line in events]
        self.rows = self.folder.stimuli()

    def told(self, event: str, sensor: str) -> list[dict[str, Any]]:
        """What the robot said of a sensor, before the ramp."""
        begin = min(self.rows["key"][self.rows["scenario"] == FALL])
        lines = [line for line in self.log if line["event"] == event and line["sensor"] == sensor]
        return [line for line in lines if line["stamp_ns"] < begin]

    def keys(self, scenario: str, *, back: bool = False) -> set[int]:
        """Stamps of the stimuli of a scenario, or of what ended its trials; of ``bump`` with ``contact``,
        which has the same stimulus, too."""
        numbers = [SCENARIOS.index(scenario), *([len(SCENARIOS)] if scenario == "bump" else [])]
        mine = np.isin(self.rows["scenario"], numbers)
        returns = self.rows["flags"] & StimulusFlag.RETURN != 0
        return set(self.rows["key"][mine & (returns == back)].tolist())


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return Measured(tmp_path_factory.mktemp("sensors"))


@pytest.mark.ros
@pytest.mark.slow
class TestARun:
    @pytest.mark.parametrize("scenario", [*SCENARIOS, "contact", "fall"])
    def test_each_sort_of_sensor_is_acted_on(self, measured: Measured, scenario: str) -> None:
        assert not measured.results.aborted
        found = measured.results.scenarios[scenario]
        assert (found.kind, found.sent, found.skipped) == ("sensor_to_action", TRIALS, 0)
        # What a stall of the host may cost: an onset whose rest had too few values.
        assert found.answered >= TRIALS - 2
        unjudged = (found.false_onsets or 0) + (found.no_signal or 0)
        assert found.answered + found.lost + unjudged == TRIALS

    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_the_robot_heard_what_the_rig_file_says(self, measured: Measured, scenario: str) -> None:
        from harness.sim.sensors import digest

        port, _, _ = shown(scenario)
        rest, stimulus = (digest(message) for message in built(scenario))
        heard = measured.told("heard", SENSOR[port])
        # Rest first; then one and the other in turn, the stimulus with the stamps of the table.
        assert [line["digest"] for line in heard] == [rest, *[stimulus, rest] * (len(heard) // 2)]
        assert {line["stamp_ns"] for line in heard if line["digest"] == stimulus} == measured.keys(scenario)
        assert {line["stamp_ns"] for line in heard[1:] if line["digest"] == rest} == measured.keys(
            scenario, back=True
        )
        assert {line["stamp_ns"] for line in measured.told("near", SENSOR[port])} == measured.keys(scenario)

    def test_each_stop_is_for_the_sensor_of_its_scenario(self, measured: Measured) -> None:
        order = [line["sensor"] for line in measured.log if line["event"] == "near"]
        ports = [SENSOR[shown(scenario)[0]] for scenario in SCENARIOS]
        changes = [a for a, b in pairwise([*order, None]) if a != b]
        assert changes == [*ports, "imu"]

    def test_a_contact_is_answered_by_its_edge(self, measured: Measured) -> None:
        found = measured.folder.samples()
        found = found[(found["scenario"] == len(SCENARIOS)) & (found["stimulus_flags"] == 0)]
        levels = measured.folder.observations()["robot.contact"]
        for row in found[found["flags"] == 0]:
            since = levels[(levels["seen_ns"] >= row["sent_ns"]) & (levels["value"] == 1.0)]
            assert row["seen_ns"] == since["seen_ns"][0]
            assert set(levels["value"]) == {0.0, 1.0}

    def test_a_ramp_goes_message_by_message_to_its_end_and_stays(self, measured: Measured) -> None:
        from rclpy.serialization import deserialize_message, serialize_message

        from harness.sim.sensors import digest

        _, name, (rest, _) = shown("bump")
        kind = messages.message_class(name)

        def imu(z: float) -> str:
            made = messages.build(kind, {**rest, "linear_acceleration.z": z})
            return digest(deserialize_message(serialize_message(made), kind))

        steps = [imu(9.80665 + (2.0 - 9.80665) * k / 8) for k in range(1, 8)] + [imu(2.0)]
        mine = measured.rows[measured.rows["scenario"] == FALL]
        first = set(mine["key"][mine["flags"] & StimulusFlag.RETURN == 0].tolist())
        heard = [line for line in measured.log if line["event"] == "heard" and line["sensor"] == "imu"]
        heard = [line for line in heard if line["stamp_ns"] >= min(first)]
        begins = [at for at, line in enumerate(heard) if line["digest"] == steps[0]]
        assert {heard[at]["stamp_ns"] for at in begins} == first
        for at, end in pairwise([*begins, len(heard)]):
            trial = [line["digest"] for line in heard[at:end]]
            # As far as the trial went: it ends when the robot has stopped.
            assert trial[-1] == imu(9.80665)
            assert 6 <= len(trial) - 1 <= 8
            assert trial[:-1] == steps[: len(trial) - 1]

    def test_a_ramp_counts_from_its_first_message(self, measured: Measured) -> None:
        found = measured.folder.samples()
        found = found[(found["scenario"] == FALL) & (found["flags"] == 0)]
        # Five periods of 20 ms pass before anything is beyond what the robot takes.
        assert (found["arrived_ns"] - found["sent_ns"] >= 100_000_000).all()

    def test_all_sensors_go_on_while_one_is_the_stimulus(self, measured: Measured) -> None:
        counted = [event for event in measured.events if event["event"] == "background"]
        everyone = [f"robot.{port}" for port in SENSOR]
        for scenario in SCENARIOS:
            mine = {each["port"]: each for each in counted if each["scenario"] == scenario}
            assert sorted(mine) == sorted(everyone)
            # Each trial takes its quiet time at least, in which every sensor has gone on or was held up.
            for port, each in mine.items():
                rate_hz = 50 if port in ("robot.imu", "robot.joints") else 20
                assert each["sent"] + each["left_out"] > (TRIALS + WARM_UP) * 0.12 * rate_hz * 0.5

    def test_it_drove_while_all_of_them_reported(self, measured: Measured) -> None:
        drives = [line for line in measured.log if line["event"] == "drive"]
        # After each trial again; and it stood still before a scenario had begun and once all had ended.
        assert len(drives) >= len(SCENARIOS) * (TRIALS + WARM_UP)
        first = min(line["received_ns"] for line in measured.log if line["event"] == "heard")
        assert drives[0]["before_ns"] > first
        assert [line["event"] for line in measured.log if line["event"] in ("stop", "drive")][-1] == "stop"
