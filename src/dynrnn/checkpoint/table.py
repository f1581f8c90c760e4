"""Sorted tables of strings: the file format of LevelDB, in which TensorFlow keeps the index of a checkpoint.

A file is blocks, then a footer. A block is entries, each ``(bytes shared with the key before, other bytes of the key,
bytes of the value)`` as three numbers and then the two strings; then the places of the entries that share nothing
(*restarts*), and their count. Behind each block stand one byte for its compression and a masked CRC of both. The last
block lists the others by a key that is not below their last; the footer says where it is.

The reader holds everything against each other: every byte of the file is either in a checksummed block or checked
itself, so a changed byte anywhere is an error. The writer makes what TensorFlow makes, byte for byte, uncompressed.
"""

from __future__ import annotations

from collections.abc import Iterable

from dynrnn.checkpoint import snappy
from dynrnn.checkpoint.crc32c import crc32c, mask
from dynrnn.checkpoint.errors import CheckpointError
from dynrnn.checkpoint.wire import read_varint, varint

__all__ = ["FOOTER_SIZE", "MAGIC", "is_table", "read_table", "write_table"]

MAGIC = 0xDB4775248B80FB57
FOOTER_SIZE = 48
_TRAILER = 5
_PLAIN, _SNAPPY = 0, 1
_RESTART_INTERVAL = 16
_BLOCK_SIZE = 262144
# Keys are stored without what they share with the one before, so a small block could stand for endless keys. Real
# writers share within 16 entries.
_KEY_LIMIT = 1 << 20
_KEYS_PER_BYTE = 32


def is_table(data: bytes) -> bool:
    """Whether a file with these last bytes is a table."""
    return len(data) >= FOOTER_SIZE and int.from_bytes(data[-8:], "little") == MAGIC


def read_table(data: bytes) -> list[tuple[bytes, memoryview]]:
    """All entries of a table, in order; the values are views of ``data`` where it is not compressed.

    Raises:
        CheckpointError: ``data`` is no table, or a part of it was changed.
    """
    view = memoryview(data)
    if not is_table(data):
        raise CheckpointError(
            "not an sstable (bad magic number): perhaps your file is in a different file format and you need to use a "
            "different restore operator?"
        )
    footer = view[-FOOTER_SIZE:-8]
    blocks_end = len(view) - FOOTER_SIZE
    meta_at, meta_size, at = _handle(footer, 0)
    index_at, index_size, _ = _handle(footer, at)
    # the one part without a checksum, so it must be what a writer makes, to the bit
    handles = varint(meta_at) + varint(meta_size) + varint(index_at) + varint(index_size)
    if bytes(footer) != handles + bytes(len(footer) - len(handles)):
        raise CheckpointError("the footer of the table was changed")
    list(_entries(_block(view, meta_at, meta_size, blocks_end)))
    result: list[tuple[bytes, memoryview]] = []
    last: bytes | None = None
    seen = 0
    for limit, handle in _entries(_block(view, index_at, index_size, blocks_end)):
        block_at, block_size, end = _handle(handle, 0)
        if end != len(handle):
            raise CheckpointError("the index of the table was changed")
        seen += block_size + _TRAILER
        if seen > blocks_end:  # a table that lists a block twice could be read for ever
            raise CheckpointError("the blocks of the table are larger than the file")
        for key, value in _entries(_block(view, block_at, block_size, blocks_end)):
            if last is not None and key <= last:
                raise CheckpointError("the keys of the table are not in order")
            last = key
            result.append((key, value))
        if last is not None and last > limit:
            raise CheckpointError("the keys of the table are not in order")
    return result


def _handle(data: memoryview, at: int) -> tuple[int, int, int]:
    offset, at = read_varint(data, at)
    size, at = read_varint(data, at)
    return offset, size, at


def _block(file: memoryview, at: int, size: int, limit: int) -> memoryview:
    """The content of the block of ``size`` bytes at ``at``, which with its trailer must end before ``limit``."""
    if at > limit or size + _TRAILER > limit - at:
        raise CheckpointError(f"a block of {size} bytes at {at} is outside the table of {limit} bytes")
    stored = int.from_bytes(file[at + size + 1 : at + size + _TRAILER], "little")
    if mask(crc32c(file[at : at + size + 1])) != stored:
        raise CheckpointError(f"block checksum mismatch in the block at {at}")
    kind = file[at + size]
    content = file[at : at + size]
    if kind == _PLAIN:
        return content
    if kind == _SNAPPY:
        return memoryview(snappy.decompress(content))
    raise CheckpointError(f"a block has the unknown compression {kind}")


