"""What a simulated reader puts into a report, read back with the general codec and with the client's decoder."""

from __future__ import annotations

import math

import numpy as np
import pytest

from readers.llrp.codec import decode
from readers.llrp.message import Parameter
from readers.llrp.report import ReportDecoder
from readers.read import EpcTable
from simulators.llrp.report import (
    MAX_BUFFERED_TAGS,
    RecordEncoder,
    ReportContent,
    ReportTrigger,
    TagBuffer,
    gen2_crc,
    report_frame,
)
from simulators.sighting import Sightings

T0 = 1_700_000_000_000_000
EPC = bytes.fromhex("30340000000000000000ab00")


def sightings(*rows: tuple[bytes, int, float, int], phases: list[float] | None = None) -> Sightings:
    return Sightings(
        [row[0] for row in rows],
        np.array([row[1] for row in rows], np.uint16),
        np.array([row[2] for row in rows], np.float32),
        np.array([T0 + row[3] for row in rows], np.int64),
        None if phases is None else np.array(phases, np.float32),
    )


def buffer(content: ReportContent) -> TagBuffer:
    return TagBuffer(content, RecordEncoder(content, 7))


def tags(records: list[bytes]) -> list[Parameter]:
    return decode(report_frame(records, 1)).parameters


def test_every_field_is_there_when_all_are_asked_for_and_none_when_none_is() -> None:
    everything = ReportContent(crc=True, pc=True)
    (records,) = buffer(everything).add(sightings((EPC, 3, -61.4, 10)), 2, 5)
    (tag,) = tags(records)
    values = {parameter.name: next(iter(parameter.fields.values())) for parameter in tag.parameters}
    assert values == {
        "EPC_96": EPC,
        "ROSpecID": 7,
        "SpecIndex": 2,
        "InventoryParameterSpecID": 5,
        "AntennaID": 3,
        "PeakRSSI": -61,
        "ChannelIndex": 1,
        "FirstSeenTimestampUTC": T0 + 10,
        "LastSeenTimestampUTC": T0 + 10,
        "TagSeenCount": 1,
        "C1G2_PC": 0x3000,
        "C1G2_CRC": gen2_crc(bytes.fromhex("3000") + EPC),
        "AccessSpecID": 0,
    }
    nothing = ReportContent(
        rospec_id=False,
        spec_index=False,
        inventory_parameter_spec_id=False,
        antenna=False,
        channel=False,
        rssi=False,
        first_seen=False,
        last_seen=False,
        count=False,
        access_spec_id=False,
    )
    (records,) = buffer(nothing).add(sightings((EPC, 3, -61.4, 10)), 2, 5)
    assert [parameter.name for parameter in tags(records)[0].parameters] == ["EPC_96"]


def test_the_crc_is_the_one_gen2_defines() -> None:
    assert gen2_crc(b"123456789") == 0xD64E
    assert gen2_crc(b"") == 0


@pytest.mark.parametrize("size", [2, 8, 16, 62])
def test_an_epc_of_another_length_travels_with_its_length(size: int) -> None:
    epc = bytes(range(1, size)) + b"\0"
    (records,) = buffer(ReportContent()).add(sightings((epc, 1, -50, 1)), 1, 1)
    data = tags(records)[0].find("EPCData")
    assert data is not None
    assert data.fields["EPC"] == epc
    assert data.fields["EPCLengthBits"] == 8 * size


def test_records_of_mixed_lengths_keep_their_order() -> None:
    epcs = [EPC, bytes(8), EPC, EPC, bytes(16)]
    rows = [(epc, 1, -50.0, n) for n, epc in enumerate(epcs)]
    reports = buffer(ReportContent(antenna=False, every_n=1)).add(sightings(*rows), 1, 1)
    found = [tags(records)[0].parameters[0].fields["EPC"] for records in reports]
    assert found == epcs


def test_vendor_rssi_and_phase_come_back_in_the_clients_units() -> None:
    content = ReportContent(centi_rssi=True, phase=True, every_n=3)
    seen = sightings((EPC, 1, -61.37, 1), (EPC, 2, -40.5, 2), (EPC, 3, -80.0, 3), phases=[0.0, 3.0, 2 * math.pi - 1e-6])
    (records,) = buffer(content).add(seen, 1, 1)
    reads = ReportDecoder(EpcTable()).decode(report_frame(records, 1))
    assert reads["rssi_dbm"].tolist() == pytest.approx([-61.37, -40.5, -80.0], abs=0.005)
    assert reads["phase_rad"].tolist() == pytest.approx([0.0, 3.0, 0.0], abs=0.001)
    assert reads["antenna"].tolist() == [1, 2, 3]


