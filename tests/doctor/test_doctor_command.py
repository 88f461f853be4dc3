from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from doctor_trees import ADRIFT, CLOCK, ENVIRON, GOOD, SYNCED, TOOLS, host
from rich.console import Console

from harness import cli
from harness.doctor import Check, Health, Roots, budget, command, examination, storage
from harness.doctor.measure import Timing
from harness.doctor.show import show


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for a second sample, and room on the disk, whatever this host has."""

    def quick(roots: Roots, need: Any) -> list[Check]:
        return examination.examine(roots, need, sample_s=0.0)

    monkeypatch.setattr(command, "examine", quick)
    monkeypatch.setattr(storage, "_free", lambda path: (50 << 30, 100 << 30))


@pytest.fixture
def well(tmp_path: Path) -> Roots:
    return host(tmp_path, GOOD, environ=ENVIRON, tools=TOOLS, kernel_clock=SYNCED)


@pytest.fixture
def ill(tmp_path: Path) -> Roots:
    bad = {
        f"{CLOCK}/current_clocksource": "jiffies",
        f"{CLOCK}/available_clocksource": "jiffies",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave",
    }
    return host(tmp_path, GOOD | bad, environ=ENVIRON, kernel_clock=ADRIFT)


def run(roots: Roots, *, width: int = 80, terminal: bool = False, **how: Any) -> tuple[int, str]:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system=None)
    return command.run_doctor(console, roots=roots, **how), out.getvalue()


def test_a_good_host_exits_with_0_and_says_so(well: Roots) -> None:
    status, text = run(well)
    assert status == 0
    assert text.rstrip().splitlines()[-1].startswith("fit for a run: 0 errors, 0 warnings, ")


def test_the_worst_comes_first_and_commands_are_whole_lines(ill: Roots) -> None:
    _, text = run(ill)
    heads = [
        line for line in text.splitlines() if line.startswith(("errors", "warnings", "for your", "well"))
    ]
    assert [head.split(":")[0].split(" ")[0] for head in heads] == ["errors", "warnings", "for", "well"]
    lines = text.splitlines()
    at = lines.index("to mend")
    assert "# clock source (error)" in lines[at + 1]
    chrony = "  sudo systemctl restart chrony"
    assert chrony in lines[at:]
    assert any(line.startswith("  echo performance | sudo tee ") for line in lines[at:])
    assert max(len(line) for line in lines[:at]) <= 80
    assert lines[-1].startswith("not fit for a run: 1 errors, ")


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("terminal", [False, True])
def test_every_check_is_shown_at_any_width(ill: Roots, width: int, terminal: bool) -> None:
    _, text = run(ill, width=width, terminal=terminal)
    words = " ".join(text.split())
    for name in ("kernel", "clock source", "DDS transport", "stolen CPU time"):
        assert name in words
    assert "jiffies, a step of 1 to 10 ms" in words.replace("  ", " ") or width == 40


def test_brackets_in_a_command_or_value_are_text() -> None:
    out = io.StringIO()
    check = Check("x", Health.WARNING, "[bold]3[/bold] ms", "Because.", "pip install 'a[ros]'  # [red]")
    show(Console(file=out, width=80), [check])
    assert "[bold]3[/bold] ms" in out.getvalue()
    assert "pip install 'a[ros]'  # [red]" in out.getvalue()


def test_a_command_that_mends_several_things_is_given_once() -> None:
    out = io.StringIO()
    checks = [Check(name, Health.WARNING, "v", "w.", "one command") for name in ("a", "b")]
    show(Console(file=out, width=80), checks)
    assert out.getvalue().count("one command") == 1
    assert "# a (warning), b (warning)" in out.getvalue()


def test_json_and_nothing_else(ill: Roots, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = run(ill, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (status, text) == (4, "")
    assert (found["schema"], found["worst"], found["timings"]) == (command.SCHEMA, "error", [])
    assert {"name", "severity", "value", "why", "remedy"} == set(found["checks"][0])


def test_what_was_timed_is_judged_and_in_the_json(well: Roots, monkeypatch, capsys) -> None:
    asked: dict[str, Any] = {}

    def timings(seconds: float, **how: Any) -> list[Timing]:
        asked.update(how, seconds=seconds)
        return [
            Timing("wake-ups, ordinary priority", 100, 0, 1, 2, 3, 4),
            Timing("round trip, loopback", 100, 2, 1, 2, float("inf"), float("inf")),
        ]

    monkeypatch.setattr(budget, "timings", timings)
    status, _ = run(well, measure=True, seconds=8, rig="loopback", as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert status == 4  # the rig's limit is 10 ms, a tenth of it 1 ms
    assert asked["seconds"] == 8 and asked["ros"] is False and asked["rate_hz"] == 500.0
    assert found["timings"][1]["max_ms"] is None
    budgets = [check for check in found["checks"] if check["name"] == "supported budget"]
    assert [check["severity"] for check in budgets] == ["error"]


def test_nothing_is_timed_unasked(well: Roots, monkeypatch) -> None:
    monkeypatch.setattr(budget, "timings", lambda *a, **k: pytest.fail("timed"))
    assert run(well)[0] == 0


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor", *argv])
    streams = capsys.readouterr()
    return int(ended.value.code or 0), streams.out, streams.err


def test_the_command_line_looks_at_this_host(capsys) -> None:
    status, out, _ = call(capsys, "--json", "--rig", "loopback")
    found = json.loads(out)
    assert status == (4 if found["worst"] == "error" else 0)
    assert len(found["checks"]) >= 28
    status, out, _ = call(capsys)
    assert out.rstrip().splitlines()[-1].split(":")[0] in (
        "fit for a run",
        "fit for a run, but see the warnings",
        "not fit for a run",
    )


def test_a_rig_that_is_not_there_and_seconds_that_make_no_sense(capsys) -> None:
    status, _, err = call(capsys, "--rig", "no-such-rig")
    assert status == 2 and "no-such-rig" in err
    assert call(capsys, "--measure", "--seconds", "0")[0] == 2
    assert call(capsys, "--measure", "--seconds", "1e9")[0] == 2
