"""The reader's side of LLRP: answers with exact status, ROSpec life cycle, triggers, events, holding."""

from __future__ import annotations

import pytest

from readers.llrp import requests
from readers.llrp.codec import Framer, decode, encode
from readers.llrp.message import Message, Parameter
from readers.llrp.requests import InventoryPlan
from readers.llrp.vendor import IMPINJ
from simulators.llrp.models import load_model
from simulators.llrp.session import MAX_UNACKED_KEEPALIVES, attempt_event
from tests.reader_bench import (
    BENCH_MODEL,
    MS,
    T0,
    Bench,
    access_spec,
    ai_spec,
    code,
    errors,
    gpi,
    names,
    ro_spec,
    trigger,
)

# --- connections and errors ----------------------------------------------------------------------------------------


def test_the_reader_speaks_first() -> None:
    (greeting,) = Bench().said
    data = greeting.parameters[0]
    assert [parameter.name for parameter in data.parameters] == ["UTCTimestamp", "ConnectionAttemptEvent"]
    assert data.parameters[0].fields == {"Microseconds": T0}
    assert data.parameters[1].fields == {"Status": 0}


def test_a_second_client_is_told_to_the_first() -> None:
    bench = Bench()
    bench.side.another_attempt(T0)
    (event,) = bench.hear()
    attempt = event.parameters[0].find("ConnectionAttemptEvent")
    assert attempt is not None
    assert attempt.fields == {"Status": 4}
    assert decode(attempt_event(2, T0)).parameters[0].parameters[1].fields == {"Status": 2}


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        pytest.param("0502 0000000a 00000001", 109, id="unknown message type"),
        pytest.param("043d 0000000a 00000001", 109, id="a reader's own message"),
        pytest.param("0801 0000000b 00000001 00", 110, id="LLRP 1.1"),
    ],
)
def test_what_a_reader_cannot_take_gets_an_error_message(frame: str, status: int) -> None:
    bench = Bench()
    (answer,) = bench.ask(bytes.fromhex(frame))
    assert answer.name == "ERROR_MESSAGE"
    assert answer.id == 1
    assert code(answer) == status
    assert code(bench.request("GET_ROSPECS")) == 0


def test_a_request_that_does_not_decode_is_refused_in_its_own_response() -> None:
    (answer,) = Bench().ask(bytes.fromhex("0414 0000000a 00000009"))
    assert (answer.name, answer.id) == ("ADD_ROSPEC_RESPONSE", 9)
    assert code(answer) == 103


def test_a_trigger_with_the_wrong_parameter_is_refused_with_its_exact_place() -> None:
    right = ro_spec(start=trigger("ROSpecStartTrigger", 3, gpi(1, True)))
    frame = encode(Message("ADD_ROSPEC", 5, {}, [right]))
    wrong = frame.replace(bytes.fromhex("00b5000b"), bytes.fromhex("00b4000b"))
    assert wrong != frame
    bench = Bench()
    (answer,) = bench.ask(wrong)
    assert code(answer) == 100
    assert [kind for kind, _ in errors(answer)][:3] == [177, 178, 179]
    assert names(bench.request("GET_ROSPECS").parameters) == ["LLRPStatus"]


def test_bytes_that_are_no_llrp_end_the_connection() -> None:
    bench = Bench()
    bench.ask(b"GET / HTTP/1.1\r\n\r\n")
    assert bench.side.closing


def test_close_connection_is_answered_and_then_nothing_more() -> None:
    bench = Bench()
    assert code(bench.request("CLOSE_CONNECTION")) == 0
    assert bench.side.closing
    assert bench.ask(Message("GET_ROSPECS", 1)) == []


def test_the_reader_says_goodbye_before_it_leaves() -> None:
    bench = Bench()
    bench.side.leave(T0)
    (event,) = bench.hear()
    assert event.parameters[0].find("ConnectionCloseEvent") is not None
    assert bench.side.closing


