"""Who else is on the topics of a device: what the preflight and the watch look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from harness.adapters.ros2 import qos
from harness.model import Finding, Severity

UNKNOWN_NODE = "_NODE_NAME_UNKNOWN_"
"""What rmw calls an endpoint whose node has not introduced itself yet, or is no ROS node at all."""


@dataclass(frozen=True)
class Endpoint:
    """One publisher or subscription of a topic, somewhere."""

    node: str
    type: str
    gid: str
    profile: Any
    own: bool
    type_hash: str = ""
    """REP 2011's hash of the definition of its type; empty where the middleware tells none."""

    @property
    def named(self) -> bool:
        """Whether its node is known."""
        return UNKNOWN_NODE not in self.node


@dataclass(frozen=True)
class Look:
    """One look at a port's topic. ``others``: endpoints across from us; ``rivals``: on our side, not ours;
    ``mine``: ours, where there is one."""

    port: str
    topic: str
    type: str
    stimulus: bool
    profile: Any
    others: tuple[Endpoint, ...]
    rivals: tuple[Endpoint, ...]
    mine: Endpoint | None = None

    @property
    def matched(self) -> bool:
        """Whether somebody is across from us whom this port can talk to."""
        return any(one.type == self.type and self.mismatch(one) is None for one in self.others)

    @property
    def settled(self) -> bool:
        """Whether every endpoint has a name."""
        return all(one.named for one in (*self.others, *self.rivals))

    def mismatch(self, other: Endpoint) -> str | None:
        """Why QoS keeps the two apart, or None."""
        pair = (self.profile, other.profile) if self.stimulus else (other.profile, self.profile)
        return qos.mismatch(*pair)

    def differs(self, other: Endpoint) -> bool:
        """Whether the other side was built from another definition of a type of the same name."""
        hashes = {"" if self.mine is None else self.mine.type_hash, other.type_hash}
        return other.type == self.type and "" not in hashes and len(hashes) == 2

    def lossy(self, other: Endpoint) -> bool:
        """Whether messages between the two may be lost on their way, as their QoS is."""
        return "BEST_EFFORT" in (self.profile.reliability.name, other.profile.reliability.name)


Rivals = Iterable[tuple[Endpoint, Finding]]
"""Who else commands the robot, and what is to be said of that."""


class Graph:
    """The ROS graph as one node sees it."""

    def __init__(self, node: Any, own_names: Iterable[str]) -> None:
        self._node = node
        namespace = node.get_namespace().rstrip("/")
        self._own = frozenset(f"{namespace}/{name}" for name in own_names)

    def publishers(self, topic: str) -> tuple[Endpoint, ...]:
        """Everybody who publishes ``topic``, ourselves included."""
        return self.endpoints(self._node.get_publishers_info_by_topic(topic))

    def subscriptions(self, topic: str) -> tuple[Endpoint, ...]:
        """Everybody who subscribes to ``topic``, ourselves included."""
        return self.endpoints(self._node.get_subscriptions_info_by_topic(topic))

    def endpoints(self, infos: Iterable[Any]) -> tuple[Endpoint, ...]:
        """What rclpy's endpoint infos say."""
        found = []
        for info in infos:
            name = f"{info.node_namespace.rstrip('/')}/{info.node_name}"
            gid = bytes(info.endpoint_gid).hex()
            own, digest = name in self._own, _type_hash(info)
            found.append(Endpoint(name, info.topic_type, gid, info.qos_profile, own, digest))
        return tuple(found)

    def rivals(self, topic: str) -> Rivals:
        """Who else publishes that command topic."""
        return [(one, rival_finding(topic, one)) for one in rivals_of(self.publishers(topic))]

    def look(self, port: str, topic: str, type_name: str, stimulus: bool, profile: Any) -> Look:
        """Look at one port's topic."""
        publishers, subscriptions = self.publishers(topic), self.subscriptions(topic)
        across, beside = (subscriptions, publishers) if stimulus else (publishers, subscriptions)
        others = tuple(one for one in across if not one.own)
        rivals = rivals_of(beside) if stimulus else ()
        mine = next((one for one in beside if one.own), None)
        return Look(port, topic, type_name, stimulus, profile, others, rivals, mine)


def _type_hash(info: Any) -> str:
    """As text; empty where there is none: before Iron, and of programs that are no ROS nodes."""
    text = str(getattr(info, "topic_type_hash", ""))
    return text if text.startswith("RIHS01_") and set(text[7:]) != {"0"} else ""


