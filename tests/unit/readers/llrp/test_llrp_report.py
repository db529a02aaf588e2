"""Tag reports to arrays: the quick way gives exactly what the general codec's values say, and broken ones cost
only themselves."""

import math
import struct
import tracemalloc
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readers.errors import DecodeError
from readers.llrp.codec import HEADER, decode, encode
from readers.llrp.message import Message, Parameter
from readers.llrp.report import COLUMNS_FROM, MAX_KEPT_BYTES, MAX_LAYOUTS, MAX_LEARNT_PER_REPORT, ReportDecoder
from readers.llrp.vendor import RAD_PER_PHASE_STEP, custom, interpret
from readers.read import EpcTable, Reads

UPTIME_OFFSET_US = 1_700_000_000_000_000

OPTIONAL: dict[str, tuple[str, st.SearchStrategy[int]]] = {
    "ROSpecID": ("ROSpecID", st.integers(0, 0xFFFFFFFF)),
    "AntennaID": ("AntennaID", st.integers(0, 0xFFFF)),
    "PeakRSSI": ("PeakRSSI", st.integers(-128, 127)),
    "ChannelIndex": ("ChannelIndex", st.integers(0, 0xFFFF)),
    "FirstSeenTimestampUTC": ("Microseconds", st.integers(0, (1 << 56) - 1)),
    "FirstSeenTimestampUptime": ("Microseconds", st.integers(0, (1 << 56) - 1)),
    "LastSeenTimestampUTC": ("Microseconds", st.integers(0, (1 << 56) - 1)),
    "LastSeenTimestampUptime": ("Microseconds", st.integers(0, (1 << 56) - 1)),
    "TagSeenCount": ("TagCount", st.integers(0, 0xFFFF)),
    "C1G2_PC": ("PC_Bits", st.integers(0, 0xFFFF)),
    "C1G2_CRC": ("CRC", st.integers(0, 0xFFFF)),
    "AccessSpecID": ("AccessSpecID", st.integers(0, 0xFFFFFFFF)),
}
VENDOR = {
    "ImpinjPeakRSSI": st.integers(-32768, 32767),
    "ImpinjRFPhaseAngle": st.integers(0, 4095),
    "ImpinjRFDopplerFrequency": st.integers(-32768, 32767),
}
FEW_EPCS = [bytes([n]) * 12 for n in range(4)]


@st.composite
def layouts(draw: st.DrawFn) -> tuple[int, tuple[str, ...]]:
    """EPC length in bytes (0 for EPC_96) and the names of the optional parameters, in the table's order."""
    chosen = draw(st.sets(st.sampled_from([*OPTIONAL, *VENDOR])))
    for utc, uptime in (
        ("FirstSeenTimestampUTC", "FirstSeenTimestampUptime"),
        ("LastSeenTimestampUTC", "LastSeenTimestampUptime"),
    ):
        if utc in chosen:
            chosen.discard(uptime)
    return draw(st.sampled_from([0, 0, 8, 12, 16, 62])), tuple(n for n in (*OPTIONAL, *VENDOR) if n in chosen)


@st.composite
def tags(draw: st.DrawFn, layout: tuple[int, tuple[str, ...]]) -> Parameter:
    epc_bytes, names = layout
    if epc_bytes:
        epc = draw(st.binary(min_size=epc_bytes, max_size=epc_bytes))
        inner = [Parameter("EPCData", {"EPC": epc, "EPCLengthBits": epc_bytes * 8})]
    else:
        inner = [Parameter("EPC_96", {"EPC": draw(st.sampled_from(FEW_EPCS))})]
    for name in names:
        if name in OPTIONAL:
            inner.append(Parameter(name, {OPTIONAL[name][0]: draw(OPTIONAL[name][1])}))
        else:
            inner.append(custom(name, draw(VENDOR[name])))
    return Parameter("TagReportData", {}, inner)


@st.composite
def reports(draw: st.DrawFn) -> Message:
    """Mostly records of one layout, as readers send them; sometimes of several."""
    several = draw(st.lists(layouts(), min_size=1, max_size=draw(st.sampled_from([1, 1, 3]))))
    count = draw(st.sampled_from([0, 1, 2, COLUMNS_FROM - 1, COLUMNS_FROM, COLUMNS_FROM + 9]))
    found = [draw(tags(draw(st.sampled_from(several)))) for _ in range(count)]
    return Message("RO_ACCESS_REPORT", draw(st.integers(0, 9)), {}, found)