def test_a_client_that_acknowledges_nothing_loses_the_reader() -> None:
    bench = Bench()
    for _ in range(MAX_UNACKED_KEEPALIVES):
        bench.side.keepalive()
    assert names(bench.hear()) == ["KEEPALIVE"] * MAX_UNACKED_KEEPALIVES
    bench.ask(Message("KEEPALIVE_ACK", 1))
    bench.side.keepalive()
    assert not bench.side.closing
    for _ in range(MAX_UNACKED_KEEPALIVES):
        bench.side.keepalive()
    assert bench.side.closing


# --- capabilities and configuration --------------------------------------------------------------------------------


ALL = ["GeneralDeviceCapabilities", "LLRPCapabilities", "RegulatoryCapabilities", "C1G2LLRPCapabilities"]


@pytest.mark.parametrize(("requested", "expected"), [(0, ALL), (1, ALL[:1]), (3, ALL[2:3])])
def test_capabilities_are_what_was_asked_for(requested: int, expected: list[str]) -> None:
    answer = Bench().request("GET_READER_CAPABILITIES", RequestedData=requested)
    assert [parameter.name for parameter in answer.parameters] == ["LLRPStatus", *expected]


def test_configuration_that_is_set_is_the_one_that_is_got() -> None:
    bench = Bench()
    message = requests.set_config(1, InventoryPlan(antennas=(1,)), requests.Capabilities(gpis=4, holds_reports=True))
    assert code(bench.ask(message)[0]) == 0
    asked = {"AntennaID": 0, "RequestedData": 0, "GPIPortNum": 0, "GPOPortNum": 0}
    answer = bench.request("GET_READER_CONFIG", **asked)
    keepalive = answer.find("KeepaliveSpec")
    assert keepalive is not None
    assert keepalive.fields == {"KeepaliveTriggerType": 1, "PeriodicTriggerValue": 5000}
    assert [part.fields["Config"] for part in answer.every("GPIPortCurrentState")] == [True] * 4
    spec = answer.find("ReaderEventNotificationSpec")
    assert spec is not None
    on = {state.fields["EventType"] for state in spec.parameters if state.fields["NotificationState"]}
    assert on == set(requests.NOTIFICATIONS)
    assert code(bench.request("SET_READER_CONFIG", ResetToFactoryDefault=True)) == 0
    assert bench.side.config.keepalive_ms == 0
    assert bench.side.config.events == set()


def test_of_a_faulty_configuration_no_part_is_carried_out() -> None:
    bench = Bench()
    keepalive = Parameter("KeepaliveSpec", {"KeepaliveTriggerType": 1, "PeriodicTriggerValue": 99})
    output = Parameter("GPOWriteData", {"GPOPortNumber": 9, "GPOData": True})
    answer = bench.request("SET_READER_CONFIG", keepalive, output, ResetToFactoryDefault=False)
    assert code(answer) == 100
    assert errors(answer) == [(219, 201), (0, 301)]
    assert bench.side.config.keepalive_ms == 0


def test_a_port_that_is_not_there_cannot_be_asked_for() -> None:
    asked = {"AntennaID": 5, "RequestedData": 2, "GPIPortNum": 0, "GPOPortNum": 0}
    answer = Bench().request("GET_READER_CONFIG", **asked)
    assert code(answer) == 101
    assert errors(answer) == [(0, 301)]


def test_impinj_parameters_are_refused_until_the_extensions_are_enabled() -> None:
    plan, impinj = InventoryPlan(antennas=(1,)), requests.Capabilities(antennas=4, vendor=IMPINJ)
    add = requests.add_rospec(1, plan, impinj, (1,))
    bench = Bench()
    (refused,) = bench.ask(add)
    assert errors(refused) == [(1023, 209)]
    (enabled,) = bench.ask(requests.enable_impinj_extensions(2))
    assert enabled.name == "CUSTOM_MESSAGE"
    assert code(bench.ask(add)[0]) == 0
    other = Bench(load_model("fx9600"))
    assert other.ask(requests.enable_impinj_extensions(2))[0].name == "ERROR_MESSAGE"


