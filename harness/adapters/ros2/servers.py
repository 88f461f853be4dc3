"""Who serves and who calls a service or action: what the preflight and the watch look at.

The graph knows publishers and subscriptions. A service is a topic of requests, which servers subscribe to and
clients publish, and one of replies; their names are the middleware's (``rq/NAMERequest`` of the DDS ones).
Where that finds nobody, as with a middleware that names them otherwise, servers are only counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from harness.adapters.ros2 import graph, messages
from harness.adapters.ros2.port_options import ActionOptions, ServiceOptions
from harness.model import Finding, Severity

_DDS = re.compile(r"^(?P<package>\w+)::(?P<folder>srv|action)::dds_::(?P<name>\w+?)(_SendGoal)?_Request_$")
ACTION = "action"


@dataclass(frozen=True)
class ServerLook:
    """One look at a port's service or action. ``others``: servers; ``rivals``: clients that are not ours;
    ``counted``: servers that the middleware counts, be they known or not; ``types``: under that name."""

    port: str
    sort: str
    name: str
    type: str
    others: tuple[graph.Endpoint, ...]
    rivals: tuple[graph.Endpoint, ...]
    counted: int
    types: tuple[str, ...]

    @property
    def matched(self) -> bool:
        """Whether somebody serves it as the type that the port says."""
        if self.others:
            return any(one.type == self.type for one in self.others)
        return self.counted > 0 and self.type in self.types

    @property
    def settled(self) -> bool:
        """Whether every endpoint has a name."""
        return all(one.named for one in (*self.others, *self.rivals))


class ServerGraph:
    """Servers and clients, as one node sees them through ``seen``. ``ports``: options of the device's
    stimuli, each of which has a client of its own."""

    def __init__(self, node: Any, seen: graph.Graph, ports: Iterable[Any] = ()) -> None:
        self._node = node
        self._seen = seen
        calls = [one for one in ports if isinstance(one, (ServiceOptions, ActionOptions))]
        self._ours = Counter(node.resolve_service_name(called(one)[1]) for one in calls)

    def look(self, port: str, sort: str, name: str, type_name: str) -> ServerLook:
        """Look at one port. ``sort``: ``service`` or ``action``; ``name``: resolved."""
        service = goal_service(name) if sort == ACTION else name
        return ServerLook(
            port,
            sort,
            name,
            type_name,
            self._servers(service),
            self._rivals(name, service),
            self._counted(service),
            self._types(service),
        )

    def _servers(self, service: str) -> tuple[graph.Endpoint, ...]:
        infos = self._node.get_subscriptions_info_by_topic(_requests(service), True)
        return tuple(one for one in _named(self._seen.endpoints(infos)) if not one.own)

    def _rivals(self, name: str, service: str) -> tuple[graph.Endpoint, ...]:
        """Clients that are not ours: each of our node names has at most one for every port."""
        rivals: list[graph.Endpoint] = []
        met: Counter[str] = Counter()
        infos = self._node.get_publishers_info_by_topic(_requests(service), True)
        for one in self._seen.endpoints(infos):
            met[one.node] += 1
            if not one.own or met[one.node] > max(1, self._ours[name]):
                rivals.append(one)
        return tuple(rivals)

    def _counted(self, service: str) -> int:
        count = getattr(self._node, "count_services", None)  # older ones have it not
        return 0 if count is None else int(count(service))

    def _types(self, service: str) -> tuple[str, ...]:
        found = dict(self._node.get_service_names_and_types()).get(service, [])
        return tuple(one.removesuffix(messages.SEND_GOAL) for one in found)

    def rivals(self, sort: str, name: str) -> graph.Rivals:
        """Who else has a client of it."""
        service = goal_service(name) if sort == ACTION else name
        return [(one, rival_finding(sort, name, one)) for one in self._rivals(name, service)]

    def servers_of(self, name: str, sort: str) -> tuple[graph.Endpoint, ...]:
        """Who else serves a service or an action of that name, where the middleware tells."""
        return self._servers(goal_service(name) if sort == ACTION else name)

    def all(self) -> Iterator[tuple[str, str, str]]:
        """Every service and action that anybody serves or calls: name, sort, type."""
        ending = goal_service("")
        for service, types in self._node.get_service_names_and_types():
            for kind in types:
                if service.endswith(ending):
                    yield service.removesuffix(ending), ACTION, kind.removesuffix(messages.SEND_GOAL)
                elif "/_" not in service:
                    yield service, "service", kind

    def serves(self, name: str) -> bool:
        """Whether somebody else serves a service or an action of that name."""
        return any(self._servers(one) or self._counted(one) for one in (name, goal_service(name)))


def called(options: ServiceOptions | ActionOptions) -> tuple[str, str, str]:
    """``service`` or ``action``, its name as written, its type as the graph names it."""
    if isinstance(options, ServiceOptions):
        folder = "action" if "/action/" in options.type else "srv"
        kind = messages.type_name(options.type, folder).removesuffix(messages.SEND_GOAL)
        return "service", options.service, kind
    return ACTION, options.action, messages.type_name(options.type, "action")


def feedback_topic(options: ActionOptions) -> tuple[str, str]:
    """Where an action publishes feedback, and the type of that topic."""
    return (
        f"{options.action}/_action/feedback",
        f"{messages.type_name(options.type, 'action')}_FeedbackMessage",
    )


def _requests(service: str) -> str:
    """The topic of a service's requests, as DDS has it."""
    return f"rq{service}Request"


