"""How a ROS 2 device looks at who is across from its ports: preflight, watch, identity. Sends nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from harness.adapters.ros2 import graph, messages, paths, qos
from harness.adapters.ros2.options import Options
from harness.adapters.ros2.readers import Readers
from harness.adapters.ros2.session import Session
from harness.model import Finding, Severity
from harness.ports import DeviceContext, Role

_POLL_NS = 20_000_000
_SETTLE_NS = 400_000_000
_WATCH_S = 1.0
_ANNOUNCED_NS = 4_000_000_000
"""Fast DDS participants announce themselves every 3 s. Most answer our first announcement in 0.2 s; in a
third of all cases tried they were heard only at their next one. Seeing nobody any earlier says little."""


class Lookout:
    """Looks from one session, made at ``since_ns`` (CLOCK_MONOTONIC).

    ``profiles``: QoS by port, of the ports that are open; ``readers``: those that may adapt to what they see.
    """

    def __init__(
        self,
        options: Options,
        context: DeviceContext,
        session: Session,
        since_ns: int,
        seen: graph.Graph,
        profiles: Mapping[str, Any],
        readers: Readers | None,
    ) -> None:
        self._options = options
        self._context = context
        self._session = session
        self._since_ns = since_ns
        self._graph = seen
        self._profiles = profiles
        self._readers = readers
        self._commanded = [
            session.node.resolve_topic_name(port.stimulus.topic)
            for name, port in options.ports.items()
            if port.stimulus is not None and name in profiles
        ]

    def look(self) -> list[graph.Look]:
        """Who is there, port by port."""
        found = []
        for name, port in self._options.ports.items():
            options = port.stimulus or port.response
            if options is not None and name in self._profiles:
                topic = self._session.node.resolve_topic_name(options.topic)
                type_name = paths.full_name(messages.message_class(options.type))
                stimulus = port.stimulus is not None
                found.append(self._graph.look(name, topic, type_name, stimulus, self._profiles[name]))
        return found

    def _adapt(self, looks: list[graph.Look]) -> bool:
        readers = self._readers
        changed = [readers.adapt(look) for look in looks] if readers is not None else []
        return any(changed)

    def preflight(self) -> list[Finding]:
        """Look until everybody is there, and had time to be, or ``patience_s`` has passed."""
        clock = self._context.clock
        deadline = clock.monotonic_ns() + round(self._options.patience_s * 1e9)
        known: frozenset[str] = frozenset()
        since = clock.monotonic_ns()
        while True:
            looks = self.look()
            if self._adapt(looks):
                looks = self.look()
            now = clock.monotonic_ns()
            gids = frozenset(one.gid for look in looks for one in (*look.others, *look.rivals) if one.named)
            if gids != known:
                known, since = gids, now
            quiet = now - since >= _SETTLE_NS and self._all_announced(now)
            if now >= deadline or (quiet and all(look.matched and look.settled for look in looks)):
                break
            clock.sleep_until(now + _POLL_NS)
        absence = Severity.WARNING if self._context.role is Role.CHECK else Severity.ERROR
        found = [finding for look in looks for finding in graph.findings(look, absence)]
        software = self._session.software()
        text = ", ".join(
            (software["rmw"], software["transport"], f"domain {software['domain_id']}", software["discovery"])
        )
        found.append(Finding("middleware", Severity.INFO, text, software["rmw"]))
        return found

    def _all_announced(self, now_ns: int) -> bool:
        """Whether somebody else who publishes commands would be known by now.

        In a domain of this run alone there is nobody else, and a device that commands nothing has no rival.
        """
        alone = self._options.domain_id == "auto" or not self._commanded
        return alone or now_ns - self._since_ns >= _ANNOUNCED_NS

    def watch(self, closing: threading.Event) -> None:
        """Look again now and then until ``closing`` is set, and report who else commands the robot."""
        watch = graph.Watch(self._graph, self._commanded, self._context.report)
        while not closing.wait(_WATCH_S):
            try:
                watch.look()
                self._adapt(self.look())
            except Exception as error:
                if not closing.is_set():
                    message = f"the ROS graph cannot be watched any longer: {error}"
                    self._context.report(Finding("watch ended", Severity.WARNING, message))
                return

    def identity(self) -> Iterator[tuple[str, str]]:
        """Per port: topic, type, QoS and the nodes across from us."""
        for look in self.look():
            nodes = ", ".join(sorted({one.node for one in look.others})) or "nobody"
            yield f"{look.port}.topic", f"{look.topic} ({look.type})"
            yield f"{look.port}.qos", qos.words(look.profile)
            yield f"{look.port}.nodes", nodes
