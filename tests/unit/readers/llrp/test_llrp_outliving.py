"""What a session must outlive: other versions, connections that were lost, inventories that photo-eyes start, readers
that fall silent, complain for ever or lose antennas.
"""

from __future__ import annotations

import pytest

from readers.errors import LinkLostError
from readers.llrp.codec import encode
from readers.llrp.connection import FRAME_PATIENCE_S, RESTART_WAIT_S
from readers.llrp.delivery import NOTICE_EVERY_S
from readers.llrp.message import Message, Parameter
from readers.llrp.requests import GpiTrigger, InventoryPlan
from readers.llrp.steps import VERSION_PATIENCE_S, Phase
from readers.read import GpiChange, ReadBatch, ReaderNotice, ReaderState
from tests.scripted_reader import KEEPALIVE_S, NOW_US, ScriptedReader, Talk, reader_event, report, rospec_event, status

ON = ReaderState("door", frozenset({1, 2}), NOW_US, "inventorying")
ALL_THERE = ReaderNotice("door", "antenna_back", "every planned antenna is connected", NOW_US)


# --- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("versions", [(1, 2), (1, 2, 3)])
def test_a_reader_of_1_1_or_later_is_spoken_to_in_1_1(versions: tuple[int, ...]) -> None:
    talk = Talk(reader=ScriptedReader(versions=versions))
    talk.run()
    assert [message.name for message in talk.asked[:3]] == [
        "GET_SUPPORTED_VERSION",
        "SET_PROTOCOL_VERSION",
        "GET_READER_CAPABILITIES",
    ]
    assert {message.version for message in talk.asked} == {2}
    assert talk.events == [ON, ALL_THERE]
    talk.say(Message("KEEPALIVE", 9, version=2))
    assert talk.asked[-1] == Message("KEEPALIVE_ACK", 9, version=2)


@pytest.mark.parametrize(
    "how", ["unsupported version", "unsupported message", "id 0", "only 1.0.1", "will not set", "status", "silence"]
)
def test_a_reader_of_1_0_1_is_spoken_to_in_1_0_1_however_it_says_so(how: str) -> None:
    reader = ScriptedReader(versions=(1, 2) if how == "will not set" else (1,))
    talk = Talk(reader=reader)
    talk.say(reader.connect())
    asked = talk.asked[-1]
    assert (asked.name, asked.version) == ("GET_SUPPORTED_VERSION", 2)
    match how:
        case "unsupported message":
            reader.refuses["GET_SUPPORTED_VERSION"] = 109
        case "only 1.0.1":
            reader.refuses["GET_SUPPORTED_VERSION"] = 0
        case "will not set":
            reader.refuses["SET_PROTOCOL_VERSION"] = 101
        case "status":
            reader.refuses["GET_SUPPORTED_VERSION"] = 101
        case "silence" | "id 0":
            reader.ignores.add("GET_SUPPORTED_VERSION")
    talk.pump()
    if how == "id 0":
        talk.say(Message("ERROR_MESSAGE", 0, {}, [status(110)]))
        talk.pump()
    elif how == "silence":
        talk.wait(VERSION_PATIENCE_S)
        talk.pump()
    assert talk.session.phase is Phase.INVENTORYING
    asked_in = {message.version for message in talk.asked if "VERSION" not in message.name}
    assert asked_in == {1}


@pytest.mark.parametrize("after", ["at once", "its refusal", "its consent"])
def test_a_reader_that_drops_whoever_speaks_1_1_is_asked_twice_and_no_more(after: str) -> None:
    talk = Talk(reader=ScriptedReader(versions=(1, 2) if after == "its consent" else (1,)))
    for _ in range(2):
        talk.say(talk.reader.connect())
        assert talk.asked[-1].name == "GET_SUPPORTED_VERSION"
        if after != "at once":
            data, talk.sent = talk.sent, b""
            talk.say(talk.reader.hear(data))
        talk.session.connection_lost("reset by peer")
        talk.reconnect()
    talk.run()
    assert talk.session.phase is Phase.INVENTORYING
    assert names(talk).count("GET_SUPPORTED_VERSION") == 2


def test_a_reader_that_swallows_1_1_costs_two_connections_a_moment_and_no_more() -> None:
    talk = Talk()
    talk.reader.ignores.add("GET_SUPPORTED_VERSION")
    for asks in (True, True, False, False):
        talk.asked.clear()
        talk.run()
        assert ("GET_SUPPORTED_VERSION" in names(talk)) is asks
        if asks:
            talk.wait(VERSION_PATIENCE_S)
            talk.pump()
        assert talk.session.phase is Phase.INVENTORYING
        lose(talk)


