"""What a person sees, at the widths of terminals: nothing cut, nothing said twice."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.conclude import RunOutcome
from harness.model import Finding, Severity, Verdict
from harness.results import RequirementResult, Results
from harness.terminal import _hang, first_reason, readiness, show_findings, show_list, show_outcome

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


def test_words_are_broken_below_their_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.text import Text

    shown = console(40)
    _hang(shown, Text("RTT-1"), Text("the run was cut short and nothing at all was proven"))
    first, *rest = (line.rstrip() for line in text(shown).splitlines())
    assert first.startswith("  RTT-1  the run")
    assert rest
    assert all(line.startswith(" " * 9) and line[9] != " " for line in rest)
    for columns, lines in ((None, 1), ("40", 2)):
        if columns is None:
            monkeypatch.delenv("COLUMNS", raising=False)
        else:
            monkeypatch.setenv("COLUMNS", columns)
        piped = console(40, terminal=False)
        _hang(piped, Text("RTT-1"), Text("the run was cut short and nothing at all was proven"))
        assert len(text(piped).splitlines()) == lines


def outcome(verdict: str = "INCONCLUSIVE", **changes: Any) -> RunOutcome:
    fields = {
        "id": "R-1",
        "scenario": "command",
        "verdict": verdict,
        "reasons": ["55 of 3000 over the PASS threshold (9.5 ms): at this n no K passes", "another one"],
        "quantity": "latency",
        "quantile": 0.99,
        "limit": 10.0,
        "unit": "ms",
        "confidence": 0.95,
        "alpha": 0.005,
        "estimate": 5.65432,
        "lower_bound": 4.38449,
        "upper_bound": 5.72601,
        "uncertainty": 0.5,
        "floor": None,
        "pass_threshold": 9.5,
        "fail_threshold": 10.5,
        "n": 3000,
        "exceedances": 55,
        "exceedances_sent": 0,
        "pass_up_to": 3,
        "fail_from": 60,
        "headroom": None,
    }
    requirement = RequirementResult(**{**fields, **changes})
    results = Results(
        schema=1,
        run_id="run",
        rig={"name": "arm"},
        simulated=True,
        started="2026-01-01T00:00:00Z",
        ended=None,
        aborted=False,
        abort_reason=None,
        verdict=Verdict(verdict),
        requirements=[requirement],
        scenarios={},
        environment={},
        provenance={},
    )
    return RunOutcome(folder=Path("out"), verdict=Verdict(verdict), results=results)


def test_bounds_are_rounded_outward_and_counts_say_what_they_count() -> None:
    shown = console(80)
    show_outcome(shown, outcome())
    said = " ".join(text(shown).split())
    assert (
        "estimate 5.65 ± 0.50 ms, shown at most 5.727 ms, 55 of 3000 over the PASS threshold (9.5 ms)" in said
    )
    assert "99.5 % each (95 % over the 10)" in said
    assert all(len(line.rstrip()) <= 80 for line in text(shown).splitlines())


def test_findings_are_told_worst_first_and_counted_at_the_end() -> None:
    found = [
        Finding("load", Severity.INFO, "idle"),
        Finding("plan", Severity.WARNING, "never ends in PASS"),
        Finding("qos", Severity.ERROR, "cannot match", remedy="set qos"),
        Finding("item", Severity.WARNING, "not named"),
    ]
    shown = console(80)
    show_findings(shown, found)
    lines = [line.split()[0] for line in text(shown).splitlines()]
    assert lines == ["error", "next:", "warning", "warning", "info"]
    assert text(shown).index("plan:") < text(shown).index("item:")
    assert readiness(found) == "1 error, 2 warnings: not ready"
    assert readiness(found[:2]) == "1 warning: ready; nothing was started, nothing was sent"
    assert readiness(found[:1]) == "ready; nothing was started, nothing was sent"


def test_a_brief_outcome_is_a_line_and_its_first_reason_is_said_beside() -> None:
    for verdict, reason in (("INCONCLUSIVE", "R-1: 55 of 3000 over the PASS threshold"), ("PASS", "")):
        shown, told = console(200), outcome(verdict)
        show_outcome(shown, told, brief=True)
        (line,) = text(shown).splitlines()
        assert line.startswith(f"{verdict} arm ")
        assert first_reason(told).startswith(reason) and bool(first_reason(told)) == bool(reason)
    broken = RunOutcome(folder=Path("out"), verdict=Verdict.ERROR, results=None, error="no disk")
    assert first_reason(broken) == "no disk"
