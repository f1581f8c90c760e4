"""The 64-bit fingerprint of bytes with which TensorFlow deals strings to buckets: FarmHash's ``Fingerprint64``.

G. Pike, "FarmHash" (2014), variant ``na``: four formulas by length, of which the last goes through blocks of 64 bytes.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["fingerprint64"]

_MASK = 2**64 - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_SEED = 81

Fetch = Callable[[int], int]


def _rotate(value: int, bits: int) -> int:
    value &= _MASK
    return (value >> bits) | (value << (64 - bits) & _MASK)


def _mixed(value: int) -> int:
    value &= _MASK
    return value ^ (value >> 47)


def _both(u: int, v: int, factor: int) -> int:
    a = _mixed((u ^ v) * factor & _MASK)
    return _mixed(((v & _MASK) ^ a) * factor) * factor & _MASK


def _short(data: bytes, fetch: Fetch) -> int:
    size = len(data)
    factor = _K2 + size * 2
    if size >= 8:
        a, b = fetch(0) + _K2, fetch(size - 8)
        return _both(_rotate(b, 37) * factor + a & _MASK, (_rotate(a, 25) + b) * factor & _MASK, factor)
    if size >= 4:
        first, last = (int.from_bytes(part, "little") for part in (data[:4], data[-4:]))
        return _both(size + (first << 3), last, factor)
    if size:
        y = data[0] + (data[size >> 1] << 8)
        z = size + (data[-1] << 2)
        return _mixed(y * _K2 & _MASK ^ z * _K0 & _MASK) * _K2 & _MASK
    return _K2


def _medium(size: int, fetch: Fetch) -> tuple[int, int, int, int]:
    """The two mixtures of up to 32 bytes at both ends, and what longer strings need of them."""
    factor = _K2 + size * 2
    a, b = fetch(0) * (_K1 if size <= 32 else _K2), fetch(8)
    c, d = fetch(size - 8) * factor, fetch(size - 16) * _K2
    y = _rotate(a + b, 43) + _rotate(c, 30) + d & _MASK
    return y, a + _rotate(b + _K2, 18) + c & _MASK, a, factor


def _up_to_64(size: int, fetch: Fetch) -> int:
    y, rest, a, factor = _medium(size, fetch)
    z = _both(y, rest, factor)
    e, f = fetch(16) * factor, fetch(24)
    g, h = (y + fetch(size - 32)) * factor, (z + fetch(size - 24)) * factor
    return _both(_rotate(e + f, 43) + _rotate(g, 30) + h & _MASK, e + _rotate(f + a, 18) + g & _MASK, factor)


def _weak(fetch: Fetch, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (fetch(at + 8 * i) for i in range(4))
    a += w
    b = _rotate(b + a + z, 21)
    c = a
    a += x + y
    b += _rotate(a, 44)
    return a + z & _MASK, b + c & _MASK


def _long(size: int, fetch: Fetch) -> int:
    y = _SEED * _K1 + 113 & _MASK
    z = _mixed(y * _K2 + 113) * _K2 & _MASK
    v, w = (0, 0), (0, 0)
    x = _SEED * _K2 + fetch(0) & _MASK
    rest = (size - 1) & 63

    def block(at: int, factor: int, nine: int) -> None:
        nonlocal x, y, z, v, w
        x = _rotate(x + y + v[0] + fetch(at + 8), 37) * factor & _MASK
        y = _rotate(y + v[1] + fetch(at + 48), 42) * factor & _MASK
        x ^= w[1] * nine & _MASK
        y = y + v[0] * nine + fetch(at + 40) & _MASK
        z = _rotate(z + w[0], 33) * factor & _MASK
        v = _weak(fetch, at, v[1] * factor & _MASK, x + w[0])
        w = _weak(fetch, at + 32, z + w[1], y + fetch(at + 16))
        z, x = x, z

    for at in range(0, size - 1 - rest, 64):
        block(at, _K1, 1)
    factor = _K1 + ((z & 0xFF) << 1)
    w = (w[0] + rest, w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    block(size - 64, factor, 9)
    first = _both(v[0], w[0], factor) + _mixed(y) * _K0 + z
    return _both(first & _MASK, _both(v[1], w[1], factor) + x & _MASK, factor)


def fingerprint64(data: bytes) -> int:
    """The fingerprint of ``data``, from 0 to 2**64 - 1."""

    def fetch(at: int) -> int:
        return int.from_bytes(data[at : at + 8], "little")

    size = len(data)
    if size <= 16:
        return _short(data, fetch)
    if size <= 32:
        y, rest, _, factor = _medium(size, fetch)
        return _both(y, rest, factor)
    return _up_to_64(size, fetch) if size <= 64 else _long(size, fetch)
