"""The record of the host: what is in it, and that it outlives whatever ends it."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.folder import RunFolder
from harness.hostlog import HostLog
from harness.hostlog.counters import HostCounters, snmp
from harness.hostlog.pauses import Pauses
from harness.hosttable import HostTable
from harness.journal import TableWriter
from harness.model import HOST_DTYPE, HostMeasure

SPIN = "import time\nwhile True: pass\n"
LIMIT_S = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "rig", datetime.now(timezone.utc), "ab12")


@pytest.fixture
def recording(folder: RunFolder) -> Iterator[HostLog]:
    log = HostLog.start(folder.path, 50.0, folder.create_table("pauses", 64))
    yield log
    log.close()
    folder.close()


@pytest.fixture
def program(folder: RunFolder) -> Iterator[subprocess.Popen[bytes]]:
    """A program of the rig that burns CPU time."""
    child = subprocess.Popen([sys.executable, "-c", SPIN])
    folder.event("process_started", process="robot", pid=child.pid, command=[])
    yield child
    with suppress(OSError):
        child.send_signal(signal.SIGCONT)
    child.kill()
    child.wait()


def until(folder: RunFolder, true: Callable[[HostTable], object]) -> HostTable:
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        table = folder.host()
        if true(table):
            return table
        time.sleep(0.05)
    raise AssertionError(f"not recorded within {LIMIT_S} s")


def test_programs_of_the_rig_are_followed_by_their_names(
    folder: RunFolder, program: subprocess.Popen[bytes], recording: HostLog
) -> None:
    table = until(folder, lambda host: len(host.of(HostMeasure.RUN_MS, program.pid)) > 3)
    assert table.subjects[program.pid].kind == "rig"
    assert table.subjects[program.pid].name == "robot"
    assert table.subjects[os.getpid()].kind == "harness"
    assert recording.pid is not None
    assert table.subjects[recording.pid].kind == "helper"


def test_a_stopped_program_is_seen_to_be_stopped(
    folder: RunFolder, program: subprocess.Popen[bytes], recording: HostLog
) -> None:
    until(folder, lambda host: len(host.of(HostMeasure.RUN_MS, program.pid)))
    assert not len(folder.host().of(HostMeasure.STOPPED_MS, program.pid))
    program.send_signal(signal.SIGSTOP)
    table = until(folder, lambda host: len(host.of(HostMeasure.STOPPED_MS, program.pid)) > 2)
    rows = table.of(HostMeasure.STOPPED_MS, program.pid)
    assert np.allclose(rows["value"], rows["over_ns"] * 1e-6)


def test_two_on_one_core_wait_for_it(folder: RunFolder, recording: HostLog) -> None:
    core = min(os.sched_getaffinity(0))
    children = [
        subprocess.Popen([sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{core}}})\n{SPIN}"])
        for _ in range(2)
    ]
    try:
        for number, child in enumerate(children):
            folder.event("process_started", process=f"robot{number}", pid=child.pid, command=[])

        def waited(host: HostTable) -> bool:
            return all(host.of(HostMeasure.WAIT_MS, child.pid)["value"].sum() > 50 for child in children)

        table = until(folder, waited)
        assert {int(row["value"]) for row in table.of(HostMeasure.CORE, children[0].pid)} >= {core}
    finally:
        for child in children:
            child.kill()
            child.wait()


def test_collections_of_garbage_are_recorded_exactly(folder: RunFolder) -> None:
    table = folder.create_table("pauses", 64)
    pauses = Pauses(table)
    kept = [[] for _ in range(200_000)]  # type: ignore[var-annotated]
    before = time.monotonic_ns()
    gc.collect()
    after = time.monotonic_ns()
    pauses.close()
    pauses.close()
    count = table.count
    gc.collect()
    assert table.count == count, "recorded after it was closed"
    rows = folder.host().of(HostMeasure.GC_PAUSE_MS, os.getpid())
    mine = rows[(rows["t_ns"] >= before) & (rows["t_ns"] <= after) & (rows["detail"] == 2)]
    assert len(mine) >= 1
    assert len(kept) and before <= mine["t_ns"][-1] - mine["over_ns"][-1]
    assert mine["value"][-1] == pytest.approx(mine["over_ns"][-1] * 1e-6)


def test_spans_of_looks_follow_each_other_without_gap(folder: RunFolder, recording: HostLog) -> None:
    looks = until(folder, lambda host: len(host.looks) > 8).looks
    begins = looks["t_ns"] - looks["over_ns"]
    assert (begins[1:] == looks["t_ns"][:-1]).all()


def test_it_ends_with_the_harness_and_is_turned_into_parquet(folder: RunFolder) -> None:
    log = HostLog.start(folder.path, 50.0, folder.create_table("pauses", 64))
    live = until(folder, lambda host: len(host.looks) > 3)
    log.close()
    log.close()
    assert log.trouble == ""
    folder.create_table("stimuli", 1)
    before = folder.host()
    hashes = folder.finalise_raw()
    after = folder.host()
    assert "host.parquet" in hashes
    assert len(after.rows) == len(before.rows) >= len(live.rows)
    assert after.rows.tobytes() == before.rows[np.argsort(before.rows["t_ns"], kind="stable")].tobytes()
    assert set(after.subjects) <= set(before.subjects)
    assert after.subjects[os.getpid()].name == "harness"
    table = pd.read_parquet(folder.path / "host.parquet")
    mine = table[(table["subject_name"] == "harness") & (table["name"] == "run_ms")]
    assert (mine["subject"] == os.getpid()).all() and len(mine)


def test_what_was_recorded_outlives_a_kill(folder: RunFolder) -> None:
    log = HostLog.start(folder.path, 50.0, folder.create_table("pauses", 64))
    until(folder, lambda host: len(host.looks) > 3)
    assert log.pid is not None
    os.kill(log.pid, signal.SIGKILL)
    until(folder, lambda host: not Path(f"/proc/{log.pid}/exe").exists())
    count = len(folder.host().looks)
    assert count > 3
    log.close()
    assert "ended by itself" in log.trouble
    assert len(folder.host().looks) == count


def test_a_folder_it_cannot_write_to_ends_no_run(folder: RunFolder) -> None:
    TableWriter.create(folder.path / "journal" / "host.tbl", HOST_DTYPE, 1).close()
    log = HostLog.start(folder.path, 50.0, folder.create_table("pauses", 64))
    assert log.pid is not None
    os.waitid(os.P_PID, log.pid, os.WEXITED | os.WNOWAIT)
    log.close()
    assert "status 1" in log.trouble
    assert "exists already" in (folder.path / "processes" / "_host.log").read_text()


def test_a_run_without_a_record_has_an_empty_table(folder: RunFolder) -> None:
    assert len(folder.host().rows) == 0
    folder.finalise_raw()
    assert len(folder.host().rows) == 0
    assert not (folder.path / "host.parquet").exists()


def test_zeros_are_filled_in_for_each_look() -> None:
    rows = np.array(
        [
            (100, 0, 1.0, -1, HostMeasure.SAMPLING_MS, 0),
            (140, 40, 1.0, -1, HostMeasure.SAMPLING_MS, 0),
            (140, 40, 3.5, 7, HostMeasure.WAIT_MS, 0),
            (180, 40, 1.0, -1, HostMeasure.SAMPLING_MS, 0),
        ],
        HOST_DTYPE,
    )
    table = HostTable(rows)
    assert table.per_look(HostMeasure.WAIT_MS, 7).tolist() == [0.0, 3.5, 0.0]
    assert table.per_look(HostMeasure.WAIT_MS, 8).tolist() == [0.0, 0.0, 0.0]
    assert table.kind_of(HostMeasure.CORE_BUSY_MS, 1) == "core"


def test_counters_of_this_kernel_rise() -> None:
    counters = HostCounters()
    before = {reading[:2]: reading[2] for reading in counters.read()}
    after = {reading[:2]: reading[2] for reading in counters.read()}
    assert (HostMeasure.CONTEXT_SWITCHES, -1) in before
    assert all(after[key] >= before[key] for key in before if key[0] is not HostMeasure.CORE_FREQUENCY_MHZ)


def test_snmp_is_read_by_the_names_of_its_columns() -> None:
    text = b"Tcp: A RetransSegs\nTcp: 1 7\nUdp: InDatagrams RcvbufErrors SndbufErrors\nUdp: 5 2 1\n"
    found = {measure: value for measure, _, value in snmp(text)}
    assert found == {
        HostMeasure.TCP_RETRANSMITS: 7,
        HostMeasure.UDP_DATAGRAMS: 5,
        HostMeasure.UDP_DROPS: 3,
    }
