"""A robot on a serial line: its start, its answers, its stop, and what is said when the line is not well."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import serial
import text_bench
from board_bench import until
from text_bench import make, running

from harness.config import load_rig
from harness.errors import ConfigurationError, DeadlineError, OperationError, SafetyError, UnavailableError
from harness.model import NO_KEY, Finding
from harness.ports import Role
from harness.rigs.serial_text import start
from harness.rigs.serial_text.device import SerialText
from harness.runner import RunOptions, run_rig
from harness.testing.device_bench import Recorder


def listen(device: SerialText, port: str = "done") -> Recorder:
    recorder = Recorder()
    device.response(port).listen(recorder)
    return recorder


def send(device: SerialText, key: int, **values: float) -> tuple[int, int]:
    chosen = device.stimulus("drive")
    return chosen.send(key, chosen.prepare(values))


def test_answers_carry_the_number_and_the_value(tmp_path: Path) -> None:
    with running(tmp_path / "tty") as peer:
        device = make(tmp_path / "tty", "nmea", [])
        device.open()
        done = listen(device)
        for key in (3, 70_000, 4):
            send(device, key, speed=key / 1000)
        until(lambda: len(done.rows) == 3, "the answers")
        assert done.keys == [3, 70_000, 4]
        assert [row["value"] for row in done.rows] == [0.003, 70.0, 0.004]
        assert [each["speed"] for each in peer.events("command")] == [0.003, 70.0, 0.004]
        device.close()


def test_a_robot_that_repeats_no_number_is_matched_by_order(tmp_path: Path) -> None:
    with running(tmp_path / "tty", "--speaks", "plain"):
        device = make(tmp_path / "tty", "plain", [])
        device.open()
        done = listen(device)
        before_ns, _ = send(device, 5, speed=0.1)
        until(lambda: done.rows, "the answer")
        assert done.keys == [NO_KEY]
        assert before_ns <= done.rows[0]["received_ns"] <= done.rows[0]["seen_ns"]
        device.close()


def test_a_number_of_few_bits_is_counted_on(tmp_path: Path) -> None:
    with running(tmp_path / "tty", "--speaks", "bytes") as peer:
        device = make(tmp_path / "tty", "bytes", [])
        device.open()
        done = listen(device)
        keys = [65_534, 65_535, 65_536, 65_537, 200_000]
        for count, key in enumerate(keys, 1):
            send(device, key, speed=-200)
            until(lambda count=count: len(done.rows) == count, "the answer")
        assert done.keys == keys
        assert [each["number"] for each in peer.events("command")] == [key % 65_536 for key in keys]
        device.close()


def test_a_robot_that_starts_when_its_port_is_opened_is_waited_for(tmp_path: Path) -> None:
    with running(tmp_path / "tty", "--boot-ms", "300") as peer:
        device = make(tmp_path / "tty", "nmea", [], boot={"banner": "robot ready", "within_s": 20})
        device.open()
        done = listen(device)
        send(device, 1, speed=0.1)
        until(lambda: done.rows, "the answer")
        device.close()
        assert len(peer.events("start")) == 1


def test_without_its_banner_a_robot_has_not_started(tmp_path: Path) -> None:
    with running(tmp_path / "tty"):
        device = make(tmp_path / "tty", "nmea", [], boot={"banner": "hello", "within_s": 0.3})
        with pytest.raises(DeadlineError, match=r"did not say 'hello' within 0\.3 s") as caught:
            device.open()
        assert "serial robot ready" in str(caught.value)
        assert "needed: false" in str(caught.value)


def test_a_robot_that_starts_anew_in_a_run_is_told(tmp_path: Path) -> None:
    found: list[Finding] = []
    with running(tmp_path / "tty") as peer:
        device = make(tmp_path / "tty", "nmea", found)
        device.open()
        peer.robot.start()
        until(lambda: found, "the finding")
        device.close()
    assert (found[0].name, found[0].severity.value) == ("robot restarted", "error")


def test_a_damaged_answer_is_no_loss_of_the_robots(tmp_path: Path) -> None:
    found: list[Finding] = []
    with running(tmp_path / "tty", "--damage-every", "3"):
        device = make(tmp_path / "tty", "nmea", found)
        device.open()
        done = listen(device)
        for key in range(9):
            send(device, key, speed=0.1)
        until(lambda: len(done.rows) == 6 and found, "the answers")
        assert done.keys == [0, 1, 3, 4, 6, 7]
        device.close()
    # A storm of damage is no storm of findings.
    assert [each.name for each in found] == ["messages lost"]


def test_lines_that_no_pattern_knows_are_told_once_and_counted(tmp_path: Path) -> None:
    found: list[Finding] = []
    ports = {**text_bench.PORTS["plain"], "done": text_bench.PORTS["nmea"]["done"]}
    ports["drive"] = text_bench.PORTS["nmea"]["drive"]
    with running(tmp_path / "tty", "--speaks", "plain") as peer:
        device = make(tmp_path / "tty", "plain", found, ports=ports)
        device.open()
        for _ in range(5):
            device.write(b"drive 0.1\n")
        until(lambda: len(peer.events("command")) == 5 and found, "the lines")
        until(lambda: device._strange == 5, "all of them")
        device.close()
    assert [(each.name, each.severity.value) for each in found] == [("unknown message", "warning")] * 2
    assert "b'ok'" in found[0].message
    assert "5 messages" in found[1].message


def test_the_stop_is_sent_as_often_as_it_says_by_the_guardian_as_well(tmp_path: Path) -> None:
    with running(tmp_path / "tty") as peer:
        device, guardian = (
            make(tmp_path / "tty", "nmea", [], role) for role in (Role.HARNESS, Role.GUARDIAN)
        )
        device.open()
        guardian.open()
        device.safe_stop()
        until(lambda: len(peer.events("stop")) == 5, "the stops")
        device.close()
        guardian.safe_stop()
        until(lambda: len(peer.events("stop")) == 10, "the guardian's stops")
        guardian.close()
        assert len(peer.events("start")) == 1


def test_the_stop_reaches_a_robot_whose_cable_was_pulled_and_is_back(tmp_path: Path) -> None:
    found: list[Finding] = []
    link = tmp_path / "tty"
    with running(link) as peer:
        device = make(link, "nmea", found)
        device.open()
        peer.end()
        until(lambda: found, "the loss")
        assert found[0].name == "robot lost"
        with pytest.raises(OperationError, match="the line is gone"):
            send(device, 0, speed=0.1)
        with pytest.raises(UnavailableError, match="is not there"):
            device.safe_stop()
    with running(link, "--boot-ms", "0") as peer:
        until(lambda: [device.safe_stop(), peer.events("stop")][1], "the stop")
        device.close()


def test_values_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    device = make(tmp_path / "none", "nmea", [], limits={"speed": 0.5})
    drive = device.stimulus("drive")
    for values in ({"sped": 0.1}, {"speed": "fast"}, {}):
        with pytest.raises(ConfigurationError):
            drive.prepare(values)
    for speed in (0.6, -0.6, float("nan"), float("inf")):
        with pytest.raises(SafetyError):
            drive.prepare({"speed": speed})
    with pytest.raises(OperationError):
        drive.send(0, drive.prepare({"speed": 0.5}))


def test_a_port_that_is_not_there_is_named(tmp_path: Path) -> None:
    device = make(tmp_path / "none", "nmea", [], Role.CHECK)
    device.open()
    [finding] = device.preflight()
    assert finding.severity.value == "error" and "none is not there" in finding.message
    with pytest.raises(UnavailableError, match="none is not there"):
        make(tmp_path / "none", "nmea", []).open()


def test_what_the_driver_has_dropped_is_the_benchs_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No driver of a pseudo-terminal counts; the answer here is made up in the kernel's layout."""
    found: list[Finding] = []
    counted = [0]

    def ioctl(_fd: int, request: int, _room: bytes) -> bytes:
        assert request == start.TIOCGICOUNT
        return start.ICOUNTER.pack(*(counted[0] if index == 7 else 0 for index in range(20)))

    monkeypatch.setattr(start, "fcntl", SimpleNamespace(ioctl=ioctl))
    monkeypatch.setattr("harness.rigs.serial_text.device.QUIET_NS", 1)
    with running(tmp_path / "tty"):
        device = make(tmp_path / "tty", "nmea", found)
        device.open()
        counted[0] = 3
        until(lambda: found, "the finding")
        device.close()
    assert found[0].name == "messages lost"
    assert "3 bytes were damaged or dropped" in found[0].message


