"""What a person sees, at the widths of terminals: nothing cut, nothing said twice."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.terminal import _hang, show_list

LONG = "/srv/benches/of_the_third_floor/left_of_the_door/rig_configs/arm_with_a_long_name.yaml"
ROWS = [
    ("loopback", "simulated", "An echo", "rig_configs/loopback.yaml"),
    ("arm", "REAL", "[An arm], left of the door", LONG),
]


def console(width: int, terminal: bool = True) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)


def text(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_a_list_shows_every_name_and_path_whole(width: int) -> None:
    shown = console(width)
    show_list(shown, ROWS)
    lines = text(shown).splitlines()
    assert all(len(line.rstrip()) <= width for line in lines)
    assert LONG in "".join(line.strip() for line in lines)
    assert "…" not in text(shown)
    assert "[An arm], left of the door" in text(shown)


def test_a_list_for_another_program_has_a_row_on_a_line() -> None:
    shown = console(80, terminal=False)
    show_list(shown, ROWS)
    heading, *rows = text(shown).splitlines()
    assert heading.split() == ["rig", "kind", "description", "file"]
    assert [row.split()[0] for row in rows] == ["loopback", "arm"]
    assert rows[1].rstrip().endswith(LONG)


def test_words_are_broken_below_their_beginning() -> None:
    from rich.text import Text

    shown = console(40)
    _hang(shown, Text("RTT-1"), Text("the run was cut short and nothing at all was proven"))
    first, *rest = (line.rstrip() for line in text(shown).splitlines())
    assert first.startswith("  RTT-1  the run")
    assert rest
    assert all(line.startswith(" " * 9) and line[9] != " " for line in rest)
    piped = console(40, terminal=False)
    _hang(piped, Text("RTT-1"), Text("the run was cut short and nothing at all was proven"))
    assert len(text(piped).splitlines()) == 1
