"""The network path to devices, sampled: round trip, loss, and segments sent again.

Below ``path.NAME.``: ``round_trip`` (ms, ICMP echo of 56 bytes), ``lost`` (1 for an echo that did not come
back within a second, else 0: its mean is the loss), ``retransmitted`` (TCP segments a second that this host
sent again on connections to that address, by ``ss`` of iproute2; 0 where there is none). One echo a second to
each, in a thread of its own.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigurationError
from harness.telemetry.export.extra import library
from harness.telemetry.export.periodic import Periodic

if TYPE_CHECKING:
    from harness.telemetry.budget.registry import Budgets

LONGEST_S = 1.0
"""How long an echo may take before it counts as lost."""
RETRANSMITTED = re.compile(r"\bretrans:\d+/(\d+)")


def parse_paths(given: tuple[str, ...]) -> dict[str, str]:
    """``NAME=HOST`` as pairs. Raises ConfigurationError for anything else."""
    found = {}
    for each in given:
        name, equals, host = each.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or not host:
            raise ConfigurationError(
                f"--path {each!r} is no NAME=HOST", hint="for example --path spot=192.168.80.3"
            )
        found[name] = host
    return found


@dataclass(frozen=True)
class _Echo:
    """``address``: where it was to go; ``sent``: whether it could be; ``ms``: None where it is lost."""

    address: str
    sent: bool = True
    ms: float | None = None


class PathSampler(Periodic):
    """Samples every ``every_s`` seconds into ``budgets`` until it is closed; a context manager.

    ``paths``: by name, the host name or address of each device; asked anew for every sample, so that devices
    may come and go. ``missing``: what cannot be measured, by its name or that of the path, with the reason.
    Raises UnavailableError without the extra ``telemetry``.
    """

    def __init__(
        self, budgets: Budgets, paths: Callable[[], Mapping[str, str]], every_s: float = 1.0
    ) -> None:
        self._budgets, self._paths = budgets, paths
        self._icmp = library("icmplib")
        self._privileged: bool | None = None
        self._before: dict[str, dict[str, int]] = {}
        self._at: dict[str, float] = {}
        self.missing: dict[str, str] = {}
        super().__init__(self.sample, every_s, "path-sampling")

    @property
    def words(self) -> list[str]:
        """What is not available, one line each."""
        return [f"{name}: not available: {reason}" for name, reason in self.missing.items()]

    def sample(self) -> None:
        """Take one sample of each path now."""
        for name, host in self._paths().items():
            echo = self._echo(name, host)
            if echo is None:
                continue
            if echo.ms is not None:
                self._budgets.observe(f"path.{name}.round_trip", echo.ms, "ms")
            if echo.sent:
                self._budgets.observe(f"path.{name}.lost", float(echo.ms is None), "1")
            again = self._sent_again(name, echo.address)
            if again is not None:
                self._budgets.observe(f"path.{name}.retransmitted", again, "1/s")

    def _echo(self, name: str, host: str) -> _Echo | None:
        """One echo; None where it is not known where to."""
        for privileged in (False, True) if self._privileged is None else (self._privileged,):
            try:
                answer = self._icmp.ping(host, count=1, timeout=LONGEST_S, privileged=privileged)
            except self._icmp.SocketPermissionError:
                continue
            except self._icmp.NameLookupError:
                self.missing[name] = f"the name {host!r} is not known"
                return None
            except self._icmp.ICMPLibError as error:
                # No route, or the network of this host is down: nothing comes back.
                self.missing[name] = f"{type(error).__name__}: {error}"
                return _Echo(host)
            self._privileged = privileged
            self.missing.pop(name, None)
            return _Echo(str(answer.address), ms=float(answer.avg_rtt) if answer.is_alive else None)
        self.missing["round trip"] = (
            "this user may not send ICMP echoes; next: sysctl -w net.ipv4.ping_group_range='0 2147483647'"
        )
        return _Echo(host, sent=False)

    def _sent_again(self, name: str, address: str) -> float | None:
        """Segments a second since the sample before; None for the first one, or without ``ss``."""
        try:
            done = subprocess.run(
                ["ss", "-tinHO", "state", "established", "dst", address],
                capture_output=True,
                text=True,
                timeout=5,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            self.missing["retransmissions"] = f"ss of iproute2: {error}"
            return None
        now, counts = time.monotonic(), retransmitted(done.stdout)
        before, self._before[name] = self._before.get(name), counts
        at, self._at[name] = self._at.get(name, now), now
        if before is None or now <= at:
            return None
        # A connection that is new since then began at 0.
        return sum(max(0, count - before.get(each, 0)) for each, count in counts.items()) / (now - at)


def retransmitted(said: str) -> dict[str, int]:
    """Segments sent again by connection, of lines as ``ss -tinHO`` prints them."""
    found = {}
    for line in said.splitlines():
        words = line.split()
        if len(words) >= 4:
            again = RETRANSMITTED.search(line)
            found[f"{words[2]} {words[3]}"] = int(again.group(1)) if again else 0
    return found


def addresses_of(rig: Any) -> dict[str, str]:
    """Where the devices of a rig are on the network, by their names; those that say so."""
    return {name: where for name, device in rig.devices.items() if (where := device.where) is not None}
