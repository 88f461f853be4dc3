"""A double of Gazebo's Python bindings, for tests on machines that have no Gazebo.

It has the interface of ``gz.transport`` (Node, Publisher, their options), taken from the bindings of
transport 13 to 15, and none of their wire: messages go over Unix sockets in a folder, named by the variable
``GAZEBO_DOUBLE``, which processes of one test share. It is no Gazebo, and what a report says of the simulator
is read from the process of the simulator, so that a run with the double says that it had none.

:func:`write_package` makes a folder with ``gz.transport`` and ``gz.msgs`` for ``PYTHONPATH``.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import socket
import threading
import time
import uuid
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from harness.testing.gazebo_messages import classes

FOLDER = "GAZEBO_DOUBLE"
SEND_S = 2.0
Handler = Callable[[bytes], bytes | None]


def write_package(folder: Path) -> Path:
    """Write ``gz/transport`` and ``gz/msgs`` below ``folder``; returns it, for PYTHONPATH."""
    transport, msgs = folder / "gz" / "transport", folder / "gz" / "msgs"
    transport.mkdir(parents=True, exist_ok=True)
    msgs.mkdir(parents=True, exist_ok=True)
    (transport / "__init__.py").write_text("from harness.testing.gazebo_double import *\n")
    (msgs / "__init__.py").write_text("")
    for module in classes():
        text = "from harness.testing.gazebo_messages import classes\n"
        (msgs / f"{module}.py").write_text(f"{text}globals().update(classes()[{module!r}])\n")
    return folder


class NodeOptions:
    """Of the bindings: the partition of a node."""

    def __init__(self) -> None:
        self.partition = os.environ.get("GZ_PARTITION", "default")
        self.namespace = ""


class SubscribeOptions:
    """Of the bindings: how many messages a second a subscriber takes at most; None: all."""

    msgs_per_sec: int | None = None


def _throttled(callback: Callable[[bytes, Any], Any], period_s: float) -> Callable[[bytes, Any], Any]:
    """As the transport does: what comes less than a period after the last one taken is dropped."""
    last = [-period_s]

    def take(data: bytes, info: Any) -> None:
        now = time.monotonic()
        if now - last[0] >= period_s:
            last[0] = now
            callback(data, info)

    return take


class AdvertiseMessageOptions:
    """Of the bindings; nothing is throttled."""


class MessagePublisher:
    """What ``topic_info`` tells of one publisher or subscriber."""

    def __init__(self, kind: str) -> None:
        self.msg_type_name = kind


class ServicePublisher:
    """What ``service_info`` tells of one server."""

    def __init__(self, kind: str) -> None:
        self.req_type_name, _, self.rep_type_name = kind.partition(" ")


class _Core:
    """What a node has open; ends with it."""

    def __init__(self, partition: str) -> None:
        # Paths of Unix sockets are short.
        digest = hashlib.sha256(partition.encode()).hexdigest()[:12]
        self.place = Path(os.environ[FOLDER]) / digest
        for each in ("n", "sub", "pub", "srv"):
            (self.place / each).mkdir(parents=True, exist_ok=True)
        self.name = uuid.uuid4().hex[:12]
        self.path = self.place / "n" / self.name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.out.settimeout(SEND_S)
        self.files: set[Path] = set()
        self.callbacks: dict[str, list[tuple[str, Callable[[bytes, Any], Any]]]] = {}
        self.handlers: dict[str, Handler] = {}
        self.reader: threading.Thread | None = None
        self.open = True

    def register(self, kind: str, name: str, what: str) -> None:
        path = self.place / kind / f"{quote(name, safe='')}@{self.name}"
        path.write_text(what)
        self.files.add(path)

    def forget(self, kind: str, name: str) -> None:
        path = self.place / kind / f"{quote(name, safe='')}@{self.name}"
        path.unlink(missing_ok=True)
        self.files.discard(path)

    def known(self, kind: str) -> list[tuple[str, str, str]]:
        """(topic or service, node, types), of nodes that live."""
        found = []
        for path in (self.place / kind).iterdir():
            topic, _, node = path.name.partition("@")
            with contextlib.suppress(OSError):
                what = path.read_text()
                if self.lives(node):
                    found.append((unquote(topic), node, what))
                else:
                    path.unlink(missing_ok=True)
        return found

    def lives(self, node: str) -> bool:
        with contextlib.suppress(OSError):
            probe = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                probe.connect(str(self.place / "n" / node))
                return True
            finally:
                probe.close()
        return False

    def send(self, node: str, *parts: bytes) -> bool:
        head = b"\0".join(parts[:-1])
        data = len(head).to_bytes(4, "little") + head + parts[-1]
        try:
            self.out.sendto(data, str(self.place / "n" / node))
            return True
        except OSError:
            return False

    def listen(self) -> None:
        if self.reader is None:
            self.reader = threading.Thread(target=self._read, name="gazebo-double", daemon=True)
            self.reader.start()

    def _read(self) -> None:
        while self.open:
            try:
                raw = self.socket.recv(1 << 20)
            except OSError:
                return
            if len(raw) < 4 or not self.open:
                continue
            end = 4 + int.from_bytes(raw[:4], "little")
            what, *rest = raw[4:end].split(b"\0")
            data = raw[end:]
            if what == b"m":
                topic, kind = rest[0].decode(), rest[1].decode()
                for wanted, callback in self.callbacks.get(topic, ()):
                    if wanted == kind:
                        callback(data, None)
            elif what == b"q":
                handler = self.handlers.get(rest[0].decode())
                reply = None if handler is None else handler(data)
                if reply is not None:  # None: the reply is lost on its way
                    self.send(rest[1].decode(), b"r", rest[2], reply)

    def close(self) -> None:
        self.open = False
        for path in self.files:
            path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        reader, self.reader = self.reader, None
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the reader
        if reader is not None and reader is not threading.current_thread():
            reader.join(5.0)
        self.socket.close()
        self.out.close()


class Publisher:
    """Of the bindings: publishes bytes on one topic."""

    def __init__(self, core: _Core, topic: str, kind: str) -> None:
        self._core, self._topic, self._kind = core, topic, kind
        self._listeners: list[str] = []
        self._looked = 0.0

    def valid(self) -> bool:
        """Whether the topic has a name that can be one."""
        return self._topic.startswith("/") and " " not in self._topic

    def has_connections(self) -> bool:
        """Whether somebody subscribes."""
        return any(topic == self._topic for topic, _, _ in self._core.known("sub"))

    def publish_raw(self, data: bytes, kind: str) -> bool:
        """Hand bytes to every subscriber."""
        if not self._core.open:
            return False
        now = time.monotonic()
        if now - self._looked > 0.02:
            self._listeners = [node for topic, node, _ in self._core.known("sub") if topic == self._topic]
            self._looked = now
        for node in self._listeners:
            self._core.send(node, b"m", self._topic.encode(), kind.encode(), data)
        return True

    def publish(self, message: Any) -> bool:
        """The same, of a message."""
        return self.publish_raw(message.SerializeToString(), message.DESCRIPTOR.full_name)


class Node:
    """Of the bindings: publishes, subscribes, calls services. ``serve`` is the double's own."""

    def __init__(self, options: NodeOptions | None = None) -> None:
        core = _Core((options or NodeOptions()).partition)
        self._core = core
        self._numbers = itertools.count()
        self._end = weakref.finalize(self, core.close)

    def advertise(self, topic: str, message: Any, options: Any = None) -> Publisher:
        """A publisher of that topic."""
        kind = message.DESCRIPTOR.full_name
        self._core.register("pub", topic, kind)
        return Publisher(self._core, topic, kind)

    def subscribe_raw(self, topic: str, callback: Any, kind: str, options: Any = None) -> bool:
        """Have ``callback`` take the bytes of every message."""
        if not topic.startswith("/"):
            return False
        most = None if options is None else options.msgs_per_sec
        taken = callback if most is None else _throttled(callback, 1.0 / most)
        self._core.callbacks.setdefault(topic, []).append((kind, taken))
        self._core.register("sub", topic, kind)
        self._core.listen()
        return True

    def subscribe(self, message: Any, topic: str, callback: Any, options: Any = None) -> bool:
        """The same, with messages."""

        def on_bytes(data: bytes, _info: Any) -> None:
            callback(message.FromString(data))

        return self.subscribe_raw(topic, on_bytes, message.DESCRIPTOR.full_name)

    def unsubscribe(self, topic: str) -> bool:
        """Hear nothing of that topic any more."""
        self._core.forget("sub", topic)
        return self._core.callbacks.pop(topic, None) is not None

    def request_raw(
        self, service: str, data: bytes, kind: str, reply: str, timeout_ms: int
    ) -> tuple[bool, bytes]:
        """Call a service; (False, b"") where nobody replies in time."""
        servers = [node for name, node, what in self._core.known("srv") if name == service]
        if not servers:
            time.sleep(timeout_ms * 1e-3)
            return False, b""
        asking = _Core.__new__(_Core)
        asking.place, asking.name = self._core.place, uuid.uuid4().hex[:12]
        path = asking.place / "n" / asking.name
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.bind(str(path))
            try:
                own.settimeout(timeout_ms * 1e-3)
                number = str(next(self._numbers)).encode()
                self._core.send(servers[0], b"q", service.encode(), asking.name.encode(), number, data)
                raw = own.recv(1 << 20)
            except OSError:
                return False, b""
            finally:
                path.unlink(missing_ok=True)
        return True, raw[4 + int.from_bytes(raw[:4], "little") :]

    def topic_list(self) -> list[str]:
        """Topics that somebody publishes or subscribes to: the real one has both, too."""
        return sorted({topic for kind in ("pub", "sub") for topic, _, _ in self._core.known(kind)})

    def topic_info(self, topic: str) -> tuple[list[MessagePublisher], list[MessagePublisher]]:
        """Publishers and subscribers."""
        publishers, subscribers = (
            [MessagePublisher(kind) for name, _, kind in self._core.known(which) if name == topic]
            for which in ("pub", "sub")
        )
        return publishers, subscribers

    def service_list(self) -> list[str]:
        """Services that somebody serves."""
        return sorted({service for service, _, _ in self._core.known("srv")})

    def service_info(self, service: str) -> list[ServicePublisher]:
        """Who serves it."""
        return [ServicePublisher(kind) for name, _, kind in self._core.known("srv") if name == service]

    def serve(self, service: str, kind: str, reply: str, handler: Handler) -> None:
        """Serve it; the bindings cannot."""
        self._core.handlers[service] = handler
        self._core.register("srv", service, f"{kind} {reply}")
        self._core.listen()

    def close(self) -> None:
        """End at once, as the process would."""
        self._end()
