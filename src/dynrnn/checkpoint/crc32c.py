"""CRC-32C (Castagnoli), the checksum of checkpoints, in numpy.

A CRC is linear over GF(2): the remainder of a message is the sum of the remainders of its parts, each moved past the
zeros that follow it. So a message is cut into lanes of `_LANE` bytes, whose remainders are computed side by side, four
bytes a step; then neighbours are added in a tree, where moving past ``n`` zero bytes is one 32 x 32 matrix over GF(2),
kept as four tables of 256. Zeros in front change nothing (the remainder starts from 0), so the first block is filled
up with them; what the customary start value 0xffffffff adds is known from the length alone.

Some hundred megabytes a second; a compiled version with the processor's own instruction is ten times as fast.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

__all__ = ["crc32c", "extend", "mask", "unmask"]

_POLYNOMIAL = 0x82F63B78
_LANE = 64
_LEVELS = 12
_BLOCK = _LANE << _LEVELS
_SHORT = 192
_ONES = 0xFFFFFFFF
_MASK_DELTA = 0xA282EAD8


def mask(crc: int) -> int:
    """The form in which a CRC is stored beside data that may itself hold CRCs."""
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & _ONES


def unmask(masked: int) -> int:
    """The inverse of :func:`mask`."""
    rotated = (masked - _MASK_DELTA) & _ONES
    return ((rotated >> 17) | (rotated << 15)) & _ONES


def _byte_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


_BYTES = _byte_table()


@cache
def _words() -> np.ndarray:
    """The remainder of two bytes, given as a little-endian number."""
    table = np.array(_BYTES, np.uint32)
    numbers = np.arange(1 << 16, dtype=np.uint32)
    first = table[numbers & 255]
    return table[(first ^ (numbers >> 8)) & 255] ^ (first >> 8)


@cache
def _words_and_two_zeros() -> np.ndarray:
    """The remainder of two bytes with two zero bytes behind them."""
    words = _words()
    return words[words & 0xFFFF] ^ (words >> 16)


def _apply(columns: list[int], value: int) -> int:
    result = 0
    for bit in range(32):
        if value >> bit & 1:
            result ^= columns[bit]
    return result


@cache
def _columns(power: int) -> tuple[int, ...]:
    """The matrix that moves a remainder past ``2 ** power`` zero bytes: its columns."""
    if power == 0:
        return tuple(_BYTES[(1 << bit) & 255] ^ ((1 << bit) >> 8) for bit in range(32))
    half = list(_columns(power - 1))
    return tuple(_apply(half, column) for column in half)


def _past_zeros(crc: int, count: int) -> int:
    power = 0
    while count:
        if count & 1:
            crc = _apply(list(_columns(power)), crc)
        count >>= 1
        power += 1
    return crc


@cache
def _tables(power: int) -> tuple[np.ndarray, ...]:
    """The matrix of :func:`_columns` as one table for each byte of a remainder."""
    columns = list(_columns(power))
    return tuple(
        np.array([_apply(columns, value << shift) for value in range(256)], np.uint32) for shift in (0, 8, 16, 24)
    )


def _moved(crcs: np.ndarray, power: int) -> np.ndarray:
    a, b, c, d = _tables(power)
    return a[crcs & 255] ^ b[(crcs >> 8) & 255] ^ c[(crcs >> 16) & 255] ^ d[crcs >> 24]


def _block(block: np.ndarray) -> int:
    """The remainder, from 0, of a block of ``_LANE << n`` bytes."""
    first, second = _words_and_two_zeros(), _words()
    columns = np.ascontiguousarray(block.view("<u4").reshape(-1, _LANE // 4).T)
    lanes = columns.shape[1]
    state, other, mixed = np.zeros(lanes, np.uint32), np.empty(lanes, np.uint32), np.empty(lanes, "<u4")
    low, high = mixed.view("<u2")[0::2], mixed.view("<u2")[1::2]
    for column in columns:
        np.bitwise_xor(state, column, out=mixed)
        np.take(first, low, out=state, mode="clip")
        np.take(second, high, out=other, mode="clip")
        np.bitwise_xor(state, other, out=state)
    power = _LANE.bit_length() - 1
    while len(state) > 1:
        state = _moved(state[0::2], power) ^ state[1::2]
        power += 1
    return int(state[0])


def extend(crc: int, data: Any) -> int:
    """The CRC of what ``crc`` is the CRC of, followed by ``data`` (anything with a contiguous buffer)."""
    octets = np.frombuffer(data, np.uint8)
    size = len(octets)
    state = crc ^ _ONES
    if size < _SHORT:
        for octet in octets.tolist():
            state = _BYTES[(state ^ octet) & 255] ^ (state >> 8)
        return state ^ _ONES
    state = _past_zeros(state, size)
    # the first block is the one that is not whole
    begin = size % _BLOCK
    total = 0
    if begin:
        lanes = -(-begin // _LANE)
        padded = np.zeros(_LANE << (lanes - 1).bit_length(), np.uint8)
        padded[len(padded) - begin :] = octets[:begin]
        total = _block(padded)
    for at in range(begin, size, _BLOCK):
        total = _past_zeros(total, _BLOCK) ^ _block(octets[at : at + _BLOCK])
    return state ^ total ^ _ONES


def crc32c(data: Any) -> int:
    """The CRC-32C of ``data``."""
    return extend(0, data)
