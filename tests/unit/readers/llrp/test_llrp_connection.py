"""The client session against a scripted reader: every row of its table, and what a reader may do at any time."""

from __future__ import annotations

import numpy as np
import pytest

from readers.errors import FrameError, LinkLostError, ReaderError, ReaderRefusedError, ReaderStatusError
from readers.llrp.codec import encode
from readers.llrp.connection import RESTART_WAIT_S, ClientSession
from readers.llrp.exchange import ANSWER_TIMEOUT_S
from readers.llrp.message import Message, Parameter
from readers.llrp.report import ReportDecoder
from readers.llrp.requests import InventoryPlan, SearchMode
from readers.llrp.steps import Phase
from readers.llrp.vendor import IMPINJ
from readers.read import EpcTable, GpiChange, ReadBatch, ReaderNotice, ReaderState
from tests.scripted_reader import (
    KEEPALIVE_S,
    NOW_US,
    OTHER_VENDOR,
    ScriptedReader,
    Talk,
    capabilities_of,
    reader_event,
    report,
    status,
)

ON = ReaderState("door", frozenset({1, 2}), NOW_US, "inventorying")
ALL_THERE = ReaderNotice("door", "antenna_back", "every planned antenna is connected", NOW_US)


def test_the_client_says_nothing_before_the_reader_has_spoken() -> None:
    talk = Talk()
    assert talk.session.data_to_send() == b""
    talk.wait(ANSWER_TIMEOUT_S / 2)
    assert talk.asked == []


@pytest.mark.parametrize(("vendor", "expected"), [(IMPINJ, ["CUSTOM_MESSAGE"]), (OTHER_VENDOR, [])])
def test_the_handshake_asks_in_the_order_of_the_table(vendor: int, expected: list[str]) -> None:
    talk = Talk(reader=ScriptedReader(vendor=vendor, gpis=2))
    talk.run()
    assert [message.name for message in talk.asked] == [
        "GET_SUPPORTED_VERSION",
        "GET_READER_CAPABILITIES",
        *expected,
        "SET_READER_CONFIG",
        "ENABLE_EVENTS_AND_REPORTS",
        "GET_READER_CONFIG",
        "GET_READER_CONFIG",
        "DELETE_ACCESSSPEC",
        "GET_ROSPECS",
        "ADD_ROSPEC",
        "ENABLE_ROSPEC",
    ]
    assert talk.events == [ON, ALL_THERE]
    assert len({message.id for message in talk.asked}) == len(talk.asked)
    assert talk.reader.active == [talk.session.rospec_id]


def test_only_an_impinj_reader_is_asked_for_its_own_parameters() -> None:
    for vendor, has_custom in ((IMPINJ, True), (OTHER_VENDOR, False)):
        talk = Talk()
        talk.greet(vendor)
        while talk.asked[-1].name != "ADD_ROSPEC":
            talk.answer()
        spec = talk.asked[-1].parameters[0].find("ROReportSpec")
        assert spec is not None
        assert (spec.find("Custom") is not None) is has_custom


@pytest.mark.parametrize(("vendor", "asked"), [(IMPINJ, True), (OTHER_VENDOR, False)])
def test_modes_go_out_as_the_air_protocol_and_impinj_have_them(vendor: int, asked: bool) -> None:
    plan = InventoryPlan(antennas=(1, 2), rf_mode=4, search_mode=SearchMode.DUAL_TARGET)
    talk = Talk(plan, reader=ScriptedReader(vendor=vendor))
    talk.run()
    [added] = [encode(message) for message in talk.asked if message.name == "ADD_ROSPEC"]
    assert bytes.fromhex("014f 0008 0004 0000") in added
    assert (bytes.fromhex("03ff 000e 0000651a 00000017 0002") in added) is asked
    told = [notice.detail for notice in talk.of(ReaderNotice) if notice.kind == "fault"]
    assert told == ([] if asked else ["search_mode is an option for Impinj's readers: this one goes without it"])


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_a_refusal_ends_the_session_with_its_status(code: int) -> None:
    talk = Talk()
    talk.event("ConnectionAttemptEvent", Status=code)
    assert isinstance(talk.session.failure, ReaderRefusedError)
    assert talk.session.failure.status == code
    assert talk.session.phase is Phase.CLOSED
    assert talk.asked == []


