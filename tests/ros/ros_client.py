"""A ROS 2 program of its own: collects what the node publishes, calls its services, sets its parameters.

One JSON object a line on standard input, one answer each on standard output; ends with its input.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PointStamped
from rclpy.executors import ExternalShutdownException
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import QoSProfile
from std_srvs.srv import Trigger

PATIENCE_S = 60.0


class Client:
    def __init__(self, name: str, latency: str) -> None:
        self.node = rclpy.create_node("client")
        self.name = name
        self.latencies: list[list[Any]] = []
        self.statuses: list[dict[str, Any]] = []
        self.node.create_subscription(PointStamped, latency, self._on_latency, QoSProfile(depth=10000))
        self.node.create_subscription(DiagnosticArray, f"{name}/status", self._on_status, 100)
        self.parameters = AsyncParameterClient(self.node, name)

    def _on_latency(self, message: PointStamped) -> None:
        stamp, point = message.header.stamp, message.point
        at = stamp.sec * 1_000_000_000 + stamp.nanosec
        self.latencies.append([at, message.header.frame_id, point.x, point.y, point.z])

    def _on_status(self, message: DiagnosticArray) -> None:
        (status,) = message.status
        values = {each.key: each.value for each in status.values}
        self.statuses.append({"level": status.level[0], "message": status.message, **values})

    def call(self, service: str) -> dict[str, Any]:
        client = self.node.create_client(Trigger, f"{self.name}/{service}")
        assert client.wait_for_service(PATIENCE_S), service
        answer = self._await(client.call_async(Trigger.Request()))
        return {"success": answer.success, "message": answer.message}

    def set(self, name: str, value: Any) -> dict[str, Any]:
        assert self.parameters.wait_for_services(PATIENCE_S)
        (result,) = self._await(self.parameters.set_parameters([Parameter(name, value=value)])).results
        return {"successful": result.successful, "reason": result.reason}

    def get(self, name: str) -> Any:
        assert self.parameters.wait_for_services(PATIENCE_S)
        (value,) = self._await(self.parameters.get_parameters([name])).values
        return rclpy.parameter.parameter_value_to_python(value)

    def describe(self, name: str) -> dict[str, Any]:
        (found,) = self._await(self.parameters.describe_parameters([name])).descriptors
        return {"description": found.description, "read_only": found.read_only}

    def state(self, since: int = 0) -> dict[str, Any]:
        return {"latencies": self.latencies[since:], "statuses": self.statuses}

    def counts(self) -> dict[str, Any]:
        return {"latencies": len(self.latencies), "last": self.statuses[-1] if self.statuses else {}}

    @staticmethod
    def _await(future: Any) -> Any:
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        assert done.wait(PATIENCE_S)
        return future.result()


def main() -> None:
    rclpy.init()
    client = Client(sys.argv[1], sys.argv[2])

    def spin() -> None:
        try:
            rclpy.spin(client.node)
        except ExternalShutdownException:
            pass

    spinner = threading.Thread(target=spin)
    spinner.start()
    try:
        for line in sys.stdin:
            order, *arguments = json.loads(line)
            print(json.dumps(getattr(client, order)(*arguments)), flush=True)
    finally:
        rclpy.try_shutdown()
        spinner.join()


if __name__ == "__main__":
    main()
