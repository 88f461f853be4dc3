"""What the bench board's ports do, and what is said when something is wrong with the bench."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Any

import pytest
import serial
from board_bench import bench, edges, end, make, running, start, stimulus, until

from harness.errors import ConfigurationError, OperationError, SafetyError, UnavailableError
from harness.model import NO_KEY, Finding
from harness.ports import Role
from harness.rigs.serial_board import line, talk

pytestmark = pytest.mark.slow

BUTTON = {
    "button": stimulus("D4", "pulse", width_ms=1.0),
    "pressed": {"response": {"of": "button", "match": {"kind": "sequence"}}},
    "contact": edges(edges="rising"),
}
MS = 1_000_000


def test_instants_of_an_output_carry_the_key_and_the_wire_is_as_long_as_it_is(tmp_path: Path) -> None:
    with bench(tmp_path, BUTTON, "--wire", "D4:D8:1000") as one:
        pressed, contact = one.listen("pressed"), one.listen("contact")
        for key in range(50):
            one.send("button", key)
            until(lambda key=key: len(contact.rows) > key, "the contact")
            one.pause(2)
        assert pressed.keys == list(range(50))
        assert set(contact.keys) == {NO_KEY}
        wires = [b["stamp_ns"] - a["stamp_ns"] for a, b in zip(pressed.rows, contact.rows, strict=True)]
        assert all(abs(wire - MS) <= 2500 for wire in wires), (min(wires), max(wires))
        assert all(row["value"] == 1.0 for row in contact.rows)
        assert one.findings == []


def test_a_burst_that_waits_here_keeps_its_order_and_its_keys(tmp_path: Path) -> None:
    ports = {**BUTTON, "button": stimulus("D4", "pulse", width_ms=0.02)}
    with bench(tmp_path, ports) as one:
        pressed = one.listen("pressed")
        for key in range(500):
            one.send("button", key)
        until(lambda: len(pressed.rows) == 500, "all of the burst")
        assert pressed.keys == list(range(500))
        stamps = [row["stamp_ns"] for row in pressed.rows]
        assert stamps == sorted(stamps)
        assert one.findings == []


def test_a_scheduled_pulse_comes_at_its_instant(tmp_path: Path) -> None:
    ports = {
        "flash": stimulus("D6", "scheduled_pulse", width_ms=3.0, lead_ms=40.0),
        "flashed": {"response": {"of": "flash", "match": {"kind": "sequence"}}},
        "seen": edges(),
    }
    with bench(tmp_path, ports, "--wire", "D6:D8:0") as one:
        flashed, seen = one.listen("flashed"), one.listen("seen")
        for key in (7, 8):
            early = one.device.ticks_now()
            one.send("flash", key)
            late = one.device.ticks_now()
            until(lambda key=key: len(seen.rows) == 2 * (key - 6), "both edges")
            at = flashed.rows[-1]["stamp_ns"] // 500
            # The estimate of the board's time is the same before and after; the program takes some ticks.
            assert early + 80_000 <= at <= late + 80_000 + 10
            assert flashed.keys[-1] == key
            rise, fall = (row["stamp_ns"] for row in seen.rows[-2:])
            assert abs(fall - rise - 3 * MS) <= 10_000
        assert one.findings == []


def test_a_level_is_known_before_it_changes(tmp_path: Path) -> None:
    ports = {"enable": stimulus("D5", "level"), "enabled": edges(kind="edge")}
    with bench(tmp_path, ports, "--wire", "D5:D8:10") as one:
        enabled = one.listen("enabled")
        until(lambda: enabled.rows, "the level that is there")
        for level in (1, 1, 0, 1):
            one.send("enable", level=level)
        until(lambda: len(enabled.rows) == 4, "the edges")
        assert [row["value"] for row in enabled.rows] == [0.0, 1.0, 0.0, 1.0]
        stamps = [row["stamp_ns"] for row in enabled.rows]
        assert stamps == sorted(stamps)
        again = one.listen("enabled")
        until(lambda: again.rows, "the level that is there now")
        assert [row["value"] for row in again.rows] == [1.0]
        assert len(enabled.rows) == 4


def test_a_voltage_crosses_its_threshold(tmp_path: Path) -> None:
    ports = {
        "lamp": stimulus("D7", "level"),
        "light": {"response": {"analog": "A2", "high_v": 3.0, "low_v": 1.0, "match": {"kind": "edge"}}},
    }
    with bench(tmp_path, ports, "--voltage", "D7:A2:100:4000") as one:
        light = one.listen("light")
        until(lambda: light.rows, "the level that is there")
        one.send("lamp", level=1)
        until(lambda: len(light.rows) == 2, "the lamp")
        one.send("lamp", level=0)
        until(lambda: len(light.rows) == 3, "the dark")
        assert [row["value"] for row in light.rows] == [0.0, 1.0, 0.0]


def test_a_relay_stays_cut_while_the_host_lives_and_is_undone(tmp_path: Path) -> None:
    ports = {"power": {"fault": {"kind": "relay", "output": "D10", "hold_ms": 1500}}, "cut": edges()}
    with bench(tmp_path, ports, "--wire", "D10:D8:5", robots=["robot"]) as one:
        cut = one.listen("cut")
        fault = one.device.fault("power")
        assert fault.aim("robot") == []
        record = fault.inject("robot", "relay")
        assert record.verified
        assert record.before_ns <= record.after_ns
        assert "D10 is high" in record.evidence
        one.pause(3500)  # more than two holds
        assert [row["value"] for row in cut.rows] == [1.0]
        assert fault.restore("robot").verified
        until(lambda: len(cut.rows) == 2, "the relay's fall")
        assert one.findings == []


def test_a_cut_that_nobody_renews_lapses_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = {"power": {"fault": {"kind": "relay", "output": "D10", "hold_ms": 200}}, "cut": edges()}
    with bench(tmp_path, ports, "--wire", "D10:D8:5", robots=["robot"]) as one:
        cut = one.listen("cut")
        monkeypatch.setattr(type(one.device.fault("power")), "renew", lambda self, now_ns: None)
        assert one.device.fault("power").inject("robot", "relay").verified
        until(lambda: len(cut.rows) == 2, "the relay's fall")
        fell_ns = cut.rows[1]["stamp_ns"] - cut.rows[0]["stamp_ns"]
        assert abs(fell_ns - 200 * MS) <= 20_000
        until(lambda: one.found("cut lapsed"), "the finding")


def test_the_guardian_stops_beside_the_harness_and_alone(tmp_path: Path) -> None:
    ports = {"enable": stimulus("D5", "level"), "enabled": edges()}
    with bench(tmp_path, ports, "--wire", "D5:D8:5") as one:
        enabled = one.listen("enabled")
        guardian = make(one.link, ports, one.findings, role=Role.GUARDIAN)
        guardian.open()
        try:
            one.send("enable", level=1)
            until(lambda: len(enabled.rows) == 1, "the enable line")
            guardian.safe_stop()
            until(lambda: len(enabled.rows) == 2, "the stop")
            assert enabled.rows[1]["value"] == 0.0
            one.send("enable", level=1)
            until(lambda: len(enabled.rows) == 3, "the enable line again")
            one.device.close()
            guardian.safe_stop()
        finally:
            guardian.close()
        assert one.findings == []


def test_silence_of_the_host_is_told_afterwards(tmp_path: Path) -> None:
    with bench(tmp_path, BUTTON, dead_man_ms=300) as one:
        assert one.device.link is not None
        one.device.link.keep_alive_ns = 10**18
        until(lambda: one.found("board went safe"), "the board's word")
        one.device.link.keep_alive_ns = 10_000_000
        assert one.device.is_ready("answers", "")


def test_a_board_that_starts_anew_is_told(tmp_path: Path) -> None:
    with bench(tmp_path, BUTTON) as one:
        one.process.send_signal(signal.SIGUSR1)
        until(lambda: one.found("board restarted"), "the board's word")
        assert one.findings[0].severity.value == "error"


def test_a_pulled_cable_is_told_and_the_stop_reaches_it_once_it_is_back(tmp_path: Path) -> None:
    ports = {"enable": stimulus("D5", "level", safe="high"), "enabled": edges(kind="edge")}
    with bench(tmp_path, ports, "--wire", "D5:D8:5") as one:
        end(one.process)
        until(lambda: one.found("board lost"), "the loss")
        with pytest.raises(OperationError):
            one.send("enable", level=1)
        with pytest.raises(UnavailableError):
            one.device.safe_stop()
        other = start(one.link, "--wire", "D5:D8:5")
        try:
            one.device.safe_stop()
            # Anew, the board knows no safe level but low: what counts is that it took the stop.
            one.device.close()
            second = make(one.link, ports, one.findings)
            second.open()
            assert second.statistics().frames >= 1
            second.close()
        finally:
            end(other)


def test_noise_on_the_line_changes_nothing_but_the_count(tmp_path: Path) -> None:
    with bench(tmp_path, BUTTON) as one:
        before = one.device.statistics()
        noise = random.Random(3)
        with serial.Serial(str(one.link), line.BAUD) as other:
            for _ in range(40):
                other.write(noise.randbytes(90) + b"\0")
                assert one.device.is_ready("answers", "")
        after = one.device.statistics()
        assert after.damaged > before.damaged
        assert after.refused == before.refused
        pressed = one.listen("pressed")
        one.send("button", 5)
        until(lambda: pressed.rows, "an answer")
        assert pressed.keys == [5]


def test_one_second_of_a_storm_is_counted_to_the_last_edge(tmp_path: Path) -> None:
    """Twenty times what the line carries: what has no room is counted, and is the bench's error."""
    with bench(tmp_path, {"contact": edges()}, "--tone", "D8:10000") as one:
        contact = one.listen("contact")
        until(lambda: one.found("messages lost"), "the loss")
        one.pause(1000)
        assert len(one.found("messages lost")) < 10
        assert all(row["flags"] == 0 for row in contact.rows)
        stamps = [row["stamp_ns"] for row in contact.rows]
        assert stamps == sorted(stamps)
        found = one.device.statistics()
        assert found.events_dropped > 0
        assert found.dead_man_trips == 0


