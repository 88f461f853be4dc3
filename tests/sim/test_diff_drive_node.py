"""The robot as a real process on real ROS 2."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from diff_drive_peer import Start, eventually, stamp_ns

from harness.sim.diff_drive.robot import DIED_STATUS

pytestmark = [pytest.mark.slow, pytest.mark.ros]


def test_every_command_is_repeated_once_with_its_stamp(start: Start) -> None:
    robot, peer = start()
    peer.meet()
    stamps = peer.commands(100, interval_s=0.004)
    stamps += peer.commands(
        30, interval_s=0.0
    )  # several in one step: all answered, the newest has the wheels
    truth = peer.settled(stamps)
    eventually(lambda: len(peer.answers(stamps)) >= len(stamps), "all answers")
    assert peer.answers(stamps) == stamps, "each once and in order"
    assert [entry["stamp_ns"] for entry in robot.truth()][-len(stamps) :] == stamps
    for entry in truth:
        assert len(entry["answered_ns"]) == 1
        assert entry["received_ns"] <= entry["taken_ns"] <= entry["applied_ns"] <= entry["answered_ns"][0]
    assert not truth[-1]["superseded"]
    segments = robot.segments()
    assert segments
    assert robot.stop(signal.SIGINT) == 0
    assert not [segment for segment in segments if segment.exists()], "no shared memory is left behind"
    assert robot.end()["end"] == "stopped"
    assert robot.end()["commands"] == robot.truth()[-1]["number"]
    assert "Traceback" not in robot.output()


def test_the_answer_carries_what_was_applied(start: Start) -> None:
    _, peer = start()
    peer.meet()
    for frame, linear, angular, expected in (
        ("", 0.25, -0.5, (0.25, -0.5)),
        ("b", 9.0, -9.0, (1.0, -3.0)),
        ("base_link", float("nan"), 0.5, (0.0, 0.5)),
    ):
        stamp = peer.command(linear, angular, frame)
        eventually(lambda stamp=stamp: peer.answers([stamp]), "the answer")
        answer = peer.seen["cmd_vel/applied"][-1]
        assert stamp_ns(answer) == stamp
        assert answer.header.frame_id == frame
        assert (answer.twist.linear.x, answer.twist.angular.z) == expected
        assert (answer.twist.linear.y, answer.twist.angular.x) == (0.0, 0.0)


def test_it_moves_as_told_and_stops_when_told_and_when_commands_cease(start: Start) -> None:
    _, peer = start("--noise", "0")
    peer.meet()

    def moving(linear: float, angular: float) -> bool:
        peer.command(linear, angular)
        twist = peer.latest("odom").twist.twist
        return abs(twist.linear.x - linear) < 0.02 and abs(twist.angular.z - angular) < 0.02

    x0 = peer.latest("odom").pose.pose.position.x
    eventually(lambda: moving(0.3, 0.0), "driving forward")
    x1 = peer.latest("odom").pose.pose.position.x
    assert x1 > x0
    eventually(lambda: moving(-0.3, 0.0), "driving back")
    eventually(lambda: moving(0.0, 0.8), "turning left")
    assert peer.latest("imu").angular_velocity.z > 0.5
    eventually(lambda: moving(0.0, 0.0), "standing, as told")
    eventually(lambda: moving(0.2, 0.0), "driving again")
    eventually(
        lambda: abs(peer.latest("odom").twist.twist.linear.x) < 1e-3, "standing, since nobody commands"
    )


def test_what_the_sensors_publish(start: Start) -> None:
    _, peer = start("--odom-hz", "50", "--imu-hz", "100")
    peer.meet()
    before, _ = len(peer.seen["odom"]), peer.seen["imu"].clear()
    eventually(lambda: peer.spin() or len(peer.seen["imu"]) >= 200, "200 IMU messages")
    odometry = peer.seen["odom"][before:]
    assert len(odometry) == pytest.approx(100, abs=10), "half as many as IMU messages"
    stamps = [stamp_ns(message) for message in odometry]
    assert stamps == sorted(set(stamps))
    assert abs(time.time_ns() - stamps[-1]) < 20_000_000_000
    assert odometry[-1].header.frame_id == "odom"
    assert odometry[-1].child_frame_id == "base_link"
    assert odometry[-1].pose.pose.orientation.w == pytest.approx(1.0, abs=0.01)
    assert odometry[-1].twist.covariance[0] > 0.0
    imu = peer.seen["imu"]
    assert sum(m.linear_acceleration.z for m in imu) / len(imu) == pytest.approx(9.81, abs=0.05)
    assert imu[-1].orientation.w == pytest.approx(1.0, abs=0.01)
    assert imu[-1].angular_velocity_covariance[8] > 0.0
    assert 0.0 < peer.latest("real_time_factor").data < 2.0


def test_the_real_time_factor_shows_that_the_robot_stood_still(start: Start) -> None:
    robot, peer = start()
    peer.meet()
    assert peer.latest("real_time_factor").data > 0.0
    robot.process.send_signal(signal.SIGSTOP)
    time.sleep(0.6)  # the stall under test; longer does no harm
    robot.process.send_signal(signal.SIGCONT)
    eventually(lambda: peer.latest("real_time_factor").data < 0.7, "a factor that shows the stall")
    assert robot.stop() == 0
    assert robot.end()["slipped_ns"] >= 500_000_000


def test_names_and_types_without_a_namespace(start: Start) -> None:
    robot, peer = start(namespace="")
    peer.meet()
    offered = dict(peer.node.get_publisher_names_and_types_by_node("diff_drive", "/"))
    assert offered.pop("/parameter_events", None) is not None
    assert offered == {
        "/cmd_vel/applied": ["geometry_msgs/msg/TwistStamped"],
        "/imu": ["sensor_msgs/msg/Imu"],
        "/odom": ["nav_msgs/msg/Odometry"],
        "/real_time_factor": ["std_msgs/msg/Float64"],
    }
    assert dict(peer.node.get_subscriber_names_and_types_by_node("diff_drive", "/")) == {
        "/cmd_vel": ["geometry_msgs/msg/TwistStamped"]
    }
    assert robot.stop(signal.SIGTERM) == 0


def test_a_signal_while_starting_ends_it_quietly(start: Start) -> None:
    robot, _ = start()
    status = Path(f"/proc/{robot.process.pid}/status")

    def handles_sigterm() -> bool:
        caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt"))
        return bool(int(caught.split()[1], 16) & (1 << (signal.SIGTERM - 1)))

    eventually(handles_sigterm, "a handler for SIGTERM")
    assert robot.stop(signal.SIGTERM) == 0
    assert "Traceback" not in robot.output()


def test_delay_and_jitter(start: Start) -> None:
    _, peer = start("--misbehave", "delay:30", "--misbehave", "jitter:20")
    peer.meet()
    stamps = peer.commands(40)
    held = [entry["answered_ns"][0] - entry["applied_ns"] for entry in peer.settled(stamps)]
    assert min(held) >= 30_000_000
    assert max(held) - min(held) > 2_000_000
    eventually(lambda: len(peer.answers(stamps)) >= 40, "all answers")
    assert peer.answers(stamps) == stamps


def test_twice(start: Start) -> None:
    _, peer = start("--misbehave", "twice")
    peer.meet()
    stamps = peer.commands(20)
    eventually(lambda: len(peer.answers(stamps)) >= 40, "two answers each")
    assert peer.answers(stamps) == [stamp for stamp in stamps for _ in range(2)]
    assert all(len(entry["answered_ns"]) == 2 for entry in peer.settled(stamps))


def test_reorder(start: Start) -> None:
    _, peer = start("--misbehave", "reorder")
    peer.meet()
    stamps = peer.commands(41)
    eventually(lambda: len(peer.answers(stamps)) >= 41, "all answers, even the odd one")
    answered = peer.answers(stamps)
    assert sorted(answered) == stamps
    assert answered != stamps


def test_drop(start: Start) -> None:
    _, peer = start("--misbehave", "drop:3")
    peer.meet()
    stamps = peer.commands(30)
    kept = [entry["stamp_ns"] for entry in peer.settled(stamps) if entry["number"] % 3]
    assert len(kept) == 20
    eventually(lambda: len(peer.answers(stamps)) >= 20, "the answers that were not dropped")
    assert peer.answers(stamps) == kept


def test_silent_but_moving(start: Start) -> None:
    _, peer = start("--misbehave", "silent", "--noise", "0")
    peer.meet()
    stamps = peer.commands(10)
    assert all(entry["answered_ns"] == [] for entry in peer.settled(stamps))

    def moving() -> bool:
        stamps.append(peer.command(0.3))
        return bool(peer.latest("odom").twist.twist.linear.x > 0.25)

    eventually(moving, "driving")
    assert peer.seen["cmd_vel/applied"] == []


def test_latest_of_a_slow_loop(start: Start) -> None:
    _, peer = start("--misbehave", "latest", "--misbehave", "slow-loop:200")
    peer.meet()
    stamps = peer.commands(30, interval_s=0.01)
    truth = peer.settled(stamps)
    newest = [entry["stamp_ns"] for entry in truth if not entry["superseded"]]
    assert newest[-1] == stamps[-1]
    assert len(newest) < 30
    eventually(lambda: len(peer.answers(stamps)) >= len(newest), "the newest of each look")
    assert peer.answers(stamps) == newest


def test_die_after(start: Start) -> None:
    robot, peer = start("--misbehave", "die-after:25")
    peer.meet()
    peer.commands(40)
    assert robot.process.wait(20.0) == DIED_STATUS
    assert robot.end()["end"] == "died"
    assert robot.end()["commands"] == 25
    assert [entry["number"] for entry in robot.truth()] == list(range(1, 26))


def test_stall(start: Start) -> None:
    robot, peer = start("--misbehave", "stall:400@30")
    peer.meet()
    stamps = peer.commands(80)
    truth = peer.settled(stamps)
    stalled = next(entry for entry in truth if entry["number"] == 30)
    assert stalled["taken_ns"] - stalled["received_ns"] >= 400_000_000
    eventually(lambda: len(peer.answers(stamps)) >= 80, "all answers, in the end")
    assert peer.answers(stamps) == stamps
    assert robot.stop() == 0
    assert robot.end()["slipped_ns"] >= 300_000_000, "simulated time does not catch up with a long stall"


def test_never_appear(start: Start) -> None:
    robot, peer = start("--misbehave", "never-appear")
    time.sleep(3.0)  # long enough for a node to appear, were it to
    assert robot.process.poll() is None
    assert peer.publisher.get_subscription_count() == 0
    assert peer.node.get_node_names() == ["peer"]
    assert robot.stop() == 0
