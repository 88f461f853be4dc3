"""Which simulator is on the other side: told by itself, and never by the rig file.

Gazebo offers no service that tells its version. What the process of the simulator has loaded does: the
library ``libgz-sim`` has the whole version in the name of its file.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.adapters.gazebo import vendor, world

_LIBRARY = re.compile(rb"/libgz-sim(\d*)\.so\.(\d+\.\d+\.\d+\S*)")
_TRANSPORT = re.compile(rb"/libgz-transport(\d*)\.so\.(\d+\.\d+\.\d+\S*)")
NOT_GAZEBO = "not Gazebo: no process of this host in this partition has its library libgz-sim loaded"


@dataclass(frozen=True)
class Simulator:
    """A process of this host that simulates."""

    pid: int
    version: str
    partition: str


def running(partition: str | None) -> list[Simulator]:
    """The simulators of this host in that partition (None: that of the environment), as far as /proc shows
    them to this user."""
    wanted = os.environ.get("GZ_PARTITION", "") if partition is None else partition
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            loaded = _LIBRARY.search((entry / "maps").read_bytes())
            if loaded is None:
                continue
            variables = (entry / "environ").read_bytes().split(b"\0")
            where = next((one[13:].decode() for one in variables if one.startswith(b"GZ_PARTITION=")), "")
            if where == wanted:
                found.append(Simulator(int(entry.name), loaded[2].decode(), where))
    return sorted(found, key=lambda one: one.pid)


def transport_version() -> str:
    """The version of Gazebo's transport that this process has loaded; empty where it has none."""
    with contextlib.suppress(OSError):
        found = _TRANSPORT.search(Path("/proc/self/maps").read_bytes())
        return "" if found is None else found[2].decode()
    return ""


def identity(partition: str | None) -> dict[str, str]:
    """What the report says of the simulator and of the bindings."""
    there = running(partition)
    # `gz sim` is two processes where it has a server and a window; both have loaded the same library.
    versions = sorted({one.version for one in there})
    told = {"simulator": f"Gazebo Sim {', '.join(versions)}" if versions else NOT_GAZEBO}
    own = transport_version()
    bindings = vendor.load()
    told["bindings"] = f"Gazebo Transport {own} ({bindings.release})" if own else "not those of Gazebo"
    return told


def worlds(node: Any) -> list[str]:
    """The worlds that offer to be controlled, in this node's partition."""
    found = re.compile(r"/world/([^/]+)/control")
    matches = (found.fullmatch(str(service)) for service in node.service_list())
    return sorted(one[1] for one in matches if one is not None)


def servers(node: Any, world_name: str) -> int:
    """How many simulators offer to control that world."""
    return len(node.service_info(world.topic(world_name, "control")))


def publishers(node: Any, topic: str) -> list[str]:
    """Types that others publish on that topic. A name in the list of topics alone may be that of a
    subscriber."""
    return [str(one.msg_type_name) for one in node.topic_info(topic)[0]]
