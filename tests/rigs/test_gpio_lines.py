"""GPIO lines: what the driver does with them, on a chip that is none, and what it tells the real library."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import gpio_bench
import gpiod
import pytest
from board_bench import until
from gpio_bench import Chip, make
from gpiod.line import Bias, Clock, Direction, Drive, Edge, Value

from harness.config import rig_from_text
from harness.errors import ConfigurationError, OperationError, SafetyError, UnavailableError
from harness.model import Finding
from harness.ports import DeviceContext, Role
from harness.rigs.gpio_lines import GpioLines, Options
from harness.rigs.gpio_lines import chip as chip_module
from harness.rigs.gpio_lines.chip import GpiodLines, LineEdge, Want, find_chip, settings
from harness.testing.conformance import DeviceConformance
from harness.testing.device_bench import Recorder

OUT, IN = 17, 27


def out(kind: str = "level", line: int = OUT, **more: Any) -> dict[str, Any]:
    return {"stimulus": {"line": line, "kind": kind, **more}}


def into(match: str = "order", line: int = IN, **more: Any) -> dict[str, Any]:
    return {"response": {"line": line, "match": {"kind": match}, **more}}


class TestConformance(DeviceConformance):
    stimulus_port, response_port = "press", "answer"
    values: ClassVar = {"width_ms": 0.05}
    wrong_values = ({"width": 1}, {"width_ms": "long"}, {"width_ms": True}, {"width_ms": 0})

    @pytest.fixture(autouse=True)
    def _chips(self) -> None:
        self.chips = {name: Chip({OUT: IN}, answers=True) for name in ("first", "second")}

    def make(self, context: DeviceContext) -> GpioLines:
        ports = {"press": out("pulse"), "answer": into(edges="rising")}
        options = Options.model_validate({"adapter": "gpio_lines", "chip": "bench", "ports": ports})
        chip = self.chips["second" if context.run_id.endswith("-b") else "first"]
        return GpioLines("gpio", options, context, chip.request)

    def start_peer(self, silent: bool) -> None:
        for chip in self.chips.values():
            chip.there, chip.wires = True, {} if silent else {OUT: IN}

    def end_peer(self) -> None:
        for chip in self.chips.values():
            chip.there = False

    def test_guardian_reaches_the_stop_while_the_harness_is_open(self, context: DeviceContext) -> None:
        """It cannot: a line belongs to one process. It says so, and reaches it once the harness has gone."""
        guarded = DeviceContext(run_id=context.run_id, role=Role.GUARDIAN, report=context.report)
        with self.opened(context) as device:
            guardian = self.make(guarded)
            guardian.open()
            with pytest.raises(OperationError, match="in use by harness gpio"):
                guardian.safe_stop()
            device.close()
            guardian.safe_stop()
            assert self.chips["first"].holders == {OUT: "harness guardian gpio"}
            guardian.close()
            assert self.chips["first"].holders == {}


def test_outputs_begin_and_end_at_their_safe_levels() -> None:
    chip = Chip()
    ports = {"enable": out(line=1, active_low=True), "brake": out(line=2, safe="active"), "lamp": out(line=3)}
    device = make(chip, ports, [], stop={"port": "lamp", "values": {"level": 0}, "repeat": 1})
    device.open()
    assert chip.levels == {1: True, 2: True, 3: False}
    for port in ("enable", "brake", "lamp"):
        stimulus = device.stimulus(port)
        stimulus.send(0, stimulus.prepare({"level": 0 if port == "brake" else 1}))
    assert chip.levels == {1: False, 2: False, 3: True}
    device.safe_stop()
    assert chip.levels == {1: True, 2: True, 3: False}
    device.stimulus("lamp").send(0, device.stimulus("lamp").prepare({"level": 1}))
    device.close()
    assert chip.levels == {1: True, 2: True, 3: False}


def test_a_pulse_ends_by_itself_and_never_after_a_stop() -> None:
    chip = Chip({OUT: IN})
    device = make(chip, {"press": out("pulse", width_ms=30), "seen": into("edge")}, [])
    device.open()
    seen = Recorder()
    device.response("seen").listen(seen)
    press = device.stimulus("press")
    before_ns, after_ns = press.send(0, press.prepare({}))
    until(lambda: len(seen.rows) == 3, "level, rise and fall")
    assert [row["value"] for row in seen.rows] == [0.0, 1.0, 0.0]
    rise_ns, fall_ns = (row["received_ns"] for row in seen.rows[1:])
    assert before_ns <= rise_ns <= after_ns
    assert fall_ns - after_ns >= 30_000_000
    press.send(1, press.prepare({"width_ms": 60_000}))
    device.safe_stop()
    count = len(chip.set_log)
    time.sleep(0.05)
    assert len(chip.set_log) == count and chip.levels[OUT] is False
    device.close()


def test_active_low_inputs_are_seen_as_active() -> None:
    chip = Chip()
    chip.levels[IN] = True
    device = make(chip, {"contact": into("edge", active_low=True)}, [])
    device.open()
    seen = Recorder()
    device.response("contact").listen(seen)
    until(lambda: seen.rows, "the level that is there")
    chip.drive(IN, False)
    until(lambda: len(seen.rows) == 2, "the edge")
    assert [row["value"] for row in seen.rows] == [0.0, 1.0]
    device.close()


def test_edges_that_the_kernel_had_no_room_for_are_the_benchs_error() -> None:
    found: list[Finding] = []
    chip = Chip()
    device = make(chip, {"contact": into()}, found)
    device.open()
    [request] = chip.requests
    request.edges.put(LineEdge(0, True, time.monotonic_ns(), 1))
    request.edges.put(LineEdge(0, True, time.monotonic_ns(), 5))
    until(lambda: found, "the finding")
    device.close()
    assert found[0].name == "messages lost" and "3 edges of 27" in found[0].message


def test_a_chip_that_goes_is_told_and_the_stop_says_that_it_was_not_taken() -> None:
    found: list[Finding] = []
    chip = Chip()
    device = make(chip, {"lamp": out(), "contact": into()}, found)
    device.open()
    chip.there = False
    until(lambda: found, "the finding")
    assert found[0].name == "lines lost" and found[0].severity.value == "error"
    with pytest.raises(OperationError, match="the stop was not taken"):
        device.safe_stop()
    device.close()


def test_values_are_refused_before_anything_is_driven() -> None:
    device = make(Chip(), {"press": out("pulse"), "lamp": out(line=3)}, [], limits={"width_ms": 50})
    with pytest.raises(SafetyError):
        device.stimulus("press").prepare({"width_ms": 60})
    for level in (2, "high", 0.5, None):
        with pytest.raises(ConfigurationError):
            device.stimulus("lamp").prepare({"level": level})
    with pytest.raises(OperationError, match="not open"):
        device.stimulus("lamp").send(0, device.stimulus("lamp").prepare({"level": 1}))


RIG = """rig: {name: g, description: d, simulated: true}
devices:
  gpio:
    adapter: gpio_lines
    chip: pinctrl-rp1
    ports:
      press:
        stimulus:
          line: GPIO17
          kind: level
          values: {level: 1}
      moving:
        response:
          line: GPIO27
          match: {kind: edge, direction: rising}
