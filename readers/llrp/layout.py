"""The byte layout of one TagReportData, learnt from its bytes: where each value stands, and which bytes must be the
same in another record for the layout to hold there too.

Readers send the same few layouts for hours. So a record is walked parameter by parameter once; later ones are only
held against the learnt bytes, and then read by one struct, or many at a time as columns of a numpy structured type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from struct import Struct, calcsize
from types import MappingProxyType
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from readers.errors import DecodeError
from readers.llrp.table import PARAMETERS
from readers.llrp.vendor import IMPINJ, IMPINJ_PEAK_RSSI, IMPINJ_RF_PHASE_ANGLE

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

NUMPY_FORMATS: Final[Mapping[str, str]] = MappingProxyType({"H": ">u2", "Q": ">i8", "b": "i1", "h": ">i2"})

TIME_BITS: Final = 56
"""Times in microseconds have no more bits: they end in the year 4253, and with an offset still fit 64 signed bits.
So the highest byte is always 0 and belongs to the layout.
"""

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
    """One layout of TagReportData, `length` bytes long.

    One record: `row.unpack_from` gives a tuple; where `key(tuple) == expected`, the layout holds and
    `pick(tuple + carried)` gives VALUES, the absent ones from `carried` (without the EPC, which is never absent).
    Many records: where `view[:, checked]` equals `pattern` in every row, `dtype` reads them all.
    """

    __slots__ = (
        "checked",
        "dtype",
        "expected",
        "has_first",
        "has_last",
        "key",
        "length",
        "pattern",
        "pick",
        "present",
        "row",
        "rssi_is_centi",
        "uptime",
    )

    def __init__(self, record: bytes) -> None:
        walk = _Walk(record)
        self.length = len(record)
        self.present = frozenset(walk.places)
        self.has_first = "first" in self.present
        self.has_last = "last" in self.present
        self.rssi_is_centi = walk.places.get("rssi", (0, ""))[1] == "h"
        self.uptime = frozenset(walk.uptime)
        self.checked: NDArray[np.intp] = np.flatnonzero(np.frombuffer(walk.fixed, np.uint8))
        self.pattern = bytes(record[at] for at in self.checked)
        self.dtype: np.dtype[np.void] | None = self._columns(walk)
        self._compile_row(record, walk)

    def _columns(self, walk: _Walk) -> np.dtype[np.void] | None:
        """The structured type of this layout; None for a zero-length EPC, which has no column."""
        formats = {
            name: f"V{calcsize(form)}" if name == "epc" else NUMPY_FORMATS[form]
            for name, (_, form) in walk.places.items()
        }
        if formats["epc"] == "V0":
            return None
        return np.dtype(
            {
                "names": list(formats),
                "formats": list(formats.values()),
                "offsets": [walk.places[name][0] for name in formats],
                "itemsize": self.length,
            }
        )

    def _compile_row(self, record: bytes, walk: _Walk) -> None:
        """One struct for the whole record: fixed bytes as runs, values by their format, the rest passed over."""
        starts = {at: (name, form) for name, (at, form) in walk.places.items()}
        format_codes = ["!"]
        keys: list[int] = []
        at_index: dict[str, int] = {}
        at = index = 0
        while at < len(record) or at in starts:
            if at in starts:
                name, form = starts.pop(at)
                at_index[name] = index
                at += calcsize("!" + form)
            else:
                end = walk.run_end(at, starts)
                form = f"{end - at}s" if walk.fixed[at] else f"{end - at}x"
                at = end
                if form.endswith("x"):
                    format_codes.append(form)
                    continue
                keys.append(index)
            format_codes.append(form)
            index += 1
        self.row = Struct("".join(format_codes))
        self.key: Callable[[tuple[Any, ...]], Any] = itemgetter(*keys)
        self.expected = self.key(self.row.unpack(record))
        # What the record does not give stands behind its own values, in the order of VALUES without the EPC.
        self.pick: Callable[[tuple[Any, ...]], tuple[Any, ...]] = itemgetter(
            *(at_index.get(name, index + VALUES.index(name) - 1) for name in VALUES)
        )


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

    def run_end(self, at: int, starts: Mapping[int, object]) -> int:
        """The end of the run of equally fixed or free bytes that begins at `at`, up to the next value."""
        end = at + 1
        while end < len(self.fixed) and self.fixed[end] == self.fixed[at] and end not in starts:
            end += 1
        return end

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