def test_a_pulse_within_a_pulse_is_the_benchs_error(tmp_path: Path) -> None:
    with bench(tmp_path, BUTTON) as one:
        one.send("button", 1, width_ms=500)
        one.send("button", 2)
        until(lambda: one.found("command refused"), "the refusal")
        assert "busy" in one.found("command refused")[0].message


def test_values_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    ports: dict[str, Any] = {"button": stimulus("D4", "pulse"), "enable": stimulus("D5", "level")}
    device = make(tmp_path / "none", ports, [], limits={"width_ms": 50})
    button, enable = device.stimulus("button"), device.stimulus("enable")
    for values in ({"width": 1}, {"width_ms": True}, {"width_ms": "1"}, {"width_ms": 1e9}, {"level": 1}):
        with pytest.raises(ConfigurationError):
            button.prepare(values)
    with pytest.raises(SafetyError):
        button.prepare({"width_ms": 60})
    for level in (2, "high", 0.5, None):
        with pytest.raises(ConfigurationError):
            enable.prepare({"level": level})
    with pytest.raises(OperationError):
        enable.send(0, enable.prepare({"level": 1}))


def test_another_version_of_the_protocol_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk, "VERSION", 2)
    with running(tmp_path / "tty"):
        device = make(tmp_path / "tty", BUTTON, [])
        with pytest.raises(UnavailableError, match="protocol version 1, the harness 2") as caught:
            device.open()
        assert "flash" in str(caught.value)
        device.close()


