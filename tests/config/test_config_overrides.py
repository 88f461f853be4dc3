from __future__ import annotations

from typing import Any

import pytest
from config_bench import BASE

from harness.config import RigFileError, rig_from_text


def get(rig: Any, *path: Any) -> Any:
    for part in path:
        rig = rig[part] if isinstance(rig, (dict, list)) else getattr(rig, part)
    return rig


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("scenarios.command.schedule.samples=500", ("scenarios", "command", "schedule", "samples"), 500),
        ("scenarios.command.schedule.seed=7", ("scenarios", "command", "schedule", "seed"), 7),
        ("requirements[0].limit=12", ("requirements", 0, "limit"), 12.0),
        ("requirements[REST-RTT].quantile=0.9", ("requirements", 1, "quantile"), 0.9),
        ("monitors[real-time factor].at_least=0.5", ("monitors", 0, "at_least"), 0.5),
        ("host.realtime=false", ("host", "realtime"), False),
        ("environment.payload=2 kg", ("environment", "payload"), "2 kg"),
        ("devices.robot.limits.twist.x=0.4", ("devices", "robot", "limits", "twist.x"), 0.4),
        ("devices.robot.limits.twist.z=0.1", ("devices", "robot", "limits", "twist.z"), 0.1),
        ("devices.robot.domain=auto", ("devices", "robot", "domain"), "auto"),
        ("devices.robot.stop.values.twist.x=0.25", ("devices", "robot", "stop", "values", "twist.x"), 0.25),
        (
            "devices.robot.ports.cmd.stimulus.values.twist.x.alternate[1]=-0.3",
            ("devices", "robot", "ports", "cmd", "stimulus", "values", "twist.x", "alternate", 1),
            -0.3,
        ),
        (
            "devices.robot.ports.odom.response.quality={depth: 9}",
            ("devices", "robot", "ports", "odom", "response", "quality", "depth"),
            9,
        ),
        ("devices.robot.ports.odom.response.quality.depth=9", ("devices", "robot", "ports", "odom"), None),
        ("rig.description=a=b", ("rig", "description"), "a=b"),
        ("setup=[]", ("setup",), []),
    ],
)
def test_sets_one_value(override: str, path: tuple[Any, ...], value: object) -> None:
    rig = rig_from_text(BASE, "x.yaml", [override])
    assert value is None or get(rig, *path) == value
    assert rig != rig_from_text(BASE, "x.yaml")


def test_apply_in_order() -> None:
    changes = ["host={cpu: 1}", "host.max_load_per_cpu=3", "host.cpu=0"]
    host = rig_from_text(BASE, "x.yaml", changes).host
    assert (host.cpu, host.max_load_per_cpu) == (0, 3.0)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("scenarios.comand.timeout_ms=3", "'scenarios.comand' does not exist; did you mean 'command'?"),
        ("scenarios.command.schedule.sample=3", "did you mean 'samples'?"),
        ("scenaros.command.timeout_ms=3", "unknown key 'scenaros'; did you mean 'scenarios'?"),
        ("requirements[CMD-RTX].limit=2", "has no element 'CMD-RTX'; did you mean 'CMD-RTT'?"),
        ("requirements[3].limit=3", "requirements has no element [3]; it has 2"),
        ("requirements.limit=3", "requirements is a list; choose an element: requirements[0] to [1]"),
        ("rig[0]=3", "rig is a mapping, not a list"),
        ("rig.name.first=3", "rig.name is a single value; nothing is below it"),
        ("devices.robt.domain=3", "did you mean 'robot'?"),
        ("devices.robot.port.cmd=3", "did you mean 'ports'?"),
        ("devices.robot.ports.cmd.stimulus.topc=/x", "did you mean 'topic'?"),
        ("samples", "must be written key=value"),
        ("=3", "must be written key=value"),
        ("rig..name=3", "a key is expected after rig"),
        ("host.cpu=[1", "the value is not valid YAML"),
        ("host.cpu=!!python/name:os.system x", "the value is the type"),
    ],
)
def test_that_lead_nowhere(override: str, message: str) -> None:
    with pytest.raises(RigFileError) as caught:
        rig_from_text(BASE, "x.yaml", [override])
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith(f"--set {override}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ("requirements[CMD-RTT].limit=100", "requirements[0].limit", "100 ms is not below the timeout"),
        (
            "scenarios.command.schedule.samples=many",
            "scenarios.command.schedule.samples",
            "must be a whole number",
        ),
        (
            "scenarios.command.schedule={kind: pacd}",
            "scenarios.command.schedule.kind",
            "did you mean 'paced'?",
        ),
        ("devices.robot.stop.values.twist.x=9", "devices.robot.stop.values.twist.x", "exceeds its limit"),
        ("devices.robot.adapter=bnch", "devices.robot.adapter", "did you mean 'bench'?"),
        ("rig=", "rig", "must be a mapping, not nothing"),
    ],
)
def test_with_a_wrong_value_are_named_instead_of_the_file(override: str, path: str, message: str) -> None:
    with pytest.raises(RigFileError) as caught:
        rig_from_text(BASE, "x.yaml", [override])
    first = caught.value.problems[-1]
    assert str(first).startswith(f"--set {override}: {path}: ")
    assert message in first.message
    assert first.line is None


def test_all_wrong_ones_are_told_at_once() -> None:
    with pytest.raises(RigFileError) as caught:
        rig_from_text(BASE, "x.yaml", ["rg.name=x", "host.cp=1", "host.cpu=0"])
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(("unit", "limit", "kept"), [("%", "98", "%"), ("1", "0.98", "1")])
def test_a_unit_needs_no_quotes_in_a_shell(unit: str, limit: str, kept: str) -> None:
    told = ["quantity=ratio", "within_ms=10", "quantile=null", f"limit={limit}", f"unit={unit}"]
    rig = rig_from_text(BASE, "x.yaml", [f"requirements[0].{each}" for each in told])
    assert (rig.requirements[0].unit, rig.requirements[0].limit) == (kept, float(limit))


def test_a_bare_percent_sign_in_a_file_is_told_to_be_quoted() -> None:
    text = BASE.replace("quantile: 0.99, limit: 10", "quantity: loss_rate, limit: 1, unit: %")
    with pytest.raises(RigFileError, match='write "%" in quotes'):
        rig_from_text(text, "x.yaml")
