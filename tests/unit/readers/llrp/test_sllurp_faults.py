"""The faults reproduced in sllurp 3.0.5, each by the same stimulus: none of them may exist here.

Its letters are those of docs/adr/0003-own-llrp.md: what sllurp did stands in each test.
"""

from __future__ import annotations

import numpy as np
import pytest

from readers.backoff import Backoff
from readers.errors import FrameError, LinkLostError, ReaderRefusedError
from readers.llrp import requests
from readers.llrp.codec import MAX_FRAME_BYTES, encode
from readers.llrp.message import Message, Parameter
from readers.llrp.requests import Capabilities, GpiTrigger, InventoryPlan
from readers.llrp.steps import Phase
from readers.read import ReadBatch, ReaderNotice
from tests.scripted_reader import ScriptedReader, Talk, reader_event, report, status

UNKNOWN_MESSAGE = bytes.fromhex("04c5 0000000a 00000001")
CUT_SHORT_FIELD = bytes.fromhex("043d 0000000f 00000001 00f0000586")


@pytest.fixture
def talk() -> Talk:
    talk = Talk()
    talk.run()
    talk.events.clear()
    return talk


def reads(talk: Talk) -> int:
    return sum(len(event.reads) for event in talk.events if isinstance(event, ReadBatch))


def test_fault_a_a_legal_event_with_singulation_details_ends_nothing(talk: Talk) -> None:
    """sllurp: struct.error ends the reader's thread; no callback, no reconnect, state still inventorying."""
    details = Parameter("C1G2SingulationDetails", {"NumCollisionSlots": 3, "NumEmptySlots": 1})
    fields = {"EventType": 0, "ROSpecID": talk.session.rospec_id, "SpecIndex": 1}
    talk.say(reader_event(Parameter("AISpecEvent", fields, [details])), report(bytes(12)))
    assert talk.session.phase is Phase.INVENTORYING
    assert talk.session.damaged == 0
    assert reads(talk) == 1


def test_fault_a_a_report_with_a_cut_short_field_costs_only_itself(talk: Talk) -> None:
    """sllurp: the same end as by the event."""
    talk.say(report(bytes(12)), CUT_SHORT_FIELD, report(bytes(12)))
    assert talk.session.phase is Phase.INVENTORYING
    assert (talk.session.damaged, reads(talk)) == (1, 2)


def test_fault_b_a_link_that_drops_in_mid_message_is_made_again(talk: Talk) -> None:
    """sllurp: the half message swallows the next handshake; disconnected for ever, thread alive."""
    whole = encode(report(bytes(12)))
    for size in range(1, len(whole)):
        talk.say(whole[:size])
        talk.session.connection_lost("reset by peer")
        talk.reconnect()
        talk.run()
        assert talk.session.phase is Phase.INVENTORYING, size
    assert talk.session.damaged == 0


@pytest.mark.parametrize("closes", [True, False], ids=["closes", "stays"])
def test_fault_c_a_reader_that_refuses_is_left_and_called_rarely(closes: bool) -> None:
    """sllurp: 501 connections in 3 s when the reader closes, and a silent hang when it does not."""
    backoff, at_s, calls = Backoff(lambda: 0.0), 0.0, 0
    while at_s < 60:
        calls += 1
        talk = Talk()
        talk.event("ConnectionAttemptEvent", Status=2)
        if closes:
            talk.session.connection_lost("the reader closed the connection")
        assert isinstance(talk.session.failure, ReaderRefusedError)
        assert talk.session.closed  # and so is the socket, by its owner
        at_s += backoff.next_wait_s()
    assert calls <= 10


def test_fault_d_a_silent_peer_is_noticed_within_two_keepalives() -> None:
    """sllurp: keepalives of 2 s asked for, none sent for 12 s, nothing detected."""
    talk = Talk(InventoryPlan(antennas=(1,), keepalive_ms=2000))
    talk.run()
    talk.wait(3.9)
    assert talk.session.failure is None
    talk.wait(0.1)
    assert isinstance(talk.session.failure, LinkLostError)


