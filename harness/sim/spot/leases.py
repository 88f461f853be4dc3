"""The lease of the body: who may command the robot, by the vendor's rules of sequences."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from bosdyn.api import lease_pb2

BODY = "body"
Result = lease_pb2.LeaseUseResult


@dataclass
class Owner:
    """Who holds the lease, and when it was last used or retained (CLOCK_MONOTONIC, s)."""

    client: str
    user: str
    since: float


class Leases:
    """The one resource ``body``. Not locked: the robot's lock is held by whoever asks."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.epoch = "sim"
        self._root = 0
        self._latest: list[int] = []
        self.owner: Owner | None = None

    @property
    def stale(self) -> bool:
        """Whether there is an owner who neither used nor retained the lease in time."""
        return self.owner is not None and time.monotonic() - self.owner.since > self.timeout_s

    def take(self, client: str, user: str = "user") -> lease_pb2.Lease:
        """A new root lease for ``client``; every earlier one is worth nothing from now on."""
        self._root += 1
        self._latest = [self._root]
        self.owner = Owner(client, user, time.monotonic())
        return self.lease()

    def give_back(self, lease: lease_pb2.Lease) -> bool:
        """Whether ``lease`` was of the active root and is free now."""
        if self.owner is None or list(lease.sequence)[:1] != [self._root]:
            return False
        self.owner = None
        return True

    def lease(self) -> lease_pb2.Lease:
        """The newest lease that was seen or given."""
        names = [self.owner.client] if self.owner is not None else []
        return lease_pb2.Lease(
            resource=BODY, epoch=self.epoch, sequence=self._latest or [0], client_names=names
        )

    def retain(self, lease: lease_pb2.Lease) -> lease_pb2.LeaseUseResult:
        """Check a lease that is to be kept alive: any of the active root will do."""
        status = self._status(lease)
        if status == Result.STATUS_OLDER:
            status = Result.STATUS_OK
        if status == Result.STATUS_OK and self.owner is not None:
            self.owner.since = time.monotonic()
        return self.result(status, lease)

    def use(self, lease: lease_pb2.Lease) -> lease_pb2.LeaseUseResult:
        """Check a lease that came with a command, and note its use."""
        status = self._status(lease)
        if status == Result.STATUS_OK and self.owner is not None:
            self._latest = list(lease.sequence)
            self.owner.since = time.monotonic()
        return self.result(status, lease)

    def result(self, status: Any, lease: lease_pb2.Lease) -> lease_pb2.LeaseUseResult:
        """A result of that status, with the owner in it."""
        found = Result(status=status, attempted_lease=lease, latest_known_lease=self.lease())
        if self.owner is not None:
            found.owner.client_name, found.owner.user_name = self.owner.client, self.owner.user
        return found

    def _status(self, lease: lease_pb2.Lease) -> Any:
        sequence = list(lease.sequence)
        if not lease.resource or not sequence:
            return Result.STATUS_INVALID_LEASE
        if lease.epoch != self.epoch:
            return Result.STATUS_WRONG_EPOCH
        if lease.resource != BODY:
            return Result.STATUS_UNMANAGED
        if self.owner is None or sequence[0] < self._root:
            return Result.STATUS_REVOKED if sequence[0] <= self._root else Result.STATUS_INVALID_LEASE
        if sequence[0] > self._root:
            return Result.STATUS_INVALID_LEASE
        # A longer sequence is a sub-lease; of two of one length the larger is the newer.
        return Result.STATUS_OK if sequence >= self._latest[: len(sequence)] else Result.STATUS_OLDER
