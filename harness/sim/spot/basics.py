"""Services that are asked before anything moves: identity, directory, login, time, lease, e-stop, power."""

from __future__ import annotations

from typing import Any

from bosdyn.api import (
    auth_pb2,
    auth_service_pb2_grpc,
    directory_pb2,
    directory_service_pb2_grpc,
    estop_pb2,
    estop_service_pb2_grpc,
    lease_pb2,
    lease_service_pb2_grpc,
    license_pb2,
    power_pb2,
    power_service_pb2_grpc,
    robot_id_pb2,
    robot_id_service_pb2_grpc,
    time_sync_pb2,
    time_sync_service_pb2_grpc,
)

from harness import __version__
from harness.sim.spot.answering import unary
from harness.sim.spot.estops import NONE
from harness.sim.spot.leases import BODY
from harness.sim.spot.robot import POWER, Robot

SERVICES = {
    "robot-id": ("RobotIdService", "id"),
    "directory": ("DirectoryService", "api"),
    "auth": ("AuthService", "auth"),
    "time-sync": ("TimeSyncService", "timesync"),
    "lease": ("LeaseService", "lease"),
    "power": ("PowerService", "power"),
    "robot-command": ("RobotCommandService", "command"),
    "robot-command-streaming": ("RobotCommandStreamingService", "command-streaming"),
    "robot-state": ("RobotStateService", "state"),
    "robot-state-streaming": ("RobotStateStreamingService", "state-streaming"),
    "estop": ("EstopService", "estop"),
}
"""Type and authority by name."""
OPEN = ("robot-id", "auth")
"""What needs no token."""


class Service:
    """A service of the robot."""

    def __init__(self, robot: Robot) -> None:
        self.robot = robot


class RobotId(Service, robot_id_service_pb2_grpc.RobotIdServiceServicer):
    """Who it is."""

    @unary(robot_id_pb2.RobotIdResponse, token=False)
    def GetRobotId(self, request: Any, answer: Any, received_ns: int) -> None:
        """Say that it is simulated, wherever an identity is shown."""
        one = answer.robot_id
        one.serial_number, one.species, one.nickname = "simulated", "spot", "simulated Spot"
        one.version = f"harness {__version__}"
        version = one.software_release.version
        version.major_version, version.minor_version, version.patch_level = 5, 2, 0
        one.software_release.name = f"simulated by harness {__version__}"


class Directory(Service, directory_service_pb2_grpc.DirectoryServiceServicer):
    """Which services there are."""

    @unary(directory_pb2.ListServiceEntriesResponse)
    def ListServiceEntries(self, request: Any, answer: Any, received_ns: int) -> None:
        """All of them."""
        for name, (kind, authority) in SERVICES.items():
            answer.service_entries.add(
                name=name,
                type=f"bosdyn.api.{kind}",
                authority=f"{authority}.spot.robot",
                user_token_required=name not in OPEN,
            )


class Auth(Service, auth_service_pb2_grpc.AuthServiceServicer):
    """Logins."""

    @unary(auth_pb2.GetAuthTokenResponse, token=False)
    def GetAuthToken(self, request: Any, answer: Any, received_ns: int) -> None:
        """A token for a name and a password, or for a token that still holds."""
        tokens = self.robot.tokens
        if tokens.locked_out:
            answer.status = answer.STATUS_TEMPORARILY_LOCKED_OUT
            return
        if request.token:
            token, wrong = tokens.refresh(request.token), answer.STATUS_INVALID_TOKEN
        else:
            token, wrong = tokens.login(request.username, request.password), answer.STATUS_INVALID_LOGIN
        answer.status = wrong if token is None else answer.STATUS_OK
        answer.token = token or ""


class Time(Service, time_sync_service_pb2_grpc.TimeSyncServiceServicer):
    """Time synchronisation."""

    @unary(time_sync_pb2.TimeSyncUpdateResponse)
    def TimeSyncUpdate(self, request: Any, answer: Any, received_ns: int) -> None:
        """One exchange."""
        with self.robot.lock:
            identifier, state = self.robot.timesync.update(request)
        answer.clock_identifier = identifier
        answer.state.CopyFrom(state)


