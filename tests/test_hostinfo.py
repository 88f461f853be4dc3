import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import hostinfo
from harness.hostinfo import NOT_AVAILABLE, NOT_SET, collect_git, collect_host, collect_versions


def put(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Path:
    """A machine of files; empty, so that nothing can be found out."""
    for name in ("_SYS", "_PROC", "_ROOT"):
        root = tmp_path / name
        root.mkdir()
        monkeypatch.setattr(hostinfo, name, root)
    return tmp_path


def test_the_facts_are_flat_and_of_text_and_numbers():
    facts = collect_host()
    assert all(
        isinstance(name, str) and isinstance(value, str | int | float) for name, value in facts.items()
    )
    assert facts["hostname"] and facts["kernel"] == os.uname().release
    assert facts["cpus"] >= 1 and facts["memory_mib"] > 0
    assert not any("127.0.0.1" in str(value) for value in facts.values())


def test_a_machine_that_tells_nothing_says_so(machine, monkeypatch):
    monkeypatch.setattr(hostinfo.platform, "version", lambda: "#1 SMP")
    facts = collect_host()
    for name in (
        "preemption",
        "cpu_model",
        "cpus_isolated",
        "cpu_governor",
        "smt",
        "clock_source",
        "kernel_parameters",
        "rt_throttling",
        "virtualisation",
    ):
        assert facts[name] == NOT_AVAILABLE, name
    assert facts["container"] == "none seen"


def test_a_prepared_bench_computer(machine):
    put(
        machine / "_SYS",
        {
            "kernel/realtime": "1",
            "devices/system/cpu/isolated": "2-3",
            "devices/system/cpu/smt/active": "0",
            "devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance",
            "devices/system/cpu/cpu1/cpufreq/scaling_governor": "powersave",
            "devices/system/clocksource/clocksource0/current_clocksource": "hpet",
            "class/dmi/id/sys_vendor": "ACME",
            "class/dmi/id/product_name": "Bench 1",
        },
    )
    put(
        machine / "_PROC",
        {
            "cpuinfo": "processor\t: 0\nmodel name\t: Fast CPU\nflags\t\t: fpu\n\nmodel name\t: Other",
            "cmdline": "root=/dev/sda1 isolcpus=2,3 password=hunter2 threadirqs",
            "sys/kernel/sched_rt_runtime_us": "-1",
            "sys/kernel/sched_rt_period_us": "1000000",
        },
    )
    facts = collect_host()
    assert facts["preemption"] == "PREEMPT_RT"
    assert facts["cpu_model"] == "Fast CPU"
    assert facts["cpus_isolated"] == "2-3"
    assert facts["cpu_governor"] == "performance, powersave"
    assert (facts["smt"], facts["clock_source"], facts["rt_throttling"]) == ("off", "hpet", "off")
    assert facts["kernel_parameters"] == "isolcpus=2,3 threadirqs"
    assert facts["virtualisation"] == "none seen (ACME Bench 1)"


def test_an_ordinary_virtual_machine_in_a_container(machine, monkeypatch):
    put(
        machine / "_SYS",
        {"devices/system/cpu/isolated": "", "kernel/debug/sched/preempt": "none voluntary (full) lazy"},
    )
    put(machine / "_PROC", {"cpuinfo": "flags : fpu hypervisor", "1/cgroup": "0::/kubepods/pod1"})
    monkeypatch.setattr(hostinfo.platform, "version", lambda: "#1 SMP PREEMPT_DYNAMIC")
    facts = collect_host()
    assert facts["preemption"] == "PREEMPT_DYNAMIC (full)"
    assert facts["cpus_isolated"] == "none"
    assert facts["virtualisation"] == "virtual machine (of unknown make)"
    assert facts["container"] == "kubepods"


@pytest.mark.parametrize(("file", "name"), [(".dockerenv", "docker"), ("run/.containerenv", "podman")])
def test_marks_of_containers(machine, file, name):
    put(machine / "_ROOT", {file: ""})
    assert collect_host()["container"] == name


@pytest.mark.parametrize(
    ("cpus", "text"),
    [({0}, "0"), ({0, 1}, "0-1"), ({0, 1, 2, 5}, "0-2,5"), ({7, 3, 4}, "3-4,7"), (set(), "")],
)
def test_ranges_of_cpus(cpus, text):
    assert hostinfo._ranges(cpus) == text


def test_only_the_named_environment_is_told(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "42")
    monkeypatch.setenv("ROS_SECRET_TOKEN", "hunter2")
    monkeypatch.setenv("ROS_STATIC_PEERS", "a" * 500)
    monkeypatch.setenv("CYCLONEDDS_URI", "<Security><PrivateKey>hunter2</PrivateKey></Security>")
    monkeypatch.delenv("RMW_IMPLEMENTATION", raising=False)
    facts = collect_host()
    assert facts["env.ROS_DOMAIN_ID"] == "42"
    assert facts["env.RMW_IMPLEMENTATION"] == NOT_SET
    assert facts["env.ROS_STATIC_PEERS"] == "a" * 200 + "... (500 characters)"
    assert facts["env.CYCLONEDDS_URI"] == "a configuration of 53 characters"
    assert "hunter2" not in str(facts)


def test_no_right_to_look_at_the_network(monkeypatch):
    def refused() -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(hostinfo.psutil, "net_if_stats", refused)
    assert collect_host()["network"] == NOT_AVAILABLE


def test_versions_come_without_importing_anything():
    script = (
        "import sys; from harness.hostinfo import collect_versions; v = collect_versions(); "
        "assert not {'rclpy', 'mujoco', 'pyarrow', 'scipy', 'typst', 'numpy'} & set(sys.modules); "
        "print(v['python'], v['numpy'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60
    )
    versions = collect_versions()
    assert done.stdout.strip() == f"{versions['python']} {versions['numpy']}"
    assert all(isinstance(value, str) for value in versions.values())


def test_software_that_is_not_installed(monkeypatch):
    def missing(name: str) -> str:
        raise hostinfo.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(hostinfo.metadata, "version", missing)
    versions = collect_versions()
    assert versions["rclpy"] == versions["mujoco"] == NOT_AVAILABLE
    assert "pytest" not in versions
    assert versions["harness"] != NOT_AVAILABLE


# --- git ------------------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> str:
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **identity, "GIT_CONFIG_GLOBAL": os.devnull},
    )
    return done.stdout.strip()


