"""Kernel, CPUs and their power: how long a thread that is due waits until it runs."""

from __future__ import annotations

import os
import re
from pathlib import Path

from harness.doctor.mend import kernel_parameter, realtime_kernel
from harness.doctor.need import Need
from harness.doctor.result import Check, Health, unknown
from harness.doctor.roots import Roots, cpu_set, entries, read, read_int

DEEP_IDLE_US = 100
"""An idle state that takes longer to leave than this shows in the p99 of a paced sender."""


def preemption(roots: Roots, need: Need) -> Check:
    """Kernel and preemption model: /sys/kernel/realtime, debugfs, or the build's own words."""
    name = "kernel"
    why = "The preemption model bounds how long kernel work keeps a due thread off its CPU."
    version = read(roots.proc / "version")
    release = (
        read(roots.proc / "sys/kernel/osrelease")
        or (version or "").partition("version ")[2].partition(" ")[0]
    )
    model = _model(roots, version or "")
    if not model:
        return (
            unknown(name, why)
            if not release
            else Check(name, Health.INFO, f"{release}, preemption not available", why)
        )
    value = f"{release}, {model}".lstrip(", ")
    if model == "PREEMPT_RT":
        return Check(name, Health.OK, value, why)
    # A dynamic kernel can be switched while it runs, since Linux 5.12.
    switch = f"echo full | sudo tee {roots.sys}/kernel/debug/sched/preempt"
    dynamic = "DYNAMIC" in model
    if "none" in model or "voluntary" in model:
        remedy = switch if dynamic else kernel_parameter(roots, "preempt=full")
        return Check(name, Health.WARNING, value, why, remedy)
    remedy = switch if dynamic and "full" not in model else realtime_kernel(roots)
    return Check(name, Health.INFO, value, why, remedy)


def _model(roots: Roots, version: str) -> str:
    if read(roots.sys / "kernel/realtime") == "1" or "PREEMPT_RT" in version or "PREEMPT RT" in version:
        return "PREEMPT_RT"
    chosen = re.search(r"\((\w+)\)", read(roots.sys / "kernel/debug/sched/preempt") or "")
    asked = re.search(r"(?:^|\s)preempt=(\w+)", read(roots.proc / "cmdline") or "")
    built = next((word for word in ("PREEMPT_DYNAMIC", "PREEMPT") if word in version), "")
    mode = chosen.group(1) if chosen else asked.group(1) if asked and built == "PREEMPT_DYNAMIC" else ""
    if built:
        return f"{built} ({mode or 'mode not readable'})" if "DYNAMIC" in built else built
    return "no preemption (none or voluntary)" if "SMP" in version else ""


def governor(roots: Roots, need: Need) -> Check:
    """Frequency governors of all CPUs."""
    name = "CPU governor"
    why = "A CPU that slows down between stimuli runs the next one late until it has sped up again."
    files = entries(roots.cpu, "cpu[0-9]*/cpufreq/scaling_governor")
    found = sorted({text for file in files if (text := read(file))})
    if not found:
        return unknown(name, why)
    value = f"{', '.join(found)} on {len(files)} CPUs"
    if found == ["performance"]:
        return Check(name, Health.OK, value, why)
    remedy = f"echo performance | sudo tee {roots.cpu}/cpu*/cpufreq/scaling_governor"
    return Check(name, Health.WARNING, value, why, remedy)


def idle_states(roots: Roots, need: Need) -> Check:
    """Deepest idle state that is not disabled, and whether the harness may forbid it while it measures."""
    name = "idle states"
    why = "A CPU in a deep idle state takes its exit latency to wake up, on every stimulus."
    deepest, label = 0, ""
    states = entries(roots.cpu, "cpu[0-9]*/cpuidle/state[0-9]*")
    for state in states:
        latency = read_int(state / "latency")
        if latency is not None and read(state / "disable") != "1" and latency >= deepest:
            deepest, label = latency, read(state / "name") or state.name
    if not label:
        return unknown(name, why)
    value = f"up to {label}, {deepest} us to leave"
    if deepest <= DEEP_IDLE_US:
        return Check(name, Health.OK, value, why)
    if need.realtime and _writable(roots.root / "dev/cpu_dma_latency"):
        return Check(name, Health.OK, f"{value}; forbidden while measuring", why)
    return Check(name, Health.WARNING, value, why, "sudo chmod o+w /dev/cpu_dma_latency")


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK)


def smt(roots: Roots, need: Need) -> Check:
    """Simultaneous multithreading (hyper-threads)."""
    name = "SMT"
    why = "A hyper-thread shares its core: what runs on the sibling slows the sender by up to half."
    active, control = read(roots.cpu / "smt/active"), read(roots.cpu / "smt/control")
    if active is None:
        return unknown(name, why)
    if active == "0":
        value = "off" if control in (None, "notsupported") else f"off ({control})"
        return Check(name, Health.OK, value, why)
    return Check(name, Health.INFO, "on", why, f"echo off | sudo tee {roots.cpu}/smt/control")


def isolated_cpus(roots: Roots, need: Need) -> Check:
    """CPUs kept free of other work, and whether the sender's CPU of the rig file is one of them."""
    name = "isolated CPUs"
    why = "On a CPU kept free of other work the sender waits for nobody."
    text = read(roots.cpu / "isolated")
    chosen, isolated = need.sender_cpu, cpu_set(text or "")
    online = read(roots.cpu / "online") or ",".join(map(str, sorted(roots.cpus)))
    if chosen is not None and chosen not in roots.cpus:
        # The kernel keeps every program off isolated CPUs, unless it is told which ones to use.
        there = chosen in cpu_set(online)
        why = "The sender cannot be bound to a CPU that this process may not use."
        remedy = (
            f"taskset -c {online} harness run RIG"
            if there
            else f"host: {{cpu: {max(roots.cpus, default=0)}}}  # in the rig file"
        )
        value = f"host.cpu is {chosen}, which " + ("this process may not use" if there else "is not there")
        return Check(name, Health.WARNING if there else Health.ERROR, value, why, remedy)
    if text is None:
        return unknown(name, why)
    full = read(roots.cpu / "nohz_full")
    value = (text or "none") + (f", nohz_full {full}" if full and full != "(null)" else "")
    if chosen is not None and chosen in isolated:
        return Check(name, Health.OK, f"{value}; the sender has CPU {chosen}", why)
    if isolated:
        remedy = f"taskset -c {online} harness run RIG --set host.cpu={min(isolated)}"
        return Check(name, Health.INFO, f"{value}; the sender does not use them", why, remedy)
    last = chosen if chosen is not None else max(roots.cpus, default=0)
    remedy = kernel_parameter(roots, f"isolcpus={last} nohz_full={last} rcu_nocbs={last}")
    if chosen is not None:
        return Check(name, Health.WARNING, f"none; the sender has CPU {chosen}", why, remedy)
    # With fewer CPUs there is nothing to give away.
    return Check(name, Health.INFO, value, why, remedy if len(roots.cpus) >= 4 else "")


CHECKS = (preemption, governor, idle_states, smt, isolated_cpus)
