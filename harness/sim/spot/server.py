"""The gRPC server: every service behind one port, over TLS."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
from bosdyn.api import (
    auth_service_pb2_grpc,
    directory_service_pb2_grpc,
    estop_service_pb2_grpc,
    lease_service_pb2_grpc,
    power_service_pb2_grpc,
    robot_command_service_pb2_grpc,
    robot_id_service_pb2_grpc,
    robot_state_service_pb2_grpc,
    time_sync_service_pb2_grpc,
)

from harness.sim.spot import basics, certificates
from harness.sim.spot.commands import Command
from harness.sim.spot.robot import Robot
from harness.sim.spot.states import JointStream, State, StateStream

WORKERS = 48
"""Each stream holds one."""


def bind(robot: Robot, made: certificates.Certificates, port: int) -> tuple[grpc.Server, int]:
    """A server that has its port and is to be started. Raises RuntimeError where the port is taken."""
    server = grpc.server(ThreadPoolExecutor(WORKERS), options=[("grpc.so_reuseport", 0)])
    robot_id_service_pb2_grpc.add_RobotIdServiceServicer_to_server(basics.RobotId(robot), server)
    directory_service_pb2_grpc.add_DirectoryServiceServicer_to_server(basics.Directory(robot), server)
    auth_service_pb2_grpc.add_AuthServiceServicer_to_server(basics.Auth(robot), server)
    time_sync_service_pb2_grpc.add_TimeSyncServiceServicer_to_server(basics.Time(robot), server)
    lease_service_pb2_grpc.add_LeaseServiceServicer_to_server(basics.Lease(robot), server)
    estop_service_pb2_grpc.add_EstopServiceServicer_to_server(basics.Estop(robot), server)
    power_service_pb2_grpc.add_PowerServiceServicer_to_server(basics.Power(robot), server)
    commands = robot_command_service_pb2_grpc
    commands.add_RobotCommandServiceServicer_to_server(Command(robot), server)
    commands.add_RobotCommandStreamingServiceServicer_to_server(JointStream(robot), server)
    states = robot_state_service_pb2_grpc
    states.add_RobotStateServiceServicer_to_server(State(robot), server)
    states.add_RobotStateStreamingServiceServicer_to_server(StateStream(robot), server)
    credentials = grpc.ssl_server_credentials([(made.key, made.certificate)])
    bound = server.add_secure_port(f"127.0.0.1:{port}", credentials)
    return server, bound
