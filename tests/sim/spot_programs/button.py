"""An e-stop button in a program of its own: join, release, press, leave."""

import sys

import bosdyn.client
from bosdyn.api.estop_pb2 import ESTOP_LEVEL_CUT, ESTOP_LEVEL_NONE
from bosdyn.client.estop import EstopClient, EstopEndpoint

port, certificate, user, password = sys.argv[1:]
sdk = bosdyn.client.create_standard_sdk("button", cert_resource_glob=certificate)
robot = sdk.create_robot("127.0.0.1")
robot.update_secure_channel_port(int(port))
robot.authenticate(user, password)
client = robot.ensure_client(EstopClient.default_service_name)
endpoint = EstopEndpoint(client, "button", 20.0)
endpoint.force_simple_setup()
for act, level in ((endpoint.allow, ESTOP_LEVEL_NONE), (endpoint.stop, ESTOP_LEVEL_CUT)):
    act()
    assert client.get_status().stop_level == level
endpoint.deregister()
assert len(client.get_config().endpoints) == 0
print("done")
