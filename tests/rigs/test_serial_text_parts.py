"""Checksums, templates and what is read from a line, without a line."""

from __future__ import annotations

import re
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.rigs.serial_text.checksums import compute, written
from harness.rigs.serial_text.reading import LONGEST, Lines, Reader
from harness.rigs.serial_text.template import Rule, Template, in_bytes

CHECKED = b"123456789"
"""Of this every catalogue of checksums gives the value."""


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("xor", 0x31),
        ("sum8", 0xDD),
        ("crc16_modbus", 0x4B37),
        ("crc16_ccitt", 0x29B1),
        ("crc16_xmodem", 0x31C3),
    ],
)
def test_checksums_are_those_of_the_catalogues(kind: str, value: int) -> None:
    assert compute(kind, CHECKED) == value
    assert compute(kind, b"") in (0, 0xFFFF)


def test_checksums_are_written_in_every_form() -> None:
    assert written("xor", b"\x0a", "HEX") == b"0A"
    assert written("xor", b"\x0a", "hex") == b"0a"
    assert written("xor", b"\x0a", "decimal") == b"10"
    assert written("crc16_modbus", CHECKED, "HEX") == b"4B37"
    assert written("crc16_modbus", CHECKED, "little") == b"\x37\x4b"
    assert written("crc16_modbus", CHECKED, "big") == b"\x4b\x37"


def test_a_sentence_of_nmea_has_the_checksum_that_the_standard_gives_it() -> None:
    """An example that many pages on NMEA 0183 show."""
    template = Template(
        "$GPGLL,{lat:.2f},N,{lon:08.2f},W,225444,A,*{checksum}\r\n", Rule("xor", b"$", b"*", "HEX")
    )
    assert (
        template.render(0, {"lat": 4916.45, "lon": 12311.12})
        == b"$GPGLL,4916.45,N,12311.12,W,225444,A,*1D\r\n"
    )


def test_values_go_in_as_text_and_as_bytes() -> None:
    template = Template("\x02{key:>H}{speed:<h}{word}{{{checksum}", Rule("sum8", b"\x02", b"", "big"))
    head = b"\x02\x00\x07\x38\xffgo{"
    assert template.render(7, {"speed": -200, "word": "go"}) == head + bytes([sum(head[1:]) & 0xFF])
    assert (template.keyed, template.names) == (True, ["speed", "word"])
    assert template.render(7, {"speed": -200.0, "word": "go"})[3:5] == b"\x38\xff"


