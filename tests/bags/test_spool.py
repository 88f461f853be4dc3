import multiprocessing
import os
import random
import signal
import threading
from pathlib import Path

import pytest

from harness.bags.spool import HEADER_BYTES, STEP_BYTES, Budget, Message, Spool, read_spool
from harness.errors import RecordingError

MIB = 1 << 20


def messages(count: int, largest: int, seed: int = 3) -> list[Message]:
    draw = random.Random(seed)
    return [
        Message(10**18 + number, 10**18 + number - 7, draw.randbytes(draw.randrange(largest)))
        for number in range(count)
    ]


def make(folder: Path, max_mb: int = 64) -> tuple[Spool, Budget]:
    budget = Budget(max_mb * MIB, folder)
    return Spool(folder / "000.spool", budget), budget


def take(spool: Spool, given: list[Message]) -> None:
    for one in given:
        spool.append(one.data, one.logged_ns, one.published_ns)


@pytest.mark.parametrize("largest", [1, 100, 5000])
def test_what_was_taken_is_read_back_while_open_and_closed(tmp_path: Path, largest: int) -> None:
    spool, _ = make(tmp_path)
    given = messages(STEP_BYTES // largest // 4 % 2000, largest)
    take(spool, given[:-1])
    assert list(read_spool(spool.path)) == given[:-1]
    take(spool, given[-1:])
    spool.close()
    spool.close()
    assert list(read_spool(spool.path)) == given
    assert (spool.count, spool.missed) == (len(given), 0)
    assert spool.path.stat().st_size == HEADER_BYTES + sum(24 + len(one.data) for one in given)
    spool.append(b"late", 1, 1)
    assert (spool.count, spool.missed) == (len(given), 1)


def test_messages_go_across_blocks_whatever_their_size(tmp_path: Path) -> None:
    spool, budget = make(tmp_path)
    draw = random.Random(5)
    given = []
    for number, size in enumerate([10, STEP_BYTES, 3 * MIB, 7, 100_000, 3 * MIB, 1, 5 * MIB, 20]):
        spool.grow_ahead()
        given.append(Message(1 + number, 1 + number, draw.randbytes(size)))
        take(spool, given[-1:])
    spool.close()
    assert (spool.missed, budget.ended) == (0, "")
    assert list(read_spool(spool.path)) == given


def test_it_ends_at_its_limit_and_never_raises(tmp_path: Path) -> None:
    spool, budget = make(tmp_path, max_mb=2)
    given = messages(60, 100_000)
    for one in given:
        spool.grow_ahead()
        take(spool, [one])
    assert budget.ended == "its limit of 2 MB was reached"
    spool.close()
    kept = list(read_spool(spool.path))
    assert given[: len(kept)] == kept
    assert len(kept) == spool.count
    assert spool.missed == len(given) - len(kept) > 0
    assert STEP_BYTES < spool.path.stat().st_size <= 2 * MIB + HEADER_BYTES


def test_all_spools_of_a_run_end_together(tmp_path: Path) -> None:
    spool, budget = make(tmp_path, max_mb=2)
    other = Spool(tmp_path / "001.spool", budget)
    take(other, messages(3, 100))
    spool.append(bytes(3 * MIB), 1, 1)
    take(other, messages(2, 100))
    assert (spool.count, spool.missed, other.count, other.missed) == (0, 1, 3, 2)
    for one in (spool, other):
        one.close()


def test_the_disk_is_spared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, budget = make(tmp_path)
    free = os.statvfs(tmp_path)
    nearly_full = os.statvfs_result((*free[:4], (64 * MIB + STEP_BYTES) // free.f_frsize, *free[5:]))
    monkeypatch.setattr(os, "statvfs", lambda folder: nearly_full)
    spool.append(bytes(MIB), 1, 1)
    assert budget.ended == "the disk is nearly full"
    spool.close()
    assert list(read_spool(spool.path)) == []


def test_a_spool_that_cannot_be_made_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"record\.max_mb"):
        Spool(tmp_path / "000.spool", Budget(1000, tmp_path))
    with pytest.raises(RecordingError, match="nowhere"):
        Spool(tmp_path / "nowhere" / "000.spool", Budget(MIB, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_threads_take_turns(tmp_path: Path) -> None:
    spool, _ = make(tmp_path)
    spool.grow_ahead()
    given = [messages(400, 400, seed) for seed in range(3)]
    threads = [threading.Thread(target=take, args=(spool, part)) for part in given]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spool.close()
    assert spool.count + spool.missed == 1200
    every = [one for part in given for one in part]
    assert not spool.missed and sorted(read_spool(spool.path)) == sorted(every)


def _killed(path: Path) -> None:
    spool, _ = make(path)
    take(spool, messages(100, 300))
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_killed, args=(tmp_path,))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert list(read_spool(tmp_path / "000.spool")) == messages(100, 300)


def test_what_is_not_whole_is_left_out(tmp_path: Path) -> None:
    spool, _ = make(tmp_path)
    given = messages(10, 300)
    take(spool, given)
    spool.close()
    whole = spool.path.read_bytes()
    spool.path.write_bytes(whole[:-3])
    assert list(read_spool(spool.path)) == given[:-1]
    spool.path.write_bytes(whole[:HEADER_BYTES] + bytes(len(whole) - HEADER_BYTES))
    assert list(read_spool(spool.path)) == []
    spool.path.write_bytes(b"PAR1" + whole[4:])
    with pytest.raises(RecordingError, match="no spool"):
        list(read_spool(spool.path))
