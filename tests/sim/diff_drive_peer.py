"""The simulated robot as a process of its own, and a ROS 2 peer that talks to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEADLINE_S = 40.0


def eventually(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Poll until the condition is truthy; its value."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.005)
    return value


class RobotProcess:
    """``python -m harness.sim.diff_drive`` on a domain and in a namespace of its own."""

    def __init__(self, directory: Path, arguments: tuple[str, ...], namespace: str, domain: int) -> None:
        self.truth_file = directory / "truth.jsonl"
        self.output_file = directory / "robot.log"
        command = [sys.executable, "-m", "harness.sim.diff_drive", "--log-truth", str(self.truth_file)]
        if namespace:
            command += ["--namespace", namespace]
        with self.output_file.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "ROS_DOMAIN_ID": str(domain),
                    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
                },
            )

    def truth(self) -> list[dict[str, Any]]:
        """The commands whose fate is settled, in the order in which it was."""
        return [entry for entry in self._entries() if "number" in entry]

    def end(self) -> dict[str, Any]:
        """The last line of the log."""
        return self._entries()[-1]

    def _entries(self) -> list[dict[str, Any]]:
        if not self.truth_file.exists():
            return []
        whole, _, _ = self.truth_file.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def output(self) -> str:
        return self.output_file.read_text()

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def segments(self) -> set[Path]:
        """The shared memory that Fast DDS gave to this process alone: it holds the locks beside it."""
        locks = {str(fd.readlink()) for fd in Path(f"/proc/{self.process.pid}/fd").iterdir()}
        return {
            Path(lock.removesuffix("_el"))
            for lock in locks
            if lock.endswith("_el") and "port" not in lock and lock.startswith("/dev/shm/fastrtps_")
        }

    def close(self) -> None:
        """End it if it still runs: asked first, so that no shared memory is left behind."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Peer:
    """Sends commands and collects whatever the robot publishes."""

    def __init__(self, robot: RobotProcess, namespace: str, domain: int) -> None:
        with warnings.catch_warnings():
            # lark, far below rclpy, imports a deprecated module of the standard library.
            warnings.simplefilter("ignore", DeprecationWarning)
            import rclpy
            import rosidl_generator_py  # noqa: F401
        from geometry_msgs.msg import TwistStamped
        from nav_msgs.msg import Odometry
        from rclpy.signals import SignalHandlerOptions
        from sensor_msgs.msg import Imu
        from std_msgs.msg import Float64

        self.robot = robot
        self.context = rclpy.Context()
        rclpy.init(
            args=[],
            context=self.context,
            domain_id=domain,
            signal_handler_options=SignalHandlerOptions.NO,
        )
        self.node = rclpy.create_node(
            "peer",
            context=self.context,
            namespace=namespace,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self.command_type = TwistStamped
        self.publisher = self.node.create_publisher(TwistStamped, "cmd_vel", 1000)
        # odom last: discovery keeps the order, so the robot that reaches it has found the others, too.
        self.types = {
            "cmd_vel/applied": TwistStamped,
            "imu": Imu,
            "real_time_factor": Float64,
            "odom": Odometry,
        }
        self.readers = {
            topic: self.node.create_subscription(kind, topic, lambda message: None, 5000)
            for topic, kind in self.types.items()
        }
        self.seen: dict[str, list[Any]] = {topic: [] for topic in self.types}
        self.last_stamp = 0

    def spin(self) -> None:
        """Collect what has arrived."""
        for topic, reader in self.readers.items():
            while (taken := reader.handle.take_message(self.types[topic], False)) is not None:
                self.seen[topic].append(taken[0])

    def command(self, linear: float, angular: float = 0.0, frame: str = "") -> int:
        """Send one command; its stamp in ns."""
        message = self.command_type()
        self.last_stamp = max(time.time_ns(), self.last_stamp + 1)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(self.last_stamp, 1_000_000_000)
        message.header.frame_id = frame
        message.twist.linear.x = linear
        message.twist.angular.z = angular
        self.publisher.publish(message)
        return self.last_stamp

    def commands(self, count: int, interval_s: float = 0.005, linear: float = 0.1) -> list[int]:
        """Send several; their stamps."""
        stamps = []
        for _ in range(count):
            stamps.append(self.command(linear))
            time.sleep(interval_s)
        return stamps

    def answers(self, stamps: list[int]) -> list[int]:
        """The stamps among ``stamps`` that came back on cmd_vel/applied, as they came."""
        self.spin()
        wanted = set(stamps)
        return [s for s in map(stamp_ns, self.seen["cmd_vel/applied"]) if s in wanted]

    def settled(self, stamps: list[int]) -> list[dict[str, Any]]:
        """The robot's own record of these commands, once it is complete."""

        def complete() -> list[dict[str, Any]] | None:
            found = {entry["stamp_ns"]: entry for entry in self.robot.truth()}
            return [found[s] for s in stamps] if all(s in found for s in stamps) else None

        entries: list[dict[str, Any]] = eventually(complete, f"{len(stamps)} commands in the truth log")
        return entries

    def latest(self, topic: str) -> Any:
        """The next message that arrives on ``topic``."""
        self.spin()
        before = len(self.seen[topic])
        eventually(lambda: self.spin() or len(self.seen[topic]) > before, f"a message on {topic}")
        return self.seen[topic][-1]

    def meet(self) -> None:
        """Return when commands reach the robot and its messages arrive here."""
        self.latest("odom")

        def reached() -> bool:
            stamp = self.command(0.0)
            end = time.monotonic() + 1.0
            while time.monotonic() < end:
                if any(entry["stamp_ns"] >= stamp for entry in self.robot.truth()):
                    return True
                time.sleep(0.01)
            return False

        eventually(reached, "the robot takes a command")

    def close(self) -> None:
        self.node.destroy_node()
        self.context.shutdown()


def stamp_ns(message: Any) -> int:
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


Start = Callable[..., "tuple[RobotProcess, Peer]"]