def test_a_port_is_one_harness_alone(tmp_path: Path) -> None:
    with bench(tmp_path, BUTTON) as one:
        second = make(one.link, BUTTON, [])
        with pytest.raises(UnavailableError, match="cannot be opened"):
            second.open()
        assert one.device.is_ready("answers", "")


def test_who_may_not_open_the_port_is_told_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = tmp_path / "ttyUSB0"
    port.touch()
    monkeypatch.setattr(line.os, "access", lambda path, mode: False)
    device = make(port, BUTTON, [], role=Role.CHECK)
    device.open()
    [finding] = device.preflight()
    assert finding.severity.value == "error"
    assert f"group {port.group()}" in finding.message
    with pytest.raises(UnavailableError) as caught:
        make(port, BUTTON, []).open()
    assert f"usermod -aG {port.group()} " in str(caught.value)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="none is not there") as caught:
        make(tmp_path / "none", BUTTON, []).open()
    assert "harness sim board" in str(caught.value)


def test_a_slow_converter_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bench(tmp_path, BUTTON) as one:
        assert [each.name for each in one.device.preflight()] in ([], ["slow line"])
        folder = tmp_path / "usb" / one.link.resolve().name
        folder.mkdir(parents=True)
        (folder / "latency_timer").write_text("16\n")
        monkeypatch.setattr(line, "USB_SERIAL", tmp_path / "usb")
        one.device.round_trip_ms = 17.0
        found: list[Finding] = one.device.preflight()
        assert [each.name for each in found] == ["slow serial converter", "slow line"]
        assert "16 ms" in found[0].message