def test_a_line_that_drops_elsewhere_does_not_unlearn_1_1() -> None:
    talk = Talk(reader=ScriptedReader(versions=(1, 2)))
    for _ in range(4):
        talk.run()
        assert talk.session.version == 2
        lose(talk)
        talk.say(talk.reader.connect())
        talk.session.connection_lost("reset by peer")
        talk.reconnect()


def test_an_operator_may_pin_1_0_1() -> None:
    talk = Talk(InventoryPlan(antennas=(1,), may_speak_1_1=False))
    talk.run()
    assert talk.asked[0].name == "GET_READER_CAPABILITIES"


# --- what an earlier connection left ----------------------------------------------------------------------------------


def lose(talk: Talk) -> None:
    talk.session.connection_lost("reset by peer")
    talk.reconnect()
    talk.asked.clear()
    talk.events.clear()


def names(talk: Talk) -> list[str]:
    return [message.name for message in talk.asked]


def test_our_rospec_is_adopted_and_what_was_read_meanwhile_comes() -> None:
    talk = Talk()
    talk.run()
    assert talk.reader.is_holding
    lose(talk)
    ours = talk.reader.active[0]
    talk.reader.held = [
        encode(report(bytes(12), NOW_US - 9)),
        encode(rospec_event(ours, 1)),
        encode(rospec_event(ours, 0)),
    ]
    talk.run()
    assert not {"DELETE_ROSPEC", "ADD_ROSPEC", "START_ROSPEC", "ENABLE_ROSPEC"} & set(names(talk))
    assert names(talk)[-1] == "GET_ROSPECS"
    batch, state = talk.events
    assert isinstance(batch, ReadBatch)
    assert batch.reads["at_us"].tolist() == [NOW_US - 9]
    assert state == ON
    assert talk.reader.active == [ours]


@pytest.mark.parametrize(("state", "asks"), [(0, ["ENABLE_ROSPEC"]), (1, ["START_ROSPEC"]), (2, [])])
def test_our_rospec_is_adopted_in_whatever_state_it_is(state: int, asks: list[str]) -> None:
    talk = Talk()
    talk.run()
    lose(talk)
    (spec,) = talk.reader.rospecs.values()
    spec.fields["CurrentState"] = state
    talk.run()
    assert names(talk)[names(talk).index("GET_ROSPECS") + 1 :] == asks
    assert talk.events[-1] == ON
    assert spec.fields["CurrentState"] == 2


def test_our_rospec_of_another_plan_makes_way() -> None:
    reader = ScriptedReader()
    Talk(InventoryPlan(antennas=(1,)), reader).run()
    Talk(InventoryPlan(antennas=(1, 2, 3)), reader).run()
    old = list(reader.rospecs)
    talk = Talk(reader=reader)
    talk.run()
    assert talk.session.phase is Phase.INVENTORYING
    assert reader.active == list(reader.rospecs) == [talk.session.rospec_id]
    assert talk.session.rospec_id not in old


def test_the_number_of_our_rospec_follows_from_what_it_asks_for() -> None:
    numbers = set()
    for plan in (
        InventoryPlan(antennas=(1, 2)),
        InventoryPlan(antennas=(1, 2), keepalive_ms=99),
        InventoryPlan(antennas=(2, 1)),
        InventoryPlan(antennas=(1, 2), session=2),
        InventoryPlan(antennas=(1, 2), start=GpiTrigger(1), run_ms=5),
    ):
        talk = Talk(plan)
        talk.run()
        assert talk.session.rospec_id >> 24 == 0x7A
        numbers.add(talk.session.rospec_id)
    assert len(numbers) == 4  # how the link is watched is not the ROSpec's


def test_a_reader_that_rebooted_gets_everything_anew() -> None:
    talk = Talk()
    talk.run()
    lose(talk)
    talk.reader.reboot()
    talk.run()
    assert names(talk)[-2:] == ["ADD_ROSPEC", "ENABLE_ROSPEC"]
    assert talk.events == [ON]


def test_an_active_rospec_of_a_stranger_is_told_and_goes_an_idle_one_stays() -> None:
    reader = ScriptedReader()
    Talk(reader=reader).run()
    (spec,) = reader.rospecs.values()
    for state, stays in ((1, True), (2, False)):
        stranger = Parameter("ROSpec", {**spec.fields, "ROSpecID": 5, "CurrentState": state}, spec.parameters)
        reader.rospecs = {5: stranger}
        talk = Talk(reader=reader)
        talk.run()
        assert talk.session.phase is Phase.INVENTORYING
        assert (5 in reader.rospecs) is stays
        told = [notice.detail for notice in talk.of(ReaderNotice) if isinstance(notice, ReaderNotice)]
        assert any("ROSpec 5" in detail for detail in told) is not stays