REFUSED = [
    (Phase.CAPABILITIES, "SET_READER_CONFIG"),
    (Phase.EXTENSIONS, "SET_READER_CONFIG"),
    (Phase.CONFIGURING, "SET_READER_CONFIG"),
    (Phase.ANTENNAS, "DELETE_ACCESSSPEC"),
    (Phase.DISARMING, "GET_ROSPECS"),
    (Phase.LOOKING, "DELETE_ROSPEC"),
    (Phase.ADDING, "DELETE_ROSPEC"),
    (Phase.ENABLING, "DELETE_ROSPEC"),
]


@pytest.mark.parametrize("form", ["status", "ERROR_MESSAGE", "damaged"])
@pytest.mark.parametrize(("phase", "asked_next"), REFUSED)
def test_a_refused_request_goes_where_the_table_says(phase: Phase, asked_next: str, form: str) -> None:
    talk = Talk()
    talk.event("ConnectionAttemptEvent", Status=0)
    while talk.session.phase is not phase:
        is_first = talk.session.phase is Phase.CAPABILITIES
        talk.answer(0, *(capabilities_of(IMPINJ, 4, 0, 0, True) if is_first else ()))
    asked = talk.asked[-1]
    if form == "ERROR_MESSAGE":
        talk.say(Message("ERROR_MESSAGE", asked.id, {}, [status(109)]))
    elif form == "damaged" and asked.name != "CUSTOM_MESSAGE":
        whole = encode(Message(f"{asked.name}_RESPONSE", asked.id, {}, [status(0)]))
        talk.say(whole[:10] + bytes([0xFF]) + whole[11:])
    else:
        talk.answer(101)
    assert talk.asked[-1].name == asked_next
    talk.until(Phase.INVENTORYING)
    assert talk.session.damaged == (form == "damaged" and asked.name != "CUSTOM_MESSAGE")


def test_a_reader_that_refuses_our_configuration_still_gets_the_keepalive() -> None:
    talk = Talk()
    talk.greet(OTHER_VENDOR)
    talk.answer(100)
    assert [parameter.name for parameter in talk.asked[-1].parameters] == ["KeepaliveSpec"]
    talk.answer(100)
    assert isinstance(talk.session.failure, ReaderStatusError)


def test_rospecs_of_others_are_cleared_only_when_ours_finds_no_place() -> None:
    talk = Talk()
    talk.greet()
    talk.until(Phase.ADDING)
    assert [message.name for message in talk.asked].count("DELETE_ROSPEC") == 0
    talk.answer(205)
    assert talk.asked[-1].fields == {"ROSpecID": 0}
    talk.answer()
    talk.answer(205)
    assert isinstance(talk.session.failure, ReaderStatusError)
    assert talk.session.failure.request == "ADD_ROSPEC"


def test_an_rospec_that_cannot_be_enabled_is_not_tried_for_ever() -> None:
    talk = Talk()
    talk.greet()
    for _ in range(20):
        if talk.session.phase is Phase.CLOSED:
            break
        talk.answer(101 if talk.session.phase is Phase.ENABLING else 0)
    assert isinstance(talk.session.failure, ReaderStatusError)


def test_an_answer_to_another_request_moves_nothing() -> None:
    talk = Talk()
    talk.event("ConnectionAttemptEvent", Status=0)
    talk.answer()
    talk.say(Message("GET_READER_CAPABILITIES_RESPONSE", talk.asked[-1].id + 7, {}, [status(0)]))
    talk.say(Message("ADD_ROSPEC_RESPONSE", talk.asked[-1].id, {}, [status(0)]))
    assert talk.session.phase is Phase.CAPABILITIES


def test_an_answer_that_never_comes_ends_the_session_and_names_the_phase() -> None:
    talk = Talk()
    talk.event("ConnectionAttemptEvent", Status=0)
    talk.answer()
    talk.wait(ANSWER_TIMEOUT_S + 0.1)
    assert isinstance(talk.session.failure, LinkLostError)
    assert "capabilities" in str(talk.session.failure)


