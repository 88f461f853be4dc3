"""The one place that imports Gazebo's bindings, at use: their names change from release to release, what they
offer does not.

| release | transport | messages | packages of Debian and Ubuntu |
|---|---|---|---|
| Harmonic | ``gz.transport13`` | ``gz.msgs10`` | python3-gz-transport13, python3-gz-msgs10 |
| Ionic | ``gz.transport14`` | ``gz.msgs11`` | python3-gz-transport14, python3-gz-msgs11 |
| Jetty | ``gz.transport`` (15) | ``gz.msgs`` (12) | python3-gz-transport, python3-gz-msgs |
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from harness.errors import UnavailableError

RELEASES = (
    ("Jetty or later", "gz.transport", "gz.msgs"),
    ("Ionic", "gz.transport14", "gz.msgs11"),
    ("Harmonic", "gz.transport13", "gz.msgs10"),
)
"""Newest first: whoever has several installed has the newest on the path of Python for a reason."""
PACKAGES = (
    "apt install python3-gz-transport13 python3-gz-msgs10 (Harmonic), or python3-gz-transport and"
    " python3-gz-msgs (Jetty), from Gazebo's own package repository; a build from source: source its set-up,"
    " so that Python finds its folder lib/python"
)


@dataclass(frozen=True)
class Bindings:
    """What was found: the module ``transport``, the name of the package of messages, the release."""

    transport: Any
    messages: str
    release: str

    def node(self, partition: str | None) -> Any:
        """A node in that partition; None: the environment's."""
        options = self.transport.NodeOptions()
        if partition:
            options.partition = partition
        return self.transport.Node(options)


@lru_cache(maxsize=1)
def load() -> Bindings:
    """The bindings of the newest release that imports. Raises UnavailableError naming what to install."""
    reasons = []
    for release, transport, messages in RELEASES:
        try:
            found = importlib.import_module(transport)
            importlib.import_module(messages)
        except ImportError as error:
            reasons.append(f"{transport}: {error}")
            continue
        if not hasattr(found, "Node"):
            reasons.append(f"{transport}: has no Node")  # a namespace that another package left
            continue
        return Bindings(found, messages, release)
    raise UnavailableError(
        f"Gazebo's Python bindings do not import ({'; '.join(reasons)})",
        hint=f"{PACKAGES}. Of Debian's packages, make the environment with `python -m venv"
        " --system-site-packages`",
    )


def installed() -> bool:
    """Whether the bindings import."""
    with contextlib.suppress(UnavailableError):
        return bool(load())
    return False


def use_address(address: str | None) -> None:
    """Keep Gazebo's transport on that address (GZ_IP), where the environment does not say otherwise.

    It is read once, when the first node of the process is made.
    """
    if address:
        os.environ.setdefault("GZ_IP", address)


def subscribe(
    bindings: Bindings,
    node: Any,
    topic: str,
    kind: str,
    callback: Callable[[bytes], None],
    per_second: int | None = None,
) -> bool:
    """Have ``callback`` take the bytes of every message, on the transport's own thread; of at most
    ``per_second`` of them where that is given: the others never reach Python.

    What it raised would end the process, since nothing catches it there: it may not raise.
    """

    def on_message(data: bytes, _info: Any) -> None:
        callback(data)

    options = bindings.transport.SubscribeOptions()
    if per_second is not None:
        options.msgs_per_sec = per_second
    return bool(node.subscribe_raw(topic, on_message, kind, options))
