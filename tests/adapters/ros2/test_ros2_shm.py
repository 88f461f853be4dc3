"""What dead participants leave in /dev/shm goes, what living ones use stays."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import signal
from pathlib import Path

import pytest
from ros2_bench import Bench, until

from harness.adapters.ros2.shm import SHM, clean_shared_memory


def files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def test_dead_files_go_living_and_foreign_ones_stay(tmp_path: Path):
    dead = ["fastrtps_0123456789abcdef", "fastrtps_0123456789abcdef_el"]
    dead += ["fastrtps_port7411", "fastrtps_port7411_el", "sem.fastrtps_port7411_mutex"]
    dead += ["fastrtps_port7413", "fastrtps_port7413_sl", "sem.fastrtps_port7413_mutex"]
    dead += ["fastrtps_port7500", "sem.fastrtps_port7500_mutex"]  # a sender's: no lock
    living = ["fastrtps_fedcba9876543210", "fastrtps_fedcba9876543210_el"]
    foreign = [
        "something",
        "fastrtps_port_el",
        "fastrtps_short_el",
        "sem.other_mutex",
        "fastrtps_00000000deadbeef",
    ]
    files(tmp_path, *dead, *living, *foreign)
    with (tmp_path / living[1]).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert sorted(clean_shared_memory(tmp_path, fresh_s=0.0)) == sorted(dead)
        assert sorted(one.name for one in tmp_path.iterdir()) == sorted(living + foreign)
    assert sorted(clean_shared_memory(tmp_path, fresh_s=0.0)) == sorted(living)


def test_a_shared_lock_keeps_a_port(tmp_path: Path):
    names = [
        "fastrtps_port7000",
        "fastrtps_port7000_el",
        "fastrtps_port7000_sl",
        "sem.fastrtps_port7000_mutex",
    ]
    files(tmp_path, *names)
    with (tmp_path / names[2]).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert clean_shared_memory(tmp_path, fresh_s=0.0) == []
    assert sorted(clean_shared_memory(tmp_path, fresh_s=0.0)) == sorted(names)


def test_what_a_process_maps_is_kept(tmp_path: Path):
    (tmp_path / "fastrtps_port7411").write_bytes(bytes(4096))
    with (tmp_path / "fastrtps_port7411").open("r+b") as file, mmap.mmap(file.fileno(), 4096):
        assert clean_shared_memory(tmp_path, fresh_s=0.0) == []
    assert clean_shared_memory(tmp_path, fresh_s=0.0) == ["fastrtps_port7411"]


def test_fresh_files_links_and_a_missing_folder_are_left_alone(tmp_path: Path):
    files(tmp_path, "fastrtps_port1", "fastrtps_port1_el", "target")
    (tmp_path / "fastrtps_port2_el").symlink_to(tmp_path / "target")
    assert clean_shared_memory(tmp_path, fresh_s=3600.0) == []
    assert sorted(clean_shared_memory(tmp_path, fresh_s=0.0)) == ["fastrtps_port1", "fastrtps_port1_el"]
    assert (tmp_path / "target").exists()
    assert clean_shared_memory(tmp_path / "none") == []


def locks_of(folder: Path) -> set[tuple[str, int]]:
    """Fast DDS's lock files that a process holds open, with their inodes: a name may be used anew."""
    found = set()
    with contextlib.suppress(FileNotFoundError, PermissionError):
        for one in folder.iterdir():
            with contextlib.suppress(FileNotFoundError, PermissionError):
                target = one.readlink()
                if target.parent == SHM and target.name.startswith("fastrtps_"):
                    found.add((target.name, one.stat().st_ino))
    return found


def there(lock: tuple[str, int]) -> bool:
    try:
        return (SHM / lock[0]).stat().st_ino == lock[1]
    except FileNotFoundError:
        return False


def held_by_anyone() -> set[tuple[str, int]]:
    return {lock for one in Path("/proc").glob("[0-9]*/fd") for lock in locks_of(one)}


@pytest.mark.ros
@pytest.mark.slow
def test_after_a_killed_peer_everything_is_gone_and_the_living_go_on(bench: Bench):
    living = bench.echo("--node", "living")
    killed = bench.echo("--node", "killed", "--listen", "/k/in", "--answer", "/k/out")
    dead = locks_of(Path(f"/proc/{killed.process.pid}/fd"))
    alive = locks_of(Path(f"/proc/{living.process.pid}/fd"))
    assert dead - alive and alive - dead
    killed.end(signal.SIGKILL)

    def cleaned() -> bool:
        clean_shared_memory()
        return not [lock for lock in dead - held_by_anyone() if there(lock)]

    until(cleaned, "the files of the killed peer removed")
    assert all(there(lock) for lock in alive)
    device = bench.device()
    device.open()
    trips = bench.round_trips(device, 20)
    assert trips.arrived(20) == trips.sent
    device.close()
    living.end(signal.SIGINT)
    assert living.process.returncode == 0
    assert not [lock for lock in alive - held_by_anyone() if there(lock)]
