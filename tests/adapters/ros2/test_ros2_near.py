"""A misspelt topic, service or action: what is there under nearly that name comes first."""

from __future__ import annotations

from typing import Any

import pytest
from ros2_bench import TWIST, Bench, by_name, opened, response, stimulus, until

from harness.adapters.ros2 import elsewhere
from harness.adapters.ros2.near import Present, alike, near_words, other_words
from harness.adapters.ros2.servers import ServerLook

PLAIN = "geometry_msgs/msg/Twist"
THERE = [
    Present("/cmd_vel", PLAIN, ("/diff_drive",)),
    Present("/cmd_vel_stamped", TWIST, ("/diff_drive",)),
    Present("/arm/cmd_vel", PLAIN, ()),
    Present("/scan", "sensor_msgs/msg/LaserScan", ("/lidar",)),
]


def test_names_that_are_nearly_those_wanted() -> None:
    def names(name: str, kind: str = PLAIN) -> list[str]:
        return [one.name for one in alike(name, kind, THERE)]

    assert names("/cmd_vell") == ["/cmd_vel", "/arm/cmd_vel"]
    assert names("/base/cmd_vel") == ["/arm/cmd_vel", "/cmd_vel"]
    assert names("/cmd_vel_stmped", TWIST) == ["/cmd_vel_stamped"]
    assert names("/scn", "sensor_msgs/msg/PointCloud2") == ["/scan"]  # of another type, and nothing else
    assert names("/wheel_speeds") == names("/Twist") == []
    assert alike("/cmd_vel", PLAIN, []) == []


def test_what_is_said_of_them() -> None:
    assert near_words(61, THERE[:1]) == (
        "in domain 61 there is /cmd_vel (geometry_msgs/msg/Twist, /diff_drive): did you mean it?"
    )
    two = near_words(61, [THERE[0], THERE[2]])
    assert two.endswith("and /arm/cmd_vel (geometry_msgs/msg/Twist): did you mean one of them?")

    def look(kind: str) -> ServerLook:
        return ServerLook("port", "service", "/x", kind, (), (), 0, ())

    assert other_words(61, look(TWIST), THERE) == (
        f"of that type in domain 61: /cmd_vel_stamped ({TWIST}, /diff_drive)"
    )
    assert "in domain 61: 4 services of others, none" in other_words(61, look("std_srvs/srv/Empty"), THERE)
    assert other_words(61, look(TWIST), []) == ""


@pytest.mark.ros
@pytest.mark.slow
def test_a_misspelt_name_is_answered_from_our_own_domain(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: Any) -> dict[int, dict[str, list[str]]]:
        raise AssertionError("other people's domains are looked into")

    bench.echo()
    bench.server("--serve", "/lamp/set")
    bench.mover("--serve", "/arm/go")
    ports: dict[str, Any] = {
        "cmd": {"stimulus": stimulus(topic="/echo/inn")},
        "out": {"response": response(topic="/ecco/out")},
        "lamp": {"stimulus": {"service": "/lamp/sett", "type": "std_srvs/srv/SetBool"}},
        "reply": {"response": {"of": "lamp", "event": "reply"}},
        "go": {"stimulus": {"action": "/arm/goo", "type": "harness_interfaces/action/FollowTrajectory"}},
        "done": {"response": {"of": "go", "event": "result"}},
    }
    device = opened(bench.device(ports=ports, patience_s=1.0))
    hints: dict[str, str] = {}

    def told() -> bool:
        hints.update({one.message.rpartition(" ")[2]: one.remedy for one in device.preflight()})
        near = all("did you mean it?" in hints.get(port, "") for port in ("cmd", "out", "lamp", "go"))
        return near and all("/echo)" in hints[port] for port in ("cmd", "out"))  # a node's name comes later

    until(told, "what is nearly that")
    where = f"in domain {bench.domain} there is"
    assert hints["cmd"] == f"{where} /echo/in ({TWIST}, /echo): did you mean it?"
    assert hints["out"] == f"{where} /echo/out ({TWIST}, /echo): did you mean it?"
    assert hints["lamp"].startswith(f"{where} /lamp/set (std_srvs/srv/SetBool")
    assert hints["go"].startswith(f"{where} /arm/go (")
    monkeypatch.setattr(elsewhere, "look_into", nobody)
    assert len(by_name(device.preflight(), "nobody serves")) == 2
