"""The firmware and its simulator, built from ``firmware/`` where they are missing or out of date."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

from harness.errors import UnavailableError

SOURCES = Path(__file__).resolve().parents[3] / "firmware"
PACKAGES = "gcc-avr avr-libc libsimavr-dev make gcc libc6-dev"
ELF = "bench_board.elf"
SIMULATOR = "simboard"
CORE_ON_HOST = "core_host"


def build(*goals: str, sources: Path = SOURCES) -> Path:
    """Run ``make`` for these goals of ``firmware/Makefile``; the folder with what was built.

    Several processes may ask at once. Raises UnavailableError where the sources or compilers are missing.
    """
    if not (sources / "Makefile").is_file():
        raise UnavailableError(
            f"the firmware's sources are not in {sources}",
            hint="use a checkout of the project: the sources are no part of the installed package",
        )
    out = sources / "build"
    out.mkdir(exist_ok=True)
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            subprocess.run(
                ["make", "-s", "-C", str(sources), *goals], check=True, capture_output=True, text=True
            )
        except FileNotFoundError as error:
            raise UnavailableError("make is missing", hint=f"apt-get install {PACKAGES}") from error
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or ["make said nothing"])[-8:]
            raise UnavailableError(
                "the board's firmware or simulator could not be built:\n  " + "\n  ".join(last),
                hint=f"where a program is missing: apt-get install {PACKAGES}",
            ) from error
    return out
