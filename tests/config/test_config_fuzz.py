"""Whatever a file holds, reading it gives a rig or a HarnessError that says where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from config_bench import BASE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.config import RigFileError, load_rig, rig_from_resolved, rig_from_text
from harness.errors import HarnessError

QUICK = settings(
    max_examples=60,  # others each time
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PIECES = [
    "{",
    "}",
    "[",
    "]",
    ":",
    " ",
    "\n",
    "\t",
    "&a",
    "*a",
    "!!",
    "'",
    '"',
    "|",
    ">",
    "-",
    "?",
    "<<",
    "#",
    "%",
    "~",
]
LINES = BASE.splitlines(keepends=True)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["paced", "trials", "robot.cmd", "robot", "bench", "ros2", "loopback", "stamp", "order", 10**400]
    )
)
KEYS = [
    "rig",
    "devices",
    "scenarios",
    "requirements",
    "kind",
    "schedule",
    "adapter",
    "ports",
    "robot",
    "cmd",
    "stimulus",
    "response",
    "match",
    "values",
    "alternate",
    "sequence",
    "stop",
    "port",
    "limits",
    "id",
    "send",
    "SendStep",
    "value",
    "list",
    "[key]",
    "Alternate",
    "limit",
    "name",
]
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def read(text: str, overrides: list[str] | None = None) -> None:
    try:
        rig_from_text(text, "x.yaml", overrides or [])
    except RigFileError as error:
        assert error.problems
        assert str(error)
        for problem in error.problems:
            assert problem.message
            if problem.line is not None:
                assert problem.line >= 1
                assert problem.column is not None
                assert problem.column >= 1
                assert problem.line <= text.count("\n") + text.count("\r") + len(text.splitlines()) + 2
    except HarnessError:
        pass


@pytest.mark.slow
@QUICK
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(raw)
    with pytest.raises(HarnessError):
        load_rig(file)


@pytest.mark.slow
@QUICK
@given(
    st.lists(st.sampled_from(PIECES) | st.text(max_size=3) | st.sampled_from(LINES), max_size=25).map("".join)
)
def test_any_text(text: str) -> None:
    read(text)


@pytest.mark.slow
@QUICK
@given(st.data())
def test_a_good_file_with_text_put_in_or_taken_out(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(BASE)))
    end = data.draw(st.integers(start, min(len(BASE), start + 40)))
    put = data.draw(st.sampled_from(PIECES) | st.text(max_size=6) | st.sampled_from(LINES))
    read(BASE[:start] + put + BASE[end:])


def replaced(tree: Any, path: list[int], new: Any) -> Any:
    """``tree`` with the part that the numbers of ``path`` lead to replaced by ``new``."""
    if not path or not isinstance(tree, (dict, list)) or not tree:
        return new
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = keys[path[0] % len(keys)]
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[key] = replaced(tree[key], path[1:], new)  # type: ignore[index]
    return copy


@pytest.mark.slow
@QUICK
@given(st.lists(st.integers(0, 20), min_size=1, max_size=8), trees)
def test_a_good_file_with_a_part_replaced(path: list[int], new: Any) -> None:
    tree = replaced(yaml.safe_load(BASE), path, new)
    read(yaml.safe_dump(tree))
    try:
        rig_from_resolved(tree)
    except HarnessError as error:
        assert str(error)


@pytest.mark.slow
@QUICK
@given(trees)
def test_any_tree(tree: Any) -> None:
    read(yaml.safe_dump(tree))


PATHS = [
    "rig",
    "rig.name",
    "scenarios.command",
    "scenarios.command.schedule",
    "devices.robot",
    "devices.robot.adapter",
    "devices.robot.ports.cmd",
    "devices.robot.limits.twist.x",
    "requirements",
    "requirements[0]",
    "setup[1].wait_for",
    "devices.robot.stop.values",
    "devices",
    "monitors[0].port",
    "processes.robot.ready",
    "devices.robot.ports.odom.response",
]


@pytest.mark.slow
@QUICK
@given(st.sampled_from(PATHS) | st.text(alphabet="rigdevcs.[]0=<", max_size=12), trees | st.text(max_size=10))
def test_any_override(path: str, value: Any) -> None:
    read(BASE, [f"{path}={yaml.safe_dump(value, default_flow_style=True)}"])
    read(BASE, [f"{path}={value}"])
