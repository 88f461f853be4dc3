"""Facts about the host, the software and the project that a run was made with. Files only: no network."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

NOT_AVAILABLE = "not available"
NOT_SET = "not set"

DISTRIBUTIONS = (
    "click",
    "matplotlib",
    "mujoco",
    "numpy",
    "pandas",
    "psutil",
    "pyarrow",
    "pydantic",
    "pytest",
    "rclpy",
    "ros-jazzy-rclpy",
    "rmw-fastrtps-cpp",
    "ros-rmw-fastrtps-cpp",
    "ros-fastrtps",
    "scipy",
    "typst",
)
"""Installed distributions worth naming; those that are not installed are left out, but for the core ones."""
_ALWAYS = ("numpy", "scipy", "pyarrow", "rclpy", "mujoco", "typst")
ENVIRONMENT = (
    "RMW_IMPLEMENTATION",
    "ROS_AUTOMATIC_DISCOVERY_RANGE",
    "ROS_DISCOVERY_SERVER",
    "ROS_DISTRO",
    "ROS_DOMAIN_ID",
    "ROS_LOCALHOST_ONLY",
    "ROS_SECURITY_ENABLE",
    "ROS_SECURITY_ENCLAVE_OVERRIDE",
    "ROS_SECURITY_STRATEGY",
    "ROS_STATIC_PEERS",
    "ROS_SUPER_CLIENT",
    "FASTDDS_BUILTIN_TRANSPORTS",
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "CYCLONEDDS_URI",
)
"""What decides how ROS 2 talks. A literal list: nothing else of the environment may reach a report."""
KERNEL_PARAMETERS = (
    "clocksource",
    "idle",
    "intel_idle.max_cstate",
    "intel_pstate",
    "irqaffinity",
    "isolcpus",
    "mitigations",
    "nohz_full",
    "nosmt",
    "preempt",
    "processor.max_cstate",
    "rcu_nocbs",
    "skew_tick",
    "threadirqs",
    "tsc",
)
"""What of the kernel's command line bears on latency. The rest may hold secrets and stays where it is."""
_LONGEST = 200
_GIT_TIMEOUT_S = 2.0

_SYS = Path("/sys")
_PROC = Path("/proc")
_ROOT = Path("/")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def collect_host() -> dict[str, Any]:
    """Facts about this machine as a flat object of text and numbers; missing ones are ``not available``."""
    cpuinfo = _read(_PROC / "cpuinfo")
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    load = os.getloadavg()
    facts: dict[str, Any] = {
        "hostname": socket.gethostname(),
        "system": _system(),
        "kernel": platform.release(),
        "kernel_version": platform.version(),
        "preemption": _preemption(platform.version()),
        "architecture": platform.machine(),
        "cpu_model": _cpu_model(cpuinfo),
        "cpus": os.cpu_count() or NOT_AVAILABLE,
        "cpus_allowed": _ranges(os.sched_getaffinity(0)),
        "cpus_isolated": _isolated(),
        "cpu_governor": _governors(),
        "smt": {"0": "off", "1": "on"}.get(_read(_SYS / "devices/system/cpu/smt/active"), NOT_AVAILABLE),
        "clock_source": _read(_SYS / "devices/system/clocksource/clocksource0/current_clocksource")
        or NOT_AVAILABLE,
        "kernel_parameters": _kernel_parameters(),
        "rt_throttling": _rt_throttling(),
        "memory_mib": memory.total >> 20,
        "memory_available_mib": memory.available >> 20,
        "swap_used_mib": swap.used >> 20,
        "load_1_min": round(load[0], 2),
        "load_5_min": round(load[1], 2),
        "load_15_min": round(load[2], 2),
        "virtualisation": _virtualisation(cpuinfo),
        "container": _container(),
        "network": _network(),
    }
    for name in ENVIRONMENT:
        value = os.environ.get(name)
        facts[f"env.{name}"] = NOT_SET if value is None else _shortened(value)
    return facts


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", NOT_AVAILABLE)
    except OSError:
        return NOT_AVAILABLE


def _preemption(version: str) -> str:
    """PREEMPT_RT says so in /sys/kernel/realtime; with dynamic preemption debugfs says how it is set."""
    if _read(_SYS / "kernel/realtime") == "1" or "PREEMPT_RT" in version:
        return "PREEMPT_RT"
    built = next((word for word in ("PREEMPT_DYNAMIC", "PREEMPT") if word in version), "")
    chosen = _read(_SYS / "kernel/debug/sched/preempt")
    if "(" in chosen:
        return f"{built} ({chosen.split('(')[1].split(')')[0]})"
    return built or NOT_AVAILABLE


def _cpu_model(cpuinfo: str) -> str:
    fields = _fields(cpuinfo)
    for name in ("model name", "Model", "Hardware", "cpu model"):
        if name in fields:
            return fields[name]
    return NOT_AVAILABLE