def test_a_project_clean_changed_and_with_a_new_file(tmp_path):
    git(tmp_path, "init", "-q", "-b", "trunk")
    rig = tmp_path / "rig_configs" / "arm.yaml"
    rig.parent.mkdir()
    rig.write_text("a")
    unknown = {"rig_file": "not under version control"}
    fresh = {"commit": "(initial)", "branch": "trunk", "dirty": False}
    assert collect_git(rig) == fresh | unknown
    assert collect_git(rig.parent) == fresh
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "Begin")
    commit = git(tmp_path, "rev-parse", "HEAD")
    clean = {"commit": commit, "branch": "trunk", "dirty": False}
    assert collect_git(rig) == collect_git(tmp_path) == collect_git(rig.parent) == clean
    rig.write_text("b")
    assert collect_git(rig)["dirty"] is True
    git(tmp_path, "checkout", "-q", "--", ".")
    (tmp_path / "new.yaml").write_text("c")
    assert collect_git(rig) == clean, "a file that git does not know changes nothing of the harness"
    assert collect_git(tmp_path / "new.yaml") == clean | unknown
    git(tmp_path, "checkout", "-q", "--detach")
    assert collect_git(rig) == {"commit": commit, "branch": "(detached)", "dirty": False}


def test_a_hook_of_another_project_does_not_mislead(tmp_path, monkeypatch):
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        git(tmp_path / name, "init", "-q", "-b", name)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "theirs" / ".git"))
    assert collect_git(tmp_path / "ours")["branch"] == "ours"


def test_no_project_no_git_and_a_git_that_hangs(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert collect_git(tmp_path) == {}
    assert collect_git(tmp_path / "missing" / "rig.yaml") == {}

    def hangs(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("git", 2)

    monkeypatch.setattr(subprocess, "run", hangs)
    assert collect_git(tmp_path) == {}
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert collect_git(tmp_path) == {}
