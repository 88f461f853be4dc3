import errno
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import realtime
from harness.config.schema import Host
from harness.realtime import Kernel, QuietHost


class FakeKernel(Kernel):
    """Keeps what it is told; refuses on demand."""

    def __init__(self, refuse: bool = False, may_lock: bool = True) -> None:
        self.refuse = refuse
        self.may_lock = may_lock
        self.locked = False
        self.slack = 50_000

    def _check(self) -> None:
        if self.refuse:
            raise OSError(errno.EPERM, "Operation not permitted")

    def lock_memory(self) -> None:
        self._check()
        self.locked = True

    def unlock_memory(self) -> None:
        self.locked = False

    def timer_slack_ns(self) -> int:
        self._check()
        return self.slack

    def set_timer_slack_ns(self, slack: int) -> None:
        self._check()
        self.slack = slack

    def may_lock_memory(self) -> bool:
        return self.may_lock


class Scheduler:
    """The scheduler's calls as a process sees them; ``refuse`` names those that are not permitted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refuse: set[str] = set()
        self.policies: dict[int, tuple[int, int]] = {}
        self.cpus = {0, 1}
        monkeypatch.setattr(os, "sched_getscheduler", lambda pid: self.of(pid)[0])
        monkeypatch.setattr(os, "sched_getparam", lambda pid: os.sched_param(self.of(pid)[1]))
        monkeypatch.setattr(os, "sched_setscheduler", self._set_policy)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(self.cpus))
        monkeypatch.setattr(os, "sched_setaffinity", self._set_cpus)

    def of(self, thread: int) -> tuple[int, int]:
        """Policy and priority of that thread; 0 is the calling one."""
        return self.policies.get(thread or threading.get_native_id(), (os.SCHED_OTHER, 0))

    @property
    def policy(self) -> tuple[int, int]:
        return self.of(0)

    def _set_policy(self, pid: int, policy: int, param: os.sched_param) -> None:
        if "policy" in self.refuse or ("clear" in self.refuse and not policy & os.SCHED_RESET_ON_FORK):
            raise PermissionError(errno.EPERM, "Operation not permitted")
        self.policies[pid or threading.get_native_id()] = (policy, param.sched_priority)

    def _set_cpus(self, pid: int, cpus: set[int]) -> None:
        if "affinity" in self.refuse:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        self.cpus = set(cpus)


@pytest.fixture
def scheduler(monkeypatch) -> Scheduler:
    return Scheduler(monkeypatch)


@pytest.fixture
def latency_file(monkeypatch, tmp_path) -> Path:
    path = tmp_path / "cpu_dma_latency"
    path.write_bytes(b"")
    monkeypatch.setattr(realtime, "_DMA_LATENCY", path)
    return path


@pytest.fixture(autouse=True)
def nothing_is_left_on() -> Iterator[None]:
    before = (gc.isenabled(), sys.getswitchinterval(), gc.get_freeze_count())
    yield
    assert (gc.isenabled(), sys.getswitchinterval(), gc.get_freeze_count()) == before


def test_everything_is_on_inside_and_off_outside(scheduler, latency_file):
    kernel = FakeKernel()
    quiet = QuietHost(Host(cpu=1), kernel)
    with quiet:
        quiet.promote_thread(42)
        assert not gc.isenabled() and gc.get_freeze_count() > 0
        assert sys.getswitchinterval() == pytest.approx(1e-4)
        assert kernel.locked and kernel.slack == 1
        assert scheduler.policy == (os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, 42)
        assert scheduler.cpus == {1}
        assert latency_file.read_bytes() == bytes(4)
    assert not kernel.locked and kernel.slack == 50_000
    assert scheduler.policy == (os.SCHED_OTHER, 0) and scheduler.cpus == {0, 1}
    report = quiet.report()
    assert set(report) == {
        "garbage collector",
        "thread switch interval",
        "timer slack",
        "locked memory",
        "idle states",
        "real-time priority",
        "real-time priority of the other threads",
        "CPU of the sender",
    }
    assert all(state.startswith("on (") for state in report.values()), report
    assert report["real-time priority"] == "on (SCHED_FIFO 42)"


def test_threads_that_are_there_already_get_less_than_the_sender(scheduler, latency_file):
    ready, leave = threading.Event(), threading.Event()

    def other() -> None:
        ready.set()
        leave.wait()

    thread = threading.Thread(target=other)
    thread.start()
    ready.wait()
    with QuietHost(Host(), FakeKernel()):
        assert scheduler.of(thread.native_id)[1] == realtime.OTHERS_PRIORITY < realtime.PRIORITY
    assert scheduler.of(thread.native_id) == (os.SCHED_OTHER, 0)
    leave.set()
    thread.join()


def test_it_can_be_entered_again_but_not_twice_at_once(scheduler, latency_file):
    kernel = FakeKernel()
    quiet = QuietHost(Host(), kernel)
    for _ in range(3):
        with quiet:
            assert kernel.locked
            with pytest.raises(RuntimeError, match="quiet already"):
                quiet.__enter__()
            assert kernel.locked
        assert not kernel.locked


def test_an_exception_inside_switches_everything_off(scheduler, latency_file):
    kernel = FakeKernel()
    with pytest.raises(KeyError), QuietHost(Host(), kernel) as quiet:
        quiet.promote_thread()
        raise KeyError("robot")
    assert not kernel.locked and kernel.slack == 50_000 and scheduler.policy == (os.SCHED_OTHER, 0)


def test_an_interrupt_while_it_is_switched_on_switches_everything_off(scheduler, latency_file):
    kernel = FakeKernel()

    def interrupt() -> None:
        raise KeyboardInterrupt

    kernel.lock_memory = interrupt  # type: ignore[method-assign]
    quiet = QuietHost(Host(), kernel)
    with pytest.raises(KeyboardInterrupt):
        quiet.__enter__()
    assert kernel.slack == 50_000
    assert gc.isenabled()


def test_an_undo_that_fails_does_not_keep_the_others_from_happening(scheduler, latency_file):
    kernel = FakeKernel()

    def fails() -> None:
        raise OSError(errno.EIO, "no")

    kernel.unlock_memory = fails  # type: ignore[method-assign]
    with QuietHost(Host(), kernel) as quiet:
        quiet.promote_thread()
    assert kernel.slack == 50_000 and gc.isenabled() and scheduler.policy == (os.SCHED_OTHER, 0)


def test_a_host_that_permits_nothing_is_told_apart_and_how_to_mend_it(scheduler, monkeypatch, tmp_path):
    scheduler.refuse = {"policy", "affinity"}
    monkeypatch.setattr(realtime, "_DMA_LATENCY", tmp_path / "missing")
    quiet = QuietHost(Host(cpu=0), FakeKernel(refuse=True))
    with quiet:
        quiet.promote_thread()
    report = quiet.report()
    assert report["garbage collector"].startswith("on (")
    for thing in ("timer slack", "locked memory", "idle states", "real-time priority", "CPU of the sender"):
        assert report[thing].startswith("not available: "), report
    assert "rtprio 98" in report["real-time priority"]
    assert "memlock unlimited" in report["locked memory"]
    assert "cpu_dma_latency" in report["idle states"]


def test_memory_is_not_locked_where_a_later_allocation_could_fail(scheduler, latency_file):
    kernel = FakeKernel(may_lock=False)
    with QuietHost(Host(), kernel) as quiet:
        assert not kernel.locked
    assert "RLIMIT_MEMLOCK" in quiet.report()["locked memory"]


def test_a_cpu_that_is_not_there(scheduler, latency_file):
    with QuietHost(Host(cpu=9), FakeKernel()) as quiet:
        quiet.promote_thread()
        assert scheduler.cpus == {0, 1}
    assert quiet.report()["CPU of the sender"] == (
        "not available: CPU 9 is not one this process may use; to get it: choose one of host.cpu 0, 1"
    )


def test_what_was_not_asked_for_is_left_alone(scheduler, latency_file):
    kernel = FakeKernel()
    with QuietHost(Host(realtime=False), kernel) as quiet:
        quiet.promote_thread()
        assert not kernel.locked and scheduler.policy == (os.SCHED_OTHER, 0) and scheduler.cpus == {0, 1}
        assert latency_file.read_bytes() == b""
        assert not gc.isenabled() and kernel.slack == 1
    report = quiet.report()
    assert report["real-time priority"] == "off: host.realtime is false in the rig file"
    assert report["CPU of the sender"].startswith("off: host.cpu is not given")


def test_receivers_are_not_put_on_the_senders_cpu(scheduler, latency_file):
    with QuietHost(Host(cpu=1), FakeKernel()) as quiet:
        quiet.promote_thread(70, name="receiver")
        assert scheduler.cpus == {0, 1}
        assert scheduler.policy[1] == 70
    assert quiet.report()["real-time priority of the receiver"] == "on (SCHED_FIFO 70)"


def test_outside_of_the_context_no_thread_is_promoted(scheduler, latency_file):
    kernel = FakeKernel()
    quiet = QuietHost(Host(cpu=1), kernel)
    quiet.promote_thread()
    assert scheduler.policy == (os.SCHED_OTHER, 0) and scheduler.cpus == {0, 1} and kernel.slack == 50_000
    assert quiet.report() == {}


def test_priority_goes_back_where_the_flag_may_be_set_but_not_cleared(scheduler, latency_file):
    scheduler.refuse = {"clear"}
    with QuietHost(Host(), FakeKernel()) as quiet:
        quiet.promote_thread(10)
        assert scheduler.policy == (os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, 10)
    assert scheduler.policy == (os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, 0)


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (-5, 1), (99, 99), (1000, 99)])
def test_a_priority_out_of_range_is_brought_into_it(scheduler, latency_file, asked, given):
    with QuietHost(Host(), FakeKernel()) as quiet:
        quiet.promote_thread(asked)
        assert scheduler.policy[1] == given


def test_a_thread_that_has_ended_is_left_alone(scheduler, latency_file):
    with QuietHost(Host(), FakeKernel()) as quiet:
        thread = threading.Thread(target=quiet.promote_thread)
        thread.start()
        thread.join()
        native = thread.native_id
        deadline = time.monotonic() + 20
        while Path(f"/proc/self/task/{native}").exists():  # the kernel ends it a little after the join
            assert time.monotonic() < deadline
            time.sleep(0.001)
    # By now that number may belong to somebody else's thread.
    assert scheduler.of(native)[1] == realtime.PRIORITY


# --- the real kernel ------------------------------------------------------------------------------------


def in_thread(action: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def locked_kib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmLck")).split()[1])


def test_really():
    """Whatever the report claims is so, and nothing of it afterwards."""
    kernel = Kernel()
    slack, locked = kernel.timer_slack_ns(), locked_kib()
    quiet = QuietHost(Host(cpu=min(os.sched_getaffinity(0))))

    def promoted() -> None:
        before = (os.sched_getscheduler(0), os.sched_getaffinity(0))
        with quiet:
            quiet.promote_thread(20)
            report = quiet.report()
            if report["real-time priority"] == "on (SCHED_FIFO 20)":
                assert os.sched_getscheduler(0) == os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
                assert os.sched_getparam(0).sched_priority == 20
            else:
                assert os.sched_getscheduler(0) == before[0]
                assert report["real-time priority"].startswith("not available: ")
            assert os.sched_getaffinity(0) == {min(before[1])}
            assert (locked_kib() > locked) == report["locked memory"].startswith("on")
            assert kernel.timer_slack_ns() <= 1  # Linux 6.13 and later: 0 under a real-time policy
        assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == before[0]
        assert os.sched_getaffinity(0) == before[1]
        assert kernel.timer_slack_ns() == slack

    in_thread(promoted)
    assert locked_kib() == locked
    assert quiet.report()["timer slack"] == f"on (1 ns instead of {slack} ns)"


UNPRIVILEGED = """
import os, resource, sys
rtprio = int(sys.argv[1])
try:
    resource.setrlimit(resource.RLIMIT_RTPRIO, (rtprio, rtprio))
except ValueError:
    rtprio = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
from harness.config.schema import Host
from harness.realtime import QuietHost
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
quiet = QuietHost(Host())
with quiet:
    quiet.promote_thread(7)
    print(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK, os.sched_getparam(0).sched_priority)
print(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK, os.sched_getparam(0).sched_priority)
print(rtprio)
print(quiet.report()["real-time priority"])
print(quiet.report()["locked memory"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("asked", [0, 50])
def test_really_without_rights(asked):
    """As an ordinary user: priority exactly where RLIMIT_RTPRIO (what the remedy sets) allows it."""
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, str(asked)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    inside, after, rtprio, priority, memory = done.stdout.splitlines()
    assert after == "0 0"
    if int(rtprio) >= 7:
        assert (inside, priority) == ("1 7", "on (SCHED_FIFO 7)")
    else:
        assert inside == "0 0"
        assert priority.startswith("not available: Operation not permitted; to get it: echo '")
    assert memory.startswith(
        "not available: at most 64 KiB may be locked (RLIMIT_MEMLOCK); to get it: echo '"
    )