def _fields(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found


def _ranges(cpus: set[int]) -> str:
    """``{0, 1, 2, 5}`` -> ``0-2,5``."""
    parts: list[list[int]] = []
    for cpu in sorted(cpus):
        if parts and parts[-1][-1] == cpu - 1:
            parts[-1][1:] = [cpu]
        else:
            parts.append([cpu])
    return ",".join("-".join(str(cpu) for cpu in part) for part in parts)


def _isolated() -> str:
    path = _SYS / "devices/system/cpu/isolated"
    return (_read(path) or "none") if path.exists() else NOT_AVAILABLE


def _governors() -> str:
    found = sorted(
        {_read(p) for p in (_SYS / "devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")}
    )
    return ", ".join(filter(None, found)) or NOT_AVAILABLE


def _kernel_parameters() -> str:
    line = _read(_PROC / "cmdline")
    if not line:
        return NOT_AVAILABLE
    return " ".join(word for word in line.split() if word.partition("=")[0] in KERNEL_PARAMETERS) or "none"


def _rt_throttling() -> str:
    runtime = _read(_PROC / "sys/kernel/sched_rt_runtime_us")
    period = _read(_PROC / "sys/kernel/sched_rt_period_us")
    if not runtime or not period:
        return NOT_AVAILABLE
    return "off" if runtime == "-1" else f"{runtime} of {period} us"


def _virtualisation(cpuinfo: str) -> str:
    vendor = _read(_SYS / "class/dmi/id/sys_vendor") or _read(_SYS / "hypervisor/type")
    product = _read(_SYS / "class/dmi/id/product_name")
    machine = " ".join(filter(None, [vendor, product]))
    if "hypervisor" in _fields(cpuinfo).get("flags", "").split():
        return f"virtual machine ({machine or 'of unknown make'})"
    if _read(_SYS / "hypervisor/type"):
        return f"virtual machine ({machine})"
    return f"none seen ({machine})" if machine else NOT_AVAILABLE


def _container() -> str:
    """What marks a container; https://systemd.io/CONTAINER_INTERFACE/ and the files of Docker and Podman."""
    if (_ROOT / ".dockerenv").exists():
        return "docker"
    if (_ROOT / "run/.containerenv").exists():
        return "podman"
    if named := _read(_ROOT / "run/systemd/container"):
        return named
    groups = _read(_PROC / "1/cgroup")
    return next((word for word in ("docker", "kubepods", "lxc", "containerd") if word in groups), "none seen")


def _network() -> str:
    """Interfaces, whether they are up, their speed, and their addresses; of ``lo`` only that it is there."""
    try:
        stats, addresses = psutil.net_if_stats(), psutil.net_if_addrs()
    except OSError:
        return NOT_AVAILABLE
    parts = []
    for name in sorted(stats):
        words = ["up" if stats[name].isup else "down"]
        if stats[name].speed:
            words.append(f"{stats[name].speed} Mbit/s")
        if name != "lo":
            words.append(f"MTU {stats[name].mtu}")
            words += [a.address for a in addresses.get(name, []) if a.family == socket.AF_INET]
        parts.append(f"{name} ({', '.join(words)})")
    return "; ".join(parts) or NOT_AVAILABLE


def _shortened(value: str) -> str:
    if "<" in value:  # CYCLONEDDS_URI may be a whole configuration, keys and all
        return f"a configuration of {len(value)} characters"
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}... ({len(value)} characters)"


def collect_versions() -> dict[str, str]:
    """Versions by name. Nothing is imported: what is installed says so itself."""
    import harness

    found = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    found["harness"] = harness.__version__
    found["python_build"] = " ".join(platform.python_build())
    if hasattr(sys, "_is_gil_enabled"):
        found["python_gil"] = "on" if sys._is_gil_enabled() else "off"
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name in _ALWAYS:
                found[name] = NOT_AVAILABLE
    return found


def collect_git(path: Path) -> dict[str, Any]:
    """``commit``, ``branch`` and ``dirty`` of the git project that ``path``, a file or a folder, lies in.

    ``dirty``: files that git knows were changed; those it does not know change nothing of the harness. Where
    ``path`` is such a file itself, ``rig_file`` says so. No project, or no git: an empty object.
    """
    folder = path.absolute() if path.is_dir() else path.absolute().parent
    # Looking must not write: no index refresh, and nobody asked for a password.
    # Nor may the variables of a git hook, in which CI may run us, point to another project.
    environment = {
        k: v for k, v in os.environ.items() if k not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    }
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}

    def git(*arguments: str) -> list[str] | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=environment,
                timeout=_GIT_TIMEOUT_S,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return None if done.returncode else done.stdout.decode(errors="replace").splitlines()

    lines = git("status", "--porcelain=v2", "--branch", "--untracked-files=no")
    if lines is None:
        return {}
    head = dict(
        line[2:].split(" ", 1) for line in lines if line.startswith("# branch.") and line.count(" ") >= 2
    )
    found: dict[str, Any] = {
        "commit": head.get("branch.oid", NOT_AVAILABLE),
        "branch": head.get("branch.head", NOT_AVAILABLE),
        "dirty": any(not line.startswith("#") for line in lines),
    }
    if path.is_file() and git("ls-files", "--", f":(literal){path.name}") == []:
        found["rig_file"] = "not under version control"
    return found
