"""Frames of the bench board's line: nothing that is damaged is taken, and one frame later all is well."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.rigs.serial_board.frames import MAX_ENCODED, Decoder, Frame, decode, encode

FRAMES = [
    Frame(0x01, 0),
    Frame(0x03, 0xFFFF, bytes(range(1, 20))),
    Frame(0x82, 0x0100, bytes(16)),
    Frame(0xC1, 7, bytes.fromhex("0001 6a18000000000000 0100 0000")),
]
BODIES = st.binary(max_size=52)
WHOLE = st.builds(Frame, st.integers(0, 255), st.integers(0, 65535), BODIES, st.integers(0, 255))


def taken(data: bytes) -> list[Frame]:
    return list(Decoder().take(data))


@given(frames=st.lists(WHOLE, max_size=8), cuts=st.lists(st.integers(0, 600), max_size=6))
def test_frames_come_out_as_they_went_in_however_they_are_cut(frames: list[Frame], cuts: list[int]) -> None:
    line = b"".join(map(encode, frames))
    edges = [0, *sorted(min(cut, len(line)) for cut in cuts), len(line)]
    decoder = Decoder()
    found = [frame for a, b in pairwise(edges) for frame in decoder.take(line[a:b])]
    assert found == frames
    assert (decoder.whole, decoder.damaged) == (len(frames), 0)


def test_a_body_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="60"):
        encode(Frame(3, 1, bytes(53)))


@pytest.mark.slow
@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: f"{frame.type:#04x}")
def test_no_flip_of_one_or_two_bits_is_taken(frame: Frame) -> None:
    """The delimiter's bits as well: then the frame goes on into the next, of which there is none here."""
    line = bytearray(encode(frame))
    bits = range(len(line) * 8)
    tried = 0
    for flips in [*((bit,) for bit in bits), *combinations(bits, 2)]:
        for bit in flips:
            line[bit // 8] ^= 1 << bit % 8
        assert taken(bytes(line) + b"\0") == [], flips
        for bit in flips:
            line[bit // 8] ^= 1 << bit % 8
        tried += 1
    assert tried == len(bits) * (len(bits) + 1) // 2
    assert taken(bytes(line)) == [frame]


@pytest.mark.slow
def test_a_million_random_bytes_are_no_frame_and_the_next_one_is_whole() -> None:
    noise = random.Random(8)
    decoder = Decoder()
    for _ in range(1000):
        assert list(decoder.take(noise.randbytes(1000))) == []
    assert decoder.damaged > 3000
    # What stood before it ends with a zero, which a host sends first: the frame itself is not lost.
    assert list(decoder.take(b"\0" + encode(FRAMES[1]))) == [FRAMES[1]]


@given(st.binary(max_size=300), WHOLE, WHOLE)
def test_after_any_noise_the_second_frame_is_whole(noise: bytes, first: Frame, second: Frame) -> None:
    found = taken(noise + encode(first) + encode(second))
    assert found[-1] == second


@settings(max_examples=300)
@given(st.binary(max_size=2 * MAX_ENCODED))
def test_whatever_is_taken_was_a_frame(data: bytes) -> None:
    frame = decode(data.replace(b"\0", b"\1"))
    if frame is not None:
        assert encode(frame)[:-1] == data.replace(b"\0", b"\1")


def test_a_line_without_zeros_costs_no_memory() -> None:
    decoder = Decoder()
    for _ in range(100):
        assert list(decoder.take(b"\x55" * 1000)) == []
        assert len(decoder._rest) <= MAX_ENCODED
    assert list(decoder.take(b"\0" + encode(FRAMES[0]))) == [FRAMES[0]]
    assert decoder.damaged == 1
