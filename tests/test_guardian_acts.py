"""What the guardian does when the harness is killed, interrupted or frozen: real processes throughout."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from little_harness import PATIENCE_S, LittleHarness, options, until

from harness import proctable
from harness.guardian.undo import run, wake
from harness.guardian.watched import STOP_REPEATS


@pytest.fixture
def little(tmp_path: Path) -> Iterator[Callable[..., LittleHarness]]:
    made: list[LittleHarness] = []

    def make(**told: Any) -> LittleHarness:
        made.append(LittleHarness(tmp_path, **told))
        made[-1].wait_up()
        return made[-1]

    yield make
    for harness in made:
        harness.end()
        assert harness.members() == []


@pytest.mark.slow
def test_kill_9_undoes_what_was_broken_on_purpose(
    little: Callable[..., LittleHarness], tmp_path: Path
) -> None:
    """A process that hangs is woken, a command run; what was whole again is left alone."""
    stopped = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    try:
        os.kill(stopped.pid, signal.SIGSTOP)
        entry = proctable.read(stopped.pid)
        assert entry is not None
        mark = tmp_path / "undone"
        harness = little(
            breaking={
                "swarm.hang of a": [wake(entry)],
                "swarm.mine of b": [run(["touch", str(mark)], 5.0)],
                "swarm.mine of c": [run(["touch", str(tmp_path / "never")], 5.0)],
                "swarm.mine of d": [run(["no-such-program"], 5.0)],
            },
            whole=["swarm.mine of c"],
        )
        harness.popen.kill()
        until(lambda: harness.event("done"), "the guardian is done")
        now = proctable.read(stopped.pid)
        assert now is not None and now.state not in "Tt"
        assert mark.exists() and not (tmp_path / "never").exists()
        told = {each["fault"]: each["result"] for each in harness.event("fault undone")}
        assert told["swarm.hang of a"] == f"pid {stopped.pid} woken"
        assert told["swarm.mine of b"] == "touch ended with status 0"
        assert "FileNotFoundError" in told["swarm.mine of d"]
        assert set(told) == {"swarm.hang of a", "swarm.mine of b", "swarm.mine of d"}
    finally:
        stopped.kill()
        stopped.wait()


@pytest.mark.slow
def test_kill_9_stops_every_device_first_then_ends_the_processes(
    little: Callable[..., LittleHarness],
) -> None:
    harness = little()
    killed_ns = time.monotonic_ns()
    harness.popen.kill()
    descriptor = os.open(harness.lock, os.O_RDWR)

    def locked() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    until(locked, "the rig's lock is free")
    # The lock is free no sooner than everything is done.
    assert harness.members() == []
    os.close(descriptor)
    (acting,), (done,) = harness.event("acting"), harness.event("done")
    assert "without a release" in acting["reason"]
    ended = harness.event("process ended")
    assert len(ended) == 2
    stops = harness.calls_of("safe_stop")
    assert {(c["name"], c["role"], c["pid"]) for c in stops} == {
        (name, "guardian", harness.guardian_pid) for name in ("arm", "base")
    }
    assert len(stops) == 2 * STOP_REPEATS
    times = [killed_ns, acting["t_ns"], *sorted(c["t_ns"] for c in stops), ended[0]["t_ns"], done["t_ns"]]
    assert times == sorted(times)
    assert [e["device"] for e in harness.event("device stopped")] == ["arm", "base"]
    # One stop of each device before the second of any: none waits for another.
    assert {c["name"] for c in sorted(stops, key=lambda c: c["t_ns"])[:2]} == {"arm", "base"}
    assert len(harness.calls_of("close")) == 2
    assert acting["utc"].endswith("+00:00")
    harness.wait_guardian_gone()


@pytest.mark.slow
def test_a_forked_copy_of_the_harness_that_holds_the_pipe_hides_nothing(
    tmp_path: Path, little: Callable[..., LittleHarness]
) -> None:
    harness = little(fork=True)
    harness.popen.kill()
    until(lambda: harness.event("done"), "the guardian acted")
    assert harness.event("acting")[0]["reason"] == "the harness process ended without a release"
    assert len(harness.calls_of("safe_stop")) == 2 * STOP_REPEATS
    # The copy carries no run id: it was not started for the run. It is ended here.
    for entry in proctable.session_members(harness.popen.pid):
        proctable.send(entry, signal.SIGKILL)


@pytest.mark.slow
def test_a_signal_to_the_whole_group_ends_the_harness_but_not_the_guardian(
    little: Callable[..., LittleHarness],
) -> None:
    harness = little()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        os.kill(harness.guardian_pid, number)
    assert os.getsid(harness.guardian_pid) == harness.guardian_pid
    assert os.getpgid(harness.guardian_pid) != os.getpgid(harness.popen.pid)
    os.killpg(harness.popen.pid, signal.SIGINT)
    harness.popen.wait(PATIENCE_S)
    until(lambda: harness.event("done"), "the guardian acted")
    assert len(harness.calls_of("safe_stop")) == 2 * STOP_REPEATS


@pytest.mark.slow
def test_a_hanging_device_does_not_keep_the_others(
    tmp_path: Path, little: Callable[..., LittleHarness]
) -> None:
    calls = tmp_path / "calls.jsonl"
    harness = little(
        devices={
            "stuck": options(calls, hang=True),
            "fine": options(calls),
            "failing": options(calls, fail=["safe_stop", "close"]),
        }
    )
    harness.popen.kill()
    until(lambda: harness.event("done"), "the guardian acted")
    assert {name: len(harness.calls_of("safe_stop", name)) for name in ("stuck", "fine", "failing")} == {
        "stuck": 1,
        "fine": STOP_REPEATS,
        "failing": STOP_REPEATS,
    }
    assert [e["device"] for e in harness.event("device stopped")] == ["fine"]
    stuck, failing = harness.event("device NOT stopped")
    assert (stuck["device"], stuck["calls"], stuck["returned"], stuck["finished"]) == ("stuck", 1, 0, False)
    assert failing["errors"] == ["OperationError: device 'failing': safe_stop fails, as its options say"]
    assert len(harness.event("process ended")) == 2
    harness.wait_guardian_gone()


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["disk full", "folder gone", "file size limit"])
def test_a_disk_that_takes_nothing_prevents_nothing(
    tmp_path: Path, little: Callable[..., LittleHarness], trouble: str
) -> None:
    # A FIFO: what the device tells must not depend on the disk either.
    fifo = tmp_path / "calls.fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    harness = little(devices={"arm": options(fifo)})
    record = harness.folder / "guardian.jsonl"
    if trouble == "disk full":
        record.symlink_to("/dev/full")
    elif trouble == "folder gone":
        harness.folder.rename(tmp_path / "elsewhere")
    else:
        resource.prlimit(harness.guardian_pid, resource.RLIMIT_FSIZE, (0, 0))
    harness.popen.kill()
    harness.wait_guardian_gone()
    told = [json.loads(line)["op"] for line in os.read(reader, 65536).splitlines()]
    os.close(reader)
    assert told == ["open", *["safe_stop"] * STOP_REPEATS, "close"]
    assert harness.members() == []
    assert not record.is_file() or record.stat().st_size == 0


@pytest.mark.slow
def test_a_frozen_harness_is_stopped_and_told_so_when_it_wakes(little: Callable[..., LittleHarness]) -> None:
    harness = little(beats=True, hang_timeout_s=2.0)
    os.kill(harness.popen.pid, signal.SIGSTOP)
    until(lambda: harness.event("processes kept"), "the guardian acted")
    assert harness.event("acting")[0]["reason"] == "no heartbeat of the harness for 2 s"
    assert len(harness.calls_of("safe_stop")) == 2 * STOP_REPEATS
    assert len(harness.members()) == 2
    assert harness.event("process ended") == []
    assert proctable.is_running(harness.guardian_pid)
    os.kill(harness.popen.pid, signal.SIGCONT)
    harness.popen.wait(PATIENCE_S)
    assert Path(f"{harness.ready}.acted").read_text() == "no heartbeat of the harness for 2 s"
    harness.wait_guardian_gone()
    # Woken and released: no second stop, and the processes are the harness's own business.
    assert len(harness.calls_of("safe_stop")) == 2 * STOP_REPEATS
    assert len(harness.event("acting")) == 1


@pytest.mark.slow
def test_a_frozen_harness_that_is_killed_is_stopped_again(little: Callable[..., LittleHarness]) -> None:
    harness = little(beats=True, hang_timeout_s=2.0)
    os.kill(harness.popen.pid, signal.SIGSTOP)
    until(lambda: harness.event("processes kept"), "the guardian acted")
    harness.popen.kill()
    until(lambda: harness.event("done"), "the guardian acted again")
    assert len(harness.calls_of("safe_stop")) == 4 * STOP_REPEATS
    assert len(harness.event("process ended")) == 2


@pytest.mark.slow
def test_a_short_stall_is_no_hang(little: Callable[..., LittleHarness]) -> None:
    harness = little(beats=True)
    os.kill(harness.popen.pid, signal.SIGSTOP)
    time.sleep(3.0)
    os.kill(harness.popen.pid, signal.SIGCONT)
    time.sleep(0.5)
    assert harness.events() == []
    assert harness.calls_of("safe_stop") == []


@pytest.mark.slow
def test_a_release_that_was_sent_just_before_the_end_counts(tmp_path: Path) -> None:
    """The guardian wakes to a dead harness, a closed pipe, and a release in it: a normal end."""
    code = (
        "import os, signal, sys; from pathlib import Path; from harness.guardian import Guardian\n"
        "guardian = Guardian.start('run', Path(sys.argv[1])); os.kill(guardian.pid, signal.SIGSTOP)\n"
        "guardian.beat(); guardian._send({'op': 'release'}); print(guardian.pid, flush=True); os._exit(0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=True, timeout=60
    )
    pid = int(done.stdout)
    assert proctable.is_running(pid)
    os.kill(pid, signal.SIGCONT)
    until(lambda: not proctable.is_running(pid), "the guardian has ended")
    assert not (tmp_path / "guardian.jsonl").exists()