@pytest.mark.parametrize(
    ("text", "rule", "what"),
    [
        ("go {0}", None, "write a name"),
        ("go {speed!r}", None, "write a name"),
        ("go {speed", None, "expected"),
        ("go {checksum}", None, "need each other"),
        ("go", Rule("xor", b"", b"", "HEX"), "need each other"),
        ("{checksum}{checksum}", Rule("xor", b"", b"", "HEX"), "need each other"),
        ("{checksum:02X}", Rule("xor", b"", b"", "HEX"), "takes no form"),
        ("5 €", None, "no byte"),
    ],
)
def test_what_is_no_template_is_refused(text: str, rule: Rule | None, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Template(text, rule)


@pytest.mark.parametrize(
    ("form", "value", "what"),
    [
        (":.2f", "fast", "cannot be written"),
        (":d", 0.5, "cannot be written"),
        (":<h", 40_000, "cannot be written"),
        (":<h", 0.5, "whole number"),
        ("", None, "a number or a text"),
        ("", [1], "a number or a text"),
        ("", "€", "cannot be written"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_place(form: str, value: object, what: str) -> None:
    with pytest.raises(ValueError, match=what) as caught:
        Template("{speed" + form + "}", None).render(0, {"speed": value})
    assert "speed" in str(caught.value)


def test_a_mark_of_the_checksum_that_is_not_there_is_told() -> None:
    for text, what in (("DRV*{checksum}", "after which"), ("$DRV{checksum}", "right before")):
        with pytest.raises(ValueError, match=what):
            Template(text, Rule("xor", b"$", b"*", "HEX")).render(0, {})


@given(
    lines=st.lists(
        st.binary(min_size=1, max_size=20).filter(lambda line: b"\n" not in line and line[-1:] != b"\r")
    ),
    cuts=st.lists(st.integers(0, 400), max_size=8),
    end=st.sampled_from([b"\n", b"\r\n"]),
)
def test_lines_come_out_whole_however_they_are_cut(lines: list[bytes], cuts: list[int], end: bytes) -> None:
    stream = b"".join(line + end for line in lines)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    cutter = Lines(b"\n")
    found = [(p, b) for a, b in pairwise(edges) if a < b for p in cutter.take(stream[a:b], b)]
    assert [piece.data for piece, _ in found] == lines
    begin = 0
    for piece, seen in found:
        finish = begin + len(piece.data) + len(end)
        # Each edge's chunk is stamped with its end: the byte's chunk is the first that ends beyond it.
        assert piece.first_ns == min(edge for edge in edges if edge > begin)
        assert piece.last_ns == min(edge for edge in edges if edge >= finish) == seen
        begin = finish


@given(
    numbers=st.lists(st.integers(0, 65535), max_size=12),
    cuts=st.lists(st.integers(0, 80), max_size=6),
    noise=st.binary(max_size=6).filter(lambda data: b"\x06" not in data),
)
def test_messages_are_found_in_a_stream_of_bytes(numbers: list[int], cuts: list[int], noise: bytes) -> None:
    rule = Rule("crc16_modbus", b"", b"", "little")
    heads = [b"\x06" + struct.pack("<H", number) for number in numbers]
    stream = b"".join(noise + head + written("crc16_modbus", head, "little") for head in heads)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pattern = re.compile(rb"\x06(?P<number>..)(?P<checksum>..)", re.DOTALL)
    reader = Reader(pattern, {"number": "<H"}, rule)
    found = [one for a, b in pairwise(edges) if a < b for one in reader.stream(stream[a:b], b)]
    assert [one.numbers["number"] for one in found] == numbers
    assert all(one.whole for one in found)


def test_a_damaged_message_is_found_and_told_apart() -> None:
    pattern = re.compile(rb"\$ACK,(?P<number>\d+)\*(?P<checksum>..)")
    reader = Reader(pattern, {"number": ""}, Rule("xor", b"$", b"*", "HEX"))
    good, other_sum, bad, other = (
        reader.line(next(Lines(b"\n").take(text + b"\n", 1)))
        for text in (b"$ACK,7*52", b"$ACK,26*60", b"$ACK,8*52", b"noise")
    )
    assert good is not None and good.whole and good.numbers == {"number": 7}
    assert isinstance(good.numbers["number"], int)
    assert other_sum is not None and not other_sum.whole
    assert bad is not None and not bad.whole
    assert other is None


def test_digits_of_a_checksum_may_be_of_either_case_and_bytes_may_not() -> None:
    text = Rule("sum8", b"", b"", "HEX")
    assert text.fits(b"\xaa", b"aa") and text.fits(b"\xaa", b"AA")
    raw = Rule("sum8", b"", b"", "big")
    assert raw.fits(b"a", b"a") and not raw.fits(b"a", b"A")


def test_a_line_without_an_end_costs_no_memory() -> None:
    lines = Lines(b"\n")
    for number in range(100):
        assert list(lines.take(b"x" * 1000, number)) == []
        assert len(lines.buffer.data) <= LONGEST
    assert lines.buffer.thrown == 100_000 - LONGEST
    [piece] = lines.take(b"\nnext", 100)
    assert len(piece.data) == LONGEST - len(b"\nnext")
    assert [each.data for each in lines.take(b" one\n", 101)] == [b"next one"]


def test_a_character_is_a_byte() -> None:
    assert in_bytes("\x00\xff") == b"\x00\xff"