scenarios:
  s:
    kind: command_round_trip
    stimulus: gpio.press
    response: gpio.moving
    return_values: {level: 0}
    timeout_ms: 9
    schedule: {kind: trials, samples: 9, quiet_ms: 100}
requirements:
  - {id: R, scenario: s, quantile: 0.5, limit: 8}
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("line: GPIO27", "line: GPIO17", 14, "is the line of press already"),
        ("level: 1", "levl: 1", 11, "did you mean 'level'?"),
        ("kind: edge, direction: rising", "kind: onset", 14, "matched by `kind: edge` or `order`"),
        ("line: GPIO27", "line: GPIO27\n          edges: rising", 14, "needs `edges: both`"),
        ("    timeout_ms: 9", "    timeout_ms: 9\n    arrival: stamp", 23, "the kernel's own stamp already"),
        ("chip: pinctrl-rp1", "chip: pinctrl-rp1\n    pull: up", 6, "pull"),
    ],
)
def test_a_mistake_is_told_at_its_line(old: str, new: str, line: int, what: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        rig_from_text(RIG.replace(old, new, 1), "rig.yaml")
    assert f"rig.yaml:{line}:" in str(caught.value), caught.value
    assert what in str(caught.value)


def test_a_good_rig_file_is_read() -> None:
    device = rig_from_text(RIG, "rig.yaml").devices["gpio"]
    assert device.ports["moving"].response.match.signal == "command"


# -- the real library, as far as it goes without a chip ------------------------------------------------------


def test_wants_are_settings_of_the_real_library() -> None:
    made = settings(gpiod, Want(OUT, output=True, active=True, active_low=True, drive="open_drain"))
    assert (made.direction, made.drive, made.active_low) == (Direction.OUTPUT, Drive.OPEN_DRAIN, True)
    assert made.output_value is Value.ACTIVE
    made = settings(gpiod, Want(IN, output=False, bias="pull_up", edges="both", debounce_us=250))
    assert (made.direction, made.edge_detection, made.bias) == (Direction.INPUT, Edge.BOTH, Bias.PULL_UP)
    assert made.debounce_period == timedelta(microseconds=250)
    assert made.event_clock is Clock.MONOTONIC
    for bias in ("as_is", "disabled", "pull_down"):
        settings(gpiod, Want(IN, output=False, bias=bias, edges="rising"))
    for drive in ("push_pull", "open_source"):
        settings(gpiod, Want(OUT, output=True, drive=drive))


def test_what_the_driver_calls_is_in_the_real_library() -> None:
    for name in ("set_value", "get_value", "wait_edge_events", "read_edge_events", "release"):
        assert callable(getattr(gpiod.LineRequest, name))
    for name in ("line_offset_from_id", "get_info", "get_line_info", "request_lines"):
        assert callable(getattr(gpiod.Chip, name))
    assert gpiod.EdgeEvent.Type.RISING_EDGE is not gpiod.EdgeEvent.Type.FALLING_EDGE


def test_a_chip_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnavailableError, match="gpiochip9 is not there"):
        GpiodLines(str(tmp_path / "gpiochip9"), [], "test")
    (tmp_path / "gpiochip0").touch()
    with pytest.raises(UnavailableError, match="cannot be opened"):
        GpiodLines(str(tmp_path / "gpiochip0"), [], "test")
    monkeypatch.setattr(chip_module, "DEVICES", tmp_path)
    with pytest.raises(UnavailableError, match="no GPIO chips have the label 'bench'"):
        find_chip(gpiod, "bench")
    assert find_chip(gpiod, "gpiochip0") == str(tmp_path / "gpiochip0")
    device = make(Chip(), {"lamp": out()}, [], Role.CHECK)
    device.open()
    [finding] = device.preflight()
    assert finding.severity.value == "error" and "label 'bench'" in finding.message