def goal_service(action: str) -> str:
    """The service that takes the goals of an action."""
    return f"{action}/_action/send_goal"


def _named(endpoints: tuple[graph.Endpoint, ...]) -> tuple[graph.Endpoint, ...]:
    """The same with ROS names of types."""
    found = []
    for one in endpoints:
        dds = _DDS.match(one.type)
        found.append(
            replace(one, type=f"{dds['package']}/{dds['folder']}/{dds['name']}") if dds is not None else one
        )
    return tuple(found)


def rival_finding(sort: str, name: str, rival: graph.Endpoint) -> Finding:
    """Somebody else may command the robot."""
    who = rival.node if rival.named else "a DDS program without a node name"
    return Finding(
        "other client",
        Severity.ERROR,
        f"{who} has a client of the {sort} {name} as well, and may command the robot through it",
        value=f"gid {rival.gid[:24]}",
        remedy="end that program, or give the rig a domain of its own (domain_id: auto)",
    )


def findings(look: ServerLook, absence: Severity) -> list[Finding]:
    """What is to be said about one port. ``absence``: how bad it is that nobody is there."""
    found = [rival_finding(look.sort, look.name, rival) for rival in look.rivals]
    here = f"the {look.sort} {look.name}"
    if not look.others and not look.counted:
        found.append(
            Finding(
                "nobody serves",
                absence,
                f"nobody serves {here} ({look.type}), port {look.port}",
                remedy="is the robot running, in this domain and discovery range, under this name?",
            )
        )
    for one in look.others:
        if one.type != look.type:
            message = f"{one.node} serves {here} as {one.type}, port {look.port} says {look.type}"
            found.append(
                Finding("type differs", Severity.ERROR, message, one.type, f"write type: {one.type}")
            )
    if not look.others and look.counted and look.type not in look.types:
        message = f"{here} is served as {' and '.join(look.types)}, port {look.port} says {look.type}"
        found.append(Finding("type differs", Severity.ERROR, message, ", ".join(look.types)))
    if len(look.others) > 1:
        names = ", ".join(sorted(one.node for one in look.others))
        found.append(
            Finding(
                "several servers",
                Severity.ERROR,
                f"{len(look.others)} servers of {here}: {names}; each request is answered by all of them",
                str(len(look.others)),
                "leave one of them running",
            )
        )
    return found
