"""The board's core, built for this computer with the sanitizers of the compiler: what it answers, and that no
bytes bring it down. The frames are made and read by the host's side, so both sides agree."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.rigs.serial_board.frames import Decoder, Frame, encode
from harness.sim.board.building import CORE_ON_HOST, build

pytestmark = pytest.mark.slow

BOOT, SAFE, ERROR = 0xC3, 0xC4, 0xFF
REQUESTS = [
    Frame(0x01, 1),
    Frame(0x02, 2, bytes(16)),
    Frame(0x03, 3, b"\0any\xff"),
    Frame(0x04, 4, bytes([1, 1])),
    Frame(0x05, 5, struct.pack("<BBI", 0, 1, 2000)),
    Frame(0x06, 6, struct.pack("<BBQI", 2, 1, 10_000_000, 5000)),
    Frame(0x07, 7, struct.pack("<BBI", 4, 1, 100_000)),
    Frame(0x08, 8, bytes([5, 1])),
    Frame(0x09, 9, struct.pack("<BBBI", 0, 3, 1, 0)),
    Frame(0x0A, 10, struct.pack("<BBHH", 3, 1, 100, 200)),
    Frame(0x0B, 11),
    Frame(0x0C, 12, struct.pack("<H", 500)),
    Frame(0x0D, 13),
]


@pytest.fixture(scope="module")
def core() -> Path:
    return build("host") / CORE_ON_HOST


def answers(core: Path, line: bytes) -> list[Frame]:
    ran = subprocess.run([core], check=False, input=line, capture_output=True, timeout=60)
    assert ran.returncode == 0, ran.stderr.decode()
    decoder = Decoder()
    found = list(decoder.take(ran.stdout))
    assert decoder.damaged == 0
    return found


def to(frames: list[Frame], sequence: int) -> Frame:
    [found] = [each for each in frames if each.sequence == sequence and each.type not in range(0xC0, 0xC8)]
    return found


def test_every_request_is_answered_once(core: Path) -> None:
    found = answers(core, b"".join(map(encode, REQUESTS)))
    assert found[0].type == BOOT
    for request in REQUESTS:
        assert to(found, request.sequence).type == request.type | 0x80
    assert to(found, 3).body == b"\0any\xff"
    taken, leaves = struct.unpack("<QQ", to(found, 2).body)
    assert taken < leaves


def test_later_versions_may_add_fields(core: Path) -> None:
    longer = [Frame(each.type, each.sequence, each.body + b"\7") for each in REQUESTS if each.type != 3]
    found = answers(core, b"".join(map(encode, longer)))
    for request in longer:
        assert to(found, request.sequence).type == request.type | 0x80


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Frame(0x03, 20, b"", version=2), 1),
        (Frame(0x00, 20), 2),
        (Frame(0x77, 20), 2),
        (Frame(0x05, 20, bytes(5)), 3),
        (Frame(0x02, 20, bytes(15)), 3),
        (Frame(0x04, 20, bytes([6, 1])), 4),
        (Frame(0x09, 20, struct.pack("<BBBI", 3, 1, 0, 0)), 4),
        (Frame(0x0E, 20, struct.pack("<BBI", 0, 9, 0)), 4),
        (Frame(0x0A, 20, struct.pack("<BBHH", 6, 1, 1, 2)), 4),
        (Frame(0x04, 20, bytes([1, 2])), 5),
        (Frame(0x05, 20, struct.pack("<BBI", 0, 1, 3)), 5),
        (Frame(0x0A, 20, struct.pack("<BBHH", 0, 1, 200, 100)), 5),
        (Frame(0x0C, 20, bytes(2)), 5),
        (Frame(0x06, 20, struct.pack("<BBQI", 0, 1, 0, 0)), 8),
        (Frame(0x06, 20, struct.pack("<BBQI", 0, 1, 1 << 40, 0)), 8),
    ],
)
def test_a_wrong_request_is_refused_with_its_reason(core: Path, request_: Frame, code: int) -> None:
    found = to(answers(core, encode(request_)), 20)
    assert (found.type, found.body) == (ERROR, bytes([request_.type, code]))


def test_busy_and_full_are_told(core: Path) -> None:
    pulse = struct.pack("<BBI", 0, 1, 1_000_000)
    found = answers(core, encode(Frame(5, 1, pulse)) + encode(Frame(5, 2, pulse)))
    assert (to(found, 1).type, to(found, 2).body) == (0x85, bytes([5, 6]))
    line = b"".join(
        encode(Frame(6, n, struct.pack("<BBQI", 1, 1, 10_000_000 + n * 100, 0))) for n in range(9)
    )
    found = answers(core, line)
    assert [to(found, n).type for n in range(8)] == [0x86] * 8
    assert to(found, 8).body == bytes([6, 7])


def test_a_pulse_and_a_schedule_are_done_in_their_order_and_seen_by_the_input(core: Path) -> None:
    arm = Frame(9, 1, struct.pack("<BBBI", 0, 3, 0, 0))
    late = Frame(6, 2, struct.pack("<BBQI", 0, 1, 100_000, 4000))
    early = Frame(6, 3, struct.pack("<BBQI", 0, 1, 50_000, 4000))
    found = answers(core, b"".join(map(encode, (arm, late, early, Frame(0x0C, 4, b"\xff\xff")))))
    changes = [struct.unpack_from("<BBQH", each.body) for each in found if each.type == 0xC2]
    assert [(flags, sequence) for _, flags, _, sequence in changes] == [(1, 3), (2, 3), (1, 2), (2, 2)]
    instants = [at for _, _, at, _ in changes]
    assert instants == sorted(instants)
    edges = [struct.unpack_from("<BBQHH", each.body) for each in found if each.type == 0xC1]
    assert [(level, number) for _, level, _, number, _ in edges] == [(1, 0), (0, 1), (1, 2), (0, 3)]


def test_a_silent_host_makes_it_safe_once_over_many_wraps_of_the_counter(core: Path) -> None:
    """At the end of its input the core lives on for 3e9 ticks, turn by turn."""
    found = answers(core, encode(Frame(8, 1, bytes([0, 1]))) + encode(Frame(4, 2, bytes([1, 1]))))
    safe = [each for each in found if each.type == SAFE]
    assert [each.body[0] for each in safe] == [1]


def test_a_board_that_was_never_spoken_to_is_silent(core: Path) -> None:
    assert [each.type for each in answers(core, b"")] == [BOOT]


def test_no_flip_of_one_or_two_bits_is_taken(core: Path) -> None:
    line = b"".join(map(encode, REQUESTS))
    ran = subprocess.run([core, "flips"], check=True, input=line, capture_output=True, timeout=120)
    whole, tried, taken = (int(word) for word in ran.stdout.split()[1::2])
    bits = [8 * len(encode(each)) for each in REQUESTS]
    assert (whole, tried, taken) == (len(REQUESTS), sum(n * (n + 1) // 2 for n in bits), 0)


def test_a_million_random_bytes_are_answered_by_nothing(core: Path) -> None:
    found = answers(core, random.Random(1).randbytes(1_000_000) + b"\0" + encode(Frame(3, 9, b"here")))
    assert [(each.type, each.body) for each in found if each.type not in (BOOT, SAFE)] == [(0x83, b"here")]


@settings(max_examples=150, deadline=None)
@given(
    parts=st.lists(
        st.one_of(
            st.binary(max_size=80),
            st.builds(
                lambda *of: encode(Frame(*of)),
                st.integers(0, 16),
                st.integers(0, 65535),
                st.binary(max_size=52),
                st.sampled_from([1, 1, 1, 0, 2]),
            ),
        ),
        max_size=30,
    )
)
def test_no_bytes_bring_it_down(core: Path, parts: list[bytes]) -> None:
    """Whole frames of any content among noise: the sanitizers end the program at the first wrong step."""
    found = answers(core, b"".join(parts) + b"\0" + encode(Frame(3, 77, b"still here")))
    assert Frame(0x83, 77, b"still here") in found
