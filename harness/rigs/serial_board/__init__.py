"""The bench board on a serial line: it drives outputs, stamps edges, cuts power. See ``docs/bench-board.md``.

The protocol is ``firmware/PROTOCOL.md``; the same firmware runs in simulation (``harness sim board``).
"""

from harness.rigs.serial_board.device import SerialBoard
from harness.rigs.serial_board.options import Options, problems, value_problems

__all__ = ["Options", "SerialBoard", "problems", "value_problems"]
