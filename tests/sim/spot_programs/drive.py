"""Drive by short velocity commands, as from a keyboard, and read the state meanwhile."""

import sys
import time

import bosdyn.client
from bosdyn.client.estop import EstopClient, EstopEndpoint, EstopKeepAlive
from bosdyn.client.frame_helpers import get_odom_tform_body
from bosdyn.client.lease import LeaseClient, LeaseKeepAlive
from bosdyn.client.robot_command import RobotCommandBuilder, RobotCommandClient, blocking_sit, blocking_stand
from bosdyn.client.robot_state import RobotStateClient

port, certificate, user, password = sys.argv[1:]
sdk = bosdyn.client.create_standard_sdk("drive", cert_resource_glob=certificate)
robot = sdk.create_robot("127.0.0.1")
robot.update_secure_channel_port(int(port))
robot.authenticate(user, password)
robot.time_sync.wait_for_sync(timeout_sec=20)
endpoint = EstopEndpoint(robot.ensure_client(EstopClient.default_service_name), "drive", 20.0)
endpoint.force_simple_setup()
lease = robot.ensure_client(LeaseClient.default_service_name)
states = robot.ensure_client(RobotStateClient.default_service_name)


def place() -> float:
    snapshot = states.get_robot_state().kinematic_state.transforms_snapshot
    return float(get_odom_tform_body(snapshot).x)


with EstopKeepAlive(endpoint) as alive, LeaseKeepAlive(lease, must_acquire=True, return_at_exit=True):
    alive.allow()
    robot.power_on(timeout_sec=20)
    client = robot.ensure_client(RobotCommandClient.default_service_name)
    blocking_stand(client, timeout_sec=20)
    begun = place()
    for _ in range(20):
        command = RobotCommandBuilder.synchro_velocity_command(v_x=0.5, v_y=0.0, v_rot=0.0)
        client.robot_command_async(command, end_time_secs=time.time() + 0.6).result()
        time.sleep(0.1)
    assert place() - begun > 0.3, place() - begun
    client.robot_command(RobotCommandBuilder.stop_command())
    blocking_sit(client, timeout_sec=20)
    robot.power_off(cut_immediately=True, timeout_sec=20)
print("done")
