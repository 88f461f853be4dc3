"""What is in our own domain where nobody is across from a port: names and types that are nearly those wanted.

A misspelt name is the likeliest reason for an absence, and the only one that the graph shows at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.adapters.ros2.graph import Endpoint, Graph, Look
from harness.adapters.ros2.servers import ACTION, ServerGraph, ServerLook

_COMMON = ("/rosout", "/parameter_events")
_OF_EVERY_NODE = ("rcl_interfaces/", "type_description_interfaces/")
"""Packages of the services that every node has."""
LIKE, LIKE_OF_TYPE = 0.75, 0.6
"""How alike names are that may be confused; of the type that is wanted less is enough."""
_MOST = 3


@dataclass(frozen=True)
class Present:
    """A topic, service or action that somebody else has."""

    name: str
    type: str
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} ({', '.join((self.type, *self.nodes))})"


def around(node: Any, seen: Graph, served: ServerGraph, look: Look | ServerLook) -> list[Present]:
    """What others offer that a port like this one could be across from, as one node sees it."""
    if isinstance(look, ServerLook):
        found = []
        for name, sort, kind in served.all():
            if sort == look.sort and not kind.startswith(_OF_EVERY_NODE):
                others = served.servers_of(name, sort)
                if others or served.serves(name):
                    found.append(_present(name, kind, others))
        return found
    found = []
    for name, _ in node.get_topic_names_and_types():
        if name in _COMMON or "/_" in name:
            continue
        across = seen.subscriptions(name) if look.stimulus else seen.publishers(name)
        others = tuple(one for one in across if not one.own)
        found += [
            _present(name, kind, [one for one in others if one.type == kind])
            for kind in sorted({one.type for one in others})
        ]
    return found


def _present(name: str, kind: str, others: Sequence[Endpoint]) -> Present:
    return Present(name, kind, tuple(sorted({one.node for one in others if one.named})))


def alike(name: str, kind: str, present: Iterable[Present]) -> list[Present]:
    """Those whose names may have been meant, of the wanted type first, the likeliest first."""
    ranked = []
    for one in present:
        ratio = difflib.SequenceMatcher(None, name.lower(), one.name.lower()).ratio()
        fits = one.type == kind
        same_end = one.name.rpartition("/")[2] == name.rpartition("/")[2]
        if same_end or ratio >= (LIKE_OF_TYPE if fits else LIKE):
            ranked.append((not fits, not same_end, -ratio, one.name, one))
    ranked.sort(key=lambda each: each[:4])
    # Where something fits by type as well, what does not is no candidate.
    return [each[-1] for each in ranked if each[0] == ranked[0][0]]


def near_words(domain: int, found: Sequence[Present]) -> str:
    """What to say of :func:`alike`."""
    shown = " and ".join(map(str, found[:_MOST]))
    if len(found) == 1:
        return f"in domain {domain} there is {shown}: did you mean it?"
    return f"in domain {domain} there are {shown}: did you mean one of them?"


def other_words(domain: int, look: Look | ServerLook, present: Sequence[Present]) -> str:
    """What to say where no name is alike: what is of the type, else how much is there; empty for nothing."""
    if not present:
        return ""
    fitting = [one for one in present if one.type == look.type]
    if fitting:
        more = f" and {len(fitting) - _MOST} more" if len(fitting) > _MOST else ""
        return f"of that type in domain {domain}: {', '.join(map(str, fitting[:_MOST]))}{more}"
    if isinstance(look, ServerLook):
        sort = look.sort if look.sort == ACTION else "service"
    else:
        sort = "subscribed topic" if look.stimulus else "published topic"
    several = "s" if len(present) > 1 else ""
    return f"in domain {domain}: {len(present)} {sort}{several} of others, none of that type"
