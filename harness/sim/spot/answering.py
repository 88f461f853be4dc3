"""What every call has in common: when it was received, whether its token holds, the header of its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import grpc
from bosdyn.api import header_pb2

from harness.sim.spot.clock import set_stamp
from harness.sim.spot.robot import Robot

Handler = Callable[[Any, Any, Any], Any]


def stamp_header(header: Any, request: Any, received_ns: int, robot: Robot) -> None:
    """Fill the header of an answer that goes out now."""
    header.request_header.CopyFrom(request.header)
    set_stamp(header.request_received_timestamp, received_ns)
    header.error.code = header_pb2.CommonError.CODE_OK
    set_stamp(header.response_timestamp, robot.clock.now_ns())


def let_through(robot: Robot, context: grpc.ServicerContext, token: bool) -> None:
    """End the call where the network is cut, or where it needs a token and carries none that holds."""
    left = robot.cut_until - time.monotonic()
    if left > 0:
        time.sleep(left)
        context.abort(grpc.StatusCode.UNAVAILABLE, "the network was cut meanwhile")
    if token and not robot.tokens.allow(context.invocation_metadata()):
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is missing, wrong or has expired")


MUTED = ("RobotCommand", "GetRobotState")


def hold_back(context: grpc.ServicerContext) -> None:
    """Keep the answer until the client has lost patience."""
    gone = threading.Event()
    if context.add_callback(gone.set):
        gone.wait(60.0)


def unary(answer: type[Any], token: bool = True) -> Callable[[Callable[..., None]], Handler]:
    """A method ``(self, request, answer, received_ns)`` as the handler of a unary call."""

    def wrap(method: Callable[..., None]) -> Handler:
        @wraps(method)
        def handle(service: Any, request: Any, context: grpc.ServicerContext) -> Any:
            monotonic_ns = time.monotonic_ns()
            robot: Robot = service.robot
            let_through(robot, context, token)
            response = answer()
            received_ns = robot.clock.at(monotonic_ns)
            method(service, request, response, received_ns)
            if robot.options.mute and method.__name__ in MUTED:
                hold_back(context)
            stamp_header(response.header, request, received_ns, robot)
            return response

        return handle

    return wrap