@dataclass
class Plain:
    """The meaning of reports, read plainly from the general codec's values; remembers what may be left out."""

    last: dict[str, Any] = field(default_factory=dict)

    def rows(self, frame: bytes) -> list[tuple[Any, ...]]:
        return [self._row(tag) for tag in decode(frame).every("TagReportData")]

    def _row(self, tag: Parameter) -> tuple[Any, ...]:
        given_now: dict[str, Any] = {}
        for parameter in map(interpret, tag.parameters):
            match parameter.name:
                case "EPCData" | "EPC_96":
                    epc = parameter.fields["EPC"]
                case "PeakRSSI":
                    given_now.setdefault("rssi", float(parameter.fields["PeakRSSI"]))
                case "ImpinjPeakRSSI":
                    given_now["rssi"] = parameter.fields["RSSI"] / 100
                case "AntennaID":
                    given_now["antenna"] = parameter.fields["AntennaID"]
                case "FirstSeenTimestampUTC" | "LastSeenTimestampUTC":
                    given_now[parameter.name[:4]] = parameter.fields["Microseconds"]
                case "FirstSeenTimestampUptime" | "LastSeenTimestampUptime":
                    given_now[parameter.name[:4]] = parameter.fields["Microseconds"] + UPTIME_OFFSET_US
                case "TagSeenCount":
                    given_now["count"] = max(1, parameter.fields["TagCount"])
                case "ImpinjRFPhaseAngle":
                    given_now["phase"] = parameter.fields["PhaseAngle"] * RAD_PER_PHASE_STEP
        phase = given_now.pop("phase", math.nan)
        self.last.update(given_now)
        known = self.last
        first = known.get("Firs", known.get("Last", 0))
        at = known.get("Last", known.get("Firs", 0))
        return (
            epc,
            known.get("antenna", 0),
            np.float32(known.get("rssi", math.nan)),
            first,
            at,
            known.get("count", 1),
            np.float32(phase),
        )


def rows_of(reads: Reads, epcs: EpcTable) -> list[tuple[Any, ...]]:
    return [(epcs.epc(number), *rest) for number, *rest in reads.tolist()]


def assert_same(got: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]]) -> None:
    assert len(got) == len(wanted)
    for mine, plain in zip(got, wanted, strict=True):
        for a, b in zip(mine, plain, strict=True):
            assert a == b or (a != a and b != b), (mine, plain)  # NaN is no number, and not itself


