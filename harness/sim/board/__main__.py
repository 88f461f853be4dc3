"""``python -m harness.sim.board``: see :mod:`harness.sim.board`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from harness.errors import HarnessError
from harness.rigs.serial_board.line import BOARD_VARIABLE, alone_path
from harness.sim.board.building import ELF, SIMULATOR, build
from harness.sim.board.plugs import plugs_beside


def parser() -> argparse.ArgumentParser:
    """The command line. Pins have the names that are printed on an Arduino: D2, D8, A0."""
    made = argparse.ArgumentParser(
        "harness.sim.board", description="The bench board's firmware in simavr, behind a pseudo-terminal."
    )
    made.add_argument(
        "--link",
        type=Path,
        default=os.environ.get(BOARD_VARIABLE) or alone_path(os.getpid()),
        help="symbolic link to the terminal; removed at the end. Without it, --port simulated of"
        " harness board finds it",
    )
    made.add_argument(
        "--wire",
        action="append",
        default=[],
        metavar="FROM:TO:US[:BOUNCES:GAP_US]",
        help="an output's level reaches an input so many us later, and bounces",
    )
    made.add_argument(
        "--robot",
        action="append",
        default=[],
        metavar="FROM:TO:SHORTEST_US:LONGEST_US",
        help="a robot that raises TO after a random time when FROM rises",
    )
    made.add_argument("--seed", type=int, default=1, help="of the robots' times")
    made.add_argument(
        "--voltage",
        action="append",
        default=[],
        metavar="FROM:CHANNEL:US:MV",
        help="an analogue channel has so many mV while FROM is high",
    )
    made.add_argument(
        "--tone",
        action="append",
        default=[],
        metavar="PIN:HZ",
        help="a square wave, its edges a little spread",
    )
    made.add_argument("--drift-ppm", type=float, default=0.0, help="the board's crystal is so much too fast")
    made.add_argument("--vcd", type=Path, help="trace of every wired pin, by the simulator's cycle counter")
    made.add_argument("--elf", type=Path, help="another firmware in place of the bench board's")
    return made


def arguments(given: argparse.Namespace, built: Path) -> list[str]:
    """The command line of the simulator."""
    # The seed before the robots that use it.
    words = [str(built / SIMULATOR), "--elf", str(given.elf or built / ELF), "--seed", str(given.seed)]
    for option in ("wire", "robot", "voltage", "tone"):
        for value in getattr(given, option):
            words += [f"--{option}", value]
    words += ["--drift-ppm", str(given.drift_ppm)]
    words += ["--link", str(given.link), "--plugs", plugs_beside(given.link)]
    if given.vcd is not None:
        words += ["--vcd", str(given.vcd)]
    return words


def main() -> int:
    """Build what is needed and become the simulator."""
    given = parser().parse_args()
    try:
        built = build("firmware", "sim")
    except HarnessError as error:
        print(f"harness.sim.board: {error}", file=sys.stderr)
        return error.exit_status
    words = arguments(given, built)
    return os.execv(words[0], words)


if __name__ == "__main__":
    sys.exit(main())
