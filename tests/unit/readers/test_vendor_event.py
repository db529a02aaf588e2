"""Impinj and Zebra payloads to exact reads, whatever is left out; and when such a reader counts as on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readers import impinj_event, zebra_event
from readers.read import EpcTable, ReadBatch, ReaderEvent, ReaderNotice, ReaderState
from readers.vendor_event import Alive, InventoryStatus, TagSeen, Unusable, VendorEvent, VendorReader, iso_us

VENDOR = Path(__file__).resolve().parents[4] / "shared" / "data" / "vendor"
NOW_US = 1_800_000_000_000_000
EPC = bytes.fromhex("7EDA9038051002710002C0AE")
needs_vendor = pytest.mark.skipif(not VENDOR.is_dir(), reason="the vendors' payloads are not there")


def payload(name: str, case: str) -> bytes:
    return json.dumps(json.loads((VENDOR / f"{name}.json").read_text())[case]).encode()


def only(events: list[VendorEvent]) -> TagSeen:
    (event,) = events
    assert isinstance(event, TagSeen)
    return event


@needs_vendor
def test_impinj_exactly() -> None:
    seen = only(impinj_event.decode(payload("impinj-r700", "tagInventory")))
    assert (seen.epc, seen.antenna, seen.rssi_dbm, seen.count) == (EPC, 1, -61.5, 1)
    assert seen.at_us == 1_767_225_600_000_000
    assert seen.phase_rad == pytest.approx(math.radians(69))


@needs_vendor
def test_impinj_of_2021_exactly() -> None:
    seen = only(impinj_event.decode(payload("impinj-r700", "captured_2021")))
    assert seen.epc.hex().upper() == "329CCCC05E2C02C9D8081562301FD644"
    assert (seen.antenna, seen.rssi_dbm, seen.at_us) == (1, -40.5, 1_612_291_173_886_617)
    assert math.isnan(seen.phase_rad)


@needs_vendor
def test_impinj_says_that_it_runs() -> None:
    (status,) = impinj_event.decode(payload("impinj-r700", "inventoryStatus"))
    assert isinstance(status, InventoryStatus)
    assert status.running


@needs_vendor
def test_zebra_fixed_exactly() -> None:
    full = only(zebra_event.decode(payload("zebra", "fixed_simple")))
    assert full == TagSeen(bytes.fromhex("e28011606000020a1b2c3d4e"), 1, -61.0, 1_683_644_652_310_000, 2, 0.0)
    least = only(zebra_event.decode(payload("zebra", "fixed_simple_minimal")))
    assert (least.epc, least.antenna, least.at_us, least.count) == (full.epc, None, full.at_us, 1)
    assert math.isnan(least.rssi_dbm)
    assert math.isnan(least.phase_rad)


@needs_vendor
def test_zebra_handheld_exactly() -> None:
    seen = only(zebra_event.decode(payload("zebra", "handheld_dataEVT")))
    assert seen == TagSeen(bytes.fromhex("E2003411B802011533ABCD12"), None, -52.0, 1_779_200_591_000_000, 14, 0.0)


IMPINJ_TAG = {
    "epc": "ftqQOAUQAnEAAsCu",
    "epcHex": "7EDA9038051002710002C0AE",
    "antennaPort": 3,
    "peakRssiCdbm": -6150,
    "lastSeenTime": "2026-01-01T00:00:00.000Z",
    "phaseAngle": 90.0,
}


@given(st.sets(st.sampled_from(sorted(IMPINJ_TAG))))
def test_every_impinj_field_may_be_absent(absent: set[str]) -> None:
    tag = {name: value for name, value in IMPINJ_TAG.items() if name not in absent}
    event = {"eventType": "tagInventory", "tagInventoryEvent": tag}
    (found,) = impinj_event.decode(json.dumps(event).encode())
    if {"epc", "epcHex"} <= absent:
        assert isinstance(found, Unusable)
        return
    assert isinstance(found, TagSeen)
    assert found.epc == EPC
    assert found.antenna == (None if "antennaPort" in absent else 3)
    assert math.isnan(found.rssi_dbm) == ("peakRssiCdbm" in absent)
    assert (found.at_us is None) == ("lastSeenTime" in absent)
    assert math.isnan(found.phase_rad) == ("phaseAngle" in absent)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("epc", "epcHex", "antennaPort", "peakRssiCdbm", "lastSeenTime", "phaseAngle", "idHex", "antenna", "reads")
ODD = st.dictionaries(st.sampled_from((*FIELDS, "peakRssi", "phase", "tagData", "EPCid")), JSON, max_size=6)


@given(st.binary(max_size=60) | st.builds(lambda raw: json.dumps(raw).encode(), JSON))
def test_any_bytes_become_events_and_never_an_error(raw: bytes) -> None:
    for decode in (impinj_event.decode, zebra_event.decode):
        assert all(isinstance(event, TagSeen | InventoryStatus | Alive | Unusable) for event in decode(raw))


@given(ODD, JSON)
def test_any_values_of_known_fields_become_a_read_that_fits_or_a_fault(tag: dict[str, Any], timestamp: Any) -> None:
    events = [
        {"eventType": "tagInventory", "timestamp": timestamp, "tagInventoryEvent": tag},
        {"type": "SIMPLE", "timestamp": timestamp, "data": tag},
    ]
    for decode in (impinj_event.decode, zebra_event.decode):
        found = decode(json.dumps(events).encode())
        reader = VendorReader("r", (1,), EpcTable(), silence_s=60, doubt_s=61)
        for event in reader.take(found, NOW_US):
            if isinstance(event, ReadBatch):
                assert event.reads["antenna"].min() >= 1
                assert event.reads["count"].min() >= 1


def test_events_of_another_reader_on_the_topic_are_passed_over() -> None:
    event = {"hostname": "impinj-1", "eventType": "tagInventory", "tagInventoryEvent": IMPINJ_TAG}
    raw = json.dumps([event, event | {"hostname": "impinj-2"}]).encode()
    assert len(impinj_event.decode(raw)) == 2
    assert len(impinj_event.decode(raw, "impinj-2")) == 1


@pytest.mark.parametrize(
    ("text", "at_us"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T02:00:01.5+0200", 1_500_000),
        ("1970-01-01T00:00:01", None),
        ("yesterday", None),
        (12, None),
    ],
)
def test_times(text: object, at_us: int | None) -> None:
    assert iso_us(text) == at_us


def seen(antenna: int | None = 1, at_us: int | None = NOW_US) -> TagSeen:
    return TagSeen(EPC, antenna, -50.0, at_us)


def told(events: list[ReaderEvent]) -> list[object]:
    """States as their antennas, batches as their times, notices as their kind."""
    found: list[object] = []
    for event in events:
        if isinstance(event, ReaderState):
            found.append((sorted(event.antennas), event.at_us))
        elif isinstance(event, ReadBatch):
            found.append([int(at) for at in event.reads["at_us"]])
        elif isinstance(event, ReaderNotice):
            found.append(event.detail.split(":")[0])
    return found


def reader(antennas: tuple[int, ...] = (1, 2), **options: Any) -> VendorReader:
    return VendorReader("r", antennas, EpcTable(), **({"silence_s": 60, "doubt_s": 61} | options))


def test_a_read_turns_the_reader_on_from_its_time() -> None:
    one = reader()
    assert told(one.take([seen(at_us=NOW_US - 5)], NOW_US)) == [([1, 2], NOW_US - 5), [NOW_US - 5]]
    assert told(one.take([seen()], NOW_US + 1)) == [[NOW_US]]


def test_it_says_how_long_it_may_be_gone_unnoticed_and_again_when_that_turns_out_longer() -> None:
    one = reader(doubt_s=15)
    [on, _] = one.take([seen()], NOW_US)
    assert isinstance(on, ReaderState)
    assert on.doubt_us == 15_000_000
    [again] = one.doubted_for(65, NOW_US + 1)
    assert again == ReaderState("r", frozenset({1, 2}), NOW_US + 1, doubt_us=65_000_000)
    one.lost("gone")
    assert one.doubted_for(70, NOW_US + 2) == []


def test_its_word_turns_it_on_and_off_and_stragglers_do_not_wake_it() -> None:
    one = reader()
    assert told(one.take([InventoryStatus(running=True)], NOW_US)) == [([1, 2], NOW_US)]
    assert told(one.take([InventoryStatus(running=True)], NOW_US)) == []
    stopped = one.take([seen(), InventoryStatus(running=False), seen(at_us=NOW_US + 1)], NOW_US + 10)
    assert told(stopped) == [[NOW_US], ([], NOW_US + 10), [NOW_US + 1]]
    assert not one.is_on
    later = NOW_US + 5_000_000
    assert told(one.take([seen(at_us=later)], later)) == [([1, 2], later), [later]]


def test_a_lost_link_and_silence_turn_it_off_since_it_was_last_heard() -> None:
    one = reader(silence_s=10)
    one.take([seen()], NOW_US)
    one.take([Alive()], NOW_US + 1_000_000)
    one.take([], NOW_US + 5_000_000)
    assert one.check_silence(NOW_US + 10_999_999) == []
    assert told(one.check_silence(NOW_US + 11_000_000)) == [([], NOW_US + 1_000_000)]
    assert one.check_silence(NOW_US + 99_000_000) == []
    one.take([seen()], NOW_US + 20_000_000)
    assert told(one.lost("gone")) == [([], NOW_US + 20_000_000)]
    assert one.lost("gone") == []


def test_a_read_without_its_antenna_is_that_of_the_only_one() -> None:
    (_, batch) = reader((4,)).take([seen(antenna=None)], NOW_US)
    assert isinstance(batch, ReadBatch)
    assert batch.reads["antenna"].tolist() == [4]


def test_faults_are_told_once_for_each_kind_and_cost_nothing_else() -> None:
    one = reader()
    bad = [seen(antenna=None), Unusable("epc", "none"), seen()]
    assert told(one.take(bad, NOW_US)) == ["antenna", "epc", ([1, 2], NOW_US), [NOW_US]]
    assert told(one.take(bad, NOW_US + 1)) == [[NOW_US]]


@pytest.mark.parametrize(
    ("ahead_s", "trusted"), [(59, True), (61, False), (-86_399, True), (-86_401, False), (-6e10, False)]
)
def test_a_clock_that_was_never_set_is_told_and_not_believed(ahead_s: float, trusted: bool) -> None:
    at_us = NOW_US + round(ahead_s * 1e6)
    events = reader().take([seen(at_us=at_us)], NOW_US)
    (batch,) = [event for event in events if isinstance(event, ReadBatch)]
    assert batch.reads["at_us"].tolist() == [at_us if trusted else NOW_US]
    assert [event.detail.split(":")[0] for event in events if isinstance(event, ReaderNotice)] == ["clock"] * (
        not trusted
    )


def test_buffered_reads_keep_their_time_but_turn_the_reader_on_only_now() -> None:
    old_us = NOW_US - 3_600_000_000
    assert told(reader().take([seen(at_us=old_us)], NOW_US)) == [([1, 2], NOW_US - 2_000_000), [old_us]]


def test_the_gateways_clock_can_be_asked_for() -> None:
    (_, batch) = reader(clock_of="gateway").take([seen(at_us=5)], NOW_US)
    assert isinstance(batch, ReadBatch)
    assert batch.reads["at_us"].tolist() == [NOW_US]
    (_, batch) = reader().take([seen(at_us=None)], NOW_US)
    assert isinstance(batch, ReadBatch)
    assert batch.reads["at_us"].tolist() == [NOW_US]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["read", "old", "runs", "stops", "alive", "bad", "lost", "check"]), st.integers(0, 20_000_000)
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens_states_alternate_and_no_read_is_lost(steps: list[tuple[str, int]]) -> None:
    one, now_us, heard_us = reader(silence_s=10), NOW_US, NOW_US
    said: dict[str, list[VendorEvent]] = {
        "runs": [InventoryStatus(running=True)],
        "stops": [InventoryStatus(running=False)],
        "alive": [Alive()],
        "bad": [Unusable("epc", "none")],
    }
    on, reads_in, reads_out = False, 0, 0
    for step, gap_us in steps:
        now_us += gap_us
        if step in ("lost", "check"):
            events = one.lost("gone") if step == "lost" else one.check_silence(now_us)
            assert len(events) <= 1
        else:
            at_us = now_us - (5_000_000 if step == "old" else 0)
            events = one.take(said.get(step, [seen(at_us=at_us)]), now_us)
            heard_us, reads_in = now_us, reads_in + (step in ("read", "old"))
        for event in events:
            if isinstance(event, ReaderState):
                assert bool(event.antennas) != on, "a state that is no news"
                on = bool(event.antennas)
                assert event.at_us <= heard_us
            elif isinstance(event, ReadBatch):
                reads_out += len(event.reads)
        assert one.is_on == on
        if step == "check":
            assert not on or now_us - heard_us < 10_000_000
    assert reads_out == reads_in
