"""The byte layout of one TagReportData, learnt from its bytes: where each value stands, and which bytes must be the
same in another record for the layout to hold there too.

Readers send the same few layouts for hours. So a record is walked parameter by parameter once; later ones are only
held against the learnt bytes, all at once under a mask, and then read by one struct, or many at a time as columns of a
numpy structured type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from struct import Struct, calcsize
from types import MappingProxyType
from typing import Any, Final, NoReturn

import numpy as np

from readers.errors import DecodeError
from readers.llrp.table import PARAMETERS
from readers.llrp.vendor import CENTI_DBM, IMPINJ, IMPINJ_PEAK_RSSI, IMPINJ_RF_PHASE_ANGLE, RAD_PER_PHASE_STEP

TLV_HEADER: Final = Struct("!HH")
EPC_BIT_COUNT: Final = Struct("!H")
CUSTOM_NUMBERS: Final = Struct("!II")

EPC_DATA: Final = 241
CUSTOM: Final = 1023

TV_SIZES: Final[Mapping[int, int]] = MappingProxyType(
    {entry.type: sum(field.bits for field in entry.fields) // 8 for entry in PARAMETERS if entry.is_tv}
    # Added by LLRP 1.1: a client request's result and the two XPC words.
    | {15: 2, 19: 2, 20: 2}
)
"""TV parameter type → payload bytes."""

VALUES: Final = ("epc", "antenna", "rssi", "first", "last", "count", "phase")
"""What a record may give, in the order in which `Layout.pick` returns it."""

TV_VALUES: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        1: ("antenna", "H"),
        2: ("first", "Q"),
        3: ("first", "Q"),
        4: ("last", "Q"),
        5: ("last", "Q"),
        6: ("rssi", "b"),
        8: ("count", "H"),
        13: ("epc", "12s"),
    }
)
"""TV parameter type → the value it carries, and its struct format."""

UPTIME_TYPES: Final = frozenset({3, 5})

IMPINJ_VALUES: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {IMPINJ_RF_PHASE_ANGLE: ("phase", "H"), IMPINJ_PEAK_RSSI: ("rssi", "h")}
)

COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {"antenna": "antenna", "rssi": "rssi_dbm", "first": "first_at_us", "last": "at_us", "count": "count"}
)
"""Value → the column of READ_DTYPE that takes it as it is."""

SCALED: Final[Mapping[str, tuple[str, float]]] = MappingProxyType(
    {"rssi": ("rssi_dbm", 1.0 / CENTI_DBM), "phase": ("phase_rad", RAD_PER_PHASE_STEP)}
)
"""Vendor's value → the column of READ_DTYPE, and its unit in that of the column."""

NUMPY_FORMATS: Final[Mapping[str, str]] = MappingProxyType({"H": ">u2", "Q": ">i8", "b": "i1", "h": ">i2"})

P_PARAMETER_ERROR: Final = 200
P_FIELD_ERROR: Final = 201
P_MISSING_PARAMETER: Final = 203
P_DUPLICATE_PARAMETER: Final = 204
P_UNKNOWN_PARAMETER: Final = 207
A_OUT_OF_RANGE: Final = 301


def refuse(message: str, status_code: int) -> NoReturn:
    """Raise the DecodeError of a record that breaks the protocol."""
    raise DecodeError(message, status_code=status_code, where="RO_ACCESS_REPORT/TagReportData")


class Layout:
    """One layout of TagReportData, `length` bytes long: it holds for every record with `record & fixed == pattern`.

    One record: `holds` says so, `row.unpack_from` gives its values, and `pick(values + carried)` puts them into the
    order of VALUES, the absent ones from `carried` (without the EPC, which is never absent).
    Many records: `dtype` reads them as columns (columns.py), of which `copied` (value, column of READ_DTYPE) go over as
    they are, and `scaled` (value, column, unit) in another unit.
    `is_whole`: nothing that can be carried is absent. `low_count_at`: where TagSeenCount has its low byte, or None.
    """

    __slots__ = (
        "copied",
        "dtype",
        "epc_bytes",
        "expected",
        "fixed",
        "is_whole",
        "length",
        "low_count_at",
        "mask",
        "pattern",
        "pick",
        "present",
        "row",
        "rssi_is_centi",
        "scaled",
        "uptime",
    )

    def __init__(self, record: bytes) -> None:
        walk = _Walk(record)
        self.length = len(record)
        self.present = frozenset(walk.places)
        self.rssi_is_centi = walk.places.get("rssi", (0, ""))[1] == "h"
        self.uptime = frozenset(walk.uptime)
        self.fixed = bytes(0xFF * byte for byte in walk.fixed)
        self.mask = int.from_bytes(self.fixed)
        self.expected = int.from_bytes(record) & self.mask
        self.pattern = self.expected.to_bytes(self.length)
        self.epc_bytes = calcsize(walk.places["epc"][1])
        self.copied = tuple(
            (name, COLUMNS[name])
            for name in walk.places
            if name in COLUMNS and not (name == "rssi" and self.rssi_is_centi)
        )
        self.scaled = tuple(
            (name, *SCALED[name]) for name in walk.places if name == "phase" or (name == "rssi" and self.rssi_is_centi)
        )
        self.is_whole = self.present.issuperset(COLUMNS)
        self.low_count_at = walk.places["count"][0] + 1 if "count" in walk.places else None
        self.dtype: np.dtype[np.void] | None = self._columns(walk)
        self.row, self.pick = _row(walk.places)

    def holds(self, record: bytes) -> bool:
        """Whether a record of this length has this layout."""
        return int.from_bytes(record) & self.mask == self.expected

    def _columns(self, walk: _Walk) -> np.dtype[np.void] | None:
        """The structured type of this layout; None for a zero-length EPC, which has no column."""
        if not self.epc_bytes:
            return None
        columns = {
            name: (at, f"V{self.epc_bytes}" if name == "epc" else NUMPY_FORMATS[form])
            for name, (at, form) in walk.places.items()
        }
        return np.dtype(
            {
                "names": list(columns),
                "formats": [form for _, form in columns.values()],
                "offsets": [at for at, _ in columns.values()],
                "itemsize": self.length,
            }
        )


