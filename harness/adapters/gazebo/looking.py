"""Looks at the other side before anything is sent: is the world there, once, and who publishes what?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.adapters.gazebo import simulator
from harness.adapters.gazebo.options import Options
from harness.adapters.gazebo.port_options import ServiceCallOptions, StimulusOptions, TopicOptions
from harness.adapters.gazebo.stimulus import TopicStimulus
from harness.clock import HostClock
from harness.config.problems import nearest
from harness.model import Finding, Severity

POLL_NS = 50_000_000


def preflight(
    name: str, options: Options, node: Any, stimuli: Mapping[str, Any], clock: HostClock, patient: bool
) -> list[Finding]:
    """What is wrong, once everybody had ``patience_s`` to appear; where not ``patient``, at once."""
    deadline = clock.monotonic_ns() + (round(options.patience_s * 1e9) if patient else 0)
    while True:
        found = list(_look(name, options, node, stimuli))
        errors = [one for one in found if one.severity is Severity.ERROR]
        if not errors or clock.monotonic_ns() >= deadline:
            return found
        clock.sleep_until(clock.monotonic_ns() + POLL_NS)


def _look(name: str, options: Options, node: Any, stimuli: Mapping[str, Any]) -> Iterator[Finding]:
    worlds = simulator.worlds(node)
    if options.world not in worlds:
        if not worlds:
            yield _error(
                "no simulator",
                f"{name}: no world of Gazebo is in this partition",
                "start it as a process of the rig file: gz sim -s -r world.sdf; to attach to one that runs:"
                " `partition: null` and the same GZ_PARTITION",
            )
        else:
            near = nearest(options.world, worlds)
            yield _error(
                "no such world",
                f"{name}: there is no world {options.world!r}; there is: {', '.join(worlds)}",
                f"did you mean {near!r}?" if near else "correct `world`, or the simulator's SDF file",
            )
        return
    if (count := simulator.servers(node, options.world)) > 1:
        yield _error(
            "two simulators",
            f"{name}: {count} simulators offer the world {options.world} in this partition: what is sent"
            " moves both, and their answers are mixed",
            "end one of them, or give the rig a partition of its own (`partition: auto`)",
        )
    topics = [str(one) for one in node.topic_list()]
    for port, one in options.ports.items():
        if isinstance(one.response, TopicOptions):
            yield from _published(name, port, one.response, node, topics)
        elif isinstance(one.stimulus, ServiceCallOptions):
            yield from _served(name, port, one.stimulus.service, node)
        elif isinstance(one.stimulus, StimulusOptions):
            sending = stimuli.get(port)
            if isinstance(sending, TopicStimulus) and sending.publisher is not None:
                yield from _subscribed(name, port, sending, node, topics)


def _served(name: str, port: str, service: str, node: Any) -> Iterator[Finding]:
    if not node.service_info(service):
        yield _error(
            "nobody serves",
            f"{name}.{port}: nobody serves {service}",
            _near(service, [str(one) for one in node.service_list()]),
            f"{name}.{port}",
        )


def _published(
    name: str, port: str, options: TopicOptions, node: Any, topics: list[str]
) -> Iterator[Finding]:
    types = simulator.publishers(node, options.topic)
    wanted = options.type if options.type.startswith("gz.msgs.") else f"gz.msgs.{options.type}"
    if not types:
        others = [one for one in topics if one != options.topic and simulator.publishers(node, one)]
        yield _error(
            "nobody publishes",
            f"{name}.{port}: nobody publishes {options.topic}",
            _near(options.topic, others),
            f"{name}.{port}",
        )
    elif wanted not in types:
        yield _error(
            "another type",
            f"{name}.{port}: {options.topic} carries {', '.join(sorted(set(types)))}, not {wanted}",
            "correct `type`",
            f"{name}.{port}",
        )


def _subscribed(
    name: str, port: str, stimulus: TopicStimulus, node: Any, topics: list[str]
) -> Iterator[Finding]:
    if stimulus.publisher.has_connections():
        return
    topic = stimulus.options.topic
    yield _error(
        "nobody subscribes",
        f"{name}.{port}: nobody subscribes to {topic}",
        _near(topic, [one for one in topics if one != topic]),
        f"{name}.{port}",
    )


def _near(topic: str, others: list[str]) -> str:
    near = nearest(topic, others)
    if near:
        return f"did you mean {near!r}? the name of the model or of the topic may be misspelt"
    models = sorted({one.split("/")[2] for one in others if one.startswith("/model/")})
    there = f"; models that have topics: {', '.join(models)}" if models else ""
    return f"look at `gz topic -l`{there}"


def _error(what: str, message: str, remedy: str, port: str = "") -> Finding:
    return Finding(what, Severity.ERROR, message, remedy=remedy, port=port)


def as_information(found: list[Finding]) -> list[Finding]:
    """What `harness check` says of a simulator that no run has started yet: it starts with the rig."""
    return [replace(one, severity=Severity.INFO) if one.name == "no simulator" else one for one in found]
