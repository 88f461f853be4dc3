"""Numbers that a message writes as strings, and names that stand for numbers."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.serialization import serialize_message

from harness.adapters.ros2.port_options import ResponseOptions
from harness.adapters.ros2.response import TopicResponse, named_number
from harness.clock import HostClock
from harness.errors import ConfigurationError
from harness.model import Finding

PATH = "status[name={}].values[key={}].value"
TYPE = "diagnostic_msgs/msg/DiagnosticArray"


def message(*robots: tuple[str, str, str]) -> bytes:
    status = [
        DiagnosticStatus(
            name=name, values=[KeyValue(key="leader", value=leader), KeyValue(key="term", value=term)]
        )
        for name, leader, term in robots
    ]
    return bytes(serialize_message(DiagnosticArray(status=status)))


def port(path: str, names: list[str] | None, told: list[Finding]) -> TopicResponse:
    options = ResponseOptions(topic="/all", type=TYPE, value=path, names=names)
    return TopicResponse("port", options, "robot.clock", HostClock(), told.append)


def read(response: TopicResponse, *messages: bytes) -> list[float]:
    seen: list[float] = []
    response.listen(lambda key, stamp, received, at, value, flags: seen.append(value))
    for data in messages:
        response.on_message(data, {"received_timestamp": 1})
    return seen


def test_names_and_numbers() -> None:
    assert [named_number(["a", "b"], text) for text in ("a", "b", "none", "7", "-2.5", "")] == [
        1,
        2,
        0,
        7,
        -2.5,
        0,
    ]


def test_an_element_is_found_by_name_whatever_its_place() -> None:
    told: list[Finding] = []
    leader = port(PATH.format("two", "leader"), ["one", "two"], told)
    term = port(PATH.format("two", "term"), [], told)
    both = (
        message(("one", "one", "3"), ("two", "one", "4")),
        message(("two", "two", "5"), ("one", "two", "5")),
    )
    assert read(leader, *both) == [1, 2] and read(term, *both) == [4, 5]
    assert told == []


def test_who_is_not_in_the_message_has_said_nothing() -> None:
    told: list[Finding] = []
    (value,) = read(port(PATH.format("two", "term"), [], told), message(("one", "one", "3")))
    assert value != value
    assert [each.name for each in told] == ["answer unreadable"]


def test_names_are_for_strings_and_numbers_for_numbers() -> None:
    with pytest.raises(ConfigurationError, match="name a field that is a string") as caught:
        port("status[0].level", ["a"], [])
    assert "value" in caught.value.message
    with pytest.raises(ConfigurationError, match="name a field that is a number"):
        port("status[0].name", None, [])
