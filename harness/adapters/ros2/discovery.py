"""Discovery through a server of Fast DDS: its addresses, and what it changes.

A participant that ROS_DISCOVERY_SERVER makes a client announces itself to the servers named there and to
nobody else; it is told only of endpoints that match its own. ROS_SUPER_CLIENT=TRUE makes it hear of all,
which the preflight needs: a second publisher of a command topic matches none of our endpoints. Domains do not
separate the clients of a server: in 2.14 two clients of one server in different domains met and talked.
https://fast-dds.docs.eprosima.com/en/2.14.x/fastdds/ros2/discovery_server/ros2_discovery_server.html
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping

from harness.errors import ConfigurationError, UnavailableError

SERVER, SUPER = "ROS_DISCOVERY_SERVER", "ROS_SUPER_CLIENT"
DEFAULT_PORT = 11811
_ENTRY = re.compile(
    r"^(?:(?P<kind>UDPv4|UDPv6|TCPv4|TCPv6):)?(?:\[(?P<bracketed>[^\]]+)\]|(?P<host>[^\[\]:]+))"
    r"(?::(?P<port>\d{1,5}))?$"
)


def addresses(text: str) -> list[tuple[str, int]]:
    """Hosts and ports of a list as ROS_DISCOVERY_SERVER holds it; empty places keep the ids of the others.

    Raises ConfigurationError for a place that is no address.
    """
    found = []
    for place in text.split(";"):
        one = place.strip()
        if not one:
            continue
        parts = _ENTRY.match(one)
        port = int(parts["port"] or DEFAULT_PORT) if parts else 0
        if parts is None or not 0 < port < 65536:
            raise ConfigurationError(
                f"discovery server {one!r} is not an address",
                hint="write HOST, HOST:PORT or TCPv4:[HOST]:PORT; several are separated by `;`",
            )
        found.append((parts["bracketed"] or parts["host"], port))
    if not found:
        raise ConfigurationError(
            f"discovery server {text!r} names no server", hint=f"write HOST:{DEFAULT_PORT}"
        )
    return found


def server(wanted: str | None, environ: Mapping[str, str] | None = None) -> str | None:
    """The servers of this run: the rig file's, else the environment's, else None."""
    if wanted is not None:
        return wanted
    return (os.environ if environ is None else environ).get(SERVER, "").strip() or None


def require_resolvable(text: str) -> None:
    """Fast DDS says that it cannot resolve a name, drops it, and waits for ever. Raises UnavailableError."""
    for host, port in addresses(text):
        try:
            socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            raise UnavailableError(
                f"the discovery server's name {host!r} is not known here: {error}",
                hint=f"name its address, in `discovery_server` or {SERVER}",
            ) from error


def hint(text: str) -> str:
    """What to look at when nobody was seen through those servers."""
    return (
        f"does the discovery server run at {text} (`fastdds discovery -i 0`), and was the robot started with"
        f" {SERVER}={text}?"
    )
