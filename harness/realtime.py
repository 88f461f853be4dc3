"""What the harness asks of its host while it measures, so that its own delays stay small. It is all undone.

Nothing here raises because something is not permitted: :meth:`QuietHost.report` says what is on, and what
could not be had, why, and how to get it.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from harness.config.schema import Host

SWITCH_INTERVAL_S = 1e-4
"""How long a thread that wakes up waits at most before it asks for Python's interpreter lock."""
PRIORITY = 80
OTHERS_PRIORITY = 60
TIMER_SLACK_NS = 1
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_PR_SET_TIMERSLACK, _PR_GET_TIMERSLACK = 29, 30
_CAP_IPC_LOCK = 14
_DMA_LATENCY = Path("/dev/cpu_dma_latency")

_LIMITS = "/etc/security/limits.d/99-harness.conf"
_GET_PRIORITY = f"echo '{{user}} - rtprio 98' | sudo tee -a {_LIMITS}, then log in again"
_GET_MEMLOCK = f"echo '{{user}} - memlock unlimited' | sudo tee -a {_LIMITS}, then log in again"
_GET_IDLE = f"sudo chmod o+w {_DMA_LATENCY}"


class Kernel:
    """The system calls that Python has no name for. Every one raises OSError when it is refused."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def _call(self, name: str, *arguments: int) -> int:
        # One register each: a variadic prctl reads longs.
        result = int(getattr(self._libc, name)(*(ctypes.c_ulong(argument) for argument in arguments)))
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    def lock_memory(self) -> None:
        """Keep every page in memory from the moment it is there, those of later allocations too."""
        self._call("mlockall", _MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)

    def unlock_memory(self) -> None:
        """Undo :meth:`lock_memory`."""
        self._call("munlockall")

    def timer_slack_ns(self) -> int:
        """By how much the kernel may delay the calling thread's sleeps."""
        return self._call("prctl", _PR_GET_TIMERSLACK, 0, 0, 0, 0)

    def set_timer_slack_ns(self, slack: int) -> None:
        """Set it for the calling thread."""
        self._call("prctl", _PR_SET_TIMERSLACK, slack, 0, 0, 0)

    def may_lock_memory(self) -> bool:
        """Whether locking cannot make a later allocation fail: no limit, or the right to pass it."""
        if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
            return True
        with suppress(OSError, ValueError):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("CapEff:"):
                    return bool(int(line.split()[1], 16) >> _CAP_IPC_LOCK & 1)
        return False