# --- ROSpecs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rospec", "expected"),
    [
        pytest.param(ro_spec(0), [(177, 201), (0, 301)], id="id 0"),
        pytest.param(ro_spec(Priority=1), [(177, 201), (1, 301)], id="priority"),
        pytest.param(ro_spec(CurrentState=1), [(177, 201), (2, 300)], id="not disabled"),
        pytest.param(ro_spec(specs=(ai_spec(1, 5),)), [(177, 200), (183, 201), (0, 301)], id="antenna"),
        pytest.param(
            ro_spec(start=trigger("ROSpecStartTrigger", 3)),
            [(177, 200), (178, 200), (179, 203)],
            id="GPI trigger without value",
        ),
        pytest.param(
            ro_spec(start=trigger("ROSpecStartTrigger", 3, gpi(5, True))),
            [(177, 200), (178, 200), (179, 200), (181, 201), (0, 301)],
            id="GPI port",
        ),
        pytest.param(
            ro_spec(start=trigger("ROSpecStartTrigger", 2)),
            [(177, 200), (178, 200), (179, 203)],
            id="periodic trigger without value",
        ),
    ],
)
def test_an_rospec_that_cannot_run_is_refused_with_its_exact_place(
    rospec: Parameter, expected: list[tuple[int, int]]
) -> None:
    bench = Bench()
    answer = bench.request("ADD_ROSPEC", rospec)
    assert code(answer) == 100
    assert errors(answer) == expected
    assert bench.side.radio.rospecs == {}


def test_an_rospec_is_added_once_and_only_so_many() -> None:
    bench = Bench()
    assert code(bench.request("ADD_ROSPEC", ro_spec(1))) == 0
    assert errors(bench.request("ADD_ROSPEC", ro_spec(1))) == [(177, 201), (0, 300)]
    for number in range(2, BENCH_MODEL.max_rospecs + 1):
        assert code(bench.request("ADD_ROSPEC", ro_spec(number))) == 0
    assert errors(bench.request("ADD_ROSPEC", ro_spec(99))) == [(177, 205)]


@pytest.mark.parametrize(
    "name", ["DELETE_ROSPEC", "ENABLE_ROSPEC", "DISABLE_ROSPEC", "START_ROSPEC", "STOP_ROSPEC", "DELETE_ACCESSSPEC"]
)
def test_a_spec_that_is_not_there_is_a_field_error(name: str) -> None:
    field = "AccessSpecID" if "ACCESS" in name else "ROSpecID"
    answer = Bench().request(name, **{field: 3})
    assert code(answer) == 101
    assert errors(answer) == [(0, 300)]


def test_zero_stands_for_all_but_cannot_be_started() -> None:
    bench = Bench()
    for name in ("DELETE_ROSPEC", "ENABLE_ROSPEC", "DISABLE_ROSPEC"):
        assert code(bench.request(name, ROSpecID=0)) == 0
    assert code(bench.request("DELETE_ACCESSSPEC", AccessSpecID=0)) == 0
    assert code(bench.request("START_ROSPEC", ROSpecID=0)) == 101


def state_of(bench: Bench, number: int = 1) -> int | None:
    answer = bench.request("GET_ROSPECS")
    found = [spec.fields["CurrentState"] for spec in answer.every("ROSpec") if spec.fields["ROSpecID"] == number]
    return found[0] if found else None


