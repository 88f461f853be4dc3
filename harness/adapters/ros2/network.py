"""Over which interface a robot answers: what can be known of it without asking the middleware.

rclpy tells no address. What is known: the gid of an endpoint, whose participant is heard announcing itself
(:mod:`.ear`); of Fast DDS and Cyclone DDS, whether it is on this host; and over which interface the kernel
would send to an address.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

import psutil

from harness.adapters.ros2.ear import Heard, prefix_of

_FAST_DDS = "010f"
"""Vendor id of eProsima, with which its participants' prefixes begin; two bytes of the host follow, two of
the process (Fast DDS, ``GuidPrefix_t::create``)."""


def where(gid: str, own_gid: str, heard: Iterable[Heard]) -> str:
    """Where the participant of ``gid`` is and over which interface it was heard, in words."""
    prefix = prefix_of(gid)
    # Whoever is here twice (loopback and the interface's own address) is here.
    found = {one for one in heard if one.prefix == prefix}
    own = own_addresses()
    if _same_host(gid, own_gid) or any(one.address in own for one in found):
        return "this host"
    if not found:
        return (
            "not recognised as on this host: another host or network namespace, or a process older than a"
            " change of the interfaces; its address was not heard (static peers and discovery servers"
            " announce nothing)"
        )
    parts = []
    for one in sorted(found, key=lambda one: (one.interface, one.address)):
        here = f", {own_here}" if (own_here := _address_of(one.interface)) else ""
        parts.append(f"{one.address} over {one.interface}{here}")
    note = "" if len(parts) == 1 else " (several: which of them carries an answer cannot be told)"
    routes = {one.address: route(one.address) for one in found}
    odd = {
        f"commands to {address} leave over {name}"
        for address, name in routes.items()
        if name and name not in {one.interface for one in found}
    }
    return "; ".join([" and ".join(parts) + note, *sorted(odd)])


def _same_host(gid: str, own_gid: str) -> bool:
    return gid.startswith(_FAST_DDS) and own_gid.startswith(_FAST_DDS) and gid[4:8] == own_gid[4:8]


def own_addresses() -> dict[str, str]:
    """Interface by IPv4 address of this host (of this network namespace)."""
    return {
        one.address: name
        for name, addresses in psutil.net_if_addrs().items()
        for one in addresses
        if one.family == socket.AF_INET
    }


def _address_of(interface: str) -> str:
    return next((address for address, name in own_addresses().items() if name == interface), "")


def route(address: str) -> str:
    """The interface over which the kernel sends to ``address``; empty where it would not. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((address, 9))
            return own_addresses().get(asking.getsockname()[0], "")
        except OSError:
            return ""


def towards(hosts: Iterable[str]) -> str:
    """The interfaces over which the kernel sends to discovery servers, in words."""
    routes = dict.fromkeys(f"{name} {_address_of(name)}" for host in hosts if (name := route(host)))
    return (
        f"{', '.join(routes)} towards the discovery server" if routes else "no route to the discovery server"
    )


def reach(discovery: str) -> str:
    """The interfaces that discovery of that range goes over, in words."""
    own = own_addresses()
    if discovery == "LOCALHOST":
        return "this host only (discovery range LOCALHOST)"
    if discovery == "OFF":
        return "none (discovery range OFF)"
    stats = psutil.net_if_stats()
    up = sorted(f"{name} {address}" for address, name in own.items() if name in stats and stats[name].isup)
    return ", ".join(up) or "none is up"