def test_a_reader_that_cannot_say_what_it_holds_is_released_all_the_same() -> None:
    talk = Talk()
    talk.reader.refuses["GET_READER_CAPABILITIES"] = 101
    talk.run()
    assert "ENABLE_EVENTS_AND_REPORTS" in names(talk)
    other = Talk(reader=ScriptedReader(holds=False))
    other.run()
    assert "ENABLE_EVENTS_AND_REPORTS" not in names(other)
    assert not other.reader.is_holding


def test_a_reader_that_does_not_know_how_to_release_is_not_a_fault() -> None:
    talk = Talk()
    talk.reader.refuses["ENABLE_EVENTS_AND_REPORTS"] = 109
    talk.run()
    assert talk.events == [ON, ALL_THERE]


# --- photo-eyes -------------------------------------------------------------------------------------------------------

DOOR = InventoryPlan(antennas=(1, 2), start=GpiTrigger(1), stop=GpiTrigger(2, timeout_ms=30_000))


def test_a_photo_eye_starts_and_ends_the_inventory() -> None:
    talk = Talk(DOOR, ScriptedReader(gpis=2))
    talk.run()
    waiting = ReaderState("door", frozenset(), NOW_US, "waiting for its trigger", idle=True)
    assert talk.events == [waiting, ALL_THERE]
    talk.events.clear()
    ours = talk.session.rospec_id
    talk.say(rospec_event(ours, 0), report(bytes(12)), rospec_event(ours, 1))
    on, batch, off = talk.events
    assert (on, off) == (ON, waiting)
    assert isinstance(batch, ReadBatch)
    talk.wait(RESTART_WAIT_S)
    assert "START_ROSPEC" not in names(talk)
    assert talk.session.is_ready


def test_a_triggered_rospec_is_adopted_waiting_or_running() -> None:
    talk = Talk(DOOR, ScriptedReader(gpis=2))
    talk.run()
    for state, on in ((1, False), (2, True)):
        lose(talk)
        (spec,) = talk.reader.rospecs.values()
        spec.fields["CurrentState"] = state
        talk.run()
        assert "ADD_ROSPEC" not in names(talk)
        (said,) = talk.events
        assert isinstance(said, ReaderState)
        assert (bool(said.antennas), said.idle) == (on, not on)


def test_reads_say_that_a_reader_runs_which_tells_of_no_events() -> None:
    talk = Talk(DOOR, ScriptedReader(gpis=2))
    talk.reader.refuses["SET_READER_CONFIG"] = 0
    talk.say(talk.reader.connect())
    while talk.session.phase is not Phase.CONFIGURING:
        talk.sent, data = b"", talk.sent
        talk.say(talk.reader.hear(data))
    talk.sent = b""
    talk.answer(101)
    talk.pump()
    assert talk.session.phase is Phase.ARMED
    talk.events.clear()
    talk.say(report(bytes(12)))
    assert [type(event) for event in talk.events] == [ReaderState, ReadBatch]


def test_a_photo_eye_that_the_reader_heard_for_us_is_told_by_its_own_events_alone() -> None:
    talk = Talk(reader=ScriptedReader(gpis=2))
    talk.run()
    lose(talk)
    levels = (True, False, True)
    gpi = [Parameter("GPIEvent", {"GPIPortNumber": 1, "GPIEvent": high}) for high in levels]
    talk.reader.held = [encode(reader_event(event, at_us=NOW_US - 30 + place)) for place, event in enumerate(gpi)]
    talk.reader.held.append(encode(reader_event(Parameter("AntennaEvent", {"EventType": 0, "AntennaID": 2}))))
    talk.reader.inputs[1] = True
    talk.run()
    expected = [GpiChange("door", 1, high, NOW_US - 30 + place) for place, high in enumerate(levels)]
    assert talk.of(GpiChange) == expected
    assert [notice.kind for notice in talk.of(ReaderNotice) if isinstance(notice, ReaderNotice)] == [
        "antenna_lost",
        "antenna_back",
    ], "what the reader says now is newer than what it held"
    assert ON in talk.events


def test_a_photo_eye_that_changed_while_we_were_away_is_told_once() -> None:
    talk = Talk(reader=ScriptedReader(gpis=2))
    talk.run()
    assert talk.of(GpiChange) == []
    lose(talk)
    talk.reader.inputs[2] = True
    talk.run()
    assert talk.of(GpiChange) == [GpiChange("door", 2, True, NOW_US)]
    lose(talk)
    talk.run()
    assert talk.of(GpiChange) == []


# --- watchdogs and notices --------------------------------------------------------------------------------------------


def test_half_a_message_that_never_ends_is_given_up_though_its_bytes_keep_coming() -> None:
    talk = Talk()
    talk.begin()
    data = encode(report(bytes(12)))
    for at in range(20):
        talk.wait(FRAME_PATIENCE_S / 20)
        talk.say(data[at : at + 1])
    talk.wait(FRAME_PATIENCE_S / 20)
    assert isinstance(talk.session.failure, LinkLostError)
    assert "half a message" in str(talk.session.failure)