def test_keepalives_are_acknowledged_in_any_phase() -> None:
    talk = Talk()
    talk.say(Message("KEEPALIVE", 77))
    assert talk.asked[-1] == Message("KEEPALIVE_ACK", 77)
    talk.begin()
    talk.say(Message("KEEPALIVE", 78))
    assert talk.asked[-1] == Message("KEEPALIVE_ACK", 78)


def test_a_silent_reader_is_noticed_after_two_keepalive_periods() -> None:
    talk = Talk()
    talk.begin()
    talk.wait(2 * KEEPALIVE_S - 0.1)
    assert talk.session.failure is None
    talk.say(Message("KEEPALIVE", 1))
    assert talk.session.next_deadline_s() == talk.now_s + 2 * KEEPALIVE_S
    talk.wait(2 * KEEPALIVE_S)
    assert isinstance(talk.session.failure, LinkLostError)


def test_the_reads_of_one_call_are_one_batch_in_order() -> None:
    talk = Talk()
    talk.begin()
    talk.events.clear()
    talk.say(*(report(bytes(11) + bytes([n]), NOW_US + n) for n in range(5)))
    (batch,) = talk.events
    assert isinstance(batch, ReadBatch)
    assert batch.received_at_us == NOW_US
    assert batch.reads["at_us"].tolist() == [NOW_US + n for n in range(5)]
    assert [talk.epcs.epc(number)[-1] for number in batch.reads["epc"].tolist()] == [0, 1, 2, 3, 4]


def test_reads_before_an_event_are_handed_on_before_it() -> None:
    talk = Talk()
    talk.begin()
    talk.events.clear()
    gpi = reader_event(Parameter("GPIEvent", {"GPIPortNumber": 3, "GPIEvent": True}), at_us=NOW_US - 5)
    talk.say(report(bytes(12)), gpi, report(bytes(12)))
    assert [type(event) for event in talk.events] == [ReadBatch, GpiChange, ReadBatch]
    assert talk.events[1] == GpiChange("door", 3, True, NOW_US - 5)


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(bytes.fromhex("04c5 0000000a 00000001"), id="unknown message type"),
        pytest.param(bytes.fromhex("043d 0000000f 00000001 00f0000586"), id="report cut short in a field"),
        pytest.param(bytes.fromhex("043f 0000000b 00000001 ff"), id="event that is noise"),
    ],
)
def test_a_damaged_message_costs_only_itself(damaged: bytes) -> None:
    talk = Talk()
    talk.begin()
    talk.events.clear()
    talk.say(report(bytes(12)), damaged, report(bytes(12)), damaged)
    assert sum(len(event.reads) for event in talk.events if isinstance(event, ReadBatch)) == 2
    assert talk.session.damaged == 2
    assert len(talk.of(ReaderNotice)) == 1
    assert talk.session.phase is Phase.INVENTORYING


def test_bytes_out_of_step_end_the_session_but_keep_what_came_before() -> None:
    talk = Talk()
    talk.begin()
    talk.events.clear()
    talk.say(report(bytes(12)), bytes.fromhex("043d 00000005 00000001"))
    assert isinstance(talk.session.failure, FrameError)
    assert len(talk.of(ReadBatch)) == 1
    talk.say(report(bytes(12)))
    assert len(talk.of(ReadBatch)) == 1


@pytest.mark.parametrize("size", [1, 7])
def test_frames_may_come_in_any_pieces(size: int) -> None:
    talk = Talk()
    talk.begin()
    talk.events.clear()
    data = encode(report(bytes(12))) + encode(Message("KEEPALIVE", 5))
    for start in range(0, len(data), size):
        talk.say(data[start : start + size])
    assert len(talk.of(ReadBatch)) == 1
    assert talk.asked[-1].name == "KEEPALIVE_ACK"