class Lease(Service, lease_service_pb2_grpc.LeaseServiceServicer):
    """Who may command it."""

    @unary(lease_pb2.AcquireLeaseResponse)
    def AcquireLease(self, request: Any, answer: Any, received_ns: int) -> None:
        """The lease, if nobody has it."""
        with self.robot.lock:
            leases = self.robot.leases
            if request.resource != BODY:
                answer.status = answer.STATUS_INVALID_RESOURCE
            elif leases.owner is not None and not leases.stale:
                answer.status = answer.STATUS_RESOURCE_ALREADY_CLAIMED
                answer.lease_owner.client_name = leases.owner.client
                answer.lease_owner.user_name = leases.owner.user
            else:
                answer.status = answer.STATUS_OK
                self._give(request, answer)

    @unary(lease_pb2.TakeLeaseResponse)
    def TakeLease(self, request: Any, answer: Any, received_ns: int) -> None:
        """The lease, whoever has it."""
        with self.robot.lock:
            if request.resource != BODY:
                answer.status = answer.STATUS_INVALID_RESOURCE
                return
            answer.status = answer.STATUS_OK
            self._give(request, answer)

    def _give(self, request: Any, answer: Any) -> None:
        answer.lease.CopyFrom(self.robot.leases.take(request.header.client_name, self.robot.options.username))
        answer.lease_owner.client_name = request.header.client_name
        answer.lease_owner.user_name = self.robot.options.username

    @unary(lease_pb2.ReturnLeaseResponse)
    def ReturnLease(self, request: Any, answer: Any, received_ns: int) -> None:
        """Free again; a robot with power on then sits and powers off."""
        with self.robot.lock:
            given = self.robot.leases.give_back(request.lease)
            if given:
                self.robot.settle("the lease was returned")
        answer.status = answer.STATUS_OK if given else answer.STATUS_NOT_ACTIVE_LEASE

    @unary(lease_pb2.RetainLeaseResponse)
    def RetainLease(self, request: Any, answer: Any, received_ns: int) -> None:
        """Keep-alive."""
        with self.robot.lock:
            answer.lease_use_result.CopyFrom(self.robot.leases.retain(request.lease))

    @unary(lease_pb2.ListLeasesResponse)
    def ListLeases(self, request: Any, answer: Any, received_ns: int) -> None:
        """Who has it."""
        with self.robot.lock:
            one = answer.resources.add(resource=BODY, is_stale=self.robot.leases.stale)
            one.lease.CopyFrom(self.robot.leases.lease())
            if self.robot.leases.owner is not None:
                one.lease_owner.client_name = self.robot.leases.owner.client
                one.lease_owner.user_name = self.robot.leases.owner.user
        answer.resource_tree.resource = BODY


