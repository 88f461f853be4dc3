"""What dead participants leave in /dev/shm goes, what living ones use stays."""

from __future__ import annotations

import contextlib
import fcntl
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
    living = ["fastrtps_fedcba9876543210", "fastrtps_fedcba9876543210_el"]
    foreign = ["something", "fastrtps_port_el", "fastrtps_short_el", "sem.other_mutex", "fastrtps_port7500"]
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


def test_fresh_files_links_and_a_missing_folder_are_left_alone(tmp_path: Path):
    files(tmp_path, "fastrtps_port1", "fastrtps_port1_el", "target")
    (tmp_path / "fastrtps_port2_el").symlink_to(tmp_path / "target")
    assert clean_shared_memory(tmp_path, fresh_s=3600.0) == []
    assert sorted(clean_shared_memory(tmp_path, fresh_s=0.0)) == ["fastrtps_port1", "fastrtps_port1_el"]
    assert (tmp_path / "target").exists()
    assert clean_shared_memory(tmp_path / "none") == []


def present() -> set[tuple[str, int]]:
    """Fast DDS's files, with their inodes: another test may use a name anew."""
    found = set()
    for one in SHM.iterdir():
        if "fastrtps" in one.name:
            with contextlib.suppress(FileNotFoundError):
                found.add((one.name, one.stat().st_ino))
    return found


@pytest.mark.ros
@pytest.mark.slow
def test_after_a_killed_peer_everything_is_gone_and_the_living_go_on(bench: Bench):
    before = present()
    living = bench.echo("--node", "living")
    killed = bench.echo("--node", "killed", "--listen", "/k/in", "--answer", "/k/out")
    ours = present() - before
    assert ours
    killed.end(signal.SIGKILL)
    removed: list[str] = []
    until(lambda: bool(removed.extend(clean_shared_memory()) or removed), "files of the killed peer removed")
    device = bench.device()
    device.open()
    trips = bench.round_trips(device, 20)
    assert trips.arrived(20) == trips.sent
    device.close()
    living.end(signal.SIGINT)
    assert living.process.returncode == 0

    def left() -> set[tuple[str, int]]:
        clean_shared_memory()
        return present() & ours

    until(lambda: not left(), "everything of this test gone")