def test_an_inventory_that_the_reader_ends_is_started_again() -> None:
    talk = Talk()
    talk.begin()
    talk.events.clear()
    talk.event("ROSpecEvent", EventType=1, ROSpecID=talk.session.rospec_id, PreemptingROSpecID=0)
    assert talk.events == [ReaderState("door", frozenset(), NOW_US, "the reader ended the inventory")]
    started = ReaderState("door", frozenset({1, 2}), NOW_US + 1_000_000, "inventorying")
    asked = len(talk.asked)
    talk.wait(RESTART_WAIT_S / 2)
    assert len(talk.asked) == asked
    talk.wait(RESTART_WAIT_S / 2)
    assert talk.asked[-1].name == "START_ROSPEC"
    talk.answer()
    assert talk.events[-1] == started


def test_an_rospec_that_the_reader_forgot_is_added_again() -> None:
    talk = Talk()
    talk.begin()
    talk.event("ROSpecEvent", EventType=1, ROSpecID=talk.session.rospec_id, PreemptingROSpecID=0)
    talk.wait(RESTART_WAIT_S)
    talk.answer(101)
    talk.until(Phase.INVENTORYING)
    assert [message.name for message in talk.asked[-3:]] == ["DELETE_ROSPEC", "ADD_ROSPEC", "ENABLE_ROSPEC"]


def test_the_end_of_somebody_elses_rospec_is_none_of_ours() -> None:
    talk = Talk()
    talk.begin()
    talk.event("ROSpecEvent", EventType=1, ROSpecID=talk.session.rospec_id + 1, PreemptingROSpecID=0)
    assert talk.session.phase is Phase.INVENTORYING


def test_antennas_that_go_and_come_change_what_the_reader_sees() -> None:
    talk = Talk()
    talk.begin()
    talk.events.clear()
    for connected, kind, seeing in ((0, "antenna_lost", {1}), (0, None, None), (1, "antenna_back", {1, 2})):
        talk.event("AntennaEvent", EventType=connected, AntennaID=2)
        if kind is None:
            assert talk.events == []
            continue
        notice, state = talk.events
        assert isinstance(notice, ReaderNotice)
        assert isinstance(state, ReaderState)
        assert (notice.kind, state.antennas) == (kind, frozenset(seeing or ()))
        talk.events.clear()


def test_antennas_not_connected_at_the_start_are_not_said_to_see_until_they_do() -> None:
    talk = Talk()
    talk.greet()
    talk.until(Phase.ANTENNAS)
    fields = {"AntennaConnected": False, "AntennaID": 2, "AntennaGain": 0}
    talk.answer(0, Parameter("AntennaProperties", fields))
    talk.until(Phase.INVENTORYING)
    state, notice = talk.events
    assert isinstance(state, ReaderState)
    assert state.antennas == {1}
    assert isinstance(notice, ReaderNotice)
    assert notice.kind == "antenna_lost"
    talk.events.clear()
    talk.say(report(bytes(12), antenna=2))
    assert [type(event) for event in talk.events] == [ReaderNotice, ReaderState, ReadBatch]
    assert isinstance(talk.events[1], ReaderState)
    assert talk.events[1].antennas == {1, 2}


def test_a_planned_antenna_that_the_reader_has_not_is_told_and_left_out() -> None:
    talk = Talk(InventoryPlan(antennas=(1, 9)))
    talk.begin()
    (notice,) = talk.of(ReaderNotice)
    assert isinstance(notice, ReaderNotice)
    assert "no antenna 9" in notice.detail
    add = next(message for message in talk.asked if message.name == "ADD_ROSPEC")
    spec = add.parameters[0].find("AISpec")
    assert spec is not None
    assert spec.fields["AntennaIDs"] == [1]


def test_a_reader_with_none_of_the_planned_antennas_cannot_work() -> None:
    talk = Talk(InventoryPlan(antennas=(8, 9)))
    talk.greet()
    assert isinstance(talk.session.failure, ReaderError)
    assert "[8, 9]" in str(talk.session.failure)


