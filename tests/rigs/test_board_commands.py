"""``harness board``: what it finds, measures and says, on one simulated board."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import serial
from board_bench import end, running, start
from click.testing import CliRunner

from harness.cli import cli, main
from harness.errors import OperationError, UnavailableError
from harness.rigs.serial_board import line, session
from harness.rigs.serial_board.watching import Watch

pytestmark = pytest.mark.slow

WIRING = ("--wire", "D4:D8:1000", "--wire", "D5:D2:3000:2:100", "--tone", "D3:100")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    link = tmp_path_factory.mktemp("board") / "tty"
    with running(link, *WIRING):
        yield str(link)


def call(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["board", *words], standalone_mode=False, catch_exceptions=False)
    return done.return_value, done.output


def told(*words: str, status: int = 0) -> Any:
    found, output = call(*words, "--json")
    assert found == status, output
    return json.loads(output)


def test_ports_are_listed_with_their_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = tmp_path / "by-id"
    known.mkdir()
    (tmp_path / "ttyACM0").touch()
    (known / "usb-Arduino-if00").symlink_to(tmp_path / "ttyACM0")
    ports = [
        SimpleNamespace(device=str(tmp_path / "ttyS0"), vid=None, pid=None, serial_number=None),
        SimpleNamespace(device=str(tmp_path / "ttyACM0"), vid=0x2341, pid=0x0043, serial_number="752"),
    ]
    monkeypatch.setattr(line, "library", lambda _name="serial": SimpleNamespace(comports=lambda: ports))
    monkeypatch.setattr(line, "BY_ID", known)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    uno, other = told("list")
    assert (uno["usb"], uno["looks_like"], uno["serial_number"]) == ("2341:0043", "Arduino Uno", "752")
    assert uno["stable"] == str(known / "usb-Arduino-if00")
    assert (other["usb"], other["looks_like"]) == (None, None)
    assert other["trouble"].endswith("is not there")
    assert line.find("auto", "run", "board") == str(tmp_path / "ttyACM0")
    _, words = call("list")
    assert "ttyACM0  2341:0043, Arduino Uno, serial number 752\n" in words


def test_a_simulated_board_is_found_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv(line.BOARD_VARIABLE, raising=False)
    with pytest.raises(UnavailableError, match="no simulated boards run"):
        line.find_alone("simulated", "board")
    mine = Path(line.alone_path(os.getpid()))
    for name in (mine, Path(line.alone_path(2**22 + 1)), tmp_path / "harness-run-a-board.tty"):
        name.symlink_to("/dev/null")
    assert line.find_alone("simulated", "board") == str(mine)
    assert [each["path"] for each in told("list") if each["looks_like"]] == [str(mine)]
    monkeypatch.setenv(line.BOARD_VARIABLE, "named")
    assert line.find_alone("simulated", "board") == "named"


def test_a_simulated_board_of_no_rig_gives_its_terminal_a_name(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "harness.sim.board"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop(line.BOARD_VARIABLE, None)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready /dev/pts/")
        names = sorted(path.name for path in tmp_path.iterdir())
        process.terminate()
    terminal = f"harness-{process.pid}-board.tty"
    assert names == [terminal, f"{terminal}.pins"]
    assert list(tmp_path.iterdir()) == []


def test_identify_and_stats_tell_what_is_there(port: str) -> None:
    found = told("identify", "--port", port)
    assert (found["firmware"], found["board"], found["tick_hz"]) == ("1.0.0", 1, 2_000_000)
    assert found["ping_ms"] > 0
    counts = told("stats", "--port", port)
    assert counts["frames"] > 20
    assert set(counts["edges"]) == {"D8", "D2", "D3"}
    status, words = call("stats", "--port", port)
    assert status == 0 and "\nedges             D8 " in words


def test_selftest_tells_what_is_well_and_what_is_not(port: str) -> None:
    found = told("selftest", "--port", port, "--output", "D4")
    assert [trial["name"] for trial in found["trials"]] == ["line", "clock", "wire D4 to D8", "counters"]
    assert found["good"], found
    found = told("selftest", "--port", port, "--output", "D6", "--input", "D8", status=4)
    [bad] = [trial for trial in found["trials"] if not trial["good"]]
    assert bad["name"] == "wire D6 to D8" and "no edge came" in bad["found"]


def test_loopback_measures_the_wire(port: str) -> None:
    found = told("loopback", "--port", port, "--count", "20")
    assert (found["sent"], found["answered"], found["lost"], found["extra_edges"]) == (20, 20, 0, 0)
    wire, way = found["wire_ms"], found["there_and_back_ms"]
    assert abs(wire["min"] - 1) <= 0.0025 and abs(wire["max"] - 1) <= 0.0025
    # The request's and the event's bytes, and the wire between them.
    assert way["min"] > 1.3
    status, words = call("loopback", "--port", port, "--count", "3")
    assert status == 0 and "3 answered, 0 lost" in words and "by this host" in words


def test_loopback_counts_bounces_and_ends_with_the_output_low(port: str) -> None:
    found = told("loopback", "--port", port, "--output", "D5", "--input", "D2", "--count", "5")
    assert found["answered"] == 5
    # Two bounces of each of two edges, on the rise and on the fall.
    assert found["extra_edges"] == 5 * 4
    with session.Session(port) as one:
        level, _ = one.arm("D2")
    assert level == 0


def test_loopback_without_a_wire_says_so(port: str) -> None:
    with pytest.raises(Exception, match="none of 2 pulses of D6 reached D8 within 20 ms") as caught:
        call("loopback", "--port", port, "--output", "D6", "--count", "2", "--timeout-ms", "20")
    assert "wire D6 to D8" in str(caught.value)


def test_monitor_shows_edges_as_they_come(port: str) -> None:
    status, output = call("monitor", "--port", port, "--input", "D3", "--count", "8", "--json")
    levels, *edges, last = map(json.loads, output.splitlines())
    assert status == 0
    assert set(levels) == {"kind", "D3"}
    assert last == {"kind": "end", "edges": 8, "lost": 0}
    assert [edge["level"] for edge in edges] == [edge["level"] for edge in edges[:2]] * 4
    # Half a period of 100 Hz, spread by a twentieth; an interrupt may be 20 us late.
    assert all(4.7 <= edge["since_last_ms"] <= 5.3 for edge in edges[1:])
    numbers = [edge["number"] for edge in edges]
    assert numbers == list(range(numbers[0], numbers[0] + 8))
    status, words = call("monitor", "--port", port, "--seconds", "0.2")
    assert words.startswith("now: D8 low, D2 low, D3 ") and " s  D3 rises" in words


def test_ctrl_c_ends_monitor_well(port: str) -> None:
    words = [sys.executable, "-m", "harness", "board", "monitor", "--port", port]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("now: ")
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        *_, last = process.stdout.readlines()
        assert last.endswith(" edges, 0 lost\n")
    assert process.returncode == 0
    assert told("stats", "--port", port)["damaged"] >= 0


def test_a_board_that_goes_or_starts_anew_while_it_is_watched_is_told(tmp_path: Path) -> None:
    process = start(tmp_path / "tty")
    try:
        with session.Session(str(tmp_path / "tty")) as one:
            watch = Watch(one, ("D8",))
            watch.begin(pull_up=False, debounce_ms=0.0)
            process.send_signal(signal.SIGUSR1)
            with pytest.raises(OperationError, match="started anew"):
                list(watch.follow(None, 20.0))
            end(process)
            with pytest.raises(OperationError, match="the line ended"):
                list(watch.follow(None, 20.0))
    finally:
        end(process)


def test_edges_that_the_board_had_no_room_for_are_lost(tmp_path: Path) -> None:
    with running(tmp_path / "tty", "--tone", "D8:10000"):
        status, output = call("monitor", "--port", str(tmp_path / "tty"), "--seconds", "0.5", "--json")
    last = json.loads(output.splitlines()[-1])
    assert status == 4 and last["lost"] > 0


def test_a_real_board_drives_nothing_without_the_word_for_it(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(line, "is_simulated", lambda _path: False)
    for words in (("loopback",), ("selftest", "--output", "D4")):
        with pytest.raises(SystemExit) as ended:
            main(["board", *words, "--port", port])
        assert ended.value.code == 4
        assert "add --arm" in capsys.readouterr().err
    assert told("selftest", "--port", port, "--output", "D4", "--arm")["good"]


def test_who_has_the_port_is_named(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with serial.Serial(port, exclusive=True), pytest.raises(SystemExit) as ended:
        main(["board", "identify", "--port", port])
    assert ended.value.code == 4
    told_ = capsys.readouterr().err
    assert f"process {os.getpid()}\n" in told_ and "end the other program" in told_


def test_a_pin_that_is_none_is_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["board", "loopback", "--output", "D8"])
    assert ended.value.code == 2
    assert "'D8' is no output of the board; there are D4, D5, D6, D7, D10, D11" in capsys.readouterr().err
