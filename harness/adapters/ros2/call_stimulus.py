"""Stimuli that are calls: requests to a service, goals to an action. The message is built once and sent
often; only a goal's id changes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.adapters.ros2 import messages, vendor
from harness.adapters.ros2.call_response import PREFIX_BYTES, CallResponse, FeedbackResponse
from harness.adapters.ros2.calls import Caller
from harness.adapters.ros2.limits import refuse_beyond
from harness.adapters.ros2.port_options import ActionOptions, ServiceOptions
from harness.clock import HostClock
from harness.errors import OperationError
from harness.ports import KeyKind

SUCCEEDED = 4
"""``STATUS_SUCCEEDED`` of action_msgs/msg/GoalStatus."""


class PreparedCall:
    """A request that is ready to be sent, and its size as sent. Not shared by threads."""

    __slots__ = ("message_bytes", "request")

    def __init__(self, request: Any) -> None:
        self.request = request
        self.message_bytes = len(vendor.load("rclpy.serialization").serialize_message(request))


class CallStimulus:
    """What services and actions share. Without :meth:`connect` it may prepare, not send (``harness check``).

    ``message``: the class that values and limits are paths in; ``service``: the one that takes it.
    """

    key_kind = KeyKind.CALL

    def __init__(
        self, name: str, called: str, message: type, service: Any, limits: Mapping[str, float]
    ) -> None:
        self.name = name
        self.called = called
        self.message = message
        self.service = service
        self.caller: Caller | None = None
        self._limits = limits

    @property
    def service_name(self) -> str:
        """The service that requests go to."""
        return self.called

    def connect(self, node: Any, clock: HostClock, *, depth: int, direct: bool) -> None:
        """Make the clients that it sends through."""
        self.caller = Caller(
            node, self.service, self.service_name, self._answered, clock, depth=depth, direct=direct
        )

    def disconnect(self) -> None:
        """Send nothing any more."""
        self.caller = None

    @property
    def callers(self) -> list[Caller]:
        """The clients whose replies have to be taken."""
        return [self.caller] if self.caller is not None else []

    def prepare(self, values: Mapping[str, Any]) -> PreparedCall:
        """Build one request with ``values`` by path over the type's defaults.

        Raises ConfigurationError for a wrong path or type, SafetyError for a value beyond the device's
        limits.
        """
        made = messages.build(self.message, values)
        refuse_beyond(made, self._limits, self.name)
        return PreparedCall(self._request(made))

    def send(self, key: int, prepared: PreparedCall) -> tuple[int, int]:
        """Send the request. Returns CLOCK_MONOTONIC in ns just before and just after.

        Raises OperationError when the middleware refuses it.
        """
        caller = self._connected()
        self._mark(key, prepared.request)
        try:
            return caller.send(key, prepared.request)
        except Exception as error:
            raise OperationError(f"could not call {self.called}: {error}") from error

    def call(self, key: int, prepared: PreparedCall, timeout_ns: int) -> Any | None:
        """Send the request and wait for its reply, which no port observes; None after ``timeout_ns``."""
        caller = self._connected()
        self._mark(key, prepared.request)
        return caller.call(prepared.request, timeout_ns)

    def _connected(self) -> Caller:
        if self.caller is None:
            raise OperationError(f"port {self.name}: opened to look only, so nothing is sent")
        return self.caller

    def _request(self, made: Any) -> Any:
        return made

    def _mark(self, key: int, request: Any) -> None:
        """Put into the request what tells it apart."""

    def answer_class(self, event: str) -> type:
        """The class that paths of such an answer are in."""
        raise NotImplementedError

    def answer_port(self, response: CallResponse | FeedbackResponse) -> None:
        """Give that port the answers."""
        raise NotImplementedError

    def _answered(self, key: int, reply: Any, received: int, seen: int, flags: int) -> None:
        raise NotImplementedError


class ServiceStimulus(CallStimulus):
    """Calls a service."""

    def __init__(self, name: str, options: ServiceOptions, limits: Mapping[str, float]) -> None:
        service = messages.service_class(options.type)
        super().__init__(name, options.service, service.Request, service, limits)
        self.options = options
        self.replies: list[CallResponse] = []

    def answer_class(self, event: str) -> type:
        """The class that paths of such an answer are in."""
        found: type = self.service.Response
        return found

    def answer_port(self, response: CallResponse | FeedbackResponse) -> None:
        """Give that port the replies."""
        assert isinstance(response, CallResponse)
        self.replies.append(response)

    def _answered(self, key: int, reply: Any, received: int, seen: int, flags: int) -> None:
        for response in self.replies:
            response.take(key, reply, received, seen, flags, refused=False)


class ActionStimulus(CallStimulus):
    """Sends goals to an action, through the services and topics below it, and asks for the result of each
    goal as soon as it was accepted, if a port observes results."""

    def __init__(self, name: str, options: ActionOptions, limits: Mapping[str, float]) -> None:
        self.action = messages.action_class(options.type)
        super().__init__(name, options.action, self.action.Goal, self.action.Impl.SendGoalService, limits)
        self.options = options
        self.prefix = secrets.token_bytes(PREFIX_BYTES)
        self.accepted: list[CallResponse] = []
        self.results: list[CallResponse] = []
        self.feedback: list[FeedbackResponse] = []
        self._results_caller: Caller | None = None

    @property
    def service_name(self) -> str:
        """The service that takes goals."""
        return f"{self.called}/_action/send_goal"

    @property
    def feedback_topic(self) -> str:
        """Where feedback is published."""
        return f"{self.called}/_action/feedback"

    def connect(self, node: Any, clock: HostClock, *, depth: int, direct: bool) -> None:
        """Make the clients that it sends through."""
        super().connect(node, clock, depth=depth, direct=direct)
        self._results_caller = Caller(
            node,
            self.action.Impl.GetResultService,
            f"{self.called}/_action/get_result",
            self._result,
            clock,
            depth=depth,
            direct=direct,
        )

    @property
    def callers(self) -> list[Caller]:
        """The clients whose replies have to be taken."""
        return [one for one in (self.caller, self._results_caller) if one is not None]

    def answer_class(self, event: str) -> type:
        """The class that paths of such an answer are in."""
        found: type = self.action.Result if event == "result" else self.service.Response
        return found

    def answer_port(self, response: CallResponse | FeedbackResponse) -> None:
        """Give that port its part of what becomes of the goals."""
        if isinstance(response, FeedbackResponse):
            self.feedback.append(response)
        elif response.options.event == "result":
            self.results.append(response)
        else:
            self.accepted.append(response)

    def _request(self, made: Any) -> Any:
        request = self.service.Request()
        request.goal = made
        return request

    def _mark(self, key: int, request: Any) -> None:
        goal_id = self.prefix + key.to_bytes(16 - PREFIX_BYTES, "big", signed=True)
        request.goal_id.uuid = np.frombuffer(goal_id, dtype=np.uint8)

    def _answered(self, key: int, reply: Any, received: int, seen: int, flags: int) -> None:
        if not reply.accepted:
            ports: list[CallResponse | FeedbackResponse] = [*self.accepted, *self.feedback, *self.results]
            for port in ports:
                port.take(key, None, received, seen, flags, refused=True)
            return
        if self.results and self._results_caller is not None:
            # First of all: a result that is asked for late comes late.
            request = self.action.Impl.GetResultService.Request()
            self._mark(key, request)
            self._results_caller.send(key, request)
        for response in self.accepted:
            response.take(key, reply, received, seen, flags, refused=False)

    def _result(self, key: int, reply: Any, received: int, seen: int, flags: int) -> None:
        for response in self.results:
            response.take(key, reply.result, received, seen, flags, refused=reply.status != SUCCEEDED)