def test_the_same_complaint_is_passed_on_once_a_minute() -> None:
    talk = Talk()
    talk.begin()
    hot = reader_event(Parameter("ReaderExceptionEvent", {"Message": "hot"}))
    for _ in range(500):
        talk.say(hot)
    assert len(talk.of(ReaderNotice)) == 1
    for _ in range(int(NOTICE_EVERY_S / KEEPALIVE_S)):
        talk.wait(KEEPALIVE_S)
        talk.say(Message("KEEPALIVE", 1))
    talk.say(hot)
    assert len(talk.of(ReaderNotice)) == 2


def test_one_antenna_of_two_that_comes_back_does_not_say_that_all_is_well() -> None:
    talk = Talk()
    talk.begin()
    talk.events.clear()
    for connected, port in ((0, 1), (0, 2), (1, 1), (1, 2)):
        talk.event("AntennaEvent", EventType=connected, AntennaID=port)
    said = [(notice.kind, notice.detail) for notice in talk.events if isinstance(notice, ReaderNotice)]
    assert [kind for kind, _ in said] == ["antenna_lost"] * 3 + ["antenna_back"]
    assert said[1][1] == "antenna 1, 2 is not connected"
    assert said[2][1] == "antenna 2 is not connected"


def test_an_antenna_that_came_back_while_we_were_away_is_told() -> None:
    talk = Talk()
    talk.reader.unplugged = {2}
    talk.run()
    lose(talk)
    talk.run()
    assert talk.of(ReaderNotice) == []
    talk.reader.unplugged = set()
    lose(talk)
    talk.run()
    assert talk.of(ReaderNotice) == [ALL_THERE]


def test_a_clock_that_was_never_set_is_told() -> None:
    talk = Talk()
    talk.reader.connect()
    talk.say(reader_event(Parameter("ConnectionAttemptEvent", {"Status": 0}), at_us=1_000_000))
    assert talk.events == []
    talk.pump()
    assert isinstance(talk.events[0], ReaderState)
    assert "clock is -1699999999 s off" in str(talk.events[1])


def test_what_a_reader_complains_of_before_it_is_set_up_belongs_to_this_connection() -> None:
    """The operator's slate is wiped clean when a reader connects: what was held for us must come after that."""
    talk = Talk()
    talk.run()
    lose(talk)
    talk.reader.held = [encode(reader_event(Parameter("ReportBufferOverflowErrorEvent")))]
    talk.run()
    state, notice = talk.events
    assert state == ON
    assert isinstance(notice, ReaderNotice)
    assert notice.kind == "overflow"
    lose(talk)
    talk.reader.refuses["GET_READER_CONFIG"] = 109
    talk.say(talk.reader.connect())
    while talk.session.phase is not Phase.DISARMING:
        data, talk.sent = talk.sent, b""
        talk.say(talk.reader.hear(data))
    assert talk.events == []
    talk.events += talk.session.connection_lost("reset by peer")
    (notice,) = talk.events
    assert isinstance(notice, ReaderNotice)
    assert "109" in notice.detail


def test_reads_without_any_time_are_taken_as_they_come() -> None:
    talk = Talk()
    talk.begin()
    bare = Parameter("TagReportData", {}, [Parameter("EPC_96", {"EPC": bytes(12)})])
    talk.say(Message("RO_ACCESS_REPORT", 1, {}, [bare]))
    (batch,) = talk.of(ReadBatch)
    assert isinstance(batch, ReadBatch)
    assert (batch.reads["at_us"].tolist(), batch.reads["first_at_us"].tolist()) == ([NOW_US], [NOW_US])


# --- reports that wait ------------------------------------------------------------------------------------------------


def test_tags_that_wait_for_a_full_report_are_fetched() -> None:
    talk = Talk(InventoryPlan(antennas=(1,), report_every_n=50, report_wait_ms=500))
    talk.begin()
    asked = len(talk.asked)
    for _ in range(4):
        talk.wait(0.5)
        talk.say(Message("RO_ACCESS_REPORT", talk.asked[-1].id))
    assert names(talk)[asked:] == ["GET_REPORT"] * 4
    talk.say(Message("ERROR_MESSAGE", talk.asked[-1].id, {}, [status(109)]))
    talk.wait(5)
    assert names(talk)[asked:] == ["GET_REPORT"] * 4
    assert talk.session.phase is Phase.INVENTORYING


def test_reports_of_each_tag_need_no_fetching() -> None:
    talk = Talk()
    talk.begin()
    asked = len(talk.asked)
    talk.wait(2)
    assert len(talk.asked) == asked