class QuietHost:
    """Context manager for the measuring phase; may be entered again after it was left.

    ``spec.realtime`` false leaves out what needs rights (priority, locked memory, idle states); the rest is
    done all the same. ``spec.cpu`` binds the sender.
    """

    def __init__(self, spec: Host, kernel: Kernel | None = None) -> None:
        self._spec = spec
        self._kernel = kernel or Kernel()
        self._report: dict[str, str] = {}
        self._undo = ExitStack()
        self._lock = threading.Lock()
        self._active = False

    def report(self) -> dict[str, str]:
        """By thing: ``on ...``, ``off: ...`` or ``not available: reason; how to get it``. For run.json."""
        with self._lock:
            return dict(self._report)

    def _note(self, thing: str, state: str) -> None:
        with self._lock:
            self._report[thing] = state

    def _try(self, thing: str, action: Callable[[], str], remedy: str = "") -> None:
        try:
            self._note(thing, f"on {action()}".rstrip())
        except (OSError, ValueError, AttributeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._note(thing, f"not available: {reason}" + (f"; to get it: {remedy}" if remedy else ""))

    def _later(self, undo: Callable[[], object]) -> None:
        """Run ``undo`` on leaving, whatever else fails then."""

        def attempt() -> None:
            with suppress(OSError, ValueError):
                undo()

        self._undo.callback(attempt)

    def __enter__(self) -> QuietHost:
        if self._active:
            raise RuntimeError("the host is quiet already")
        self._active = True
        try:
            self._try("garbage collector", self._freeze_collector)
            self._try("thread switch interval", self._shorten_switch_interval)
            self._try("timer slack", self._shorten_timer_slack)
            user = _user()
            if self._spec.realtime:
                self._try("locked memory", self._lock_memory, _GET_MEMLOCK.format(user=user))
                self._try("idle states", self._forbid_deep_idle, _GET_IDLE)
                remedy = _GET_PRIORITY.format(user=user)
                self._try("real-time priority of the other threads", self._promote_process, remedy)
            else:
                for thing in (
                    "locked memory",
                    "idle states",
                    "real-time priority",
                    "real-time priority of the other threads",
                ):
                    self._note(thing, "off: host.realtime is false in the rig file")
            if self._spec.cpu is None:
                self._note("CPU of the sender", "off: host.cpu is not given in the rig file")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._active = False
        self._undo.close()

    # -- for the process ----------------------------------------------------------------------------------

    def _freeze_collector(self) -> str:
        was_on = gc.isenabled()
        gc.collect()
        gc.freeze()
        gc.disable()

        def undo() -> None:
            gc.unfreeze()
            if was_on:
                gc.enable()

        self._later(undo)
        return "(frozen and paused while measuring)"

    def _shorten_switch_interval(self) -> str:
        before = sys.getswitchinterval()
        sys.setswitchinterval(min(before, SWITCH_INTERVAL_S))
        self._later(lambda: sys.setswitchinterval(before))
        return f"({sys.getswitchinterval() * 1e3:g} ms instead of {before * 1e3:g} ms)"

    def _lock_memory(self) -> str:
        if not self._kernel.may_lock_memory():
            limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
            raise OSError(0, f"at most {limit >> 10} KiB may be locked (RLIMIT_MEMLOCK)")
        self._kernel.lock_memory()
        self._later(self._kernel.unlock_memory)
        return "(all pages, as they come)"

    def _forbid_deep_idle(self) -> str:
        # While the file is open with 0 in it, no CPU sleeps so deeply that waking takes time; see
        # https://docs.kernel.org/power/pm_qos_interface.html
        fd = os.open(_DMA_LATENCY, os.O_WRONLY | os.O_CLOEXEC)
        self._later(lambda: os.close(fd))
        os.write(fd, bytes(4))
        return "(CPUs kept from deep idle states)"

    # -- for a thread -------------------------------------------------------------------------------------

    def _promote_process(self) -> str:
        # The sender needs the interpreter's lock. A thread that holds it and waits for a CPU would make it
        # wait too, whatever the sender's own priority; so would a middleware thread with a lock of its own.
        threads = [int(task.name) for task in Path("/proc/self/task").iterdir()]
        for thread in threads:
            self._set_priority(OTHERS_PRIORITY, thread)
        return f"(SCHED_FIFO {OTHERS_PRIORITY}, {len(threads)} threads)"

    def _shorten_timer_slack(self) -> str:
        before, thread = self._kernel.timer_slack_ns(), threading.get_ident()
        self._kernel.set_timer_slack_ns(TIMER_SLACK_NS)

        def undo() -> None:
            if threading.get_ident() == thread:
                self._kernel.set_timer_slack_ns(before)

        self._later(undo)
        return f"({TIMER_SLACK_NS} ns instead of {before} ns)"

    def promote_thread(self, priority: int = PRIORITY, *, name: str = "sender") -> None:
        """Give the calling thread SCHED_FIFO at ``priority``, short timer slack and, if it is the ``sender``
        and the rig file says so, a CPU of its own; each as far as it is allowed.

        Undone when the host is left, should the thread live that long (but for the timer slack, which only
        the thread itself could set back). Outside of the context nothing is done.
        """
        if not self._active:
            return
        suffix = "" if name == "sender" else f" of the {name}"
        with suppress(OSError):
            self._kernel.set_timer_slack_ns(TIMER_SLACK_NS)
        if self._spec.realtime:
            remedy = _GET_PRIORITY.format(user=_user())
            self._try(f"real-time priority{suffix}", lambda: self._set_priority(priority), remedy)
        if self._spec.cpu is not None and name == "sender":
            cpu = self._spec.cpu
            remedy = f"choose one of host.cpu {_ranges(os.sched_getaffinity(0))}"
            self._try("CPU of the sender", lambda: self._bind(cpu), remedy)

    def _set_priority(self, priority: int, thread: int = 0) -> str:
        lowest, highest = os.sched_get_priority_min(os.SCHED_FIFO), os.sched_get_priority_max(os.SCHED_FIFO)
        wanted = os.sched_param(max(lowest, min(priority, highest)))
        policy, before = os.sched_getscheduler(thread), os.sched_getparam(thread)
        # Programs started by this thread shall not inherit it.
        os.sched_setscheduler(thread, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, wanted)
        thread = thread or threading.get_native_id()

        def undo() -> None:
            try:
                os.sched_setscheduler(thread, policy, before)
            except PermissionError:  # to clear the flag takes more rights than to set it
                os.sched_setscheduler(thread, policy | os.SCHED_RESET_ON_FORK, before)

        self._later_for_thread(thread, undo)
        return f"(SCHED_FIFO {wanted.sched_priority})"

    def _bind(self, cpu: int) -> str:
        before = os.sched_getaffinity(0)
        if cpu not in before:
            raise OSError(0, f"CPU {cpu} is not one this process may use")
        os.sched_setaffinity(0, {cpu})
        thread = threading.get_native_id()
        self._later_for_thread(thread, lambda: os.sched_setaffinity(thread, before))
        return f"(CPU {cpu})"

    def _later_for_thread(self, thread: int, undo: Callable[[], object]) -> None:
        def if_alive() -> None:
            # The number of a thread that has ended may belong to another process by now.
            if Path(f"/proc/self/task/{thread}").exists():
                undo()

        self._later(if_alive)


def _user() -> str:
    return os.environ.get("USER") or os.environ.get("LOGNAME") or "$USER"


def _ranges(cpus: set[int]) -> str:
    return ", ".join(str(cpu) for cpu in sorted(cpus))
