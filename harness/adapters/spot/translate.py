"""The vendor's errors in words that say what is wrong and what to do next."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.errors import DeadlineError, HarnessError, OperationError, SafetyError, UnavailableError

ONE_AT_A_TIME = "ask them to release it, on the tablet or in their program; the harness takes it from nobody"


@contextmanager
def translated(name: str, doing: str) -> Iterator[None]:
    """Raise what the SDK raises inside as an error of the harness, chained to it."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        raise of(name, doing, error) from error


def is_a(error: BaseException | None, name: str) -> bool:
    """Whether it is an error of that class of the SDK's, or of one below it."""
    return any(kind.__name__ == name for kind in type(error).__mro__)


def of(name: str, doing: str, error: Exception) -> HarnessError:
    """The harness's error for one of the SDK's; one of the harness's own as it is."""
    if isinstance(error, HarnessError):
        return error
    kinds = {kind.__name__ for kind in type(error).__mro__}
    where = f"{name}: {doing}"
    transport = str(getattr(error, "error", "")) + str(error)
    for wanted, make, said, hint in _KNOWN:
        if wanted in kinds:
            return make(f"{where}: {said}", hint=hint)
    if kinds & {"UnableToConnectToRobotError", "ProxyConnectionError", "TransientFailureError", "RpcError"}:
        return _connection(where, transport)
    response = getattr(error, "response", None)
    if "ResourceAlreadyClaimedError" in kinds:
        return SafetyError(f"{where}: the lease is held by {_owner(response)}", hint=ONE_AT_A_TIME)
    if "LeaseUseError" in kinds:
        result = getattr(response, "lease_use_result", None)
        return SafetyError(
            f"{where}: the lease no longer holds; it is with {owner_of(result)}", hint=ONE_AT_A_TIME
        )
    text = str(error).strip().splitlines()
    return OperationError(
        f"{where}: {type(error).__name__}: {text[-1] if text else 'no more is said'}",
        hint="look the error up in the vendor's documentation of the SDK",
    )


_KNOWN: tuple[tuple[str, type[HarnessError], str, str], ...] = (
    ("InvalidLoginError", UnavailableError, "user name or password is wrong", "correct the credentials"),
    (
        "TemporarilyLockedOutError",
        UnavailableError,
        "the robot refuses logins after too many wrong ones",
        "wait a minute, and correct the credentials",
    ),
    ("InvalidTokenError", UnavailableError, "the login has expired", "run again: it logs in anew"),
    ("UnauthenticatedError", UnavailableError, "the login has expired", "run again: it logs in anew"),
    (
        "NonexistentAuthorityError",
        UnavailableError,
        "its certificate is of another name than *.spot.robot",
        "is this address that of a Spot?",
    ),
    ("UnknownDnsNameError", UnavailableError, "the name of the robot cannot be resolved", "check `address`"),
    ("TimedOutError", DeadlineError, "no answer in time", "is the robot on, and its network up?"),
    (
        "NoTimeSyncError",
        OperationError,
        "the clocks are not synchronised",
        "look at the network: the robot needs a few round trips; then run again",
    ),
    (
        "NotEstablishedError",
        OperationError,
        "the clocks are not synchronised",
        "look at the network: the robot needs a few round trips; then run again",
    ),
    (
        "ExpiredError",
        OperationError,
        "the command was over when it came",
        "the network is slower than `end_ms`, or the clocks drifted apart: look at the round trips",
    ),
    (
        "BehaviorFaultError",
        SafetyError,
        "a behaviour fault is not cleared",
        "look at the robot, then clear it on the tablet",
    ),
    (
        "NotPoweredOnError",
        OperationError,
        "the motors have no power",
        "was it e-stopped or settled meanwhile?",
    ),
    ("EstoppedError", SafetyError, "it is e-stopped", "release the e-stop, then run again"),
    (
        "FaultedError",
        SafetyError,
        "the robot has a fault and does not power on",
        "look at its faults on the tablet, and clear them",
    ),
    ("BatteryMissingError", OperationError, "it has no battery", "insert one"),
    ("ShorePowerConnectedError", OperationError, "it is on shore power", "unplug it"),
    ("UnsupportedError", OperationError, "not supported, or not licensed", "joint control needs a licence"),
    ("LicenseError", OperationError, "not licensed", "joint control needs a licence of the vendor's"),
    (
        "ConfigMismatchError",
        SafetyError,
        "the e-stop configuration changed meanwhile",
        "somebody else sets up an e-stop: agree with them, then run again",
    ),
    (
        "EndpointMismatchError",
        SafetyError,
        "no further e-stop endpoint fits into the active configuration",
        "say `estop: theirs`, or have its operator make room: the harness replaces nobody's",
    ),
)


def _connection(where: str, text: str) -> HarnessError:
    low = text.lower()
    if "certificate" in low or "ssl" in low or "handshake" in low:
        return UnavailableError(
            f"{where}: its certificate is not trusted",
            hint="for a simulated or private robot give `certificate`; otherwise this is not the robot",
        )
    if "refused" in low:
        return UnavailableError(
            f"{where}: connection refused", hint="is it on, and are address and tcp_port right?"
        )
    if "resolving" in low or "name not found" in low:
        return UnavailableError(f"{where}: its name cannot be resolved", hint="check `address`")
    if "timed out" in low or "unreachable" in low or "no route" in low:
        return UnavailableError(f"{where}: the host cannot be reached", hint="check network and address")
    return UnavailableError(f"{where}: no connection", hint="is it on, and are address and network right?")


def _owner(response: Any) -> str:
    owner = getattr(response, "lease_owner", None)
    client = getattr(owner, "client_name", "") or "somebody else"
    user = getattr(owner, "user_name", "")
    return f"{client} ({user})" if user else str(client)


def owner_of(result: Any) -> str:
    """Who has the lease, by what came back of its use."""
    owner = getattr(result, "owner", None)
    return str(getattr(owner, "client_name", "") or "nobody")


def not_open(name: str) -> OperationError:
    """What to raise of a device that is closed."""
    return OperationError(f"{name} is not open", hint="open the device first")


def no_service(name: str, service: str) -> UnavailableError:
    """What to raise of a robot whose directory does not list that service."""
    return UnavailableError(
        f"{name}: the robot has no service {service!r}", hint="its software is too old, or it is not licensed"
    )


def sdk(module: str) -> Any:
    """A module of the SDK. Raises UnavailableError where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UnavailableError(
            f"the vendor's SDK is not installed: {error}", hint="pip install 'hil-latency-harness[spot]'"
        ) from error
