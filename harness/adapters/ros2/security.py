"""What the environment asks of DDS security, in words that give no secret away.

rcl reads these variables itself when a context and a node are made
(https://docs.ros.org/en/jazzy/Concepts/Intermediate/About-Security.html); they reach the harness's own nodes,
the guardian and the processes of a rig as they are. The keystore's path is never told: it may name people and
places.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

ENABLE, STRATEGY = "ROS_SECURITY_ENABLE", "ROS_SECURITY_STRATEGY"
KEYSTORE, ENCLAVE = "ROS_SECURITY_KEYSTORE", "ROS_SECURITY_ENCLAVE_OVERRIDE"
_CREATE = "make it with `ros2 security create_keystore`, and an enclave with `ros2 security create_enclave`"


def enabled(environ: Mapping[str, str] | None = None) -> bool:
    """Whether rcl will look for keys at all: it takes ``true`` and nothing else."""
    return _of(environ).get(ENABLE, "") == "true"


def enforced(environ: Mapping[str, str] | None = None) -> bool:
    """Whether a node without valid keys must not start."""
    return _of(environ).get(STRATEGY, "") == "Enforce"


def enclave(environ: Mapping[str, str] | None = None) -> str:
    """The enclave of the harness's own nodes."""
    return _of(environ).get(ENCLAVE, "").strip() or "/"


def missing(environ: Mapping[str, str] | None = None) -> str | None:
    """What is not there of what the variables ask for; None where there is nothing to miss."""
    if not enabled(environ):
        return None
    keystore = _of(environ).get(KEYSTORE, "").strip()
    if not keystore:
        return f"{KEYSTORE} is not set"
    if not (Path(keystore) / "enclaves").is_dir():
        return f"what {KEYSTORE} names is no keystore (it has no folder `enclaves`)"
    if not (Path(keystore) / "enclaves" / enclave(environ).lstrip("/")).is_dir():
        return f"the keystore has no enclave {enclave(environ)}"
    return None


def words(environ: Mapping[str, str] | None = None) -> str:
    """For the report; empty where security is not asked for."""
    if not enabled(environ):
        return ""
    strategy = "Enforce" if enforced(environ) else "Permissive"
    lacking = missing(environ)
    # Permissive nodes without keys start, and talk in the clear.
    unprotected = f"; NOT protected: {lacking}" if lacking else ""
    return f"asked for, strategy {strategy}, enclave {enclave(environ)}{unprotected}"


def refusal(error: BaseException, environ: Mapping[str, str] | None = None) -> tuple[str, str] | None:
    """Why ROS 2 did not start, and what to do, where security may be the reason; None where it is off."""
    if not enabled(environ):
        return None
    if lacking := missing(environ):
        return (
            f"DDS security is enforced and {lacking}",
            f"{_CREATE}, and set {KEYSTORE} and {ENCLAVE}; or unset {ENABLE}",
        )
    if "security libraries" in str(error):
        return (
            "DDS security is asked for, and this Fast DDS was built without it (as that of the wheels of"
            " PyPI is)",
            f"use a ROS 2 whose Fast DDS has security (those of apt have it), or unset {ENABLE}",
        )
    return (
        f"with DDS security on (enclave {enclave(environ)}): {without_paths(str(error), environ)}",
        f"check the files of the enclave: certificates that expired, permissions that do not name this"
        f" domain or these topics; or unset {ENABLE} to see whether it is security at all",
    )


def without_paths(text: str, environ: Mapping[str, str] | None = None) -> str:
    """``text`` with the keystore's path left out."""
    keystore = _of(environ).get(KEYSTORE, "").strip().rstrip("/")
    return text.replace(keystore, "(keystore)") if keystore else text


def _of(environ: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if environ is None else environ
