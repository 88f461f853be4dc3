"""Topics that a rig file keeps out of the bag, ``record.leave_out``: what a name means, and misspelt ones."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator

from harness.config.explain import Refusal
from harness.config.problems import suggest
from harness.errors import ConfigurationError


def covers(pattern: str, topic: str, namespace: str = "") -> bool:
    """Whether a topic is meant; ``*`` for any characters. A pattern without its first slash is meant as it
    stands and in ``namespace``, the one of the device."""
    if pattern.startswith("/"):
        return fnmatch.fnmatchcase(topic, pattern)
    below = namespace.strip("/")
    meant = {f"/{pattern}", f"/{below}/{pattern}" if below else f"/{pattern}"}
    return any(fnmatch.fnmatchcase(topic, one) for one in meant)


def unknown(pattern: str, topics: Iterable[str]) -> ConfigurationError:
    """What to say of a pattern that covers none of the topics there are: misspelt, they would be recorded."""
    return ConfigurationError(
        f"record.leave_out: no port has the topic {pattern!r}", hint=suggest(pattern, sorted(set(topics)))
    )


def refusals(patterns: Iterable[str], topics: Iterable[tuple[str, str]]) -> Iterator[Refusal]:
    """Patterns that cover nothing. ``topics``: every topic of a bag, with its device's namespace."""
    known = list(topics)
    for index, pattern in enumerate(patterns):
        if known and not any(covers(pattern, topic, namespace) for topic, namespace in known):
            error = unknown(pattern, [topic for topic, _ in known])
            yield Refusal(("record", "leave_out", index), f"{error.message.partition(': ')[2]}; {error.hint}")
