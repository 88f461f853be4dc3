"""The guardian as the harness uses it: started, told what to watch, listened to, released."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from little_harness import PATIENCE_S, lines, options, until

from harness.errors import ConfigurationError, DeadlineError, OperationError, RecordingError
from harness.guardian import Guardian
from harness.guardian.protocol import Lines, describe_error, encode, rebuild_error
from harness.guardian.watched import STOP_REPEATS


@pytest.fixture
def guardian(tmp_path: Path) -> Iterator[Guardian]:
    guardian = Guardian.start(f"test-{os.getpid()}-{time.monotonic_ns()}", tmp_path)
    yield guardian
    guardian.release()


def descriptors(pid: int | str = "self") -> dict[int, str]:
    found = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists the folder
            found[int(path.name)] = str(path.readlink())
    return found


@pytest.mark.slow
def test_rig_processes_do_not_keep_the_pipe_open(tmp_path: Path) -> None:
    run_id = f"test-{os.getpid()}-{time.monotonic_ns()}"
    before = descriptors()
    guardian = Guardian.start(run_id, tmp_path)
    try:
        pipes = {
            fd: target
            for fd, target in descriptors().items()
            if before.get(fd) != target and "pipe:" in target
        }
        assert len(pipes) == 2
        assert not any(os.get_inheritable(fd) for fd in pipes)
        # Even a program that is started with every inheritable descriptor left open.
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(300)"],
            close_fds=False,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        with child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"up\n"
            theirs = descriptors(child.pid)
            child.kill()
        assert not set(pipes.values()) & set(theirs.values())
        # Nor does anything that the guardian may start.
        shared = [fd for fd, target in descriptors(guardian.pid).items() if target in pipes.values()]
        assert len(shared) == 2
        for fd in shared:
            text = Path(f"/proc/{guardian.pid}/fdinfo/{fd}").read_text()
            assert int(text.partition("flags:")[2].split()[0], 8) & os.O_CLOEXEC
    finally:
        guardian.release()


@pytest.mark.slow
def test_release_acts_on_nothing(tmp_path: Path, guardian: Guardian) -> None:
    calls = tmp_path / "calls.jsonl"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"]) as robot:
        guardian.watch_process("robot", robot.pid)
        guardian.watch_device("arm", "recording", options(calls), PATIENCE_S)
        assert guardian.alive()
        assert not guardian.acted()
        guardian.release()
        assert robot.poll() is None
        robot.kill()
    assert [c["op"] for c in lines(calls)] == ["open", "close"]
    assert guardian._popen.returncode == 0
    assert not guardian.alive()
    assert not (tmp_path / "guardian.jsonl").exists()
    guardian.release()
    guardian.beat()
    guardian.stop_beating()
    with pytest.raises(OperationError, match="was released"):
        guardian.watch_device("arm", "recording", options(calls), PATIENCE_S)


@pytest.mark.slow
def test_its_own_death_shows(tmp_path: Path, guardian: Guardian) -> None:
    assert guardian.alive()
    os.kill(guardian.pid, signal.SIGKILL)
    until(lambda: not guardian.alive(), "its death shows")
    guardian.beat()
    guardian.stop_beating()
    assert not guardian.acted()
    with pytest.raises(OperationError, match=r"guardian \(pid \d+\) is gone \(signal 9\)"):
        guardian.watch_device("arm", "recording", options(tmp_path / "calls"), PATIENCE_S)
    guardian.release()


@pytest.mark.slow
@pytest.mark.parametrize("said", ["nothing", "quiet"])
def test_silence_is_no_hang_unless_beats_are_due(tmp_path: Path, said: str) -> None:
    calls = tmp_path / "calls.jsonl"
    guardian = Guardian.start(f"test-{os.getpid()}-{time.monotonic_ns()}", tmp_path, hang_timeout_s=1.0)
    try:
        guardian.watch_device("arm", "recording", options(calls), PATIENCE_S)
        if said == "quiet":
            guardian.beat()
            guardian.stop_beating()
        time.sleep(2.5)
        assert not guardian.acted()
        # And it would have been one: the same silence after a beat.
        guardian.beat()
        until(guardian.acted, "it acts")
        assert guardian.acted_reason == "no heartbeat of the harness for 1 s"
    finally:
        guardian.release()


@pytest.mark.slow
def test_opening_fails_as_it_would_in_the_harness(tmp_path: Path, guardian: Guardian) -> None:
    calls = tmp_path / "calls.jsonl"
    with pytest.raises(ConfigurationError, match=r"path to device 'arm': unknown adapter 'nosuch'") as caught:
        guardian.watch_device("arm", "nosuch", {}, PATIENCE_S)
    assert "known adapters" in (caught.value.hint or "")
    with pytest.raises(OperationError, match=r"device 'arm': ValidationError: .*"):
        guardian.watch_device("arm", "recording", {"adapter": "recording"}, PATIENCE_S)
    with pytest.raises(OperationError, match=r"device 'arm': device 'arm': open fails"):
        guardian.watch_device("arm", "recording", options(calls, fail=["open"]), PATIENCE_S)
    with pytest.raises(DeadlineError, match=r"device 'slow': no answer from the guardian within 0\.1 s"):
        guardian.watch_device("slow", "recording", options(calls, slow_open_s=2.0), 0.1)
    # What a vendor's library prints does not get between the messages.
    guardian.watch_device("loud", "recording", options(calls, chatty=True), PATIENCE_S)
    assert "not a message" in (tmp_path / "processes" / "_guardian.log").read_text()
    assert guardian.alive()


@pytest.mark.slow
def test_a_device_that_is_being_opened_when_the_harness_dies_is_stopped_too(tmp_path: Path) -> None:
    calls = tmp_path / "calls.jsonl"
    guardian = Guardian.start(f"test-{os.getpid()}-{time.monotonic_ns()}", tmp_path)
    with pytest.raises(DeadlineError):
        guardian.watch_device("slow", "recording", options(calls, slow_open_s=1.0), 0.05)
    os.close(guardian._commands)
    until(lambda: not guardian.alive(), "the guardian acted and ended")
    assert [c["op"] for c in lines(calls)] == ["open", *["safe_stop"] * STOP_REPEATS, "close"]
    guardian._commands = os.open(os.devnull, os.O_WRONLY)
    guardian.release()
    assert guardian._popen.returncode == 1


@pytest.mark.slow
def test_a_message_that_was_cut_short_spoils_no_other(tmp_path: Path, guardian: Guardian) -> None:
    calls = tmp_path / "calls.jsonl"
    os.kill(guardian.pid, signal.SIGSTOP)

    class CutError(Exception):
        pass

    def cut(number: int, frame: object) -> None:
        raise CutError

    before = signal.signal(signal.SIGALRM, cut)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        # More than the pipe holds, to a guardian that does not read: cut in the middle, as by Ctrl-C.
        with pytest.raises(CutError):
            guardian.watch_device("arm", "recording", options(calls, fail=["open"] * 100_000), PATIENCE_S)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    os.kill(guardian.pid, signal.SIGCONT)
    guardian.watch_device("base", "recording", options(calls), PATIENCE_S)
    guardian.release()
    assert guardian._popen.returncode == 0
    assert [(c["name"], c["op"]) for c in lines(calls)] == [("base", "open"), ("base", "close")]


def test_a_run_folder_that_cannot_be_written_is_a_recording_error(tmp_path: Path) -> None:
    before = descriptors()
    (tmp_path / "processes").write_text("in the way")
    with pytest.raises(RecordingError, match="guardian's log"):
        Guardian.start("run", tmp_path)
    gc.collect()
    assert descriptors() == before


@pytest.mark.slow
def test_start_and_release_leak_nothing(tmp_path: Path) -> None:
    before = len(descriptors())
    for _ in range(2):
        Guardian.start("run", tmp_path).release()
    assert len(descriptors()) == before


def test_messages_survive_any_cut() -> None:
    messages = [{"op": "beat"}, {"op": "watch_device", "options": {"path": "ä\n"}}, {"re": 1, "error": None}]
    stream = b"".join(encode(message) for message in messages)
    for size in range(1, len(stream) + 1):
        cutter = Lines()
        found = [m for at in range(0, len(stream), size) for m in cutter.feed(stream[at : at + size])]
        assert found == messages
    assert Lines().feed(b'{"op": "release"}') == []
    assert Lines().feed(b"[1]\n\nnonsense\n") == [{"garbled": "[1]"}, {"garbled": "nonsense"}]


def test_errors_keep_their_class_and_their_hint() -> None:
    error = rebuild_error(describe_error(ConfigurationError("wrong port", hint="look")), "device 'arm'")
    assert (type(error), error.message, error.hint) == (
        ConfigurationError,
        "device 'arm': wrong port",
        "look",
    )
    error = rebuild_error(describe_error(KeyError("x")), "device 'arm'")
    assert (type(error), error.message) == (OperationError, "device 'arm': KeyError: 'x'")
