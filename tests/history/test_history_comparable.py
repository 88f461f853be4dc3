"""What may be put together, and why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import history_data as data
import pytest

from harness.history import SIM_TO_REAL, PastRun, comparable_key, comparable_to, what_changed, why_not
from harness.history.reading import read_run, schedule_words


def run(folder: Path, number: int, **changes: Any) -> PastRun:
    return read_run(data.written(folder, number, **changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"simulated": False}, "simulated: simulated against real"),
        ({"environment.host.cpu_model": "Cortex-A72"}, "host class: Intel"),
        ({"environment.host.cpus": 8}, "host class: "),
        ({"environment.host.virtualisation": "virtual machine (KVM)"}, "virtual machine"),
        ({"scenarios.command.schedule.rate_hz": 100.0}, "schedule: paced at 200 Hz against paced at 100 Hz"),
        ({"scenarios.command.schedule.periodic": True}, "schedule: "),
        ({"scenarios.command.stimulus": "robot.other"}, "stimulus: robot.cmd_vel against robot.other"),
        ({"scenarios.command.arrival_is": "stamp of the robot"}, "arrival: "),
        ({"scenarios.command.match": "order"}, "match: "),
        ({"floors": [{"scenario": "command", "message_bytes": 6400}]}, "message size: 64 B against 6400 B"),
        ({"rig": "real"}, "rig: sim against real"),
    ],
)
def test_what_is_not_of_the_same_thing_is_refused_with_the_reason(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    a, b = run(tmp_path, 1), run(tmp_path, 2, **changes)
    assert any(said in reason for reason in why_not(a, b))
    assert len(why_not(b, a)) == len(why_not(a, b))
    assert comparable_to(a, [a, b]) == []
    if "message size" not in said:
        assert comparable_key(a, "command") != comparable_key(b, "command")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"provenance.git": {"commit": "f" * 40, "dirty": True}}, "commit"),
        ({"environment.host.kernel": "6.8.0-52-generic"}, "kernel"),
        ({"rig.sha256": "cd" * 32}, "rig file"),
        ({"provenance.overrides": ["devices.robot.delay_ms=5"]}, "overrides"),
        ({"environment.devices": {"robot": {"identity": {"software": "robot 1.1"}}}}, "robot.software"),
        ({"provenance.versions": {"numpy": "3.0"}}, "versions.numpy"),
    ],
)
def test_what_a_team_changes_is_compared_and_named(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    a, b = run(tmp_path, 1), run(tmp_path, 2, **{"provenance.git": {"commit": "e" * 40}, **changes})
    assert why_not(a, b) == ()
    assert comparable_key(a, "command") == comparable_key(b, "command")
    assert set(what_changed(a, b)) == {"commit", named}
    assert what_changed(a, a) == {}


def test_the_number_of_samples_the_load_and_an_unknown_size_are_no_reason(tmp_path: Path) -> None:
    a = run(tmp_path, 1)
    b = run(
        tmp_path,
        2,
        **{"scenarios.command.schedule.samples": 9, "environment.host.load_1_min": 3.0, "floors": []},
    )
    assert why_not(a, b) == why_not(b, a) == ()


def test_one_scenario_may_be_compared_where_another_may_not(tmp_path: Path) -> None:
    a, b = run(tmp_path, 1), run(tmp_path, 2)
    other = replace(a.scenarios["command"], name="slow")
    faster = replace(other, schedule="paced at 400 Hz")
    a = replace(a, scenarios={**a.scenarios, "slow": other})
    b = replace(b, scenarios={**b.scenarios, "slow": faster})
    assert why_not(a, b, "command") == ()
    assert why_not(a, b) == why_not(a, b, "slow") != ()
    only = replace(b, scenarios={"slow": faster})
    assert why_not(a, only, "command") == (f"scenario command: not in {b.run_id}",)
    none = replace(b, scenarios={"else": faster})
    assert why_not(a, none) == ("no scenario in common: command, slow against else",)


def test_a_simulator_may_be_held_against_the_robot_where_that_is_asked(tmp_path: Path) -> None:
    a, b = run(tmp_path, 1), run(tmp_path, 2, rig="robot", simulated=False)
    assert len(why_not(a, b)) == 2
    assert why_not(a, b, ignoring=SIM_TO_REAL) == ()
    assert why_not(a, replace(b, scenarios={}), ignoring=SIM_TO_REAL) != ()


def test_schedules_in_words_leave_out_what_does_not_matter() -> None:
    trials = {"kind": "trials", "quiet_ms": 20.0, "dwell_ms": [10.0, 50.0], "samples": 60, "seed": 3}
    assert schedule_words(trials) == "trials after 20 ms of rest and 10 to 50 ms"
    assert schedule_words({**trials, "rest": "none"}) != schedule_words(trials)
    replayed = {"kind": "replay", "bag": "b", "topic": "/t", "rate_hz": 12.5, "speed": 2.0, "from_s": 0.0}
    assert schedule_words(replayed) == "replay of b /t at 2 times its speed, from 0 s"
