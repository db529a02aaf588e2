"""The tape: what readers delivered, kept block by block in one file that may be cut anywhere (docs/tape.md).

    block    magic "TAPE" · version u8 · kind u8 · zero u16 · payload length u32 · CRC-32 of kind and payload u32
             · payload
    OPEN     JSON: the readers of the blocks that follow, their drivers, addresses and antennas, and when it began
    READS    deflated: reader u16 · zero u16 · reads u32 · new EPCs u32 · their bytes u32 · the EPCs, each after its
             length u8 · then the columns of COLUMNS, one after the other
    EVENT    JSON: a reader came or went, complained, or an input changed

Numbers are little-endian. EPCs are numbered from 0 in the order in which they first stand in the file. A block is whole
or it is not there: what was cut off is the last block at most. Opening a tape to go on writes another OPEN.

Pure: bytes in, events out; recording.py reads and writes the files.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final, get_args

import numpy as np

from readers.errors import RecordingError, TapeDamagedError
from readers.read import EpcTable, GpiChange, ReadBatch, ReaderEvent, ReaderNotice, ReaderState, Reads, empty_reads

MAGIC: Final = b"TAPE"
VERSION: Final = 1

OPEN, READS, EVENT = 1, 2, 3

_HEAD: Final = struct.Struct("<4sBBHII")
_READS_HEAD: Final = struct.Struct("<HHIII")

MAX_PAYLOAD_BYTES: Final = 1 << 26
"""A second of the busiest site is a few hundred kilobytes; a longer length is damage, and not worth waiting for."""

MAX_INFLATED_BYTES: Final = 1 << 28
"""A payload that grows beyond this was made to do harm."""

_DEFLATE_LEVEL: Final = 1
"""Halves what reads take in a tenth of the time of the usual level, and that level gains little."""

COLUMNS: Final = (
    ("epc", "<u4"),
    ("antenna", "<u2"),
    ("rssi_dbm", "<f4"),
    ("first_at_us", "<i8"),
    ("at_us", "<i8"),
    ("count", "<u2"),
    ("phase_rad", "<f4"),
    ("received_at_us", "<i8"),
)
"""The columns of READ_DTYPE and when each read came, in the order in which they stand in a block."""

_ROW_BYTES: Final = sum(np.dtype(code).itemsize for _, code in COLUMNS)


@dataclass(frozen=True, slots=True)
class TapeReader:
    """One reader of a tape."""

    name: str
    driver: str
    address: str
    antennas: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TapeOpened:
    """A recording began: the readers of what follows."""

    readers: tuple[TapeReader, ...]
    at_us: int


class TapeEncoder:
    """Events → blocks. `epcs` is the table of the batches; `held` are the EPCs that the file has already."""

    def __init__(self, readers: Sequence[TapeReader], epcs: EpcTable, held: Iterable[bytes] = ()) -> None:
        self._readers = tuple(readers)
        self._index = {reader.name: number for number, reader in enumerate(readers)}
        self._epcs = epcs
        self._held = {epc: number for number, epc in enumerate(held)}
        self._file_number: dict[int, int] = {}

    def open(self, at_us: int) -> bytes:
        """The block that a recording begins with."""
        return _json_block(OPEN, {"at_us": at_us, "readers": [asdict(reader) for reader in self._readers]})

    def reads(self, batches: Sequence[ReadBatch]) -> bytes:
        """The batches of one reader, in the order of their coming, as one block."""
        reads = np.concatenate([batch.reads for batch in batches])
        received = np.repeat([batch.received_at_us for batch in batches], [len(batch.reads) for batch in batches])
        table, places = np.unique(reads["epc"], return_inverse=True)
        fresh: list[bytes] = []
        numbers = np.array([self._number(number, fresh) for number in table.tolist()], np.uint32)[places]
        columns = {name: reads[name] for name in reads.dtype.names or ()} | {"epc": numbers, "received_at_us": received}
        new = b"".join(bytes([len(epc)]) + epc for epc in fresh)
        head = _READS_HEAD.pack(self._index[batches[0].reader], 0, len(reads), len(fresh), len(new))
        body = b"".join(np.ascontiguousarray(columns[name], code).tobytes() for name, code in COLUMNS)
        return _block(READS, zlib.compress(head + new + body, _DEFLATE_LEVEL))

    def event(self, event: ReaderState | ReaderNotice | GpiChange) -> bytes:
        """Anything that is not reads."""
        fields = asdict(event)
        if isinstance(event, ReaderState):
            fields["antennas"] = sorted(event.antennas)
        return _json_block(EVENT, {"event": type(event).__name__, **fields})

    def _number(self, number: int, fresh: list[bytes]) -> int:
        known = self._file_number.get(number)
        if known is None:
            epc = self._epcs.epc(number)
            known = self._held.get(epc)
            if known is None:
                known = self._held[epc] = len(self._held)
                fresh.append(epc)
            self._file_number[number] = known
        return known


class TapeDecoder:
    """Blocks → what they hold. `offset` is where the first byte stands that is not part of a whole block."""

    def __init__(self, epcs: EpcTable) -> None:
        self.epcs: list[bytes] = []
        self.offset = 0
        self._table = epcs
        self._numbers = np.empty(0, np.uint32)
        self._readers: tuple[TapeReader, ...] = ()
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes held that are no whole block yet; at the end of a file the ones that were cut off."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[ReaderEvent | TapeOpened]:
        """Everything that whole blocks hold. Raises TapeDamagedError at the first block that cannot be one."""
        self._buffer += data
        while (end := self._block_end()) is not None:
            head, payload = bytes(self._buffer[: _HEAD.size]), bytes(self._buffer[_HEAD.size : end])
            kind, crc = head[5], _HEAD.unpack(head)[5]
            if zlib.crc32(payload, kind) != crc:
                raise TapeDamagedError(self.offset, "a block whose checksum is wrong")
            try:
                events = list(self._events(kind, payload))
            except (ValueError, KeyError, TypeError, IndexError, struct.error, zlib.error) as error:
                raise TapeDamagedError(self.offset, f"a block that does not hold what it should: {error}") from error
            del self._buffer[:end]
            self.offset += end
            yield from events

    def _block_end(self) -> int | None:
        """Where the first block ends; None while it is not all there."""
        begun = bytes(self._buffer[: len(MAGIC)])
        if begun != MAGIC[: len(begun)]:
            raise TapeDamagedError(self.offset, "no block begins here")
        if len(self._buffer) < _HEAD.size:
            return None
        _, version, _, _, length, _ = _HEAD.unpack_from(self._buffer)
        if version != VERSION:
            raise RecordingError(f"version {version} of the format; this program reads version {VERSION}")
        if length > MAX_PAYLOAD_BYTES:
            raise TapeDamagedError(self.offset, f"a block of {length} bytes")
        end = _HEAD.size + int(length)
        return end if len(self._buffer) >= end else None

    def _events(self, kind: int, payload: bytes) -> Iterator[ReaderEvent | TapeOpened]:
        if kind == OPEN:
            said = json.loads(payload)
            self._readers = tuple(
                TapeReader(**{**reader, "antennas": tuple(reader["antennas"])}) for reader in said["readers"]
            )
            yield TapeOpened(self._readers, int(said["at_us"]))
        elif kind == READS:
            yield from self._batches(payload)
        elif kind == EVENT:
            yield _event(json.loads(payload))
        else:
            raise ValueError(f"kind {kind} is none of {OPEN}, {READS}, {EVENT}")

    def _batches(self, payload: bytes) -> Iterator[ReadBatch]:
        inflate = zlib.decompressobj()
        raw = inflate.decompress(payload, MAX_INFLATED_BYTES)
        if not inflate.eof:
            raise ValueError("reads that do not end")
        reader, _, count, fresh, length = _READS_HEAD.unpack_from(raw)
        begin = _READS_HEAD.size + length
        if len(raw) != begin + count * _ROW_BYTES:
            raise ValueError(f"{len(raw)} bytes where {count} reads are said to stand")
        name = self._readers[reader].name
        epcs = _split_epcs(raw[_READS_HEAD.size : begin], fresh)
        numbers = np.concatenate([self._numbers, self._table.numbers(epcs)])
        reads, received = _columns(raw, begin, count)
        reads["epc"] = numbers[reads["epc"]]
        self._numbers = numbers
        self.epcs += epcs
        edges = [0, *(np.flatnonzero(np.diff(received)) + 1).tolist(), count]
        for first, last in pairwise(edges):
            if last > first:
                yield ReadBatch(name, reads[first:last], int(received[first]))


def is_block(data: bytes) -> bool:
    """Whether a whole and sound block stands at the beginning of `data`."""
    if len(data) < _HEAD.size or not data.startswith(MAGIC):
        return False
    _, _, kind, _, length, crc = _HEAD.unpack_from(data)
    payload = data[_HEAD.size : _HEAD.size + length]
    return len(payload) == int(length) and zlib.crc32(payload, kind) == int(crc)


def _columns(raw: bytes, begin: int, count: int) -> tuple[Reads, np.ndarray[Any, np.dtype[np.int64]]]:
    reads, received = empty_reads(count), np.empty(0, np.int64)
    for name, code in COLUMNS:
        column = np.frombuffer(raw, code, count, begin)
        begin += column.nbytes
        if name == "received_at_us":
            received = column.astype(np.int64)
        else:
            reads[name] = column
    return reads, received


def _split_epcs(raw: bytes, count: int) -> list[bytes]:
    epcs, place = [], 0
    while place < len(raw):
        beyond = place + 1 + raw[place]
        epcs.append(raw[place + 1 : beyond])
        place = beyond
    if place != len(raw) or len(epcs) != count:
        raise ValueError(f"{len(epcs)} EPCs where {count} are said to stand")
    return epcs


def _event(said: Mapping[str, Any]) -> ReaderEvent:
    fields = dict(said)
    kind = fields.pop("event")
    if kind == "ReaderState":
        return ReaderState(**{**fields, "antennas": frozenset(fields["antennas"])})
    made = {type_.__name__: type_ for type_ in get_args(ReaderEvent)}[kind]
    event: ReaderEvent = made(**fields)
    return event


def _json_block(kind: int, said: Mapping[str, Any]) -> bytes:
    return _block(kind, json.dumps(said, separators=(",", ":")).encode())


def _block(kind: int, payload: bytes) -> bytes:
    return _HEAD.pack(MAGIC, VERSION, kind, 0, len(payload), zlib.crc32(payload, kind)) + payload