@settings(max_examples=300)
@given(st.lists(reports(), min_size=1, max_size=3))
def test_reads_equal_what_the_general_codec_says(several: list[Message]) -> None:
    epcs = EpcTable()
    decoder = ReportDecoder(epcs)
    decoder.uptime_offset_us = UPTIME_OFFSET_US
    plain = Plain()
    for message in several:
        frame = encode(message)
        assert_same(rows_of(decoder.decode(frame), epcs), plain.rows(frame))


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Frames as they lie behind each other in a stream: runs of one layout and length, others between, some damaged."""
    frames: list[bytes] = []
    for _ in range(draw(st.integers(1, 4))):
        layout, size = draw(layouts()), draw(st.sampled_from([1, 1, 1, 2, COLUMNS_FROM]))
        for number in range(draw(st.sampled_from([1, 2, COLUMNS_FROM, COLUMNS_FROM + 3]))):
            found = [draw(tags(layout)) for _ in range(size)]
            frames.append(encode(Message("RO_ACCESS_REPORT", number, {}, found)))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        number = draw(st.integers(0, len(frames) - 1))
        damaged = bytearray(frames[number])
        damaged[draw(st.integers(0, len(damaged) - 1))] = draw(st.integers(0, 255))
        frames[number] = bytes(damaged)
    return frames


@settings(max_examples=150)
@given(st.lists(streams(), min_size=1, max_size=2))
def test_frames_decoded_at_once_give_what_they_give_one_by_one(several: list[list[bytes]]) -> None:
    epcs = EpcTable()
    together, apart = ReportDecoder(epcs), ReportDecoder(epcs)
    together.uptime_offset_us = apart.uptime_offset_us = UPTIME_OFFSET_US
    for frames in several:
        rows: list[tuple[Any, ...]] = []
        causes = {}
        for place, frame in enumerate(frames):
            try:
                rows += rows_of(apart.decode(frame), epcs)
            except DecodeError as error:
                causes[place] = str(error)
        reads, faults = together.decode_all(frames)
        assert_same(rows_of(reads, epcs), rows)
        assert {place: str(fault) for place, fault in faults.items()} == causes


@settings(max_examples=300)
@given(data=st.data(), message=reports())
def test_damage_raises_only_our_errors_and_changes_no_later_report(data: st.DataObject, message: Message) -> None:
    good = encode(message)
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    epcs = EpcTable()
    decoder = ReportDecoder(epcs)
    try:
        decoder.decode(bytes(damaged))
    except DecodeError:
        assert_same(rows_of(decoder.decode(good), epcs), rows_of(ReportDecoder(epcs).decode(good), epcs))


@given(data=st.data(), message=reports())
def test_a_cut_report_is_refused(data: st.DataObject, message: Message) -> None:
    whole = encode(message)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(DecodeError):
        ReportDecoder(EpcTable()).decode(cut)
    shortened = cut[:2] + struct.pack("!I", len(cut)) + cut[6:]
    if len(cut) >= 10 and all(len(cut) != edge for edge in _record_edges(whole)):
        with pytest.raises(DecodeError):
            ReportDecoder(EpcTable()).decode(shortened)


def _record_edges(frame: bytes) -> list[int]:
    edges = [10]
    while edges[-1] < len(frame):
        edges.append(edges[-1] + struct.unpack_from("!H", frame, edges[-1] + 2)[0])
    return edges


@given(st.binary(max_size=300))
def test_noise_behind_a_report_header_raises_only_our_errors(body: bytes) -> None:
    decoder = ReportDecoder(EpcTable())
    for noise in (body, struct.pack("!HH", 240, 4 + len(body)) + body):
        frame = struct.pack("!HII", 1 << 10 | 61, 10 + len(noise), 1) + noise
        try:
            reads = decoder.decode(frame)
        except DecodeError:
            continue
        assert len(reads) <= len(frame) // 8


def tag(epc: bytes, **fields: int) -> Parameter:
    inner = [Parameter("EPC_96", {"EPC": epc})]
    inner += [Parameter(name, {OPTIONAL[name][0]: value}) for name, value in fields.items()]
    return Parameter("TagReportData", {}, inner)


def report(*found: Parameter) -> bytes:
    return encode(Message("RO_ACCESS_REPORT", 1, {}, list(found)))


E1, E2 = b"\1" * 12, b"\2" * 12


@pytest.mark.parametrize("count", [1, COLUMNS_FROM])
def test_an_absent_value_is_the_last_one_received(count: int) -> None:
    decoder = ReportDecoder(EpcTable())
    full = tag(E1, AntennaID=3, PeakRSSI=-51, FirstSeenTimestampUTC=100, LastSeenTimestampUTC=200, TagSeenCount=4)
    decoder.decode(report(*[full] * count))
    reads = decoder.decode(report(*[tag(E2, LastSeenTimestampUTC=300)] * count))
    assert reads[["antenna", "rssi_dbm", "first_at_us", "at_us", "count"]].tolist() == [(3, -51, 100, 300, 4)] * count
    decoder.reset()
    [read] = decoder.decode(report(tag(E2, LastSeenTimestampUTC=300)))
    assert (read["antenna"], read["first_at_us"], read["at_us"], read["count"]) == (0, 300, 300, 1)
    assert np.isnan(read["rssi_dbm"])


def test_a_value_given_by_one_record_serves_the_next_of_the_same_report() -> None:
    reads = ReportDecoder(EpcTable()).decode(report(tag(E1, AntennaID=2, PeakRSSI=-60), tag(E2, PeakRSSI=-61)))
    assert reads["antenna"].tolist() == [2, 2]


def test_uptime_is_moved_to_utc_by_the_connections_offset() -> None:
    decoder = ReportDecoder(EpcTable())
    decoder.uptime_offset_us = 1_000_000
    [read] = decoder.decode(report(tag(E1, FirstSeenTimestampUptime=5, LastSeenTimestampUptime=9)))
    assert (read["first_at_us"], read["at_us"]) == (1_000_005, 1_000_009)


def test_epcs_of_other_lengths_and_unknown_parameters_pass() -> None:
    epcs = EpcTable()
    body = struct.pack("!HHH", 241, 6 + 16, 128) + bytes(range(16)) + struct.pack("!HH", 349, 8) + bytes(4)
    record = struct.pack("!HH", 240, 4 + len(body)) + body
    survey = struct.pack("!HH", 242, 8) + bytes(4)
    frame = struct.pack("!HII", 1 << 10 | 61, 10 + 2 * len(record) + 8, 1) + record + survey + record
    reads = ReportDecoder(epcs).decode(frame)
    assert [epcs.epc(number) for number in reads["epc"]] == [bytes(range(16))] * 2


def test_an_epc_of_no_bits_is_an_epc() -> None:
    epcs = EpcTable()
    record = struct.pack("!HHHHH", 240, 10, 241, 6, 0)
    count = COLUMNS_FROM + 1
    frame = struct.pack("!HII", 1 << 10 | 61, 10 + count * 10, 1) + record * count
    assert [epcs.epc(number) for number in ReportDecoder(epcs).decode(frame)["epc"]] == [b""] * count


@pytest.mark.parametrize(
    ("record", "status_code"),
    [
        (b"\x81\0\1", 203),
        (b"\x8d" + bytes(12) + b"\x8d" + bytes(12), 204),
        (b"\x8d" + bytes(11), 201),
        (b"\x8d" + bytes(12) + b"\xff\0", 207),
        (b"\x8d" + bytes(12) + b"\0\1", 200),
        (b"\x8d" + bytes(12) + struct.pack("!HH", 349, 99), 200),
        (struct.pack("!HHH", 241, 6, 96), 201),
        (b"\x8d" + bytes(12) + struct.pack("!HHIIB", 1023, 13, 25882, 57, 0), 201),
        (b"\x8d" + bytes(12) + b"\x82" + b"\xff" * 8, 301),
    ],
)
def test_a_broken_record_has_its_status_code(record: bytes, status_code: int) -> None:
    whole = struct.pack("!HH", 240, 4 + len(record)) + record
    frame = struct.pack("!HII", 1 << 10 | 61, 10 + len(whole), 1) + whole
    with pytest.raises(DecodeError) as caught:
        ReportDecoder(EpcTable()).decode(frame)
    assert caught.value.status_code == status_code


def test_a_time_beyond_every_calendar_is_refused_in_known_layouts_too() -> None:
    decoder = ReportDecoder(EpcTable())
    good = tag(E1, LastSeenTimestampUTC=1)
    decoder.decode(report(good))
    for found in (
        [tag(E1, LastSeenTimestampUTC=1 << 56)],
        [good] * COLUMNS_FROM + [tag(E1, LastSeenTimestampUTC=1 << 63)],
    ):
        with pytest.raises(DecodeError, match="4253"):
            decoder.decode(report(*found))


def test_a_report_of_ever_new_layouts_is_refused() -> None:
    records = b""
    for extra in range(MAX_LEARNT_PER_REPORT + 1):
        filler = struct.pack("!HH", 349, 4 + extra) + bytes(extra)
        records += struct.pack("!HH", 240, 17 + len(filler)) + b"\x8d" + bytes(12) + filler
    frame = struct.pack("!HII", 1 << 10 | 61, 10 + len(records), 1) + records
    with pytest.raises(DecodeError, match="layouts"):
        ReportDecoder(EpcTable()).decode(frame)


def test_another_message_is_no_report() -> None:
    with pytest.raises(DecodeError, match="message type 62"):
        ReportDecoder(EpcTable()).decode(encode(Message("KEEPALIVE", 1)))


def test_reads_can_be_written_to() -> None:
    for count in (1, COLUMNS_FROM):
        reads = ReportDecoder(EpcTable()).decode(report(*[tag(E1, AntennaID=1)] * count))
        reads["antenna"] = 2
        assert reads["antenna"].tolist() == [2] * count


def test_a_time_of_uptime_is_carried_with_the_offset_of_its_arrival() -> None:
    decoder = ReportDecoder(EpcTable())
    decoder.uptime_offset_us = 1_000
    decoder.decode(report(*[tag(E1, FirstSeenTimestampUptime=5, LastSeenTimestampUptime=9)] * COLUMNS_FROM))
    decoder.uptime_offset_us = 2_000
    [read] = decoder.decode(report(tag(E1, LastSeenTimestampUptime=9)))
    assert (read["first_at_us"], read["at_us"]) == (1_005, 2_009)


def test_more_layouts_and_lengths_than_are_kept_are_read_all_the_same() -> None:
    decoder, epcs = ReportDecoder(table := EpcTable()), []
    for _ in range(2):
        for extra in range(MAX_LAYOUTS + 9):
            filler = struct.pack("!HH", 349, 4 + extra) + bytes(extra)
            record = struct.pack("!HH", 240, 17 + len(filler)) + b"\x8d" + bytes([extra]) * 12 + filler
            frame = struct.pack("!HII", 1 << 10 | 61, 10 + 9 * len(record), 1) + record * 9
            epcs.append({table.epc(number) for number in decoder.decode(frame)["epc"]})
    assert epcs == [{bytes([extra]) * 12} for extra in range(MAX_LAYOUTS + 9)] * 2


def numbered(first: int, count: int, whole: bool) -> bytes:
    """A report whose values are all different, of one of two layouts."""
    found = []
    for number in range(first, first + count):
        before = {"AntennaID": number % 4 + 1, "PeakRSSI": -(number % 128)}
        times = {"FirstSeenTimestampUTC": 999 * number} if whole else {}
        counts = {"TagSeenCount": number % 5} if whole else {}
        found.append(tag(number.to_bytes(12, "big"), **before, **times, LastSeenTimestampUTC=1_000 * number, **counts))
    return report(*found)


def test_reports_of_every_length_by_turns_are_read_each_for_itself() -> None:
    """Memory and views serve again: nothing of a longer report stays in a shorter one, and reads handed on stay."""
    epcs, plain = EpcTable(), Plain()
    decoder = ReportDecoder(epcs)
    frames = [numbered(7 * turn, count, turn % 2 == 0) for turn, count in enumerate((50, 6, 7, 200, 6, 50, 201, 3) * 3)]
    decoded = [decoder.decode(frame) for frame in frames]
    for reads, frame in zip(decoded, frames, strict=True):
        assert_same(rows_of(reads, epcs), plain.rows(frame))


def test_a_report_larger_than_what_is_kept_is_read_and_costs_no_memory_later() -> None:
    decoder = ReportDecoder(EpcTable())
    few = numbered(0, 20, True)
    frame = HEADER.pack(1 << 10 | 61, 10 + 500 * (len(few) - 10), 1) + few[10:] * 500
    assert len(frame) > MAX_KEPT_BYTES // 4
    tracemalloc.start()
    try:
        for _ in range(2):
            assert decoder.decode(frame)["at_us"].tolist() == [1_000 * number for number in range(20)] * 500
        kept = sum(stat.size for stat in tracemalloc.take_snapshot().statistics("filename") if "columns" in str(stat))
    finally:
        tracemalloc.stop()
    assert kept < MAX_KEPT_BYTES


def test_vendor_values_have_their_units() -> None:
    inner = [Parameter("EPC_96", {"EPC": E1}), Parameter("PeakRSSI", {"PeakRSSI": -60})]
    inner += [custom("ImpinjPeakRSSI", -6050), custom("ImpinjRFPhaseAngle", 1024)]
    [read] = ReportDecoder(EpcTable()).decode(report(Parameter("TagReportData", {}, inner)))
    assert read["rssi_dbm"] == -60.5
    assert read["phase_rad"] == pytest.approx(math.pi / 2)


def test_a_vendor_parameter_of_the_wrong_length_is_refused() -> None:
    fields = {"VendorIdentifier": 25882, "ParameterSubtype": 57, "Data": b"\0"}
    with pytest.raises(DecodeError):
        interpret(Parameter("Custom", fields))
    unknown = Parameter("Custom", {**fields, "ParameterSubtype": 9999})
    assert interpret(unknown) is unknown
