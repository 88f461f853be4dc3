"""A rig file with each kind of mistake: exit 2 and the line, through the command line; nothing is started."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_bench import RIG, rig_file

from harness import cli


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text, old
        return text.replace(old, new, 1)

    return change


MISTAKES: dict[str, tuple[Callable[[str], str], str]] = {
    # name: the change, what the answer has to say
    "no YAML": (replaced("rig:\n", "rig: [\n"), ""),
    "a tab": (replaced("  name: loop", "\tname: loop"), ""),
    "a key twice": (replaced("rig:\n", "rig:\n  name: other\n"), "name"),
    "misspelt key": (replaced("stimulus: robot.command", "stimulis: robot.command"), "stimulus"),
    "missing key": (replaced("  simulated: true\n", ""), "simulated"),
    "wrong type": (replaced("samples: 200", "samples: many"), "samples"),
    "no for false": (replaced("simulated: true", "simulated: no"), "simulated"),
    "out of range": (replaced("confidence: 0.95", "confidence: 1.5"), "confidence"),
    "unknown adapter": (replaced("adapter: loopback", "adapter: loopbak"), "loopback"),
    "unknown scenario": (replaced("scenario: command", "scenario: comand"), "command"),
    "unknown port": (replaced("response: robot.applied", "response: robot.aplied"), "applied"),
    "unknown kind": (replaced("kind: command_round_trip", "kind: round_trip"), "command_round_trip"),
    "beyond the limits": (replaced("value: 0.0", "value: 3.0"), "limit"),
    "limit not below timeout": (replaced("timeout_ms: 2000.0", "timeout_ms: 900.0"), "timeout"),
    "nothing required": (replaced("requirements:", "requirementz:"), "requirements"),
}


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_with_status_2_and_its_line(tmp_path, monkeypatch, capsys, mistake, command):
    change, says = MISTAKES[mistake]
    file = rig_file(tmp_path)
    file.write_text(change(file.read_text()))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main([command, str(file)])
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert re.search(rf"{re.escape(file.name)}:\d+:\d+", told.err), told.err
    assert says in told.err
    assert "Traceback" not in told.err
    assert not (tmp_path / "reports").exists()
    assert not (tmp_path / "robot.jsonl").exists()


def test_the_line_is_that_of_the_mistake(tmp_path, capsys):
    file = rig_file(tmp_path)
    lines = file.read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if "rate_hz: 500" in line)
    file.write_text(file.read_text().replace("rate_hz: 500", "rate_hz: -1"))
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", str(file)])
    assert ended.value.code == 2
    assert f"rig.yaml:{number}:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "no_such_rig"], "no_such_rig"),
        (["run", "{rig}", "--set", "scenarios.comand.timeout_ms=5"], "command"),
        (["run", "{rig}", "--set", "nonsense"], "nonsense"),
        (["run", "{rig}", "--scenario", "other"], "it has: command"),
        (["run", "{rig}", "--samples", "0"], "--samples"),
        (["run", "{rig}", "--no-such-option"], "--no-such-option"),
        (["run"], "RIG"),
        (["fly"], "fly"),
        (["report", "no_such_folder"], "no_such_folder"),
        (["report", "{folder}"], "no run folder"),
        (["recover", "{folder}"], "no run folder"),
        (["completion", "tcsh"], "tcsh"),
    ],
)
def test_a_wrong_command_line_ends_with_status_2(tmp_path, monkeypatch, capsys, arguments, says):
    file = rig_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    filled = [each.format(rig=file, folder=tmp_path) for each in arguments]
    with pytest.raises(SystemExit) as ended:
        cli.main(filled)
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert says in told.err, told.err
    assert "Traceback" not in told.err


def test_the_rig_without_a_mistake_is_fine(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", str(rig_file(Path(tmp_path)))])
    assert ended.value.code == 0
    assert RIG["rig"]["name"] in capsys.readouterr().out
