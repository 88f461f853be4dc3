"""Faults of a robot's network: its cable is pulled, or made slow.

A robot of the run that lives in a network namespace of its own is joined to the rest by a virtual cable
(veth) whose other end is here. Down goes that end: the robot keeps its addresses and routes, as with a real
cable. Nothing is touched that is not such a cable of a process of the run.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import proctable
from harness.errors import OperationError, UnavailableError
from harness.faults.base import FaultPort
from harness.guardian.undo import IFF_RUNNING, IFF_UP, Undo, flags, run, set_up, up
from harness.proctable import Entry

TOOL_S = 10.0
PLAIN = ("noqueue", "pfifo_fast", "mq", "fq_codel")
"""Queueing disciplines that a link has by itself."""


@dataclass(frozen=True)
class Cable:
    """``entry``: the robot's process; ``inner``: the link in its namespace; ``outer``, ``index``: name and
    number of the end that is here."""

    entry: Entry
    inner: str
    outer: str
    index: int


class LinkFault(FaultPort):
    """A fault of the cable between a robot's network namespace and the harness's."""

    def _find(self, target: str) -> Cable:
        entry, link = self._process(target), self._options.link
        if _namespace(entry.pid) == _namespace(os.getpid()):
            raise OperationError(
                f"fault port {self._port}: {target} (pid {entry.pid}) has no network namespace of its own,"
                " and the harness's own network is not touched",
                hint="give each robot one (`ip netns`, a container), or use a fault of kind command",
            )
        told = self._inside(entry, ["ip", "-j", "link", "show", "dev", link])
        inner = json.loads(told)[0]
        number, index = int(inner["ifindex"]), int(inner.get("link_index", 0))
        try:
            outer = socket.if_indextoname(index)
            here = json.loads(_tool(["ip", "-j", "link", "show", "dev", outer]))[0]
        except (OSError, OverflowError, OperationError):
            outer, here = "", {}
        if not outer or here.get("link_index") != number:
            raise OperationError(
                f"fault port {self._port}: the link {link} of {target} is no cable (veth) with its other end"
                " in the harness's network namespace",
                hint="correct `link` of that port, or use a fault of kind command",
            )
        return Cable(entry, link, outer, index)

    def _still(self, aimed: Cable) -> bool:
        return proctable.is_running(aimed.entry.pid, aimed.entry.started)

    def _inside(self, entry: Entry, words: list[str]) -> str:
        """Output of the command, run in the network namespace of that process."""
        try:
            return _tool(_within(entry, words))
        except OperationError as error:
            raise OperationError(f"fault port {self._port}: {error.message}", hint=error.hint) from error


class Isolate(LinkFault):
    """The cable is pulled."""

    def _break(self, aimed: Cable) -> None:
        try:
            set_up(aimed.outer, False)
        except PermissionError as error:
            raise OperationError(
                f"fault port {self._port}: the link {aimed.outer} may not be taken down",
                hint="run as root (CAP_NET_ADMIN)",
            ) from error

    def _took_hold(self, aimed: Cable) -> bool:
        try:
            return not flags(aimed.outer) & IFF_UP
        except OSError:
            return False

    def _evidence(self, aimed: Cable) -> str:
        state = "down" if self._took_hold(aimed) else "not down"
        return f"link {aimed.outer}, the cable of pid {aimed.entry.pid}, {state}"

    def _undoings(self, aimed: Cable) -> list[Undo]:
        return [up(aimed.outer, aimed.index)]

    def _back(self, target: str, aimed: Cable) -> str | None:
        wanted = IFF_UP | IFF_RUNNING
        try:
            return f"link {aimed.outer} up" if flags(aimed.outer) & wanted == wanted else None
        except OSError:
            return None

    def _whole(self) -> str:
        return "connected again"


class Slow(LinkFault):
    """What the robot sends waits, is lost, or queues up."""

    def _find(self, target: str) -> Cable:
        cable = super()._find(target)
        others = [each["kind"] for each in self._disciplines(cable) if each["kind"] not in PLAIN]
        if others:
            raise OperationError(
                f"fault port {self._port}: the link {cable.inner} of {target} is shaped already"
                f" ({', '.join(others)})",
                hint="remove that first: tc qdisc del dev LINK root",
            )
        return cable

    def _discipline(self) -> list[str]:
        options = self._options
        if options.rate_kbit is not None:
            # A burst of one large frame, and room for a second of queue: messages wait and are not lost.
            room = max(20_000, round(options.rate_kbit * 125))
            return ["tbf", "rate", f"{options.rate_kbit:g}kbit", "burst", "2000", "limit", str(room)]
        return ["netem", "delay", f"{options.delay_ms:g}ms", "loss", f"{100 * options.loss:g}%"]

    def _break(self, aimed: Cable) -> None:
        discipline = self._discipline()
        try:
            self._inside(aimed.entry, ["tc", "qdisc", "add", "dev", aimed.inner, "root", *discipline])
        except OperationError as error:
            raise OperationError(
                error.message,
                hint="needs root and the kernel's sch_"
                f"{discipline[0]}; give rate_kbit instead of delay_ms and loss where there is no netem",
            ) from error

    def _took_hold(self, aimed: Cable) -> bool:
        return any(each["kind"] == self._discipline()[0] for each in self._disciplines(aimed))

    def _evidence(self, aimed: Cable) -> str:
        return f"{' '.join(self._discipline())} on {aimed.inner} of pid {aimed.entry.pid}"

    def _undoings(self, aimed: Cable) -> list[Undo]:
        words = ["tc", "qdisc", "del", "dev", aimed.inner, "root"]
        return [run(_within(aimed.entry, words), TOOL_S)]

    def _back(self, target: str, aimed: Cable) -> str | None:
        return None if self._took_hold(aimed) else f"{aimed.inner} of pid {aimed.entry.pid} as before"

    def _disciplines(self, cable: Cable) -> list[dict[str, Any]]:
        told = self._inside(cable.entry, ["tc", "-j", "qdisc", "show", "dev", cable.inner, "root"])
        return [each for each in json.loads(told) if "kind" in each]


def _namespace(pid: int) -> tuple[int, int]:
    try:
        found = Path(f"/proc/{pid}/ns/net").stat()
    except PermissionError as error:
        raise OperationError(
            f"the network namespace of pid {pid} may not be looked at", hint="run as root (CAP_SYS_PTRACE)"
        ) from error
    except OSError as error:
        raise OperationError(f"pid {pid} is gone") from error
    return found.st_dev, found.st_ino


def _within(entry: Entry, words: list[str]) -> list[str]:
    return ["nsenter", "--target", str(entry.pid), "--net", *words]


def _tool(words: list[str]) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=TOOL_S, check=False)
    except FileNotFoundError as error:
        raise UnavailableError(
            f"the command {words[0]} is not installed", hint="install iproute2 and util-linux"
        ) from error
    if done.returncode:
        raise OperationError(
            f"{' '.join(words)}: {done.stderr.strip() or done.returncode}", hint="needs root (CAP_NET_ADMIN)"
        )
    return done.stdout
