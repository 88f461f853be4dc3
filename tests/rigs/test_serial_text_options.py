"""What a rig file may say of a robot on a serial line, and where a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import load_rig, rig_from_text
from harness.errors import ConfigurationError

RIG = Path(__file__).parents[2] / "rig_configs" / "sim_serial_text.yaml"
TEXT = RIG.read_text(encoding="utf-8")


def refused(old: str, new: str) -> tuple[str, str]:
    """The line that is named, and the whole message."""
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    with pytest.raises(ConfigurationError) as caught:
        rig_from_text(text, "rig.yaml")
    message = str(caught.value)
    number = int(message.split("rig.yaml:")[1].split(":")[0])
    return text.splitlines()[number - 1].strip(), message


def test_the_rig_file_says_what_it_means() -> None:
    options = load_rig(RIG).rig.devices["robot"]
    assert options.ports["drive"].stimulus.key_kind == "sequence"
    assert options.ports["halt"].stimulus.key_kind == "none"


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("{speed:.3f}*", "{speed:.3q}*", "values:", "cannot be written"),
        ("{speed:.3f}*", "{speed*", "send:", "expected"),
        ("{key},{speed:.3f}", "{key},{turn},{speed:.3f}", "send:", "turn: no value is given"),
        ("$DRV,{key}", "DRV,{key}", "send:", "after which the checksum begins"),
        ("{key},", "{key:<H},", "", "give `key_modulo`, as 256 for a byte"),
        ("(?P<number>", "(?P<number", "pattern:", "no regular expression"),
        (
            r"'\$ACK,(?P<number>\d+),(?P<speed>[-.\d]+)\*(?P<checksum>[0-9A-F]{2})'",
            "'x*'",
            "pattern:",
            "so everything",
        ),
        ("path: number", "path: numer", "", "no group 'numer'; did you mean 'number'?"),
        ("value: speed", "value: sped", "", "did you mean 'speed'?"),
        ("          of: drive\n", "", "", "`of`, what is answered"),
        ("of: drive", "of: drove", "of: drove", "did you mean 'drive'?"),
        ("of: drive", "of: halt", "of: halt", "sends no {key}"),
        (
            "speed: {alternate: [0.2, -0.2]}",
            "sped: {alternate: [0.2, -0.2]}",
            "values:",
            "did you mean 'speed'?",
        ),
        ("alternate: [0.2, -0.2]", "alternate: [0.2, fast]", "values:", "cannot be written"),
        ("stop: {port: halt}", "stop: {port: drive, values: {speed: 0.0}}", "stop:", "counts with {key}"),
        ('"$STP*{checksum}', '"$STP{n}*{checksum}', "stop:", "n: no value is given"),
        ("kind: xor, after: $", "kind: xr, after: $", "checksum:", "xor"),
        (
            "    timeout_ms: 100\n",
            "    timeout_ms: 100\n    arrival: stamp\n",
            "arrival:",
            "carries no stamp",
        ),
        ("banner: serial robot ready", "banner: '('", "boot:", "no regular expression"),
    ],
)
def test_a_mistake_is_told_at_its_line(old: str, new: str, line: str, what: str) -> None:
    told, message = refused(old, new)
    assert what in message
    assert told.startswith(line), message


def test_what_the_board_does_not_take_is_told_at_its_line() -> None:
    text = """rig: {name: b, description: d, simulated: true}
devices:
  board:
    adapter: serial_board
    port: simulated
    ports:
      button:
        stimulus:
          output: D4
          kind: pulse
          values:
            width: 5
      contact: {response: {input: D8, match: {kind: order}}}
scenarios:
  s: {kind: command_round_trip, stimulus: board.button, response: board.contact, timeout_ms: 9,
      schedule: {kind: trials, samples: 9}}
requirements: []
"""
    with pytest.raises(ConfigurationError, match=r"rig\.yaml:12:.*no value 'width'; did you mean 'width_ms'"):
        rig_from_text(text, "rig.yaml")
