"""Which part of the ROS graph a run lives in: domain, discovery range, node names.

All of it is a function of the options and the run id, so that harness, guardian and the rig's processes agree
without talking to each other.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from harness.adapters.ros2 import discovery
from harness.adapters.ros2.options import Options
from harness.errors import ConfigurationError
from harness.ports import Role

DOMAIN_VARIABLE = "ROS_DOMAIN_ID"
RANGE_VARIABLE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
FIRST_AUTO, LAST_AUTO = 2, 101
"""Domains that ``auto`` chooses from: 0 and 1 are everybody's, above 101 the UDP ports of a domain fall into
Linux's ephemeral range (https://docs.ros.org/en/jazzy/Concepts/Intermediate/About-Domain-ID.html)."""
_RANGES = {"localhost": "LOCALHOST", "subnet": "SUBNET", "system": "SYSTEM_DEFAULT"}
_PREFIX = {Role.HARNESS: "harness", Role.GUARDIAN: "harness_guardian", Role.CHECK: "harness_check"}
_environment_lock = threading.Lock()


def domain_id(options: Options, run_id: str, environ: Mapping[str, str] | None = None) -> int:
    """The domain of this run. Raises ConfigurationError when the environment's is no number."""
    if options.domain_id == "auto":
        digest = hashlib.sha256(run_id.encode()).digest()
        return FIRST_AUTO + int.from_bytes(digest[:8], "big") % (LAST_AUTO - FIRST_AUTO + 1)
    if options.domain_id is not None:
        return options.domain_id
    text = (os.environ if environ is None else environ).get(DOMAIN_VARIABLE, "").strip()
    if not text:
        return 0
    if not text.isdecimal() or int(text) > 232:
        raise ConfigurationError(
            f"{DOMAIN_VARIABLE}={text!r} of the environment is not a domain id",
            hint=f"unset it, or set {DOMAIN_VARIABLE} to a number from 0 to 101",
        )
    return int(text)


def environment(options: Options, run_id: str) -> dict[str, str]:
    """Variables that put a process into this run's part of the graph."""
    found = {DOMAIN_VARIABLE: str(domain_id(options, run_id))}
    if options.discovery is not None:
        found[RANGE_VARIABLE] = _RANGES[options.discovery]
    if options.discovery_server is not None:
        found[discovery.SERVER] = options.discovery_server
    return found


def own_environment(options: Options, run_id: str) -> dict[str, str]:
    """The same for nodes of the harness itself, which must see the whole graph: rivals match none of their
    endpoints."""
    found = environment(options, run_id)
    if discovery.server(options.discovery_server):
        found[discovery.SUPER] = "TRUE"
    else:
        # Fast DDS 2.14 remembers the last one of this process where the variable is not set at all.
        found[discovery.SERVER] = ""
    return found


@contextmanager
def applied(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables while a context is made, and put back what was there.

    rcl reads the discovery range from the process's environment only; there is no argument for it.
    """
    with _environment_lock:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def token(run_id: str) -> str:
    """The run id as a ROS name may contain it."""
    return re.sub(r"[^A-Za-z0-9]+", "_", run_id).strip("_") or "run"


def node_name(run_id: str, role: Role) -> str:
    """Name of the node that opens a device in that role."""
    return f"{_PREFIX[role]}_{token(run_id)}"


def own_names(run_id: str) -> frozenset[str]:
    """Names of every node that belongs to this run's harness."""
    return frozenset(node_name(run_id, role) for role in Role)