def _entries(block: memoryview) -> list[tuple[bytes, memoryview]]:
    if len(block) < 4:
        raise CheckpointError("a block is too short")
    restarts = int.from_bytes(block[-4:], "little")
    if restarts > (len(block) - 4) // 4:
        raise CheckpointError(f"a block of {len(block)} bytes cannot have {restarts} restarts")
    end = len(block) - 4 - 4 * restarts
    result = []
    at, key, keys = 0, b"", 0
    budget = _KEY_LIMIT + _KEYS_PER_BYTE * len(block)
    while at < end:
        shared, at = read_varint(block, at, end)
        own, at = read_varint(block, at, end)
        size, at = read_varint(block, at, end)
        if shared > len(key) or own > end - at or size > end - at - own or shared + own > _KEY_LIMIT:
            raise CheckpointError("an entry of a block is longer than there is room for")
        keys += shared + own
        if keys > budget:
            raise CheckpointError("the keys of a block are larger than they can be")
        key = key[:shared] + bytes(block[at : at + own])
        at += own
        result.append((key, block[at : at + size]))
        at += size
    return result


# --- writing ----------------------------------------------------------------------------------------------------------


class _BlockBuilder:
    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._parts: list[bytes] = []
        self._restarts = [0]
        self._count = 0
        self._key = b""
        self.size = 0

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self._count < self._interval:
            limit = min(len(key), len(self._key))
            while shared < limit and key[shared] == self._key[shared]:
                shared += 1
        else:
            self._restarts.append(self.size)
            self._count = 0
        entry = varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        self._parts.append(entry)
        self.size += len(entry)
        self._key = key
        self._count += 1

    @property
    def estimate(self) -> int:
        return self.size + 4 * len(self._restarts) + 4

    def finish(self) -> bytes:
        numbers = [*self._restarts, len(self._restarts)]
        return b"".join([*self._parts, *(n.to_bytes(4, "little") for n in numbers)])


def _between(low: bytes, high: bytes) -> bytes:
    """A short string that is not below ``low`` and is below ``high``."""
    at = 0
    while at < min(len(low), len(high)) and low[at] == high[at]:
        at += 1
    if at < min(len(low), len(high)) and low[at] < 0xFF and low[at] + 1 < high[at]:
        return low[:at] + bytes([low[at] + 1])
    return low


def _above(key: bytes) -> bytes:
    """A short string that is not below ``key``."""
    for at, octet in enumerate(key):
        if octet != 0xFF:
            return key[:at] + bytes([octet + 1])
    return key


def write_table(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The file for ``entries``, whose keys must rise.

    Raises:
        ValueError: they do not.
    """
    out = bytearray()

    def put(content: bytes) -> bytes:
        handle = varint(len(out)) + varint(len(content))
        out.extend(content)
        out.append(_PLAIN)
        out.extend(mask(crc32c(content + bytes([_PLAIN]))).to_bytes(4, "little"))
        return handle

    index = _BlockBuilder(1)
    block = _BlockBuilder(_RESTART_INTERVAL)
    handle: bytes | None = None  # of a block that the index does not list yet
    last: bytes | None = None
    for key, value in entries:
        if last is not None and key <= last:
            raise ValueError(f"expected keys in rising order, got {key!r} after {last!r}")
        if last is not None and block.size and len(key) + len(value) >= 2 * _BLOCK_SIZE:
            handle = put(block.finish())
            block = _BlockBuilder(_RESTART_INTERVAL)
        if handle is not None and last is not None:
            index.add(_between(last, key), handle)
            handle = None
        block.add(key, value)
        last = key
        if block.estimate >= _BLOCK_SIZE:
            handle = put(block.finish())
            block = _BlockBuilder(_RESTART_INTERVAL)
    if block.size:
        handle = put(block.finish())
    meta_handle = put(_BlockBuilder(_RESTART_INTERVAL).finish())
    if handle is not None and last is not None:
        index.add(_above(last), handle)
    index_handle = put(index.finish())
    footer = meta_handle + index_handle
    out += footer + bytes(FOOTER_SIZE - 8 - len(footer)) + MAGIC.to_bytes(8, "little")
    return bytes(out)
