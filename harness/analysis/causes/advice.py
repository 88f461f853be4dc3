"""What to do about a cause: exact commands and settings, each with its effect, its proof and its price.

What the doctor or the harness itself said about this host when the run started is quoted from run.json, so
that there is one place for each remedy.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from harness.doctor.network import latency_timer_remedy
from harness.hosttable import HostTable
from harness.model import HostMeasure
from harness.results_causes import Action, Cause

MOST = 4
_UNDO = "undone by the same command with the old value, or by a restart"


class _About:
    """What the actions of one cause have in common."""

    def __init__(self, cause: Cause, run: Mapping[str, Any], host: HostTable) -> None:
        self.cause, self.run, self.host = cause, run, host
        rig = str((run.get("rig") or {}).get("file") or "RIG")
        self.verify = f"harness run {shlex.quote(rig)}, then harness why RUN_DIR: it is named no more"

    @property
    def expected(self) -> str:
        """From the data."""
        cause = self.cause
        if cause.p99_ms is None or cause.p99_without_ms is None:
            return f"the slow answers lose up to {100 * cause.share:.0f} % of what they are longer"
        if cause.kind in ("latency timer", "answers on a grid"):
            best = f"{cause.p99_without_ms:.3g} ms at best"
            return f"p99 from {cause.p99_ms:.3g} ms to {best}: no wait for the timer"
        if cause.p99_without_ms >= 0.99 * cause.p99_ms:
            return (
                f"{cause.explained} slow or skipped stimuli fewer; p99 stays at {cause.p99_ms:.3g} ms, which"
                " is of those that were answered"
            )
        return (
            f"p99 from {cause.p99_ms:.3g} ms to {cause.p99_without_ms:.3g} ms: that of this run without the"
            f" {cause.explained} slow answers it explains"
        )

    def action(self, what: str, command: str, caution: str, verify: str = "") -> Action:
        """One of them."""
        return Action(what=what, command=command, expected=self.expected, verify=verify or self.verify,
                      caution=caution)  # fmt: skip

    @property
    def pid(self) -> int | None:
        """Of whom it befell."""
        for subject in self.host.subjects.values():
            if subject.words == self.cause.subject:
                return subject.pid
        return None

    def other_cores(self) -> str:
        """The cores on which whom it befell did not run, e.g. ``1,2``; empty where there are none."""
        cores = {int(each) for each in self.host.of(HostMeasure.CORE_BUSY_MS)["subject"]}
        pid = self.pid
        used = set() if pid is None else {int(each) for each in self.host.of(HostMeasure.CORE, pid)["value"]}
        if self.cause.subject == "harness":
            # What is recorded is the core of its main thread; the sender is another one.
            host = ((self.run.get("rig") or {}).get("resolved") or {}).get("host") or {}
            if host.get("cpu") is None:
                return ""
            used = {int(host["cpu"])}
        return ",".join(str(core) for core in sorted(cores - used))

    def doctor(self, *names: str) -> list[Action]:
        """Remedies that the doctor gave for checks whose names begin so, where it had something to mend."""
        return [
            self.action(f"{each.get('name')}: {each.get('value')}", str(each["remedy"]),
                        "changes the host: read what the doctor says of it", "harness doctor: ok")
            for each in self.run.get("doctor") or []
            if each.get("remedy") and str(each.get("name", "")).startswith(names)
        ]  # fmt: skip

    def realtime(self) -> list[Action]:
        """What the harness asked of the host and could not have, with how to get it."""
        found = []
        for thing, state in (self.run.get("realtime") or {}).items():
            _, marked, remedy = str(state).partition("to get it: ")
            if marked and "priority" in thing:
                found.append(
                    self.action(
                        f"give the harness {thing}",
                        remedy,
                        "a program at real-time priority that never sleeps locks others out",
                    )
                )
        return found  # fmt: skip


def actions(cause: Cause, run: Mapping[str, Any], host: HostTable) -> list[Action]:
    """At most four, the one most likely to help first. Empty for a kind that nothing is known against."""
    about = _About(cause, run, host)
    make = _OF.get(cause.kind)
    return make(about)[:MOST] if make is not None else []


def _move_away(about: _About) -> list[Action]:
    cause, cores = about.cause, about.other_cores()
    if cause.culprit_pid is None:
        return []
    if not cores:
        return [about.action(f"let {cause.culprit} give way", f"sudo renice -n 19 -p {cause.culprit_pid}",
                             "it gets slower; does nothing to one at real-time priority")]  # fmt: skip
    return [about.action(f"keep {cause.culprit} off the cores of {cause.subject}",
                         f"sudo taskset -acp {cores} {cause.culprit_pid}",
                         f"it shares the cores {cores} from now on; until it starts again")]  # fmt: skip


def _waiting(about: _About) -> list[Action]:
    found = _move_away(about)
    if about.cause.subject == "harness":
        spec = ((about.run.get("rig") or {}).get("resolved") or {}).get("host") or {}
        if not spec.get("realtime", True):
            found.append(
                about.action(
                    "let the sender run at real-time priority",
                    "host: {realtime: true}",
                    "a setting of the rig file; needs the right to (harness doctor)",
                )
            )
        if spec.get("cpu") is None:
            cores = sorted({int(each) for each in about.host.of(HostMeasure.CORE_BUSY_MS)["subject"]})
            if len(cores) > 1:
                found.append(
                    about.action(
                        "give the sender a core of its own",
                        f"host: {{cpu: {cores[-1]}}}",
                        "a setting of the rig file; it helps once others are kept off it",
                    )
                )
        found += about.realtime()
    else:
        name = about.cause.subject.partition(":")[0]
        found.append(
            about.action(
                f"run {name} at real-time priority",
                f'processes: {{{name}: {{command: [chrt, -f, "50", ...]}}}}',
                "before its present command; a loop that never sleeps locks others out, and"
                " the robot in the field has to be started so as well",
            )
        )
    return found + about.doctor("isolated CPUs", "real-time priority", "CPU governor", "load")  # fmt: skip


def _stopped(about: _About) -> list[Action]:
    pid = about.pid or "PID"
    trace = "sudo bpftrace -e 'tracepoint:signal:signal_generate /args->sig == 19 || args->sig == 20/"
    return [
        about.action("find who stops it", trace + ' { printf("%s -> %d\\n", comm, args->pid); }\'',
                     "looks only; needs bpftrace"),
        about.action("see whether a debugger holds it", f"grep -E 'State|TracerPid' /proc/{pid}/status",
                     "looks only; while it runs"),
    ]  # fmt: skip


def _memory(about: _About) -> list[Action]:
    pid = about.pid or "PID"
    return [
        about.action("see what limits its memory, and raise it",
                     f"cat /proc/{pid}/cgroup; systemctl show --property=MemoryMax,MemoryHigh UNIT",
                     "while it runs; what it may have more, others have less"),
        about.action("find who takes the memory", "ps -eo pid,rss,comm --sort=-rss | head", "looks only"),
        about.action(f"lock the pages of {about.cause.subject}", "mlockall(MCL_CURRENT | MCL_FUTURE)",
                     "a call in its own code, before it moves; fails where RLIMIT_MEMLOCK is small"),
        *about.doctor("locked memory"),
    ]  # fmt: skip


def _garbage(about: _About) -> list[Action]:
    said = (about.run.get("realtime") or {}).get("garbage collector", "not known")
    return [
        about.action("find what collects garbage in the harness's process, and take it out",
                     "grep -rnE 'gc\\.(collect|enable)' .",
                     f"in the folder of your adapters; the harness says of its collector: {said}")
    ]  # fmt: skip


def _periodic(about: _About) -> list[Action]:
    return [
        *_move_away(about),
        about.action("find who wakes up in that period",
                     "sudo perf sched record -- sleep 5 && sudo perf sched timehist",
                     "looks only; costs some CPU time while it records"),
        about.action("look at what the host does by the clock", "systemctl list-timers --all; crontab -l",
                     "looks only"),
    ]  # fmt: skip


def _link(about: _About) -> list[Action]:
    devices = ((about.run.get("rig") or {}).get("resolved") or {}).get("devices") or {}
    where = [
        each.get("network_address") or (each.get("address") if each.get("adapter") == "spot" else None)
        for each in devices.values()
        if isinstance(each, dict)
    ]
    address = next((str(each) for each in where if each), "ADDRESS_OF_THE_DEVICE")
    return [
        about.action("time the link alone", f"ping -i 0.2 -c 200 {shlex.quote(address)}",
                     "looks only; ICMP may be treated otherwise than your traffic",
                     "its max is near its min"),
        about.action("see whether a queue holds packets back", "tc -s qdisc show",
                     "looks only; netem, tbf or a growing backlog tell"),
        *about.doctor("network interface", "socket receive buffer", "socket send buffer"),
    ]  # fmt: skip


def _timer(about: _About) -> list[Action]:
    command = latency_timer_remedy("/sys/bus/usb-serial/devices/*")
    found = about.doctor("USB serial")
    return found or [about.action("set the adapter's latency timer to 1 ms", command,
                                  f"more interrupts; until it is plugged in again; {_UNDO}",
                                  "cat /sys/bus/usb-serial/devices/*/latency_timer says 1")]  # fmt: skip


def _grid(about: _About) -> list[Action]:
    return [about.action("answer when the command comes, or raise the rate of that loop",
                         "ros2 param list; grep -rnE 'create_(wall_)?timer|rate' .",
                         "in the robot's code: which loop has that period; a faster one costs CPU time",
                         )]  # fmt: skip


def _computing(about: _About) -> list[Action]:
    pid = about.pid or "PID"
    return [about.action("see what it computes",
                         f"sudo perf record -g -p {pid} -- sleep 10 && sudo perf report",
                         "looks only; while it runs, costs a few per cent")]  # fmt: skip


def _disk(about: _About) -> list[Action]:
    return [about.action("see who waits for the disk", "pidstat -d 1 10", "looks only; package sysstat"),
            *about.doctor("disk")]  # fmt: skip


def _stolen(about: _About) -> list[Action]:
    return about.doctor("stolen CPU time") or [
        about.action("run on a host of its own", "systemd-detect-virt; vmstat 1 5", "looks only: column st")
    ]


def _sent_again(about: _About) -> list[Action]:
    return [about.action("see which connection sends again", "ss -ti; nstat -az TcpRetransSegs",
                         "looks only"),
            *about.doctor("network interface")]  # fmt: skip


def _dropped(about: _About) -> list[Action]:
    return about.doctor("socket receive buffer", "IP reassembly", "default receive buffer") or [
        about.action("see which socket drops", "ss -uamn; nstat -az UdpRcvbufErrors", "looks only")
    ]


_OF: dict[str, Callable[[_About], list[Action]]] = {
    "run-queue delay": _waiting,
    "stopped process": _stopped,
    "memory pressure": _memory,
    "garbage collection": _garbage,
    "periodic task": _periodic,
    "slow link": _link,
    "latency timer": _timer,
    "answers on a grid": _grid,
    "own computing": _computing,
    "disk wait": _disk,
    "stolen CPU time": _stolen,
    "retransmits": _sent_again,
    "dropped datagrams": _dropped,
}
