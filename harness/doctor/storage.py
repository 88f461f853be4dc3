"""Room for evidence and for shared memory, and what dead programs left behind."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from harness.doctor.need import Need
from harness.doctor.result import Check, Health, unknown
from harness.doctor.roots import Roots, entries, read

DISK_ERROR, DISK_WARNING = 200 << 20, 2 << 30
"""Bytes. A run of a million samples takes about 150 MB before its tables are packed."""
SHM_ERROR, SHM_WARNING = 4 << 20, 32 << 20
"""Bytes. A Fast DDS participant takes about 0.5 MB for its segment and as much for its ports."""
_SEGMENT_LOCK = re.compile(r"^(fastrtps_[0-9a-z]{16}|fastrtps_port\d{1,5})_[es]l$")
FRESH_S = 1.0
CLEAN = "python -c 'from harness.adapters.ros2.shm import clean_shared_memory as c; print(c())'"


def _free(path: Path) -> tuple[int, int] | None:
    """Free bytes for this user, and all bytes, of the file system that holds ``path`` or will."""
    for place in (path, *path.absolute().parents):
        if place.exists():
            try:
                found = os.statvfs(place)
            except OSError:
                return None
            return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    return None


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.0f} MiB"


def disk(roots: Roots, need: Need) -> Check:
    """Free space where run folders go."""
    name = "disk"
    why = "A full disk ends a run; one that is nearly full makes writing slow and uneven."
    found = _free(roots.reports)
    return unknown(name, why) if found is None else judge_disk(name, why, *found)


def judge_disk(name: str, why: str, free: int, total: int) -> Check:
    """What so much free space, in bytes, means for a run."""
    value = f"{_size(free)} free of {_size(total)} where reports go"
    remedy = "du -sh reports/*/* | sort -h | tail  # move old runs away, or choose --out on another disk"
    if free < DISK_ERROR:
        return Check(name, Health.ERROR, value, why, remedy)
    return (
        Check(name, Health.WARNING, value, why, remedy)
        if free < DISK_WARNING
        else Check(name, Health.OK, value, why)
    )


def shared_memory(roots: Roots, need: Need) -> Check:
    """Free space in /dev/shm."""
    name = "shared memory"
    why = "Without room in /dev/shm, Fast DDS falls back to UDP or does not start."
    found = _free(roots.shm) if roots.shm.is_dir() else None
    return unknown(name, why) if found is None else judge_shm(name, why, need, *found)


def judge_shm(name: str, why: str, need: Need, free: int, total: int) -> Check:
    """What so much free shared memory, in bytes, means."""
    value = f"{_size(free)} free of {_size(total)} in /dev/shm"
    remedy = "sudo mount -o remount,size=512M /dev/shm  # in Docker: docker run --shm-size=512m"
    if free < SHM_ERROR:
        return Check(name, Health.WARNING if need.ros is False else Health.ERROR, value, why, remedy)
    return (
        Check(name, Health.WARNING, value, why, remedy)
        if free < SHM_WARNING
        else Check(name, Health.OK, value, why)
    )


def leftovers(roots: Roots, need: Need) -> Check:
    """Shared-memory files of dead Fast DDS participants: those whose lock nobody holds.

    Only /proc/locks is read: to try the lock could disturb a participant that is just starting. Owners in
    another container are not seen there; what is proposed removes nothing that is in use.
    """
    name = "leftovers"
    why = "Participants that start later stumble over the files of dead ones in /dev/shm."
    files = [path for path in entries(roots.shm) if _SEGMENT_LOCK.match(path.name)]
    if not roots.shm.is_dir():
        return unknown(name, why)
    if not files:
        return Check(name, Health.OK, "none", why)
    table = read(roots.proc / "locks")
    if table is None:
        return Check(name, Health.INFO, f"{len(files)} Fast DDS locks, owners not available", why)
    held = set(re.findall(r"\s([0-9a-f]+:[0-9a-f]+:\d+)\s", table))
    dead = [path.name for path in files if (place := _place(path)) is not None and place not in held]
    if not dead:
        return Check(name, Health.OK, f"none; {len(files)} Fast DDS locks in use", why)
    return Check(name, Health.WARNING, f"{len(dead)} dead of {len(files)} Fast DDS locks", why, CLEAN)


def _place(path: Path) -> str | None:
    """The file as /proc/locks names it: device and inode. None for one that is gone or just being made."""
    try:
        found = path.stat()
    except OSError:
        return None  # its owner took it away meanwhile
    if time.time() - found.st_mtime < FRESH_S:
        return None
    return f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"


CHECKS = (disk, shared_memory, leftovers)
