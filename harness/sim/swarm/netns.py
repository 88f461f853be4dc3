"""A network namespace for each robot, joined by a bridge in the launcher's own. Needs root and ``ip``.

Robot n of launcher P: namespace ``hswP_NAME``, its end of the cable ``eth0`` with 10.213.X.n/24, the other
end ``hswP.n`` on the bridge ``hswPbr`` with 10.213.X.254, where whoever watches listens. Taking ``hswP.n``
or ``eth0`` down isolates the robot. P is the launcher's process number in base 36, X its remainder by 250.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from harness.errors import OperationError, UnavailableError


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"


def _ip(*words: str) -> None:
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20, check=False)
    except FileNotFoundError as error:
        raise UnavailableError(
            "the command ip is not installed", hint="install iproute2, or leave --network-namespace out"
        ) from error
    if done.returncode:
        hint = "network namespaces need root (CAP_NET_ADMIN and CAP_SYS_ADMIN); leave --network-namespace out"
        raise OperationError(f"ip {' '.join(words)}: {done.stderr.strip()}", hint=hint)


class Namespaces:
    """Made by :meth:`open`, removed by :meth:`close`. Raises OperationError, having removed what was made."""

    def __init__(self, names: Sequence[str]) -> None:
        self._prefix = f"hsw{_base36(os.getpid())}"
        self._subnet = f"10.213.{os.getpid() % 250}"
        self._names = tuple(names)
        self.bridge = f"{self._prefix}br"

    def namespace(self, name: str) -> str:
        """The namespace of a robot, as ``ip netns`` calls it."""
        return f"{self._prefix}_{name}"

    def open(self) -> None:
        """Make the bridge, the cables and the namespaces."""
        try:
            _ip("link", "add", self.bridge, "type", "bridge", "mcast_snooping", "0")
            _ip("addr", "add", f"{self._subnet}.254/24", "dev", self.bridge)
            _ip("link", "set", self.bridge, "up")
            for number, name in enumerate(self._names, 1):
                space, outer = self.namespace(name), f"{self._prefix}.{number}"
                _ip("netns", "add", space)
                _ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", space)
                _ip("link", "set", outer, "master", self.bridge, "up")
                _ip("-n", space, "addr", "add", f"{self._subnet}.{number}/24", "dev", "eth0")
                _ip("-n", space, "link", "set", "eth0", "up")
                _ip("-n", space, "link", "set", "lo", "up")
                # Discovery is by multicast, which needs a route.
                _ip("-n", space, "route", "add", "239.0.0.0/8", "dev", "eth0")
        except (OperationError, UnavailableError):
            self.close()
            raise

    def wrap(self, name: str, command: list[str]) -> list[str]:
        """The command, run in the namespace of that robot; as it is for who is none."""
        return ["ip", "netns", "exec", self.namespace(name), *command] if name in self._names else command

    def close(self) -> None:
        """Remove what is there. Repeatable; never raises."""
        for name in self._names:
            self._try("netns", "delete", self.namespace(name))
        for number in range(1, len(self._names) + 1):
            self._try("link", "delete", f"{self._prefix}.{number}")
        self._try("link", "delete", self.bridge)

    @staticmethod
    def _try(*words: str) -> None:
        # What was never made, or went with its namespace, is not there to be removed.
        subprocess.run(["ip", *words], capture_output=True, timeout=20, check=False)


ENVIRONMENT = {
    # LOCALHOST delivers nothing from one namespace to another; shared memory would go round the cable.
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET",
    "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4",
}