class Estop(Service, estop_service_pb2_grpc.EstopServiceServicer):
    """The software e-stop."""

    @unary(estop_pb2.GetEstopConfigResponse)
    def GetEstopConfig(self, request: Any, answer: Any, received_ns: int) -> None:
        """The active configuration."""
        with self.robot.lock:
            answer.request.CopyFrom(request)
            answer.active_config.CopyFrom(self.robot.estops.config)

    @unary(estop_pb2.SetEstopConfigResponse)
    def SetEstopConfig(self, request: Any, answer: Any, received_ns: int) -> None:
        """Another one: whoever checked in before is forgotten, and the robot is stopped."""
        with self.robot.lock:
            answer.request.CopyFrom(request)
            if self.robot.power != POWER.STATE_OFF:
                answer.status = answer.STATUS_MOTORS_ON
            elif request.target_config_id != self.robot.estops.config.unique_id:
                answer.status = answer.STATUS_INVALID_ID
            else:
                self.robot.estops.configure(request.config)
                answer.status = answer.STATUS_SUCCESS
            answer.active_config.CopyFrom(self.robot.estops.config)

    @unary(estop_pb2.RegisterEstopEndpointResponse)
    def RegisterEstopEndpoint(self, request: Any, answer: Any, received_ns: int) -> None:
        """Join the active configuration."""
        with self.robot.lock:
            answer.request.CopyFrom(request)
            if request.target_config_id != self.robot.estops.config.unique_id:
                answer.status = answer.STATUS_CONFIG_MISMATCH
                return
            answer.new_endpoint.CopyFrom(self.robot.estops.register(request.new_endpoint))
            answer.status = answer.STATUS_SUCCESS

    @unary(estop_pb2.DeregisterEstopEndpointResponse)
    def DeregisterEstopEndpoint(self, request: Any, answer: Any, received_ns: int) -> None:
        """Leave it; not while the motors have power."""
        with self.robot.lock:
            answer.request.CopyFrom(request)
            if request.target_config_id != self.robot.estops.config.unique_id:
                answer.status = answer.STATUS_CONFIG_MISMATCH
            elif self.robot.power != POWER.STATE_OFF:
                answer.status = answer.STATUS_MOTORS_ON
            elif self.robot.estops.deregister(request.target_endpoint):
                answer.status = answer.STATUS_SUCCESS
            else:
                answer.status = answer.STATUS_ENDPOINT_MISMATCH

    @unary(estop_pb2.EstopCheckInResponse)
    def EstopCheckIn(self, request: Any, answer: Any, received_ns: int) -> None:
        """An endpoint lives, and wants that level."""
        with self.robot.lock:
            answer.request.CopyFrom(request)
            answer.status, answer.challenge = self.robot.estops.check_in(request)

    @unary(estop_pb2.GetEstopSystemStatusResponse)
    def GetEstopSystemStatus(self, request: Any, answer: Any, received_ns: int) -> None:
        """The level that holds, and every endpoint's."""
        with self.robot.lock:
            level, who = self.robot.estops.level()
            answer.status.stop_level, answer.status.stop_level_details = level, who
            for endpoint in self.robot.estops.endpoints.values():
                answer.status.endpoints.add(endpoint=endpoint.proto, stop_level=endpoint.level)


class Power(Service, power_service_pb2_grpc.PowerServiceServicer):
    """Motor power."""

    @unary(power_pb2.PowerCommandResponse)
    def PowerCommand(self, request: Any, answer: Any, received_ns: int) -> None:
        """On or off."""
        robot = self.robot
        with robot.lock:
            answer.lease_use_result.CopyFrom(robot.leases.use(request.lease))
            answer.license_status = license_pb2.LicenseInfo.STATUS_VALID
            answer.power_command_id = robot.number()
            if answer.lease_use_result.status != lease_pb2.LeaseUseResult.STATUS_OK:
                answer.status = power_pb2.STATUS_OVERRIDDEN
            elif request.request == power_pb2.PowerCommandRequest.REQUEST_OFF:
                robot.power_off("power command")
                answer.status = power_pb2.STATUS_SUCCESS
            elif request.request != power_pb2.PowerCommandRequest.REQUEST_ON:
                answer.status = power_pb2.STATUS_FAULTED
            elif robot.estops.level()[0] != NONE:
                answer.status = power_pb2.STATUS_ESTOPPED
            elif robot.behavior_faults:
                answer.status = power_pb2.STATUS_FAULTED
            elif robot.power == POWER.STATE_ON:
                answer.status = power_pb2.STATUS_SUCCESS
            else:
                robot.power_on()
                answer.status = power_pb2.STATUS_IN_PROGRESS

    @unary(power_pb2.PowerCommandFeedbackResponse)
    def PowerCommandFeedback(self, request: Any, answer: Any, received_ns: int) -> None:
        """How it went."""
        with self.robot.lock:
            level, _ = self.robot.estops.level()
            if self.robot.power == POWER.STATE_POWERING_ON:
                answer.status = power_pb2.STATUS_IN_PROGRESS
            elif level != NONE:
                answer.status = power_pb2.STATUS_ESTOPPED
            else:
                answer.status = power_pb2.STATUS_SUCCESS
