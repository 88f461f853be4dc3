"""Where else a robot may be, when nobody is across from our ports: other domains, other hosts.

The UDP ports that are bound here and the announcements that are heard (:mod:`.ear`) say in which domains
anybody is. One short look into the likely ones then tells whether our topics are there: a node joins that
domain for a second, with no endpoint, and is sent nothing and sends nothing but its own announcement.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from harness.adapters.ros2 import ear, network
from harness.adapters.ros2.domain import own_names
from harness.adapters.ros2.ear import Heard
from harness.adapters.ros2.graph import UNKNOWN_NODE, Graph
from harness.adapters.ros2.options import Options
from harness.adapters.ros2.servers import ServerGraph
from harness.adapters.ros2.session import Session
from harness.errors import HarnessError
from harness.ports import Role

LOOK_S = 3.5
"""A third of all participants is heard at its next announcement only, 3 s later."""
MOST_LOOKS = 6
_PROC = Path("/proc")


def bound_here(proc: Path = _PROC) -> frozenset[int]:
    """Domains that a participant on this host has UDP ports of: 7400 + 250 x domain + 10 + 2 x its number and
    the next one (OMG DDSI-RTPS 9.6.1.1)."""
    ports: set[int] = set()
    for table in ("udp", "udp6"):
        with contextlib.suppress(OSError):
            lines = (proc / "net" / table).read_text().splitlines()[1:]
            ports.update(int(line.split()[1].rpartition(":")[2], 16) for line in lines)
    found = set()
    for port in ports:
        domain, offset = divmod(port - ear.PORT_BASE, ear.DOMAIN_GAIN)
        if offset >= 10 and offset % 2 == 0 and port + 1 in ports and 0 <= domain <= ear.LAST_DOMAIN:
            found.add(domain)
    return frozenset(found)


def hint(
    domain: int,
    bound: Iterable[int],
    heard: Iterable[Heard],
    look: Callable[[Iterable[int]], Mapping[int, Mapping[str, Iterable[str]]]],
    discovery: str = "",
) -> str:
    """What was seen elsewhere, as a sentence or two; empty where nothing was. Other people's domains are
    named only where something of ours is there.

    ``domain``, ``discovery``: ours; ``look``: by domain, which of our topics, services and actions are there,
    and of which nodes.
    """
    own = network.own_addresses()
    places: dict[int, set[str]] = {one: {"on this host"} for one in bound}
    for one in heard:
        if one.address not in own:
            places.setdefault(one.domain, set()).add(f"at {one.address}")
    foreign = sorted(places.pop(domain, set()) - {"on this host"})
    words = []
    if places:
        found = [
            f"{topic} is there in domain {other} ({', '.join(sorted(set(nodes)))})"
            for other, topics in sorted(look(sorted(places)[:MOST_LOOKS]).items())
            for topic, nodes in sorted(topics.items())
        ]
        if found:
            return f"{'; '.join(found)}: set domain_id of the device, or ROS_DOMAIN_ID of the robot"
        seen = min(len(places), MOST_LOOKS)
        of = f" (of {len(places)} with participants)" if len(places) > seen else ""
        words.append(f"nothing of the kind in {seen} other domain{'s' if seen > 1 else ''}{of}")
    if foreign:
        deaf = "" if discovery != "LOCALHOST" else ", and discovery range LOCALHOST meets nobody there"
        words.insert(0, f"participants {', '.join(foreign)} announce themselves in this domain{deaf}")
    return "; ".join(words)


def look_into(
    options: Options,
    run_id: str,
    topics: Iterable[str],
    calls: Iterable[tuple[str, str]],
    domains: Iterable[int],
) -> dict[int, dict[str, list[str]]]:
    """Join those domains until somebody is seen on one of ``topics``, or serves one of ``calls`` (name and
    sort), and has a name, at most ``LOOK_S``."""
    wanted, served = tuple(dict.fromkeys(topics)), tuple(dict.fromkeys(calls))
    sessions: dict[int, Session] = {}
    try:
        for domain in domains:
            there = options.model_copy(update={"domain_id": domain})
            with contextlib.suppress(HarnessError):
                sessions[domain] = Session(there, run_id, Role.CHECK)
        graphs = {domain: Graph(one.node, own_names(run_id)) for domain, one in sessions.items()}
        end = time.monotonic() + LOOK_S
        while True:
            seen = {
                domain: _on(one, wanted) | _serving(ServerGraph(sessions[domain].node, one), served)
                for domain, one in graphs.items()
            }
            found = {domain: topics for domain, topics in seen.items() if topics}
            nodes = [node for topics in found.values() for each in topics.values() for node in each]
            if (nodes and not any(UNKNOWN_NODE in node for node in nodes)) or time.monotonic() >= end:
                return found
            time.sleep(0.02)
    finally:
        for one in sessions.values():
            one.close()


def _on(graph: Graph, topics: Iterable[str]) -> dict[str, list[str]]:
    found = {
        topic: [one.node for one in (*graph.publishers(topic), *graph.subscriptions(topic)) if not one.own]
        for topic in topics
    }
    return {topic: nodes for topic, nodes in found.items() if nodes}


def _serving(served: ServerGraph, calls: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found = {name: [one.node for one in served.servers_of(name, sort)] for name, sort in calls}
    return {name: nodes for name, nodes in found.items() if nodes}
