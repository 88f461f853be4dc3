"""The programs of a rig: started as told, watched, waited for, ended with everything they started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import proctable
from harness.clock import HostClock
from harness.config.schema import Process
from harness.errors import ConfigurationError, DeadlineError, OperationError, RecordingError
from harness.processes import Managed, Processes, end_run_processes

PATIENCE_S = 30.0

SLEEP = "import time; print('up', flush=True); time.sleep(120)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); {more}"
    "print('up', flush=True); time.sleep(120)"
)
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(120)
    os._exit(0)
os.wait()
"""


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.01)


def never(condition: str, argument: str) -> bool:
    raise AssertionError(f"asked for {condition} {argument}")


def python(code: str, **more: object) -> Process:
    return Process.model_validate({"command": ["python", "-c", code], **more})


class Bench:
    """Processes of a run id of its own, in the test's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_id = f"test-{os.getpid()}-{time.monotonic_ns()}"
        self.processes = Processes(self.run_id, folder / "processes", HostClock())

    def start(self, name: str, spec: Process, **environment: str) -> Managed:
        return self.processes.start(name, spec, self.folder, environment)

    def up(self, name: str, code: str, **more: object) -> Managed:
        managed = self.start(name, python(code, ready={"log": "^up$", "timeout_s": PATIENCE_S}, **more))
        self.processes.wait_ready(name, never)
        return managed

    def finished(self, name: str, spec: Process, **environment: str) -> str:
        managed = self.start(name, spec, **environment)
        until(lambda: managed.returncode is not None, f"{name} ends")
        return managed.log.read_text()

    def end(self) -> None:
        end_run_processes(self.run_id, set(), grace_s=0.0)
        self.processes.stop_all()
        assert not proctable.run_members(self.run_id)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.end()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "other").mkdir()
    other = Bench(tmp_path / "other")
    yield other
    other.end()


def test_runs_in_its_own_session_with_its_environment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_OS", "os")
    monkeypatch.setenv("RANK", "os")
    (bench.folder / "sub").mkdir()
    code = (
        "import os, sys; e = os.environ; print(os.getpid() == os.getsid(0) == os.getpgrp());"
        "print(e['FROM_OS'], e['FROM_DEVICE'], e['RANK'], e['HARNESS_RUN_ID'], e['PYTHONUNBUFFERED']);"
        "print(os.getcwd()); print(repr(sys.stdin.read())); print('oops', file=sys.stderr);"
        "print(sys.executable)"
    )
    spec = python(code, cwd="sub", env={"RANK": "spec", "HARNESS_RUN_ID": "forged"})
    lines = bench.finished("robot", spec, FROM_DEVICE="device", RANK="device").splitlines()
    assert lines == [
        "True",
        f"os device spec {bench.run_id} 1",
        str((bench.folder / "sub").resolve()),
        "''",
        "oops",
        sys.executable,
    ]
    assert (bench.folder / "processes" / "robot.log").exists()


def test_holds_no_descriptor_of_the_harness(bench: Bench) -> None:
    held = os.open(os.devnull, os.O_RDONLY)
    try:
        os.set_inheritable(held, True)
        text = bench.finished(
            "robot", python("import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:3])")
        )
        assert text == "[0, 1, 2]\n"
        code = f"import os\ntry: os.fstat({held}); print('held')\nexcept OSError: print('closed')"
        assert bench.finished("other", python(code)) == "closed\n"
    finally:
        os.close(held)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["no-such-program-anywhere"], r"process 'robot': program 'no-such-program-anywhere' not found"),
        (["./plain.txt"], r"program './plain.txt' cannot be executed: .*Permission"),
        (["./broken"], r"program './broken' cannot be executed: .*format"),
    ],
)
def test_program_that_cannot_be_started_is_named(bench: Bench, command: list[str], message: str) -> None:
    (bench.folder / "plain.txt").write_text("no program")
    (bench.folder / "broken").write_bytes(b"\x7fELF no program either")
    (bench.folder / "broken").chmod(0o755)
    with pytest.raises(ConfigurationError, match=message) as caught:
        bench.start("robot", Process(command=command))
    assert "processes.robot.command" in (caught.value.hint or "")
    assert bench.processes.ended() == []


def test_folder_that_is_missing_is_named(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match=r"process 'robot': folder .*nowhere"):
        bench.start("robot", python("", cwd="nowhere"))


def test_log_that_cannot_be_written_is_a_recording_error(bench: Bench) -> None:
    (bench.folder / "processes").write_text("in the way")
    with pytest.raises(RecordingError, match=r"log of process 'robot'"):
        bench.start("robot", python(""))


def test_a_name_is_started_once(bench: Bench) -> None:
    first = bench.up("robot", SLEEP)
    with pytest.raises(OperationError, match=rf"'robot' runs already \(pid {first.pid}\)"):
        bench.start("robot", python(SLEEP))


def test_those_that_ended_unasked_are_told_with_status_or_signal(bench: Bench) -> None:
    stays = bench.up("stays", SLEEP)
    leaves = bench.start("leaves", python("raise SystemExit(3)"))
    killed = bench.up("killed", SLEEP)
    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: len(bench.processes.ended()) == 2, "two have ended")
    assert [(m.name, m.how) for m in bench.processes.ended()] == [
        ("leaves", "exit status 3"),
        ("killed", "signal SIGKILL"),
    ]
    assert (stays.how, leaves.returncode, killed.returncode) == ("running", 3, -signal.SIGKILL)
    bench.processes.stop_all()
    assert [m.name for m in bench.processes.ended()] == ["leaves", "killed"]


def test_log_tail(bench: Bench) -> None:
    bench.finished("robot", python("[print('line', i) for i in range(5000)]"))
    assert bench.processes.log_tail("robot", 2) == "line 4998\nline 4999"
    assert len(bench.processes.log_tail("robot").splitlines()) == 20
    bench.finished("silent", python(""))
    assert bench.processes.log_tail("silent") == ""


def test_ready_without_conditions_is_ready_once_started(bench: Bench) -> None:
    bench.start("robot", python(SLEEP))
    bench.processes.wait_ready("robot", never)


def test_ready_waits_for_every_condition(bench: Bench) -> None:
    answers = iter([False, False, True])
    asked = []

    def is_ready(condition: str, argument: str) -> bool:
        asked.append((condition, argument))
        return next(answers)

    ready = {"log": r"listening on \d+", "publishes": "/odom", "timeout_s": PATIENCE_S}
    bench.start("robot", python("print('listening on 80', end='', flush=True);" + SLEEP, ready=ready))
    bench.processes.wait_ready("robot", is_ready)
    assert asked == [("publishes", "/odom")] * 3


def test_log_is_searched_in_pieces_and_a_line_torn_between_them_is_found(bench: Bench) -> None:
    managed = bench.start("robot", python(""))
    until(lambda: managed.returncode is not None, "ended")
    pattern = re.compile("^re+ady$")
    with managed.log.open("ab") as log:
        for piece, expected in ((b"noise\nree", False), (b"eea", False), (b"dy", True), (b" not\n", False)):
            log.write(piece)
            log.flush()
            assert managed.said(pattern) is expected


def test_one_that_dies_before_it_is_ready_is_an_error_with_its_last_words(bench: Bench) -> None:
    ready = {"log": "never", "timeout_s": PATIENCE_S}
    bench.start("robot", python("print('no motor found'); raise SystemExit(7)", ready=ready))
    with pytest.raises(
        OperationError, match=r"'robot' ended before it was ready \(exit status 7\)(.|\n)*no motor"
    ):
        bench.processes.wait_ready("robot", never)


def test_one_that_never_gets_ready_says_what_is_missing_and_where_to_look(bench: Bench) -> None:
    ready = {"log": "up", "publishes": "/odom", "timeout_s": 20.0}

    class Jumping(HostClock):
        """Leaps to the end of the wait as soon as the log was seen."""

        leap_ns = 0

        def monotonic_ns(self) -> int:
            return super().monotonic_ns() + self.leap_ns

    clock = Jumping()
    processes = Processes(bench.run_id, bench.folder / "processes", clock)
    managed = processes.start("robot", python(SLEEP, ready=ready), bench.folder, {})
    until(lambda: "up" in managed.log.read_text(), "it wrote")

    def is_ready(condition: str, argument: str) -> bool:
        clock.leap_ns += 30_000_000_000
        return False

    with pytest.raises(
        DeadlineError, match=r"not ready after 20 s; missing: somebody publishes /odom"
    ) as caught:
        processes.wait_ready("robot", is_ready)
    assert str(managed.log) in (caught.value.hint or "")
    assert "output" not in caught.value.message
    processes.stop_all()


def test_what_is_no_regular_expression_is_a_configuration_error(bench: Bench) -> None:
    bench.start("robot", python(SLEEP, ready={"log": "("}))
    with pytest.raises(ConfigurationError, match=r"'\(' is no regular expression"):
        bench.processes.wait_ready("robot", never)


def test_all_are_stopped_the_last_one_first_by_sigint(bench: Bench) -> None:
    order = bench.folder / "order"
    code = (
        "import signal, sys, time\n"
        "def end(number, frame):\n"
        "    open({order!r}, 'a').write({name!r} + ' ' + signal.Signals(number).name + '\\n'); sys.exit()\n"
        "signal.signal(signal.SIGINT, end); signal.signal(signal.SIGTERM, end)\n" + SLEEP
    )
    for name in ("a", "b", "c"):
        bench.up(name, code.format(order=str(order), name=name), stop_timeout_s=PATIENCE_S)
    assert bench.processes.stop_all() == []
    assert order.read_text().split("\n")[:-1] == ["c SIGINT", "b SIGINT", "a SIGINT"]
    assert bench.processes.ended() == []
    assert bench.processes.stop_all() == []


@pytest.mark.slow
def test_those_that_needed_force_are_told(bench: Bench) -> None:
    deaf = STUBBORN.format(more="signal.signal(signal.SIGTERM, signal.SIG_IGN);")
    bench.up("willing", SLEEP, stop_timeout_s=PATIENCE_S)
    bench.up("deaf", deaf, stop_timeout_s=0.1)
    bench.up("slow", STUBBORN.format(more=""), stop_timeout_s=0.1)
    frozen = bench.up("frozen", SLEEP, stop_timeout_s=0.1)
    os.kill(frozen.pid, signal.SIGSTOP)
    told = bench.processes.stop_all()
    assert told[:3] == ["frozen: needed SIGKILL", "slow: needed SIGTERM", "deaf: needed SIGKILL"]
    assert told[3:] == []
    assert not proctable.run_members(bench.run_id)
    assert bench.processes.stop_all() == []


@pytest.mark.slow
def test_children_in_the_session_are_stopped_even_if_the_parent_is_gone(bench: Bench) -> None:
    # The child leaves the process group, as jobs of a shell do, and so is out of the SIGINT's reach.
    child = "import os, time; os.setpgrp(); time.sleep(120)"
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "print('up', flush=True)\n"
        "child.wait()\n"
    )
    managed = bench.up("launcher", code, stop_timeout_s=0.2)
    members = {managed.pid: managed.pid}

    def left() -> bool:
        members.update({entry.pid: entry.group for entry in proctable.session_members(managed.pid)})
        return len(set(members.values())) == 2

    until(left, "the child has a group of its own")
    assert bench.processes.stop_all() == ["launcher: needed SIGTERM"]
    assert proctable.session_members(managed.pid) == []


def test_children_can_be_interrupted_though_the_harness_cannot(bench: Bench) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        bench.up("robot", SLEEP, stop_timeout_s=PATIENCE_S)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert bench.processes.stop_all() == []


def test_ending_a_run_finds_the_daemonised_and_spares_the_others(bench: Bench, other: Bench) -> None:
    bystander = other.up("bystander", SLEEP)
    spared = bench.up("spared", SLEEP)
    gone = bench.start("launcher", python(DAEMON))
    until(lambda: gone.returncode is not None, "the launcher has ended")
    daemon = [entry for entry in proctable.run_members(bench.run_id) if entry.pid != spared.pid]
    assert len(daemon) == 1
    assert daemon[0].session != gone.pid
    told = end_run_processes(bench.run_id, {spared.pid}, grace_s=PATIENCE_S)
    assert told == [f"pid {daemon[0].pid} ({daemon[0].command}): ended by SIGTERM"]
    assert not proctable.is_running(daemon[0].pid, daemon[0].started)
    assert spared.returncode is None
    assert bystander.returncode is None
    assert end_run_processes(bench.run_id, {spared.pid}) == []


@pytest.mark.slow
def test_ending_a_run_kills_what_does_not_obey(bench: Bench) -> None:
    deaf = bench.up("deaf", STUBBORN.format(more="signal.signal(signal.SIGTERM, signal.SIG_IGN);"))
    assert end_run_processes(bench.run_id, set(), grace_s=0.1) == [
        f"pid {deaf.pid} ({proctable_name(deaf.pid)}): ended by SIGKILL"
    ]
    until(lambda: deaf.returncode is not None, "reaped")
    assert deaf.how == "signal SIGKILL"


def proctable_name(pid: int) -> str:
    entry = proctable.read(pid)
    assert entry is not None
    return entry.command


def test_ending_a_run_finds_a_cleaned_environment_by_its_session(bench: Bench) -> None:
    code = f"import os, sys; os.execve(sys.executable, [sys.executable, '-c', {SLEEP!r}], {{}})"
    managed = bench.up("cleaned", code)
    assert end_run_processes(bench.run_id, set()) == []
    assert managed.returncode is None
    # The same number, but another process by its start: not ours.
    assert end_run_processes(bench.run_id, set(), sessions={managed.pid: managed.started - 1}) == []
    assert managed.returncode is None
    assert len(end_run_processes(bench.run_id, set(), PATIENCE_S, {managed.pid: managed.started})) == 1
    until(lambda: managed.returncode is not None, "ended")


def test_a_pid_that_was_given_to_another_process_is_not_signalled(bench: Bench) -> None:
    managed = bench.up("robot", SLEEP)
    entry = proctable.read(managed.pid)
    assert entry is not None
    stale = proctable.Entry(
        entry.pid, entry.state, entry.group, entry.session, entry.started - 1, entry.command
    )
    assert not proctable.send(stale, signal.SIGKILL)
    assert proctable.send(entry, signal.SIGKILL)
    until(lambda: managed.how == "signal SIGKILL", "killed")
    assert not proctable.send(entry, signal.SIGKILL)


def test_process_table_reads_names_with_blanks_and_parentheses(tmp_path: Path) -> None:
    program = tmp_path / "a ) b"
    program.symlink_to(Path("/bin/sleep").resolve())
    with subprocess.Popen([str(program), "120"]) as popen:
        until(lambda: (proctable.read(popen.pid) or never).command == "a ) b", "exec happened")  # type: ignore[union-attr]
        entry = proctable.read(popen.pid)
        assert entry is not None
        assert entry.alive
        assert entry.session == os.getsid(0)
        popen.kill()
    assert proctable.read(popen.pid) is None
    assert not proctable.is_running(popen.pid)
