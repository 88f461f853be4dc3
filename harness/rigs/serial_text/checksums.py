"""Checksums of serial protocols, and how they are written."""

from __future__ import annotations

import binascii
import functools
import operator
from collections.abc import Callable
from typing import Final, Literal

Kind = Literal["xor", "sum8", "crc16_modbus", "crc16_ccitt", "crc16_xmodem"]
Form = Literal["HEX", "hex", "decimal", "little", "big"]


def _crc16_modbus(data: bytes) -> int:
    """Reflected polynomial 0xA001, initial value 0xFFFF: MODBUS over Serial Line 1.02, section 6.2.2."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


_KINDS: Final[dict[str, tuple[int, Callable[[bytes], int]]]] = {
    "xor": (1, lambda data: functools.reduce(operator.xor, data, 0)),
    "sum8": (1, lambda data: sum(data) & 0xFF),
    "crc16_modbus": (2, _crc16_modbus),
    # binascii.crc_hqx is the polynomial 0x1021, most significant bit first, of CCITT.
    "crc16_ccitt": (2, lambda data: binascii.crc_hqx(data, 0xFFFF)),
    "crc16_xmodem": (2, lambda data: binascii.crc_hqx(data, 0)),
}
"""Bytes that it takes, and the sum of some bytes."""


def compute(kind: str, data: bytes) -> int:
    """The checksum of that kind (:data:`Kind`)."""
    return _KINDS[kind][1](data)


def written(kind: str, data: bytes, form: str) -> bytes:
    """The checksum as it stands on the line, in that :data:`Form`."""
    width = _KINDS[kind][0]
    value = compute(kind, data)
    if form == "decimal":
        return str(value).encode()
    if form in ("HEX", "hex"):
        return f"{value:0{2 * width}{'X' if form == 'HEX' else 'x'}}".encode()
    return value.to_bytes(width, "little" if form == "little" else "big")