def test_a_phase_that_was_not_measured_is_left_out() -> None:
    content = ReportContent(centi_rssi=True, phase=True, every_n=3)
    seen = sightings((EPC, 1, -61.37, 1), (EPC, 2, -40.5, 2), (EPC, 3, -80.0, 3), phases=[math.nan, 0.0, 1.0])
    (records,) = buffer(content).add(seen, 1, 1)
    reads = ReportDecoder(EpcTable()).decode(report_frame(records, 1))
    assert reads["phase_rad"].tolist() == pytest.approx([math.nan, 0.0, 1.0], abs=0.001, nan_ok=True)
    assert reads["rssi_dbm"].tolist() == pytest.approx([-61.37, -40.5, -80.0], abs=0.005)
    (unmeasured,) = buffer(content).add(sightings((EPC, 1, -50.0, 1), (EPC, 2, -50.0, 2), (EPC, 3, -50.0, 3)), 1, 1)
    assert np.isnan(ReportDecoder(EpcTable()).decode(report_frame(unmeasured, 1))["phase_rad"]).all()


def test_a_report_of_n_tags_goes_out_when_it_is_full_and_the_rest_waits() -> None:
    waiting = buffer(ReportContent(every_n=3))
    rows = [(bytes(11) + bytes([n]), 1, -50.0, n) for n in range(8)]
    reports = waiting.add(sightings(*rows), 1, 1)
    assert [len(records) for records in reports] == [3, 3]
    assert len(waiting.flush()) == 2
    assert waiting.flush() == []


def test_sightings_of_a_tag_are_merged_while_they_wait() -> None:
    waiting = buffer(ReportContent(every_n=10, centi_rssi=True))
    assert waiting.add(sightings((EPC, 1, -60, 1), (EPC, 2, -70, 2), (EPC, 1, -55, 30)), 1, 1) == []
    assert waiting.add(sightings((EPC, 1, -58, 90)), 1, 1) == []
    reads = ReportDecoder(EpcTable()).decode(report_frame(waiting.flush(), 1))
    assert reads["antenna"].tolist() == [1, 2]
    assert reads["count"].tolist() == [3, 1]
    assert reads["rssi_dbm"].tolist() == [-55, -70]
    assert (reads["first_at_us"] - T0).tolist() == [1, 2]
    assert (reads["at_us"] - T0).tolist() == [90, 2]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (ReportContent(every_n=9), 4),
        (ReportContent(every_n=9, antenna=False), 2),
        (ReportContent(every_n=9, spec_index=False), 2),
        (ReportContent(every_n=9, antenna=False, spec_index=False), 1),
    ],
)
def test_only_enabled_fields_keep_sightings_apart(content: ReportContent, expected: int) -> None:
    waiting = buffer(content)
    for spec_index in (1, 2):
        waiting.add(sightings((EPC, 1, -60, spec_index), (EPC, 2, -60, spec_index)), spec_index, 1)
    assert len(waiting.flush()) == expected


def test_without_a_limit_a_report_is_bounded_and_without_a_trigger_it_waits() -> None:
    rows = [(n.to_bytes(12, "big"), 1, -50.0, n) for n in range(MAX_BUFFERED_TAGS + 1)]
    assert [len(part) for part in buffer(ReportContent(every_n=0)).add(sightings(*rows), 1, 1)] == [MAX_BUFFERED_TAGS]
    asked = buffer(ReportContent(trigger=ReportTrigger.NONE, every_n=1))
    assert asked.add(sightings(*rows[:5]), 1, 1) == []
    assert len(asked.flush()) == 5


def test_a_count_beyond_sixteen_bits_stays_at_its_greatest() -> None:
    waiting = buffer(ReportContent(every_n=2))
    rows = [(EPC, 1, -50.0, n) for n in range(70_000)]
    waiting.add(sightings(*rows), 1, 1)
    (tag,) = tags(waiting.flush())
    count = tag.find("TagSeenCount")
    assert count is not None
    assert count.fields["TagCount"] == 0xFFFF


def test_the_content_is_read_from_the_clients_report_spec() -> None:
    names = ["EnableROSpecID", "EnableSpecIndex", "EnableInventoryParameterSpecID", "EnableAntennaID"]
    names += ["EnableChannelIndex", "EnablePeakRSSI", "EnableFirstSeenTimestamp"]
    names += ["EnableLastSeenTimestamp", "EnableTagSeenCount", "EnableAccessSpecID"]
    fields = dict.fromkeys(names, False) | {"EnablePeakRSSI": True}
    memory = Parameter("C1G2EPCMemorySelector", {"EnableCRC": False, "EnablePCBits": True})
    selector = Parameter("TagReportContentSelector", fields, [memory])
    choices = bytes.fromhex("03ff000e 0000651a 00000034 0000 03ff000e 0000651a 00000035 0001")
    custom = Parameter("Custom", {"VendorIdentifier": 25882, "ParameterSubtype": 50, "Data": choices})
    spec = Parameter("ROReportSpec", {"ROReportTrigger": 1, "N": 4}, [selector, custom])
    content = ReportContent.of(spec)
    assert (content.trigger, content.every_n) == (1, 4)
    assert content.rssi
    assert content.pc
    assert content.centi_rssi
    assert not any((content.antenna, content.crc, content.phase, content.first_seen, content.count))
