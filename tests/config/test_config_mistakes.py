"""Every kind of mistake in a rig file: where it is shown, and what is said.

A case is edits of a good file; § stands before the place that the message has to name.
"""

from __future__ import annotations

import re

import pytest
from config_bench import BASE, edited
from mistakes_of_parts import PARTS
from mistakes_of_values import VALUES

from harness.config import RigFileError, rig_from_text

MISTAKES = {**VALUES, **PARTS}

JARGON = re.compile(
    r"Input should|valid (string|dictionary|list|integer|number|boolean)|pydantic|union|discriminator|tag\b|"
    r"extra_|Field required|Value error|constrained|NoneType|\bstr\b|\bdict\b|function-"
)


@pytest.mark.parametrize("name", MISTAKES)
def test_is_shown_where_it_is(name: str) -> None:
    edits, path, message = MISTAKES[name]
    marked = edited(*edits)
    assert marked.count("§") == 1
    before = marked[: marked.index("§")]
    expected = (before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    with pytest.raises(RigFileError) as caught:
        rig_from_text(marked.replace("§", ""), "x.yaml")
    problems = caught.value.problems
    found = [p for p in problems if p.path == path and message in p.message]
    assert found, str(caught.value)
    assert (found[0].line, found[0].column) == expected, str(caught.value)
    assert str(found[0]).startswith(f"x.yaml:{expected[0]}:{expected[1]}: {path}: ")
    assert not JARGON.search(str(caught.value)), str(caught.value)
    assert caught.value.exit_status == 2


# A mistake may not raise a cloud of others; this one has a second side: the requirement on the old name.
TWO_SIDED = {"name of a scenario"}


@pytest.mark.parametrize("name", MISTAKES)
def test_is_the_only_one(name: str) -> None:
    with pytest.raises(RigFileError) as caught:
        rig_from_text(edited(*MISTAKES[name][0]).replace("§", ""), "x.yaml")
    expected = 2 if name in TWO_SIDED else 1
    assert len(caught.value.problems) == expected, str(caught.value)


def test_all_are_told_at_once_in_the_order_of_the_file() -> None:
    text = edited(
        ("simulated: true", "simulatd: true"),
        ("adapter: bench", "adapter: bnch"),
        ("rate_hz: 200", "rate_hz: -1"),
        ("scenario: command,", "scenario: comand,"),
        ("id: REST-RTT", "id: CMD-RTT"),
    )
    with pytest.raises(RigFileError) as caught:
        rig_from_text(text, "x.yaml")
    assert [p.path for p in caught.value.problems] == [
        "rig.simulatd",
        "devices.robot.adapter",
        "scenarios.command.schedule.rate_hz",
        "requirements[0].scenario",
        "requirements[1].id",
    ]
    assert len(str(caught.value).splitlines()) == 5


def test_a_flood_is_cut_and_counted() -> None:
    extra = "".join(f"zz{i}: 1\n" for i in range(100))
    with pytest.raises(RigFileError) as caught:
        rig_from_text(BASE + extra, "x.yaml")
    assert len(caught.value.problems) == 100
    assert str(caught.value).splitlines()[-1] == "... and 60 more problems"


def test_an_adapter_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness import adapters

    monkeypatch.setitem(
        adapters.BUILTIN, "bench", adapters.Entry("nowhere_at_all:D", "nowhere_at_all:Options")
    )
    with pytest.raises(
        RigFileError, match="the adapter 'bench' cannot be loaded: No module named 'nowhere_at_all'"
    ):
        rig_from_text(BASE, "x.yaml")


def test_the_adapter_of_the_tests_is_offered_to_nobody() -> None:
    from harness import adapters

    assert "recording" not in adapters.offered()
    assert adapters.entry("recording").device.startswith("harness.testing.")
    with pytest.raises(RigFileError) as caught:
        rig_from_text(edited(("adapter: bench", "adapter: zzz")), "x.yaml")
    assert "loopback" in str(caught.value)
    assert "recording" not in str(caught.value)
