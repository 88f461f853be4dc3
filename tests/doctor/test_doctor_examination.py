from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from doctor_trees import ENVIRON, GOOD, SYNCED, TOOLS, host
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.config import load_rig
from harness.doctor import Check, Health, Roots, dds, examine, host_report, storage
from harness.doctor import status as exit_status
from harness.doctor.need import Need, of_rig
from harness.doctor.result import NOT_AVAILABLE, worst
from harness.doctor.roots import LONGEST_READ, read, run_tool
from harness.model import Severity

RIGS = Path(__file__).resolve().parents[2] / "rig_configs"
NAMES = [
    "kernel",
    "CPU governor",
    "idle states",
    "SMT",
    "isolated CPUs",
    "real-time priority",
    "locked memory",
    "real-time throttling",
    "CPU quota",
    "clock source",
    "clock stability",
    "time synchronisation",
    "DDS implementation",
    "DDS transport",
    "DDS discovery",
    "socket receive buffer",
    "socket send buffer",
    "default receive buffer",
    "IP reassembly",
    "network interface",
    "USB serial",
    "disk",
    "shared memory",
    "leftovers",
    "load",
    "CPU pressure",
    "stolen CPU time",
    "thermal throttling",
]


def look(roots: Roots, need: Need | None = None) -> list[Check]:
    return examine(roots, need, sleep=lambda seconds: None)