def test_the_life_of_an_rospec() -> None:
    bench = Bench()
    bench.request("ADD_ROSPEC", ro_spec(start=trigger("ROSpecStartTrigger", 0)))
    assert state_of(bench) == 0
    assert code(bench.request("START_ROSPEC", ROSpecID=1)) == 101
    assert code(bench.request("ENABLE_ROSPEC", ROSpecID=1)) == 0
    assert state_of(bench) == 1
    assert bench.run(200) == []
    assert code(bench.request("START_ROSPEC", ROSpecID=1)) == 0
    assert state_of(bench) == 2
    assert set(names(bench.run(200))) == {"RO_ACCESS_REPORT"}
    assert code(bench.request("STOP_ROSPEC", ROSpecID=1)) == 0
    assert state_of(bench) == 1
    assert bench.run(200) == []
    assert code(bench.request("START_ROSPEC", ROSpecID=1)) == 0
    assert code(bench.request("DISABLE_ROSPEC", ROSpecID=1)) == 0
    assert state_of(bench) == 0
    assert code(bench.request("DELETE_ROSPEC", ROSpecID=1)) == 0
    assert state_of(bench) is None
    assert bench.run(200) == []


def test_every_instant_of_an_active_rospec_is_looked_at_once() -> None:
    bench = Bench()
    bench.start(ro_spec(specs=(ai_spec(0),)))
    bench.run(2000, step_ms=130)
    assert bench.windows[0] == ((1, 2, 3, 4), T0, T0 + 130 * MS)
    assert all(one[2] == two[1] for one, two in zip(bench.windows, bench.windows[1:], strict=False))
    assert bench.windows[-1][2] == bench.now_us


def test_an_immediate_rospec_starts_when_enabled_and_again_when_it_runs_out() -> None:
    bench = Bench()
    bench.side.config.events.update({2, 6})
    stop = trigger("AISpecStopTrigger", 1, DurationTrigger=100)
    bench.start(ro_spec(specs=(ai_spec(1, stop=stop), ai_spec(2, stop=stop)), every_n=0, report_trigger=1))
    said = bench.run(200)
    kinds = [next(iter(m.parameters[0].parameters[1:]), m).name for m in said if m.name != "RO_ACCESS_REPORT"]
    assert kinds == ["AISpecEvent", "AISpecEvent", "ROSpecEvent", "ROSpecEvent"]
    assert names(said).count("RO_ACCESS_REPORT") == 2
    assert [ports for ports, *_ in bench.windows] == [(1,), (1,), (2,), (2,)]
    assert state_of(bench) == 2
    bench.request("STOP_ROSPEC", ROSpecID=1)
    assert bench.run(200) == []


def test_reports_lie_between_the_start_and_the_end_of_their_rospec() -> None:
    bench = Bench()
    bench.side.config.events.add(2)
    start = trigger("ROSpecStartTrigger", 0)
    bench.start(ro_spec(start=start, stop=trigger("ROSpecStopTrigger", 1, DurationTriggerValue=120), every_n=0))
    bench.request("START_ROSPEC", ROSpecID=1)
    bench.run(200)
    said = bench.said[-3:]
    assert names(said) == ["READER_EVENT_NOTIFICATION", "RO_ACCESS_REPORT", "READER_EVENT_NOTIFICATION"]
    assert said[2].parameters[0].parameters[0].fields == {"Microseconds": T0 + 120 * MS}
    (tag,) = said[1].parameters
    count = tag.find("TagSeenCount")
    assert count is not None
    assert count.fields == {"TagCount": 12}