def test_a_terminal_counts_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "tty"), serial.Serial(str(tmp_path / "tty")) as port:
        assert start.line_errors(port) is None
        with pytest.raises(OSError):
            fcntl.ioctl(port.fileno(), start.TIOCGICOUNT, bytes(80))


@pytest.mark.slow
def test_a_run_counts_every_command_and_ends_in_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    log = tmp_path / "robot.jsonl"
    command = json.dumps(["python", "-m", "harness.sim.serial_robot", "--log", str(log)])
    loaded = load_rig(
        Path(__file__).parents[2] / "rig_configs" / "sim_serial_text.yaml",
        (
            f"processes.robot.command={command}",
            "host.floor_s=0",
            "host.max_load_per_cpu=1000",
            "host.realtime=false",
            "scenarios.command.timeout_ms=5000",
            "scenarios.command.schedule.warmup_s=0.2",
        ),
    )
    outcome = run_rig(loaded, RunOptions(out=tmp_path, samples=200, report=False, anyway=True))
    assert outcome.results is not None, outcome.error
    counts = outcome.results.scenarios["command"]
    assert not outcome.results.aborted, outcome.results.abort_reason
    assert counts.sent + counts.skipped == 200
    assert (counts.answered, counts.lost, counts.duplicates) == (counts.sent, 0, 0)
    # The robot takes 2 ms at least.
    assert counts.latency_ms.min is not None and counts.latency_ms.min >= 2.0
    told = [json.loads(line) for line in log.read_text().splitlines()]
    commands = [each["number"] for each in told if each["event"] == "command"]
    assert commands == sorted(set(commands))
    assert told[-1]["event"] == "stop"


def test_the_bench_speaks_what_the_rig_file_of_the_project_does() -> None:
    real = load_rig(Path(__file__).parents[2] / "rig_configs" / "sim_serial_text.yaml").rig.devices["robot"]
    there = real.ports["done"].response
    assert there.pattern == text_bench.PORTS["nmea"]["done"]["response"]["pattern"]
