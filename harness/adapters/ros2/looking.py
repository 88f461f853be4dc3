"""How a ROS 2 device looks at who is across from its ports: preflight, watch, identity. Sends nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import Any

from harness.adapters.ros2 import discovery, elsewhere, graph, messages, near, network, paths, qos, servers
from harness.adapters.ros2.ear import LAST_DOMAIN, Ear
from harness.adapters.ros2.options import Options
from harness.adapters.ros2.port_options import (
    ActionOptions,
    AnyStimulus,
    CallResponseOptions,
    ServiceOptions,
    StimulusOptions,
)
from harness.adapters.ros2.readers import Readers
from harness.adapters.ros2.servers import ServerGraph, ServerLook, called, feedback_topic
from harness.adapters.ros2.session import Session
from harness.model import Finding, Severity
from harness.ports import DeviceContext, Role

_POLL_NS = 20_000_000
_SETTLE_NS = 400_000_000
_WATCH_S = 1.0
_ANNOUNCED_NS = 4_000_000_000
"""Fast DDS participants announce themselves every 3 s. Most answer our first announcement in 0.2 s; in a
third of all cases tried they were heard only at their next one. Seeing nobody any earlier says little."""


_ASTRAY_NS = 1_500_000_000
"""Who is not there by then may be elsewhere: from then on all domains are listened to."""
_ABSENCE = ("nobody listens", "nobody answers", "nobody serves")
_ELSE = "otherwise: is the robot running, in this discovery range, under this name?"

AnyLook = graph.Look | ServerLook


class Lookout:
    """Looks from one session, made at ``since_ns`` (CLOCK_MONOTONIC).

    ``profiles``: QoS by port, of the ports that are open (None for a service or action); ``readers``: those
    that may adapt to what they see.
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
        self._servers = ServerGraph(session.node, seen, [port.stimulus for port in options.ports.values()])
        self._commanded = [
            self._beside(port.stimulus)
            for name, port in options.ports.items()
            if port.stimulus is not None and name in profiles
        ]

    def _beside(self, options: AnyStimulus) -> Callable[[], graph.Rivals]:
        node = self._session.node
        if isinstance(options, StimulusOptions):
            return partial(self._graph.rivals, node.resolve_topic_name(options.topic))
        sort, name, _ = called(options)
        return partial(self._servers.rivals, sort, node.resolve_service_name(name))

    def look(self) -> list[AnyLook]:
        """Who is there, port by port."""
        return [
            self._look(name, port.stimulus or port.response)
            for name, port in self._options.ports.items()
            if name in self._profiles
        ]

    def _look(self, port: str, options: Any) -> AnyLook:
        node = self._session.node
        if isinstance(options, (ServiceOptions, ActionOptions)):
            sort, name, type_name = called(options)
            return self._servers.look(port, sort, node.resolve_service_name(name), type_name)
        if isinstance(options, CallResponseOptions):
            action = self._options.ports[options.of].stimulus
            assert isinstance(action, ActionOptions)  # only feedback is a topic, and has a profile
            topic, type_name = feedback_topic(action)
        else:
            topic, type_name = options.topic, paths.full_name(messages.message_class(options.type))
        stimulus = isinstance(options, StimulusOptions)
        topic = node.resolve_topic_name(topic)
        return self._graph.look(port, topic, type_name, stimulus, self._profiles[port])

    def _adapt(self, looks: list[AnyLook]) -> bool:
        readers = self._readers
        if readers is None:
            return False
        changed = [readers.adapt(look) for look in looks if isinstance(look, graph.Look)]
        return any(changed)

    def preflight(self) -> list[Finding]:
        """Look until everybody is there, and had time to be, or ``patience_s`` has passed."""
        with ExitStack() as stack:
            return self._preflight(stack)

    def _preflight(self, stack: ExitStack) -> list[Finding]:
        clock = self._context.clock
        deadline = clock.monotonic_ns() + round(self._options.patience_s * 1e9)
        known: frozenset[str] = frozenset()
        began = since = clock.monotonic_ns()
        wide: Ear | None = None
        while True:
            looks = self.look()
            if self._adapt(looks):
                looks = self.look()
            now = clock.monotonic_ns()
            gids = frozenset(one.gid for look in looks for one in (*look.others, *look.rivals) if one.named)
            if gids != known:
                known, since = gids, now
            quiet = now - since >= _SETTLE_NS and self._all_announced(now)
            if wide is None and now - began >= _ASTRAY_NS and _absent(looks):
                wide = stack.enter_context(closing(Ear(range(LAST_DOMAIN + 1))))
            if now >= deadline or (quiet and all(look.matched and look.settled for look in looks)):
                break
            clock.sleep_until(now + _POLL_NS)
        absence = Severity.WARNING if self._context.role is Role.CHECK else Severity.ERROR
        hints = self._hints(_absent(looks), wide)
        found = []
        for look in looks:
            hint = hints.get(look.port, "")
            found += [
                replace(one, remedy=hint) if hint and one.name in _ABSENCE else one
                for one in _findings(look, absence)
            ]
        software = self._session.software()
        text = ", ".join(
            (software["rmw"], software["transport"], f"domain {software['domain_id']}", software["discovery"])
        )
        found.append(Finding("middleware", Severity.INFO, text, software["rmw"]))
        return _together(found)

    def _hints(self, astray: list[AnyLook], wide: Ear | None) -> dict[str, str]:
        """By port with nobody across from it, what may be behind that: a name that is nearly the one in our
        domain; only where there is none, what is elsewhere."""
        node, domain = self._session.node, self._session.domain_id
        hints: dict[str, str] = {}
        others: dict[str, str] = {}
        for look in astray:
            if isinstance(look, graph.Look) and "/_action/" in look.topic:
                continue  # of an action, whose own port says it
            present = near.around(node, self._graph, self._servers, look)
            name = look.name if isinstance(look, ServerLook) else look.topic
            if found := near.alike(name, look.type, present):
                hints[look.port] = near.near_words(domain, found)
            else:
                others[look.port] = near.other_words(domain, look, present)
        if others:
            seen = self._elsewhere([look for look in astray if look.port in others], wide)
            for port, words in others.items():
                if said := "; ".join(filter(None, (words, seen))):
                    hints[port] = f"{said}; {_ELSE}"
        return hints

    def _elsewhere(self, looks: list[AnyLook], wide: Ear | None) -> str:
        """Where the other side may be instead."""
        session, context = self._session, self._context
        if session.discovery_server is not None:
            return discovery.hint(session.discovery_server)
        if context.role is Role.CHECK and self._options.domain_id == "auto":
            return ""  # of this run alone, which starts its robot there
        topics = [look.topic for look in looks if isinstance(look, graph.Look)]
        calls = [(look.name, look.sort) for look in looks if isinstance(look, ServerLook)]
        look_into = partial(elsewhere.look_into, self._options, context.run_id, topics, calls)
        heard = session.heard() | (frozenset() if wide is None else wide.heard())
        bound = elsewhere.bound_here()
        return elsewhere.hint(session.domain_id, bound, heard, look_into, session.discovery)

    def _all_announced(self, now_ns: int) -> bool:
        """Whether somebody else who publishes commands would be known by now.

        In a domain of this run alone there is nobody else, and a device that commands nothing has no rival.
        """
        separate = self._options.domain_id == "auto" and self._session.discovery_server is None
        alone = separate or not self._commanded
        return alone or now_ns - self._since_ns >= _ANNOUNCED_NS

    def watch(self, closing: threading.Event) -> None:
        """Look again now and then until ``closing`` is set, and report who else commands the robot."""
        watch = graph.Watch(self._commanded, self._context.report)
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
            if isinstance(look, ServerLook):
                yield f"{look.port}.{look.sort}", f"{look.name} ({look.type})"
            else:
                yield f"{look.port}.topic", f"{look.topic} ({look.type})"
                yield f"{look.port}.qos", qos.words(look.profile)
            yield f"{look.port}.nodes", nodes
            if look.others and isinstance(look, graph.Look):
                yield f"{look.port}.network", self._where(look)

    def _where(self, look: graph.Look) -> str:
        """Where each node across from a port is, and over which interface."""
        own, heard = "" if look.mine is None else look.mine.gid, self._session.heard()
        places = sorted({f"{one.node}: {network.where(one.gid, own, heard)}" for one in look.others})
        return "; ".join(places)


def _together(findings: list[Finding]) -> list[Finding]:
    """What is said of one topic once for each of its ports is said once for all of them."""
    ports: dict[Finding, list[str]] = {}
    for one in findings:
        message, comma, port = one.message.partition(", port ")
        ports.setdefault(replace(one, message=message), []).extend([port] if comma else [])
    return [
        replace(one, message=f"{one.message}, port{'s' * (len(names) > 1)} {', '.join(names)}")
        if names
        else one
        for one, names in ports.items()
    ]


def _absent(looks: list[AnyLook]) -> list[AnyLook]:
    return [look for look in looks if not look.others]


def _findings(look: AnyLook, absence: Severity) -> list[Finding]:
    if isinstance(look, ServerLook):
        return servers.findings(look, absence)
    return graph.findings(look, absence)
