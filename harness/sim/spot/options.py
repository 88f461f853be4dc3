"""The command line of the simulated Spot."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MET = ("port", "certificate", "username", "password")


@dataclass(frozen=True)
class Options:
    """All that the command line says; times in s unless named otherwise."""

    port: int = 50443
    certificate: Path = Path("sim-spot-ca.pem")
    username: str = "user"
    password: str = "simulated"
    offset_s: float = 0.0
    drift_ppm: float = 0.0
    token_life_s: float = 43200.0
    power_on_s: float = 0.3
    lease_timeout_s: float = 4.0
    reaction_ms: float = 0.0
    joint_licence: bool = False
    mute: bool = False
    control: Path | None = None
    truth: Path | None = None


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is no port; give 0 to 65535")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number")
    return number


def _length(text: str) -> float:
    number = _finite(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return number


# argparse names them where a value cannot be read.
_port.__name__, _finite.__name__, _length.__name__ = "port", "number", "number"


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; ends the process with a message where it is wrong."""
    default = Options()
    met = {name: os.environ.get(f"HARNESS_SPOT_{name.upper()}", getattr(default, name)) for name in MET}
    parser = argparse.ArgumentParser(
        prog="harness sim spot",
        description="A simulated Spot on 127.0.0.1, for the vendor's unmodified SDK: give it the certificate"
        " as cert_resource_glob and the port by robot.update_secure_channel_port. Port, certificate, user"
        " name and password come from HARNESS_SPOT_PORT and so on where a rig has set them.",
    )
    add = parser.add_argument
    add(
        "--port",
        type=_port,
        default=met["port"],
        help="0: a free one, which is printed (default %(default)s)",
    )
    add(
        "--certificate",
        type=Path,
        default=met["certificate"],
        help="where the authority's certificate is written, for clients to trust (default %(default)s)",
    )
    add("--username", default=met["username"], help=f"default {default.username}")
    add("--password", default=met["password"], help=f"default {default.password}; of this robot alone")
    add("--offset-s", type=_finite, default=0.0, help="its clock minus the host's at the start, in s")
    add("--drift-ppm", type=_finite, default=0.0, help="how much faster its clock runs, in 1e-6")
    add("--token-life-s", type=_length, default=default.token_life_s, help="default 12 h, as the vendor's")
    add("--power-on-s", type=_length, default=default.power_on_s, help="how long powering on takes")
    add(
        "--lease-timeout-s",
        type=_length,
        default=default.lease_timeout_s,
        help="a lease that was neither used nor retained for so long: the robot sits and powers off",
    )
    add("--reaction-ms", type=_length, default=0.0, help="from a command's receipt to the body's reaction")
    add("--joint-licence", action="store_true", help="the robot is licensed for joint control")
    add("--mute", action="store_true", help="takes commands and questions for the state, and answers none")
    add("--control", type=Path, help="Unix socket that takes faults on request, as JSON lines")
    add("--truth", type=Path, help="file for what it received and did, as JSON lines")
    given = vars(parser.parse_args(arguments))
    return Options(**given)
