"""The subscriptions of a device's responses, and the thread that takes from them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.adapters.ros2 import graph, loop, qos, vendor
from harness.adapters.ros2.calls import Caller
from harness.adapters.ros2.response import TopicResponse, lost_finding
from harness.adapters.ros2.session import Session
from harness.model import Finding


class Readers:
    """``profiles`` holds the QoS of every port by name; it is changed in place when a reader adapts.
    ``callers``: service clients whose replies are taken as well."""

    def __init__(
        self,
        session: Session,
        responses: Mapping[str, TopicResponse],
        profiles: dict[str, Any],
        report: Callable[[Finding], None],
        callers: Sequence[Caller] = (),
    ) -> None:
        self._callers = tuple(callers)
        self._session = session
        self._responses = dict(responses)
        self._profiles = profiles
        self._report = report
        self._subscriptions: dict[str, Any] = {}
        self._leaders: dict[str, list[str]] = {}
        """Ports of the same topic, type and QoS, by the first of them, which subscribes for all: they see the
        same messages, each with one receive stamp, and the middleware delivers each once."""
        self._loop: Any = None
        self._closed = False
        self._lock = threading.Lock()

    @property
    def sharing(self) -> dict[str, list[str]]:
        """Ports that are read through the subscription of another one, by that one."""
        return {name: members[1:] for name, members in self._leaders.items() if len(members) > 1}

    def open(self) -> None:
        """Subscribe and start taking."""
        shared: dict[Any, str] = {}
        for name, response in self._responses.items():
            told = response.options
            first = shared.setdefault((told.topic, response.message, repr(told.qos)), name)
            self._leaders.setdefault(first, []).append(name)
        for name in self._leaders:
            self._subscribe(name)
        if self._responses or self._callers:
            session = self._session
            self._loop = loop.make(session.context, session.node, self._report, self._callers)
            for caller in self._callers:
                caller.in_loop = True
            self._loop.start()

    def close(self) -> None:
        """End the thread; the node's end ends the subscriptions. Repeatable."""
        with self._lock:
            self._closed = True
            taking, self._loop = self._loop, None
        if taking is not None:
            with contextlib.suppress(Exception):
                taking.stop()
        for caller in self._callers:
            caller.in_loop = False
        self._subscriptions.clear()

    def _subscribe(self, name: str) -> None:
        response = self._responses[name]
        members = [self._responses[each] for each in self._leaders.get(name, [name])]
        module = vendor.load("rclpy.event_handler")
        for lost in (self._lost(response), None):
            events = module.SubscriptionEventCallbacks(message_lost=lost, use_default_callbacks=False)
            try:
                made = self._session.node.create_subscription(
                    response.message,
                    response.options.topic,
                    _for_all(members),
                    self._profiles[name],
                    event_callbacks=events,
                    raw=True,
                )
            except module.UnsupportedEventTypeError:
                continue  # this middleware does not tell of lost messages
            self._subscriptions[name] = made
            for member in members:
                member.publisher_count = made.get_publisher_count
            return

    def _lost(self, response: TopicResponse) -> Callable[[Any], None]:
        def lost(event: Any) -> None:
            topic, name = response.options.topic, response.name
            self._report(lost_finding(topic, event.total_count_change, event.total_count, name))

        return lost

    def adapt(self, look: graph.Look) -> bool:
        """Ask for no more than is offered: where the rig file leaves reliability open and a publisher offers
        best effort only, subscribe anew. Whether anything changed."""
        response = self._responses.get(look.port)
        offers = [one.profile.reliability for one in look.others if one.type == look.type]
        if response is None or not offers or not qos.follows(response.options.qos):
            return False
        reliability = vendor.load("rclpy.qos").ReliabilityPolicy
        reliable = all(one == reliability.RELIABLE for one in offers)
        wanted = reliability.RELIABLE if reliable else reliability.BEST_EFFORT
        if self._profiles[look.port].reliability == wanted:
            return False
        with self._lock:
            if self._closed:
                return False
            self._profiles[look.port].reliability = wanted
            old = self._subscriptions.get(look.port)
            if old is not None:
                self._subscribe(look.port)
                self._session.node.destroy_subscription(old)
                self._loop.subscriptions_changed()
        return True


def _for_all(members: Sequence[TopicResponse]) -> Callable[[bytes, Any], None]:
    """A callback that hands a message to every port of a subscription."""
    if len(members) == 1:
        return members[0].on_message
    callbacks = [each.on_message for each in members]

    def on_message(data: bytes, info: Any) -> None:
        for callback in callbacks:
            callback(data, info)

    return on_message
