from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest
from doctor_trees import host

from harness.doctor import Health, Roots, storage
from harness.doctor.need import Need
from harness.doctor.result import NOT_AVAILABLE

MIB = 1 << 20


@pytest.mark.parametrize(
    ("free", "severity"), [(100 * MIB, "error"), (500 * MIB, "warning"), (9000 * MIB, "ok")]
)
def test_room_for_runs(free: int, severity: str) -> None:
    found = storage.judge_disk("disk", "why", free, 10_000 * MIB)
    assert found.severity is Health(severity)
    assert bool(found.remedy) == (severity != "ok")


def test_room_is_looked_up_where_reports_will_go(tmp_path: Path) -> None:
    found = storage.disk(host(tmp_path), Need())
    assert not (tmp_path / "reports").exists()
    assert found.value.endswith("where reports go")
    here = os.statvfs(tmp_path)
    assert f"of {storage._size(here.f_blocks * here.f_frsize)} where" in found.value


@pytest.mark.parametrize(
    ("free", "ros", "severity"),
    [
        (MIB, True, "error"),
        (MIB, None, "error"),
        (MIB, False, "warning"),
        (8 * MIB, True, "warning"),
        (64 * MIB, True, "ok"),
    ],
)
def test_room_for_shared_memory(free: int, ros: bool | None, severity: str) -> None:
    found = storage.judge_shm("shared memory", "why", Need(ros=ros), free, 64 * MIB)
    assert found.severity is Health(severity)
    assert ("--shm-size" in found.remedy) == (severity != "ok")


def test_a_host_without_shared_memory(tmp_path: Path) -> None:
    assert storage.shared_memory(host(tmp_path), Need()).value == NOT_AVAILABLE
    assert storage.leftovers(host(tmp_path), Need()).value == NOT_AVAILABLE


SEGMENT, PORT = "fastrtps_0123456789abcdef_el", "fastrtps_port7410_sl"


def old(*files: Path) -> None:
    for file in files:
        os.utime(file, (time.time() - 60, time.time() - 60))


def row(file: Path) -> str:
    found = file.stat()
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    return f"1: FLOCK  ADVISORY  WRITE 17783 {device}:{found.st_ino} 0 EOF"


def test_locks_that_nobody_holds_are_leftovers(tmp_path: Path) -> None:
    names = [SEGMENT, PORT, "fastrtps_0123456789abcdef", "sem.fastrtps_port7410_mutex", "other_el"]
    roots = host(tmp_path, {f"dev/shm/{name}": "" for name in names})
    old(*roots.shm.iterdir())
    unknown = storage.leftovers(roots, Need())
    assert unknown.severity is Health.INFO and "owners not available" in unknown.value
    roots = host(tmp_path, {"proc/locks": row(roots.shm / SEGMENT)})
    found = storage.leftovers(roots, Need())
    assert (found.severity, found.value) == (Health.WARNING, "1 dead of 2 Fast DDS locks")
    assert "clean_shared_memory" in found.remedy
    host(tmp_path, {"proc/locks": f"{row(roots.shm / SEGMENT)}\n{row(roots.shm / PORT)}"})
    found = storage.leftovers(roots, Need())
    assert (found.severity, found.value) == (Health.OK, "none; 2 Fast DDS locks in use")


def test_a_lock_that_is_just_being_made_is_no_leftover(tmp_path: Path) -> None:
    roots = host(tmp_path, {f"dev/shm/{SEGMENT}": "", "proc/locks": ""})
    os.utime(roots.shm / SEGMENT, (time.time() + 3600, time.time() + 3600))
    assert storage.leftovers(roots, Need()).severity is Health.OK


def test_a_real_lock_is_seen_in_the_kernels_table(tmp_path: Path) -> None:
    shm = host(tmp_path, {f"dev/shm/{SEGMENT}": ""}).shm
    old(shm / SEGMENT)
    roots = Roots(root=tmp_path)
    with (shm / SEGMENT).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert row(shm / SEGMENT).split()[5] in Path("/proc/locks").read_text()
        assert storage.leftovers(roots, Need()).value == "none; 1 Fast DDS locks in use"
    assert storage.leftovers(roots, Need()).value == "1 dead of 1 Fast DDS locks"


def test_looking_takes_no_lock_and_removes_nothing(tmp_path: Path) -> None:
    roots = host(tmp_path, {f"dev/shm/{SEGMENT}": "", "proc/locks": ""})
    old(roots.shm / SEGMENT)
    with (roots.shm / SEGMENT).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        storage.leftovers(roots, Need())
        fcntl.flock(file, fcntl.LOCK_UN)
    assert [path.name for path in roots.shm.iterdir()] == [SEGMENT]
