"""A login at a Spot: the SDK's robot with its token, and channels of the harness's own for what is timed.

The SDK's channels ask a plug-in for the token with every call, on another thread; channels of the harness's
own carry it as metadata, which is what makes them faster. The SDK refreshes the token every hour.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Callable
from typing import Any

from harness.adapters.spot import translate
from harness.adapters.spot.place import Place
from harness.adapters.spot.translate import sdk, translated

CALL_S = 2.0
"""Longest wait for an answer to a question that is not timed."""
OPTIONS = (("grpc.optimization_target", "latency"),)
SERVICES = {
    "command": ("robot-command", "/bosdyn.api.RobotCommandService/RobotCommand"),
    "state": ("robot-state", "/bosdyn.api.RobotStateService/GetRobotState"),
    "time": ("time-sync", "/bosdyn.api.TimeSyncService/TimeSyncUpdate"),
}
"""What is called on a channel of the harness's own: name in the directory, and path of the method."""
WARMING = {"command": "/bosdyn.api.RobotCommandService/RobotCommandFeedback"}
WARM_S = 0.5
STREAMS = {
    "state stream": (
        "robot-state-streaming",
        "/bosdyn.api.RobotStateStreamingService/GetRobotStateStream",
    ),
    "joint stream": (
        "robot-command-streaming",
        "/bosdyn.api.RobotCommandStreamingService/JointControlStream",
    ),
}

_once = threading.Lock()


OURS = "harness "
"""What the name of every client of every run begins with."""


def client_name_prefix(run_id: str) -> str:
    """How the robot knows the clients of a run: its guardian goes by it."""
    return f"{OURS}{run_id} "


class Session:
    """One login. ``name`` is the device's, for messages. Thread-safe as far as the SDK is."""

    def __init__(self, name: str, place: Place, run_id: str) -> None:
        self.name, self.place = name, place
        self._run_id = run_id
        self._robot: Any = None
        self._channels: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._identity: dict[str, str] = {}
        self.client_name = ""

    # -- login -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Log in and learn which services there are. Raises UnavailableError, DeadlineError."""
        with translated(self.name, f"login at {self.place.address}"):
            self._robot = self._make()
            robot_id = self._robot.get_id()
            self._identity = _identity(robot_id)
            self._login()
            self._robot.sync_with_directory()

    def look(self) -> dict[str, str]:
        """Ask who is there, without a login. Raises UnavailableError, DeadlineError."""
        with translated(self.name, f"the robot at {self.place.address}"):
            self._robot = self._make()
            self._identity = _identity(self._robot.get_id())
        return self._identity

    def _make(self) -> Any:
        client = sdk("bosdyn.client")
        # The SDK's background threads tell every failure to the log as well; the harness tells it once.
        for name in ("bosdyn", "bosdyn.client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        certificate = None if self.place.certificate is None else str(self.place.certificate)
        prefix = client_name_prefix(self._run_id)
        with warnings.catch_warnings():
            # The SDK reads the vendor's certificate by a function that Python has deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            made = client.create_standard_sdk(prefix, cert_resource_glob=certificate)
        self.client_name = client.sdk.generate_client_name(prefix)
        robot = made.create_robot(self.place.address)
        robot.logger.setLevel(logging.CRITICAL)
        robot.update_secure_channel_port(self.place.port)
        return robot

    def _login(self) -> None:
        self._robot.authenticate(self.place.username, self.place.password, timeout=2 * CALL_S)

    def login_again(self) -> None:
        """For a token that no longer holds. Raises UnavailableError, DeadlineError."""
        with translated(self.name, f"login at {self.place.address}"):
            self._login()

    def close(self) -> None:
        """Let go of every channel and thread. Repeatable."""
        robot, self._robot = self._robot, None
        with self._lock:
            channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.close()
        if robot is not None:
            manager = robot._token_manager
            with robot:
                robot.shutdown()
            if manager is not None:
                manager.th.join(CALL_S)

    # -- what it gives ---------------------------------------------------------------------------------------

    @property
    def robot(self) -> Any:
        """The SDK's robot. Raises OperationError after closing."""
        if self._robot is None:
            raise translate.not_open(self.name)
        return self._robot

    @property
    def identity(self) -> dict[str, str]:
        """Who answered."""
        return dict(self._identity)

    def client(self, module: str, name: str) -> Any:
        """The SDK's client of that class, in ``bosdyn.client.MODULE``, over the SDK's own channel."""
        kind = getattr(sdk(f"bosdyn.client.{module}"), name)
        return self.robot.ensure_client(kind.default_service_name)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What a call over one of the harness's own channels has to carry."""
        return (("authorization", f"Bearer {self.robot.user_token}"),)

    def method(self, what: str) -> Any:
        """The unary method ``what`` of SERVICES, from bytes to bytes, over a channel of the harness's own."""
        service, path = SERVICES[what]
        return self._channel(service).unary_unary(path)

    def stream_out(self, what: str) -> Any:
        """The method of STREAMS that answers with a stream."""
        service, path = STREAMS[what]
        return self._channel(service).unary_stream(path)

    def stream_in(self, what: str) -> Any:
        """The method of STREAMS that takes a stream."""
        service, path = STREAMS[what]
        return self._channel(service).stream_unary(path)

    def warm(self, what: str) -> None:
        """Have the channel of that method connected before anything is timed, by a question that moves
        nothing and whose answer does not matter. Raises UnavailableError."""
        grpc = sdk("grpc")
        service, path = SERVICES[what]
        ask = self._channel(service).unary_unary(WARMING.get(what, path))
        with translated(self.name, f"channel to {service}"):
            try:
                ask(b"", timeout=WARM_S, metadata=self.metadata())
            except grpc.RpcError as error:
                if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED):
                    raise  # whatever else it says, it is there

    def _channel(self, service: str) -> Any:
        authorities = self.robot.authorities_by_name
        if service not in authorities:
            raise translate.no_service(self.name, service)
        authority = authorities[service]
        with self._lock:
            if authority not in self._channels:
                grpc = sdk("grpc")
                self._channels[authority] = grpc.secure_channel(
                    f"{self.place.address}:{self.place.port}",
                    grpc.ssl_channel_credentials(root_certificates=self.robot.cert),
                    [("grpc.ssl_target_name_override", authority), *OPTIONS],
                )
            return self._channels[authority]


def relogin(session: Session, act: Callable[[], Any]) -> Any:
    """Do ``act``; where the login has expired, log in anew and do it once more."""
    unauthenticated = sdk("bosdyn.client.exceptions").UnauthenticatedError
    try:
        return act()
    except unauthenticated:
        session.login_again()
        return act()


def _identity(robot_id: Any) -> dict[str, str]:
    found = {
        "model": str(robot_id.species),
        "serial number": str(robot_id.serial_number),
        "name": str(robot_id.nickname),
        "hardware": str(robot_id.version),
    }
    release = robot_id.software_release
    version = release.version
    found["software"] = " ".join(
        part
        for part in (
            f"{version.major_version}.{version.minor_version}.{version.patch_level}",
            str(release.name),
        )
        if part
    )
    with contextlib.suppress(ImportError):
        from importlib.metadata import version as installed

        found["SDK"] = f"bosdyn-client {installed('bosdyn-client')}"
    return {key: value for key, value in found.items() if value.strip()}