class Library:
    """Two chips of the same label, and one of another; a line that is in use."""

    line = gpiod.line
    LineSettings = gpiod.LineSettings
    EdgeEvent = gpiod.EdgeEvent
    labels: ClassVar = {"gpiochip0": "soc", "gpiochip1": "soc", "gpiochip2": "expander"}

    class Chip:
        def __init__(self, path: str) -> None:
            self.label = Library.labels[Path(path).name]

        def __enter__(self) -> Library.Chip:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def get_info(self) -> SimpleNamespace:
            return SimpleNamespace(label=self.label, num_lines=2)

        def line_offset_from_id(self, line: int | str) -> int:
            if line not in ("RESET", "LED", 0, 1):
                raise OSError(2, "No such file or directory")
            return {"RESET": 0, "LED": 1}.get(str(line), line)  # type: ignore[return-value]

        def get_line_info(self, offset: int) -> SimpleNamespace:
            used = offset == 0
            return SimpleNamespace(
                name=("RESET", "LED")[offset], used=used, consumer="watchdog" if used else ""
            )

        def request_lines(self, config: dict[int, Any], consumer: str, event_buffer_size: int) -> Any:
            if 0 in config:
                raise OSError(16, "Device or resource busy")
            values = dict.fromkeys(config, Value.INACTIVE)
            event = SimpleNamespace(
                line_offset=1, event_type=gpiod.EdgeEvent.Type.RISING_EDGE, timestamp_ns=5, line_seqno=1
            )
            return SimpleNamespace(
                set_value=values.__setitem__,
                get_value=values.__getitem__,
                wait_edge_events=lambda timeout: timeout == timedelta(seconds=0.5),
                read_edge_events=lambda most: [event],
                release=values.clear,
            )


@pytest.fixture
def two_chips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Library.labels:
        (tmp_path / name).touch()
    monkeypatch.setattr(chip_module, "DEVICES", tmp_path)
    monkeypatch.setattr(chip_module, "library", lambda: Library)


@pytest.mark.usefixtures("two_chips")
def test_chips_are_found_by_label_and_lines_by_name() -> None:
    with pytest.raises(UnavailableError, match="2 GPIO chips have the label 'soc'"):
        GpiodLines("soc", [], "test")
    with pytest.raises(UnavailableError) as caught:
        GpiodLines("expandr", [], "test")
    assert "did you mean 'expander'?" in str(caught.value)
    with pytest.raises(ConfigurationError) as wrong:
        GpiodLines("expander", [Want("LDE", output=True)], "test")
    assert "did you mean 'LED'?" in str(wrong.value)
    with pytest.raises(UnavailableError, match="line RESET is in use by watchdog"):
        GpiodLines("expander", [Want("RESET", output=True)], "test")


@pytest.mark.usefixtures("two_chips")
def test_lines_are_set_read_and_waited_for() -> None:
    lines = GpiodLines("expander", [Want("LED", output=True)], "test")
    lines.set(0, True)
    assert lines.get(0) is True
    lines.set(0, False)
    assert lines.get(0) is False
    assert lines.wait(0.1) == []
    assert lines.wait(0.5) == [LineEdge(0, True, 5, 1)]
    lines.release()


def test_the_bench_holds_a_line_for_one_request_alone() -> None:
    chip = Chip()
    first = chip.request("bench", [Want(1, output=True)], "one")
    with pytest.raises(UnavailableError, match="1 is in use by one"):
        chip.request("bench", [Want(1, output=True)], "two")
    first.release()
    gpio_bench.Chip.request(chip, "bench", [Want(1, output=True)], "two")
