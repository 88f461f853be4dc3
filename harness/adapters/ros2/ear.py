"""Which DDS participants announce themselves, where they are, and over which interface that is heard.

Participants announce themselves by multicast (OMG DDSI-RTPS 9.6.1: group 239.255.0.1, UDP port 7400 + 250 x
domain), Fast DDS every 3 s. Whoever binds that port and joins the group hears them, whatever vendor they are
of; the header names the participant, whose prefix is that of the gid of all of its endpoints. rclpy tells
neither address nor interface. Nothing is sent here. Participants with discovery range LOCALHOST, with static
peers only or behind a discovery server announce themselves to somebody else, and are not heard.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

GROUP = "239.255.0.1"
PORT_BASE, DOMAIN_GAIN = 7400, 250
LAST_DOMAIN = 232
PREFIX_HEX = 24
"""Hexadecimal digits of a participant's prefix: 12 bytes."""
_PKTINFO = 8  # IP_PKTINFO of linux/in.h, which socket does not name before Python 3.14
_HEADER = struct.Struct("!4s2s2s12s")


@dataclass(frozen=True)
class Heard:
    """One participant, heard over one interface. ``prefix``: hexadecimal."""

    domain: int
    prefix: str
    address: str
    interface: str


class Ear:
    """Opened by making one; :meth:`close` is repeatable. What cannot be opened stays deaf: never raises."""

    def __init__(self, domains: Iterable[int], port: Callable[[int], int] | None = None) -> None:
        self._sockets: dict[socket.socket, int] = {}
        self._heard: set[Heard] = set()
        for domain in domains:
            try:
                made = _listening((port or multicast_port)(domain))
            except (OSError, OverflowError):
                continue
            self._sockets[made] = domain

    def heard(self) -> frozenset[Heard]:
        """Everything heard so far. Does not wait."""
        if self._sockets:
            ready = True
            while ready:
                # poll, not select: with a hundred sockets their numbers may lie beyond 1023.
                poller = select.poll()
                by_number = {one.fileno(): one for one in self._sockets}
                for number in by_number:
                    poller.register(number, select.POLLIN)
                ready = False
                for number, _ in poller.poll(0):
                    ready = self._take(by_number[number]) or ready
        return frozenset(self._heard)

    def _take(self, one: socket.socket) -> bool:
        try:
            data, ancillary, _, (address, _) = one.recvmsg(_HEADER.size, 256)
        except OSError:
            return False
        if len(data) == _HEADER.size:
            magic, _, _, prefix = _HEADER.unpack(data)
            if magic == b"RTPS":
                index = next(
                    (
                        struct.unpack_from("i", content)[0]
                        for level, kind, content in ancillary
                        if (level, kind) == (socket.IPPROTO_IP, _PKTINFO)
                    ),
                    0,
                )
                self._heard.add(Heard(self._sockets[one], prefix.hex(), str(address), _name(index)))
        return True

    def listen(self, seconds: float) -> frozenset[Heard]:
        """Wait that long, and tell everything heard so far."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.heard()
            time.sleep(min(left, 0.05))
        return self.heard()

    def close(self) -> None:
        """Leave the group."""
        sockets, self._sockets = self._sockets, {}
        for one in sockets:
            one.close()


def multicast_port(domain: int) -> int:
    """UDP port on which a domain is announced."""
    return PORT_BASE + DOMAIN_GAIN * domain


def prefix_of(gid: str) -> str:
    """The participant's part of an endpoint's gid, both hexadecimal."""
    return gid[:PREFIX_HEX]


def _listening(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        # The participants of this host have the port as well.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.IPPROTO_IP, _PKTINFO, 1)
        made.bind((GROUP, port))
        for index, _ in socket.if_nameindex():
            member = struct.pack("4s4si", socket.inet_aton(GROUP), bytes(4), index)
            with contextlib.suppress(OSError):  # an interface without multicast
                made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    except BaseException:
        made.close()
        raise
    return made


def _name(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return ""
