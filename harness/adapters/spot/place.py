"""Where a Spot is met, and with whose name and password."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from harness.adapters.spot.options import SIMULATED, Options
from harness.errors import UnavailableError

FIRST_PORT, PORTS = 20_000, 12_000
"""Below the ports that the kernel gives out by itself."""


@dataclass(frozen=True)
class Place:
    """Everything that is needed to log in; the password is in no representation of it."""

    address: str
    port: int
    certificate: Path | None
    username: str
    password: str = field(repr=False)


def simulated(run_id: str) -> Place:
    """Where the simulated Spot of a run is met: all of it follows from the run's id."""
    seed = hashlib.sha256(f"spot {run_id}".encode()).hexdigest()
    port = FIRST_PORT + int(seed[:8], 16) % PORTS
    certificate = Path(tempfile.gettempdir()) / f"harness-spot-{seed[8:24]}.pem"
    return Place("127.0.0.1", port, certificate, "harness", seed[24:48])


def of(name: str, options: Options, run_id: str, rig_folder: Path | None) -> Place:
    """The place that the options tell. Raises UnavailableError without credentials or certificate."""
    if options.address == SIMULATED:
        return simulated(run_id)
    username = os.environ.get(options.username_variable, "")
    if not username:
        raise UnavailableError(
            f"{name}: no user name for the Spot at {options.address}",
            hint=f"set {options.username_variable} in the environment",
        )
    password = os.environ.get(options.password_variable) or _from_keyring(options.keyring_service, username)
    if not password:
        raise UnavailableError(
            f"{name}: no password for {username} at {options.address}",
            hint=f"set {options.password_variable}, or store it with `keyring set {options.keyring_service}"
            f" {username}`",
        )
    certificate = None
    if options.certificate is not None:
        certificate = (rig_folder or Path()) / options.certificate
        if not certificate.is_file():
            raise UnavailableError(f"{name}: no certificate at {certificate}", hint="correct `certificate`")
    return Place(options.address, options.tcp_port, certificate, username, password)


def _from_keyring(service: str, username: str) -> str | None:
    with contextlib.suppress(Exception):  # no keyring installed, none on this system, locked: not there
        found: str | None = importlib.import_module("keyring").get_password(service, username)
        return found
    return None


def environment(run_id: str) -> dict[str, str]:
    """What tells the simulated Spot of the run where it is expected."""
    place = simulated(run_id)
    return {
        "HARNESS_SPOT_PORT": str(place.port),
        "HARNESS_SPOT_CERTIFICATE": str(place.certificate),
        "HARNESS_SPOT_USERNAME": place.username,
        "HARNESS_SPOT_PASSWORD": place.password,
    }