@pytest.mark.parametrize(
    ("event", "kind", "text"),
    [
        (Parameter("ReportBufferLevelWarningEvent", {"ReportBufferPercentageFull": 90}), "overflow", "90 %"),
        (Parameter("ReportBufferOverflowErrorEvent"), "overflow", "lost"),
        (Parameter("ReaderExceptionEvent", {"Message": "amplifier hot"}), "fault", "amplifier hot"),
        (Parameter("ConnectionAttemptEvent", {"Status": 4}), "fault", "another client"),
    ],
)
def test_what_an_operator_must_hear_of_becomes_a_notice(event: Parameter, kind: str, text: str) -> None:
    talk = Talk()
    talk.begin()
    talk.say(reader_event(event))
    (notice,) = talk.of(ReaderNotice)
    assert isinstance(notice, ReaderNotice)
    assert notice.kind == kind
    assert text in notice.detail
    assert talk.session.phase is Phase.INVENTORYING


def test_an_event_with_singulation_details_is_legal_and_harmless() -> None:
    talk = Talk()
    talk.begin()
    details = Parameter("C1G2SingulationDetails", {"NumCollisionSlots": 3, "NumEmptySlots": 1})
    fields = {"EventType": 0, "ROSpecID": talk.session.rospec_id, "SpecIndex": 1}
    talk.say(reader_event(Parameter("AISpecEvent", fields, [details])))
    assert talk.session.damaged == 0
    assert talk.session.phase is Phase.INVENTORYING


def test_a_complaint_that_answers_nothing_is_passed_on() -> None:
    talk = Talk()
    talk.begin()
    talk.say(Message("ERROR_MESSAGE", 4711, {}, [status(109)]))
    (notice,) = talk.of(ReaderNotice)
    assert isinstance(notice, ReaderNotice)
    assert "109" in notice.detail


def test_the_readers_goodbye_ends_the_session() -> None:
    talk = Talk()
    talk.begin()
    talk.event("ConnectionCloseEvent")
    assert isinstance(talk.session.failure, LinkLostError)


def test_uptime_of_a_reader_without_a_clock_becomes_utc() -> None:
    talk = Talk()
    uptime_us = 5_000_000
    talk.say(reader_event(Parameter("ConnectionAttemptEvent", {"Status": 0}), "Uptime", uptime_us))
    talk.say(report(bytes(12), uptime_us + 250_000, stamp="Uptime"))
    (batch,) = talk.of(ReadBatch)
    assert isinstance(batch, ReadBatch)
    assert batch.reads["at_us"].tolist() == [NOW_US]  # not later than it came: the greeting was slower
    late = Parameter("GPIEvent", {"GPIPortNumber": 1, "GPIEvent": False})
    talk.say(reader_event(late, "Uptime", uptime_us - 1_000_000))
    assert talk.of(GpiChange) == [GpiChange("door", 1, False, NOW_US - 1_250_000)]


def test_a_clean_close_deletes_the_rospec_and_waits_for_the_answer() -> None:
    talk = Talk()
    talk.begin()
    talk.session.close(talk.now_s)
    talk.say(b"")
    assert [message.name for message in talk.asked[-2:]] == ["DELETE_ROSPEC", "CLOSE_CONNECTION"]
    assert talk.session.phase is Phase.CLOSING
    talk.answer()
    assert talk.session.phase is Phase.CLOSED
    assert talk.session.failure is None


def test_a_connection_lost_in_the_middle_names_where() -> None:
    talk = Talk()
    talk.greet()
    talk.session.connection_lost("reset by peer")
    assert isinstance(talk.session.failure, LinkLostError)
    assert "reset by peer while extensions" in str(talk.session.failure)


def test_a_half_message_and_carried_values_die_with_their_session() -> None:
    epcs = EpcTable()
    decoder = ReportDecoder(epcs)
    plan = InventoryPlan(antennas=(1,))
    first = ClientSession("door", plan, decoder, 0.0)
    first.receive_data(encode(report(bytes(12), antenna=4)) + encode(report(bytes(12)))[:20], 0.0, NOW_US)
    second = ClientSession("door", plan, decoder, 1.0)
    bare = Message(
        "RO_ACCESS_REPORT", 1, {}, [Parameter("TagReportData", {}, [Parameter("EPC_96", {"EPC": bytes(12)})])]
    )
    (batch,) = second.receive_data(encode(bare), 1.0, NOW_US)
    assert isinstance(batch, ReadBatch)
    assert batch.reads["antenna"].tolist() == [0]
    assert np.isnan(batch.reads["rssi_dbm"]).all()