def sound(checks: list[Check]) -> None:
    """What holds of every check, whatever the host: it says something, why, and how to mend what is bad."""
    for check in checks:
        assert check.name and check.value and check.why.strip().endswith("."), check
        if check.severity.rank >= Health.WARNING.rank:
            assert check.remedy, check
        if check.severity is Health.OK:
            assert not check.remedy, check
        json.dumps(check.as_dict(), allow_nan=False)


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host that runs the tests may be short of space."""
    monkeypatch.setattr(storage, "_free", lambda path: (50 << 30, 100 << 30))


@pytest.mark.usefixtures("roomy")
def test_a_host_that_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dds, "find_spec", lambda name: None)
    roots = host(tmp_path, GOOD, environ=ENVIRON, tools=TOOLS, kernel_clock=SYNCED)
    checks = look(roots, Need(ros=False))
    # What stays are facts that nothing is wrong with.
    notes = {check.name for check in checks if check.severity is not Health.OK}
    assert notes == {"isolated CPUs", "DDS implementation", "stolen CPU time"}
    assert exit_status(checks) == 0
    sound(checks)


@pytest.mark.usefixtures("roomy")
def test_a_host_that_tells_nothing(tmp_path: Path) -> None:
    checks = look(host(tmp_path, environ=ENVIRON))
    assert [check.name for check in checks] == NAMES
    silent = [check for check in checks if check.value == NOT_AVAILABLE]
    assert {check.severity for check in silent} == {Health.INFO}
    told = {"DDS implementation", "DDS transport", "DDS discovery", "USB serial", "disk"}
    assert {check.name for check in checks} - {check.name for check in silent} == told
    assert exit_status(checks) == 0
    sound(checks)


def test_this_host_and_this_one_again_are_examined_alike() -> None:
    checks = examine(sample_s=0.0)
    assert [name for name in NAMES if name.startswith("network")] == ["network interface"]
    missing = [name for name in NAMES if not any(check.name.startswith(name) for check in checks)]
    assert missing == []
    sound(checks)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(
        st.one_of(
            st.text(alphabet="0123456789abx-=:;,. \n\t%/<", max_size=30),
            st.sampled_from(
                ["-1", "0", "99999999999999999999", "max 0", "0 0", "\x00", "=", "some avg10=nan avg60=inf"]
            ),
        ),
        min_size=len(GOOD),
        max_size=len(GOOD),
    )
)
def test_rubbish_in_every_file_ends_no_examination(tmp_path: Path, texts: list[str]) -> None:
    roots = host(tmp_path, dict(zip(GOOD, texts, strict=True)), environ=dict.fromkeys(ENVIRON, texts[0]))
    checks = look(roots)
    assert not [check for check in checks if "could not be checked" in check.value]
    sound(checks)


def test_a_check_that_breaks_is_a_finding_and_not_the_end(tmp_path: Path, monkeypatch) -> None:
    def broken(roots: Roots) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(dds, "ros_is_here", broken)
    checks = look(host(tmp_path))
    (found,) = [check for check in checks if check.value.startswith("could not be checked")][:1]
    assert found.name == "implementation" and found.severity is Health.WARNING
    assert "RuntimeError: no such luck" in found.value
    assert any(check.name == "thermal throttling" for check in checks)
    sound(checks)


def test_folders_in_place_of_files_and_files_in_place_of_folders(tmp_path: Path) -> None:
    for name in ("proc/loadavg", "proc/stat", "dev/kmsg", "sys/kernel/realtime"):
        (tmp_path / name).mkdir(parents=True)
    roots = host(tmp_path, {"sys/class": "", "sys/bus": "", "dev/shm": "", "proc/pressure": ""})
    checks = look(roots)
    assert not [check for check in checks if "could not be checked" in check.value]
    sound(checks)


def test_the_report_for_a_run_is_plain_json() -> None:
    report = host_report()
    assert {tuple(entry) for entry in report} == {("name", "severity", "value", "why", "remedy")}
    assert json.loads(json.dumps(report)) == report
    assert {entry["severity"] for entry in report} <= {"ok", "info", "warning", "error"}


def test_the_report_asks_no_daemon_for_long_and_samples_briefly(monkeypatch) -> None:
    from harness.doctor import examination as module

    given: dict[str, float] = {}
    monkeypatch.setattr(
        module, "examine", lambda **how: given.update(sample=how["sample_s"], query=how["query_s"]) or []
    )
    assert module.host_report() == []
    # At most two daemons of those that have a tool run at once.
    assert given["sample"] + 2 * given["query"] < 0.5


def test_sampling_waits_for_what_is_left_of_its_time(tmp_path: Path) -> None:
    waits: list[float] = []
    examine(host(tmp_path), sample_s=1000.0, sleep=waits.append)
    examine(host(tmp_path), sample_s=0.0, sleep=waits.append)
    assert 0 < waits[0] <= 1000.0 and waits[1] == 0.0


def test_the_worst_decides_the_exit_status() -> None:
    def one(health: Health) -> Check:
        return Check("x", health, "v", "w")

    assert worst([]) is Health.OK and exit_status([]) == 0
    assert exit_status([one(Health.OK), one(Health.INFO), one(Health.WARNING)]) == 0
    assert exit_status([one(Health.ERROR), one(Health.OK)]) == 4
    assert one(Health.OK).finding().severity is Severity.INFO
    assert one(Health.ERROR).finding().severity is Severity.ERROR


def test_what_the_rigs_ask_for() -> None:
    need = of_rig(load_rig(RIGS / "loopback.yaml"))
    assert (need.ros, need.real, need.tightest_ms, need.requirement) == (False, False, 10.0, "LOOP-RTT")
    assert need.rate_hz == 500.0
    need = of_rig(
        load_rig(RIGS / "loopback.yaml", ["host.cpu=1", "requirements[0].unit=us", "host.realtime=false"])
    )
    assert (need.sender_cpu, need.tightest_ms, need.realtime) == (1, 0.01, False)
    need = of_rig(load_rig(RIGS / "sim_diff_drive.yaml"))
    assert need.ros is True and need.real is False


def test_reading_is_bounded_and_never_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read(tmp_path / "pipe") == ""
    (tmp_path / "big").write_bytes(b"x" * (2 * LONGEST_READ))
    found = read(tmp_path / "big")
    assert found is not None and len(found) <= LONGEST_READ + (1 << 16)
    (tmp_path / "odd").write_bytes(b"\xff\x00ok")
    assert read(tmp_path / "odd") is not None
    assert read(tmp_path) is None and read(tmp_path / "none") is None and read(Path("a\0b")) is None


def test_a_tool_that_is_missing_fails_or_takes_too_long() -> None:
    assert run_tool(["no-such-program-here"], 1.0) is None
    assert run_tool(["false"], 20.0) is None
    assert run_tool(["echo", "hello"], 20.0) == "hello\n"
    assert run_tool(["sleep", "30"], 0.01) is None


def test_every_check_has_its_line_in_the_docs() -> None:
    page = (RIGS.parent / "docs" / "doctor.md").read_text(encoding="utf-8")
    cells = {
        name.strip()
        for line in page.splitlines()
        if line.startswith("|")
        for name in line.split("|")[1].split(",")
    }
    shown = {"network interface" if name.startswith("network interface") else name for name in NAMES}
    assert shown <= cells


def test_what_a_rig_asks_is_looked_at_at_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.doctor import examination, rig_report

    rig = load_rig(RIGS / "loopback.yaml")
    assert {entry["severity"] for entry in rig_report(rig)} <= {health.value for health in Health}

    def broken(need: Need | None = None) -> list[dict[str, str]]:
        raise RuntimeError("odd host")

    monkeypatch.setattr(examination, "host_report", broken)
    (only,) = rig_report(rig)
    assert (only["severity"], only["value"]) == (
        "warning",
        "could not be carried out: RuntimeError: odd host",
    )