def test_fault_e_an_unknown_message_costs_only_itself(talk: Talk) -> None:
    """sllurp: the rest of what came with it is thrown away, two good reports among it."""
    talk.say(UNKNOWN_MESSAGE + encode(report(bytes(12))) + encode(report(bytes(12))))
    assert (talk.session.damaged, reads(talk)) == (1, 2)


def test_fault_f_a_photo_eye_goes_out_as_parameter_181() -> None:
    """sllurp: as 180, which is the periodic trigger; LTK and llrpkit refuse it."""
    plan = InventoryPlan(antennas=(1,), start=GpiTrigger(1), stop=GpiTrigger(2, False, 30_000))
    data = encode(requests.add_rospec(1, plan, Capabilities(), (1,)))
    start = bytes.fromhex("00b30010 03 00b5000b 0001 80 00000000")
    stop = bytes.fromhex("00b60014 02 00000000 00b5000b 0002 00 00007530")
    assert start + stop in data
    assert bytes.fromhex("00b4000b") not in data


def test_fault_g_a_header_that_claims_four_gigabytes_ends_the_session_at_once(talk: Talk) -> None:
    """sllurp: buffers without limit, 32 MB unfinished after 5 s."""
    talk.say(encode(report(bytes(12))) + bytes.fromhex("043d ffffffff 00000001"))
    assert isinstance(talk.session.failure, FrameError)
    assert str(MAX_FRAME_BYTES) in str(talk.session.failure)
    assert reads(talk) == 1


def test_fault_g_a_header_shorter_than_itself_ends_the_session(talk: Talk) -> None:
    """sllurp: struct.error escapes."""
    talk.say(bytes.fromhex("043d 00000005 00000001"))
    assert isinstance(talk.session.failure, FrameError)


# --- seen in its source -----------------------------------------------------------------------------------------------


def test_an_error_message_in_the_handshake_does_not_end_the_client() -> None:
    """sllurp: the client ends, without reconnecting."""
    talk = Talk(reader=ScriptedReader())
    talk.reader.refuses["GET_READER_CONFIG"] = 109
    talk.run()
    assert talk.session.phase is Phase.INVENTORYING
    assert "109" in str(talk.of(ReaderNotice)[0])
    other = Talk()
    other.event("ConnectionAttemptEvent", Status=0)
    other.say(Message("ERROR_MESSAGE", other.asked[-1].id, {}, [status(109)]))
    assert not other.session.closed


def test_so_many_tags_make_a_report_and_never_end_the_inventory() -> None:
    """sllurp: report_every_n_tags sets the AISpec's stop trigger, so the reader stops and starts, and misses tags."""
    (rospec,) = requests.add_rospec(1, InventoryPlan(antennas=(1,), report_every_n=7), Capabilities(), (1,)).parameters
    report_spec, inventory = rospec.find("ROReportSpec"), rospec.find("AISpec")
    assert report_spec is not None
    assert inventory is not None
    assert report_spec.fields == {"ROReportTrigger": 2, "N": 7}
    stop = inventory.find("AISpecStopTrigger")
    assert stop is not None
    assert stop.fields == {"AISpecStopTriggerType": 0, "DurationTrigger": 0}


def test_what_a_reader_leaves_out_because_it_has_not_changed_keeps_its_value(talk: Talk) -> None:
    """sllurp: absent parameters are absent (LLRP 1.0.1 §13.2.3 says they are as before)."""
    bare = Parameter("TagReportData", {}, [Parameter("EPC_96", {"EPC": bytes(11) + b"\1"})])
    talk.say(report(bytes(12), antenna=2), Message("RO_ACCESS_REPORT", 1, {}, [bare]))
    (batch,) = talk.events
    assert isinstance(batch, ReadBatch)
    assert batch.reads["antenna"].tolist() == [2, 2]
    assert np.unique(batch.reads["rssi_dbm"]).tolist() == [-60.0]
    assert len(np.unique(batch.reads["at_us"])) == 1


def test_nothing_is_deleted_that_holds_reads_for_us(talk: Talk) -> None:
    """sllurp: reset_on_connect deletes every ROSpec, and with it what was read while it was away."""
    talk.session.connection_lost("reset by peer")
    talk.reconnect()
    talk.asked.clear()
    talk.run()
    assert "DELETE_ROSPEC" not in [message.name for message in talk.asked]
