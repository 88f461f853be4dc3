import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness import lock as module
from harness.errors import ConfigurationError, UnavailableError
from harness.lock import RigLock, lock_directory


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    return tmp_path / "locks"


HOLDER = """
import sys
from harness.lock import RigLock
lock = RigLock.acquire(sys.argv[1], "2026-01-31T12-00-00Z-ab12")
print("held", flush=True)
sys.stdin.read()
"""


def hold(rig: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, rig], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


@pytest.mark.slow
def test_the_second_run_is_told_by_whom_since_when_and_what_to_do(directory):
    child = hold("arm")
    try:
        with pytest.raises(UnavailableError) as caught:
            RigLock.acquire("arm", "other")
        about = json.loads((directory / "arm.lock").read_text())
        for part in (
            about["run_id"],
            about["user"],
            about["host"],
            about["since"],
            f"process {child.pid}",
            "-c arm",
        ):
            assert part in caught.value.message
        assert caught.value.hint is not None and f"kill -INT {child.pid}" in caught.value.hint
        RigLock.acquire("leg", "other").release()
    finally:
        end(child)


@pytest.mark.slow
def test_a_killed_run_leaves_no_stale_lock():
    child = hold("arm")
    child.send_signal(signal.SIGKILL)
    child.communicate()
    RigLock.acquire("arm", "next").release()


@pytest.mark.slow
def test_a_guardian_that_has_the_descriptor_keeps_the_rig_after_kill_9():
    script = HOLDER.replace(
        'print("held"',
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '60'], pass_fds=(lock.fileno(),), stdout=subprocess.DEVNULL)\n"
        "print(child.pid)\n"
        'print("held"',
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, "arm"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    guardian = int(child.stdout.readline())
    try:
        assert child.stdout.readline() == "held\n"
        end(child)
        with pytest.raises(UnavailableError, match="has ended, but its guardian") as caught:
            RigLock.acquire("arm", "next")
        assert "fuser" in str(caught.value)
    finally:
        # A descriptor of the process, so that only this very one is ended.
        pidfd = os.pidfd_open(guardian)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)
    deadline = threading.Event()
    for _ in range(400):
        try:
            RigLock.acquire("arm", "next").release()
            break
        except UnavailableError:
            deadline.wait(0.05)
    else:
        pytest.fail("the lock outlived its last holder")


@pytest.mark.slow
def test_programs_started_without_it_do_not_hold_the_rig():
    held = RigLock.acquire("arm", "a")
    program = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        held.release()
        RigLock.acquire("arm", "b").release()
    finally:
        program.kill()
        program.wait()


def test_release_is_repeatable_and_the_rig_is_free_again():
    held = RigLock.acquire("arm", "a")
    assert held.fileno() > 2
    with pytest.raises(UnavailableError):
        RigLock.acquire("arm", "b")
    held.release()
    held.release()
    with pytest.raises(ValueError, match="released"):
        held.fileno()
    with RigLock.acquire("arm", "b"):
        pass
    RigLock.acquire("arm", "c").release()


def test_the_file_says_who_holds_the_rig(directory):
    with RigLock.acquire("arm", "run-1"):
        about = json.loads((directory / "arm.lock").read_text())
    assert about["pid"] == os.getpid() and about["run_id"] == "run-1"
    assert set(about) == {"pid", "user", "run_id", "host", "since", "command"}


def test_a_longer_text_of_an_earlier_run_leaves_nothing_behind(directory):
    RigLock.acquire("arm", "x" * 500).release()
    with RigLock.acquire("arm", "y"):
        assert json.loads((directory / "arm.lock").read_text())["run_id"] == "y"


def test_an_unreadable_holder_is_still_a_holder(directory):
    held = RigLock.acquire("arm", "a")
    os.truncate(directory / "arm.lock", 0)
    with pytest.raises(UnavailableError, match="is in use"):
        RigLock.acquire("arm", "b")
    held.release()


def test_a_lock_file_that_was_tidied_away_in_between_is_not_held_for_good(directory, monkeypatch):
    real, calls = module._open, []

    def slow(path: Path, mode: int) -> int:
        fd = real(path, mode)
        if not calls:
            path.unlink()
        calls.append(fd)
        return fd

    monkeypatch.setattr(module, "_open", slow)
    with RigLock.acquire("arm", "a"):
        assert len(calls) == 2
        with pytest.raises(UnavailableError):
            RigLock.acquire("arm", "b")


def test_a_symbolic_link_is_not_followed(directory, tmp_path):
    directory.mkdir()
    (tmp_path / "precious").write_text("kept")
    (directory / "arm.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(UnavailableError, match="cannot be opened"):
        RigLock.acquire("arm", "a")
    assert (tmp_path / "precious").read_text() == "kept"


@pytest.mark.parametrize("name", ["", "../arm", "a/b", ".hidden", "-x", "a\0b"])
def test_a_name_that_is_no_name(name):
    with pytest.raises(ConfigurationError, match="no name of a rig"):
        RigLock.acquire(name, "a")


def test_where_the_locks_are(monkeypatch, tmp_path):
    assert lock_directory() == tmp_path / "locks"
    monkeypatch.delenv("HARNESS_LOCK_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert lock_directory() == tmp_path / "harness"
    RigLock.acquire("arm", "a").release()
    assert stat.S_IMODE((tmp_path / "harness").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "harness" / "arm.lock").stat().st_mode) == 0o600
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path))
    assert lock_directory() == tmp_path / f"harness-{os.getuid()}"


def test_a_folder_that_others_can_write_to_is_not_trusted(monkeypatch, tmp_path):
    monkeypatch.delenv("HARNESS_LOCK_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness").chmod(0o777)
    with pytest.raises(UnavailableError, match="mode 777") as caught:
        RigLock.acquire("arm", "a")
    assert "HARNESS_LOCK_DIR" in str(caught.value)
    (tmp_path / "harness").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "harness").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnavailableError, match="no folder of its own"):
        RigLock.acquire("arm", "a")


def test_a_folder_that_cannot_be_made(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "file" / "locks"))
    with pytest.raises(UnavailableError, match="cannot be made"):
        RigLock.acquire("arm", "a")
