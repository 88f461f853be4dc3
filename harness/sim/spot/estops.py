"""Software e-stop: endpoints that have to check in, the strictest of which decides."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from bosdyn.api import estop_pb2

CUT = estop_pb2.ESTOP_LEVEL_CUT
SETTLE = estop_pb2.ESTOP_LEVEL_SETTLE_THEN_CUT
NONE = estop_pb2.ESTOP_LEVEL_NONE
KNOWN = frozenset({CUT, SETTLE, NONE})


@dataclass
class Endpoint:
    """One registered endpoint: what it wants, and when it last answered its challenge (monotonic, s)."""

    proto: estop_pb2.EstopEndpoint
    level: int = CUT
    challenge: int = field(default_factory=lambda: secrets.randbits(64))
    valid_at: float = field(default_factory=time.monotonic)

    @property
    def timeout_s(self) -> float:
        """After so long without a check-in it counts as SETTLE_THEN_CUT."""
        seconds: float = self.proto.timeout.seconds + self.proto.timeout.nanos * 1e-9
        return seconds

    @property
    def cut_after_s(self) -> float:
        """After so long without a check-in it counts as CUT; where none is given, twice the timeout."""
        given = float(self.proto.cut_power_timeout.seconds) + self.proto.cut_power_timeout.nanos * 1e-9
        return given or 2.0 * self.timeout_s

    def effective(self, now: float) -> int:
        """The level that holds for this endpoint now."""
        silent = now - self.valid_at
        if silent > self.cut_after_s:
            return int(CUT)
        return min(self.level, int(SETTLE)) if silent > self.timeout_s else self.level


class Estops:
    """The active configuration and its endpoints. Not locked: the robot's lock is held by whoever asks."""

    def __init__(self) -> None:
        self.config = estop_pb2.EstopConfig(unique_id=secrets.token_hex(8))
        self.endpoints: dict[str, Endpoint] = {}

    def configure(self, config: estop_pb2.EstopConfig) -> None:
        """Another configuration: all endpoints of before are forgotten, and the robot is stopped."""
        self.config = estop_pb2.EstopConfig()
        self.config.CopyFrom(config)
        self.config.unique_id = secrets.token_hex(8)
        self.endpoints.clear()
        for one in self.config.endpoints:
            one.unique_id = secrets.token_hex(8)

    def register(self, wanted: estop_pb2.EstopEndpoint) -> estop_pb2.EstopEndpoint:
        """Take an endpoint into the configuration, in place of one of its role and name."""
        known = next(
            (one for one in self.config.endpoints if (one.role, one.name) == (wanted.role, wanted.name)), None
        )
        if known is None:
            known = self.config.endpoints.add()
        unique = known.unique_id or secrets.token_hex(8)
        known.CopyFrom(wanted)
        known.unique_id = unique
        self.endpoints[unique] = Endpoint(known)
        return known

    def deregister(self, wanted: estop_pb2.EstopEndpoint) -> bool:
        """Whether that endpoint was there; it no longer is."""
        if self.endpoints.pop(wanted.unique_id, None) is None:
            return False
        kept = [one for one in self.config.endpoints if one.unique_id != wanted.unique_id]
        del self.config.endpoints[:]
        self.config.endpoints.extend(kept)
        return True

    def check_in(self, request: estop_pb2.EstopCheckInRequest) -> tuple[int, int]:
        """The status of a check-in and the next challenge. The level is taken even where the response to the
        challenge is wrong, if it is the stricter one. A level that is not known is taken for CUT."""
        response = estop_pb2.EstopCheckInResponse
        endpoint = self.endpoints.get(request.endpoint.unique_id)
        if endpoint is None:
            return int(response.STATUS_ENDPOINT_UNKNOWN), 0
        right = request.response == (~endpoint.challenge & (2**64 - 1)) and (
            request.challenge == endpoint.challenge
        )
        endpoint.challenge = secrets.randbits(64)
        level = request.stop_level if request.stop_level in KNOWN else CUT
        if right:
            endpoint.valid_at = time.monotonic()
            endpoint.level = level
        else:
            endpoint.level = min(endpoint.level, level)
        status = response.STATUS_OK if right else response.STATUS_INCORRECT_CHALLENGE_RESPONSE
        return int(status), endpoint.challenge

    def level(self) -> tuple[int, str]:
        """The strictest level, and who wants it. A configuration with nobody in it, or with somebody missing,
        is a stop."""
        now = time.monotonic()
        if not self.config.endpoints:
            return int(CUT), "no endpoint is configured"
        worst, who = int(NONE), ""
        for one in self.config.endpoints:
            endpoint = self.endpoints.get(one.unique_id)
            wanted = int(CUT) if endpoint is None else endpoint.effective(now)
            if wanted < worst:
                silent = endpoint is not None and now - endpoint.valid_at > endpoint.timeout_s
                worst, who = wanted, f"{one.name} {'is silent' if silent else 'asks for it'}"
        return worst, who