def test_a_periodic_rospec_starts_at_its_times() -> None:
    bench = Bench()
    value = Parameter("PeriodicTriggerValue", {"Offset": 100, "Period": 300})
    stop = trigger("ROSpecStopTrigger", 1, DurationTriggerValue=100)
    bench.start(ro_spec(start=trigger("ROSpecStartTrigger", 2, value), stop=stop))
    bench.run(1000)
    begins = sorted({from_us for _, from_us, _ in bench.windows if (from_us - T0) % (300 * MS) == 100 * MS})
    assert [(begin - T0) // MS for begin in begins] == [100, 400, 700]
    assert sum(to_us - from_us for _, from_us, to_us in bench.windows) == 300 * MS


def test_a_photo_eye_starts_and_stops_and_its_event_comes_first() -> None:
    bench = Bench()
    bench.side.config.events.update({1, 2})
    bench.side.set_gpi(1, True, bench.now_us)
    assert bench.hear() == []
    bench.side.set_gpi(1, False, bench.now_us)
    port = Parameter("GPIPortCurrentState", {"GPIPortNum": 1, "Config": True, "State": 2})
    bench.request("SET_READER_CONFIG", port, ResetToFactoryDefault=False)
    start = trigger("ROSpecStartTrigger", 3, gpi(1, True))
    stop = trigger("ROSpecStopTrigger", 2, gpi(1, False, 400), DurationTriggerValue=0)
    bench.start(ro_spec(start=start, stop=stop))
    assert bench.run(100) == []
    bench.side.set_gpi(1, True, bench.now_us)
    assert [m.parameters[0].parameters[1].name for m in bench.hear()] == ["GPIEvent", "ROSpecEvent"]
    assert names(bench.run(100)) == ["RO_ACCESS_REPORT"] * 10
    bench.side.set_gpi(1, False, bench.now_us)
    assert [m.parameters[0].parameters[1].name for m in bench.hear()] == ["GPIEvent", "ROSpecEvent"]
    bench.side.set_gpi(1, True, bench.now_us)
    reports = names(bench.run(1000)).count("RO_ACCESS_REPORT")
    assert reports == 40


@pytest.mark.parametrize(
    ("observation", "expected_ms"),
    [
        ({"TriggerType": 0, "NumberOfTags": 1, "T": 0, "Timeout": 0}, 50),
        ({"TriggerType": 0, "NumberOfTags": 9, "T": 0, "Timeout": 220}, 220),
        ({"TriggerType": 1, "NumberOfTags": 0, "T": 200, "Timeout": 0}, 250),
    ],
)
def test_an_aispec_stops_when_it_has_seen_its_tags(observation: dict[str, int], expected_ms: int) -> None:
    bench = Bench()
    value = Parameter("TagObservationTrigger", {"NumberOfAttempts": 0} | observation)
    stop = trigger("AISpecStopTrigger", 3, value, DurationTrigger=0)
    bench.start(ro_spec(specs=(ai_spec(1, stop=stop), ai_spec(2))))
    bench.run(500)
    second = next(from_us for ports, from_us, _ in bench.windows if ports == (2,))
    assert second == T0 + expected_ms * MS


def test_one_radio_serves_one_rospec_and_the_next_waits_for_it() -> None:
    bench = Bench()
    bench.start(ro_spec(1, specs=(ai_spec(1),)))
    bench.start(ro_spec(2, specs=(ai_spec(2),)))
    assert code(bench.request("START_ROSPEC", ROSpecID=2)) == 101
    bench.run(100)
    assert {ports for ports, *_ in bench.windows} == {(1,)}
    bench.request("DELETE_ROSPEC", ROSpecID=1)
    bench.run(100)
    assert bench.windows[-1][0] == (2,)


def test_a_report_without_a_limit_goes_out_at_the_readers_own_interval() -> None:
    bench = Bench(flush_ms=300)
    bench.start(ro_spec(every_n=0))
    assert [len(message.parameters) for message in bench.run(900)] == [1, 1, 1]


def test_without_a_report_trigger_the_client_asks() -> None:
    bench = Bench()
    bench.start(ro_spec(report_trigger=0))
    assert bench.run(700) == []
    assert names(bench.ask(Message("GET_REPORT", 1))) == ["RO_ACCESS_REPORT"]
    (nothing,) = bench.ask(Message("GET_REPORT", 2))
    assert (nothing.name, nothing.parameters) == ("RO_ACCESS_REPORT", [])
    bench.run(100)
    bench.request("STOP_ROSPEC", ROSpecID=1)
    (rest,) = bench.ask(Message("GET_REPORT", 3))
    assert [tag.name for tag in rest.parameters] == ["TagReportData"]


# --- AccessSpecs, antennas, holding ----------------------------------------------------------------------------------


def test_access_specs_are_kept_and_shown_in_their_state() -> None:
    bench = Bench()
    assert code(bench.request("ADD_ACCESSSPEC", access_spec(3))) == 0
    assert code(bench.request("ADD_ACCESSSPEC", access_spec(3))) == 100
    assert code(bench.request("ADD_ACCESSSPEC", access_spec(0))) == 100
    assert code(bench.request("ENABLE_ACCESSSPEC", AccessSpecID=3)) == 0
    (spec,) = bench.request("GET_ACCESSSPECS").every("AccessSpec")
    assert bool(spec.fields["CurrentState"]) is True
    assert code(bench.request("DISABLE_ACCESSSPEC", AccessSpecID=3)) == 0
    assert code(bench.request("DELETE_ACCESSSPEC", AccessSpecID=0)) == 0
    assert list(bench.request("GET_ACCESSSPECS").every("AccessSpec")) == []


def test_a_pulled_antenna_is_told_once_and_shown_in_the_configuration() -> None:
    bench = Bench()
    bench.side.config.events.add(8)
    bench.side.set_antenna(2, False, T0)
    bench.side.set_antenna(2, False, T0)
    (event,) = bench.hear()
    antenna = event.parameters[0].find("AntennaEvent")
    assert antenna is not None
    assert antenna.fields == {"EventType": 0, "AntennaID": 2}
    answer = bench.ask(requests.get_antennas(1))[0]
    assert [part.fields["AntennaConnected"] for part in answer.every("AntennaProperties")] == [True, False, True, True]


def test_without_holding_the_radio_does_not_inventory_for_nobody() -> None:
    bench = Bench()
    bench.start(ro_spec())
    bench.run(100)
    bench.side.disconnect()
    bench.run(500)
    assert bench.windows[-1][2] == T0 + 100 * MS
    bench.side.connect(bench.now_us)
    bench.run(100)
    assert bench.windows[2][1] == T0 + 600 * MS


def test_with_holding_reads_wait_until_the_client_asks_for_them() -> None:
    bench = Bench()
    hold = Parameter("EventsAndReports", {"HoldEventsAndReportsUponReconnect": True})
    bench.request("SET_READER_CONFIG", hold, ResetToFactoryDefault=False)
    bench.start(ro_spec())
    bench.side.disconnect()
    bench.run(100)
    bench.framer = Framer()
    bench.side.connect(bench.now_us)
    assert names(bench.run(100)) == ["READER_EVENT_NOTIFICATION"]
    reports = bench.ask(Message("ENABLE_EVENTS_AND_REPORTS", 1))
    assert names(reports) == ["RO_ACCESS_REPORT"] * 20
    last = [message.parameters[0].find("LastSeenTimestampUTC") for message in reports]
    assert [stamp.fields["Microseconds"] - T0 for stamp in last if stamp] == [10 * MS * n for n in range(1, 21)]
    assert names(bench.run(50)) == ["RO_ACCESS_REPORT"] * 5


def test_a_buffer_that_overflows_says_so_and_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.llrp.session.MAX_HELD", 8)
    bench = Bench()
    bench.side.config.events.add(3)
    bench.side.config.holds_on_reconnect = True
    bench.start(ro_spec())
    bench.side.disconnect()
    bench.run(100)
    bench.side.connect(bench.now_us)
    bench.hear()
    said = bench.ask(Message("ENABLE_EVENTS_AND_REPORTS", 1))
    assert names(said) == ["READER_EVENT_NOTIFICATION"] + ["RO_ACCESS_REPORT"] * 8
    assert said[0].parameters[0].find("ReportBufferOverflowErrorEvent") is not None


def test_a_client_that_does_not_read_is_told_what_it_lost_once() -> None:
    bench = Bench()
    bench.side.config.events.add(3)
    bench.start(ro_spec())
    for _ in range(3):
        bench.now_us += 100 * MS
        bench.side.overflow(bench.now_us)
    (event,) = bench.hear()
    assert event.parameters[0].find("ReportBufferOverflowErrorEvent") is not None
    bench.side.drained()
    assert names(bench.run(50)) == ["RO_ACCESS_REPORT"] * 5
