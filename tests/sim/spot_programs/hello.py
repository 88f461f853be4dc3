"""Stand up, turn the body, stand higher, sit down: what one writes first with the vendor's SDK."""

import sys

import bosdyn.client
from bosdyn.client.estop import EstopClient, EstopEndpoint, EstopKeepAlive
from bosdyn.client.lease import LeaseClient, LeaseKeepAlive
from bosdyn.client.robot_command import RobotCommandBuilder, RobotCommandClient, blocking_stand
from bosdyn.geometry import EulerZXY

port, certificate, user, password = sys.argv[1:]
sdk = bosdyn.client.create_standard_sdk("hello", cert_resource_glob=certificate)
robot = sdk.create_robot("127.0.0.1")
robot.update_secure_channel_port(int(port))
robot.authenticate(user, password)
robot.time_sync.wait_for_sync(timeout_sec=20)
endpoint = EstopEndpoint(robot.ensure_client(EstopClient.default_service_name), "hello", 20.0)
endpoint.force_simple_setup()
lease = robot.ensure_client(LeaseClient.default_service_name)
with EstopKeepAlive(endpoint) as alive, LeaseKeepAlive(lease, must_acquire=True, return_at_exit=True):
    alive.allow()
    robot.power_on(timeout_sec=20)
    assert robot.is_powered_on()
    client = robot.ensure_client(RobotCommandClient.default_service_name)
    blocking_stand(client, timeout_sec=20)
    turned = EulerZXY(yaw=0.2, roll=0.0, pitch=0.0)
    client.robot_command(RobotCommandBuilder.synchro_stand_command(footprint_R_body=turned))
    client.robot_command(RobotCommandBuilder.synchro_stand_command(body_height=0.05))
    robot.power_off(cut_immediately=False, timeout_sec=20)
    assert not robot.is_powered_on()
print("done")