def _row(places: Mapping[str, tuple[int, str]]) -> tuple[Struct, Callable[[tuple[Any, ...]], tuple[Any, ...]]]:
    """A struct of the values of a record, all else passed over, and how to pick VALUES from its tuple."""
    form, at = "!", 0
    order = sorted(places, key=lambda name: places[name][0])
    for name in order:
        start, code = places[name]
        form += f"{start - at}x{code}"
        at = start + calcsize("!" + code)
    # What the record does not give stands behind its own values, in the order of VALUES without the EPC.
    where = (order.index(name) if name in order else len(order) + VALUES.index(name) - 1 for name in VALUES)
    return Struct(form), itemgetter(*where)


class _Walk:
    """One pass over a record: `places` of values (offset, format); `fixed` is 1 where a byte belongs to the layout."""

    def __init__(self, record: bytes) -> None:
        self._record = record
        self.places: dict[str, tuple[int, str]] = {}
        self.uptime: set[str] = set()
        self.fixed = bytearray(len(record))
        self._fix(0, TLV_HEADER.size)
        at = TLV_HEADER.size
        while at < len(record):
            at = self._tv(at) if record[at] & 0x80 else self._tlv(at)
        if "epc" not in self.places:
            refuse("the EPC is missing", P_MISSING_PARAMETER)

    def _fix(self, at: int, size: int) -> None:
        self.fixed[at : at + size] = b"\1" * size

    def _place(self, name: str, at: int, form: str) -> None:
        if name in self.places:
            refuse(f"{name} comes twice", P_DUPLICATE_PARAMETER)
        self.places[name] = (at, form)

    def _tv(self, at: int) -> int:
        kind = self._record[at] & 0x7F
        size = TV_SIZES.get(kind)
        if size is None:
            refuse(f"no such parameter type: {kind}", P_UNKNOWN_PARAMETER)
        end = at + 1 + size
        if end > len(self._record):
            refuse(f"parameter type {kind} is cut short", P_FIELD_ERROR)
        self._fix(at, 1)
        if kind in TV_VALUES:
            self._take_tv(kind, at + 1)
        return end

    def _take_tv(self, kind: int, at: int) -> None:
        name, form = TV_VALUES[kind]
        if form == "Q":
            # 56 bits of microseconds reach that far, and with an offset they still fit 64 signed bits. So the highest
            # byte is always 0 and belongs to the layout.
            if self._record[at]:
                refuse("a time lies beyond the year 4253", A_OUT_OF_RANGE)
            self._fix(at, 1)
            if kind in UPTIME_TYPES:
                self.uptime.add(name)
        if name == "rssi" and "rssi" in self.places and self.places["rssi"][1] == "h":
            return
        self._place(name, at, form)

    def _tlv(self, at: int) -> int:
        left = len(self._record) - at
        if left < TLV_HEADER.size:
            refuse(f"{left} bytes are left over, too few for a parameter", P_PARAMETER_ERROR)
        kind, size = TLV_HEADER.unpack_from(self._record, at)
        if kind >> 10 or not TLV_HEADER.size <= size <= left:
            refuse(f"parameter type {kind} claims {size} bytes, {left} are here", P_PARAMETER_ERROR)
        self._fix(at, TLV_HEADER.size)
        if kind == EPC_DATA:
            self._take_epc(at + TLV_HEADER.size, at + size)
        elif kind == CUSTOM:
            self._take_custom(at + TLV_HEADER.size, at + size)
        return at + int(size)

    def _take_epc(self, at: int, end: int) -> None:
        if end - at < EPC_BIT_COUNT.size:
            refuse("EPCData has no room for its bit count", P_FIELD_ERROR)
        (bits,) = EPC_BIT_COUNT.unpack_from(self._record, at)
        start = at + EPC_BIT_COUNT.size
        if (bits + 7) // 8 != end - start:
            refuse(f"EPCData announces {bits} bits in {end - start} bytes", P_FIELD_ERROR)
        self._fix(at, EPC_BIT_COUNT.size)
        self._place("epc", start, f"{end - start}s")

    def _take_custom(self, at: int, end: int) -> None:
        if end - at < CUSTOM_NUMBERS.size:
            refuse("Custom has no room for vendor and subtype", P_FIELD_ERROR)
        self._fix(at, CUSTOM_NUMBERS.size)
        vendor, subtype = CUSTOM_NUMBERS.unpack_from(self._record, at)
        if vendor != IMPINJ or subtype not in IMPINJ_VALUES:
            return
        name, form = IMPINJ_VALUES[subtype]
        start = at + CUSTOM_NUMBERS.size
        if end - start != calcsize(form):
            refuse(f"the vendor's {name} is {end - start} bytes, not {calcsize(form)}", P_FIELD_ERROR)
        if name == "rssi" and self.places.get("rssi", (0, ""))[1] == "b":
            del self.places["rssi"]  # the vendor's is finer
        self._place(name, start, form)
