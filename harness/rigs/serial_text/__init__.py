"""A robot that speaks text, or bytes, on a serial line, and needs no code. See ``docs/serial-text.md``."""

from harness.rigs.serial_text.device import SerialText
from harness.rigs.serial_text.options import Options, arrival_problem, problems, value_problems

__all__ = ["Options", "SerialText", "arrival_problem", "problems", "value_problems"]