def rivals_of(publishers: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Publishers that are not ours. Each of our node names publishes a topic once; a second one under such a
    name is somebody else."""
    rivals: list[Endpoint] = []
    names: set[str] = set()
    for one in publishers:
        if not one.own or one.node in names:
            rivals.append(one)
        names.add(one.node)
    return tuple(rivals)


def rival_finding(topic: str, rival: Endpoint) -> Finding:
    """Somebody else commands the robot."""
    who = rival.node if rival.named else "a DDS program without a node name"
    return Finding(
        "other publisher",
        Severity.ERROR,
        f"{who} publishes the command topic {topic} as well",
        value=f"gid {rival.gid[:24]}",
        remedy="end that program, or give the rig a domain of its own (domain_id: auto)",
    )


def findings(look: Look, absence: Severity) -> list[Finding]:
    """What is to be said about one port. ``absence``: how bad it is that nobody is there."""
    found = [rival_finding(look.topic, rival) for rival in look.rivals]
    verb, name = ("subscribes to", "nobody listens") if look.stimulus else ("publishes", "nobody answers")
    if not look.others:
        found.append(
            Finding(
                name,
                absence,
                f"nobody {verb} {look.topic} ({look.type}), port {look.port}",
                remedy="is the robot running, in this domain and discovery range, under this name?",
            )
        )
    for one in look.others:
        if one.type != look.type:
            message = f"{one.node} {verb} {look.topic} as {one.type}, port {look.port} says {look.type}"
            found.append(
                Finding("type differs", Severity.ERROR, message, one.type, f"write type: {one.type}")
            )
        elif look.differs(one):
            # They match and exchange bytes all the same, and each reads its own fields into them.
            message = (
                f"{one.node} was built from another definition of {look.type} than the harness"
                f" ({look.topic}, port {look.port})"
            )
            remedy = "build or install the same version of the package on both sides"
            found.append(Finding("type definition differs", Severity.ERROR, message, one.type_hash, remedy))
        elif reason := look.mismatch(one):
            message = f"QoS of port {look.port} on {look.topic} and of {one.node} cannot match: {reason}"
            found.append(
                Finding(
                    "qos differs",
                    Severity.ERROR,
                    message,
                    qos.words(one.profile),
                    "set qos of the port alike",
                )
            )
    found += _loss(look)
    answering = [one for one in look.others if one.type == look.type]
    if not look.stimulus and len(answering) > 1:
        names = ", ".join(sorted(one.node for one in answering))
        found.append(
            Finding(
                "several publishers",
                Severity.WARNING,
                f"{len(answering)} publishers on {look.topic}: {names}; their answers are not told apart",
                str(len(answering)),
                "leave one of them running",
            )
        )
    return found


def _loss(look: Look) -> list[Finding]:
    """Where QoS allows messages to be lost on their way: what that does to the samples."""
    lossy = sorted({one.node for one in look.others if look.lossy(one) and look.mismatch(one) is None})
    if not lossy or not all(one.named for one in look.others):
        return []
    who = ", ".join(lossy)
    if look.stimulus:
        message = (
            f"{look.topic} reaches {who} by best effort: a command lost on its way is not told from one that"
            " the robot did not answer, and counts as an exceedance"
        )
        remedy = "where the robot allows it, make both sides reliable"
    else:
        message = (
            f"{look.topic} comes from {who} by best effort: an answer lost on its way shows as a gap in the"
            " publisher's numbers, and is the bench's error"
        )
        remedy = "where the robot allows it, make both sides reliable"
    return [Finding("best effort", Severity.INFO, message, who, remedy)]


class Watch:
    """Looks again now and then for somebody else who commands; says it once per endpoint. ``beside``: each
    looks at one port."""

    def __init__(self, beside: Iterable[Callable[[], Rivals]], report: Callable[[Finding], None]) -> None:
        self._beside = tuple(beside)
        self._report = report
        self._told: set[str] = set()
        self._nameless: set[str] = set()

    def look(self) -> None:
        """One look, some 0.1 ms a topic."""
        for beside in self._beside:
            for rival, finding in beside():
                if rival.gid in self._told:
                    continue
                if not rival.named and rival.gid not in self._nameless:
                    # A node's name may arrive after its publisher: look once more before accusing our
                    # guardian.
                    self._nameless.add(rival.gid)
                    continue
                self._told.add(rival.gid)
                self._report(finding)
