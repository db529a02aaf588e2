"""Version negotiation of a simulated reader (LLRP 1.1 §9.1), and what LLRP 1.0.1 readers say to it."""

from __future__ import annotations

import pytest

from readers.llrp.codec import encode
from readers.llrp.message import Message, Parameter
from simulators.llrp.models import load_model
from tests.reader_bench import Bench, access_spec, code, errors, names, ro_spec

ASK = Message("GET_SUPPORTED_VERSION", 7, version=2)


def choose(version: int) -> Message:
    return Message("SET_PROTOCOL_VERSION", 8, {"ProtocolVersion": version}, version=2)


@pytest.mark.parametrize("request_", [ASK, choose(1)], ids=lambda message: message.name)
def test_a_reader_of_1_0_1_does_not_know_the_version_it_is_asked_in(request_: Message) -> None:
    (answer,) = Bench().ask(request_)
    assert (answer.name, answer.id, answer.version, code(answer)) == ("ERROR_MESSAGE", request_.id, 1, 110)


def test_a_reader_of_1_1_is_asked_and_told_once() -> None:
    bench = Bench(load_model("plain"))
    (versions,) = bench.ask(ASK)
    assert (versions.version, code(versions)) == (2, 0)
    assert versions.fields == {"CurrentVersion": 1, "SupportedVersion": 2}
    (chosen,) = bench.ask(choose(2))
    assert (chosen.name, chosen.version, code(chosen)) == ("SET_PROTOCOL_VERSION_RESPONSE", 2, 0)
    assert bench.ask(ASK)[0].fields == {"CurrentVersion": 2, "SupportedVersion": 2}
    assert code(bench.ask(choose(1))[0]) == 110


def test_after_the_choice_everything_is_in_that_version() -> None:
    bench = Bench(load_model("plain"))
    bench.ask(choose(2))
    assert code(bench.ask(Message("GET_ROSPECS", 1))[0]) == 110
    bench.ask(Message("ADD_ROSPEC", 2, {}, [ro_spec()], 2))
    (enabled,) = bench.ask(Message("ENABLE_ROSPEC", 3, {"ROSpecID": 1}, version=2))
    assert code(enabled) == 0
    said = [*bench.run(50), *bench.ask(b"")]
    bench.side.keepalive()
    said += bench.hear()
    assert set(names(said)) == {"RO_ACCESS_REPORT", "KEEPALIVE"}
    assert {message.version for message in said} == {2}


def test_the_next_connection_begins_in_1_0_1_again() -> None:
    bench = Bench(load_model("plain"))
    bench.ask(choose(2))
    bench.side.disconnect()
    bench.side.connect(bench.now_us)
    (greeting,) = bench.hear()
    assert greeting.version == 1
    assert code(bench.ask(Message("GET_ROSPECS", 1))[0]) == 0


def test_a_version_it_does_not_speak_is_refused_in_the_response() -> None:
    (answer,) = Bench(load_model("plain")).ask(choose(3))
    assert (answer.name, code(answer)) == ("SET_PROTOCOL_VERSION_RESPONSE", 110)


def test_held_reports_come_in_the_version_of_the_client_that_fetches_them() -> None:
    model = load_model("plain").model_copy(update={"holds_reports": True})
    bench = Bench(model)
    bench.side.config.holds_on_reconnect = True
    bench.start(ro_spec())
    bench.side.disconnect()
    bench.run(50)
    bench.side.connect(bench.now_us)
    bench.ask(encode(choose(2)))
    held = bench.ask(Message("ENABLE_EVENTS_AND_REPORTS", 1, version=2))
    assert names(held) == ["RO_ACCESS_REPORT"] * 5
    assert {message.version for message in held} == {2}


def negotiated() -> Bench:
    bench = Bench(load_model("plain"))
    bench.ask(choose(2))
    return bench


@pytest.mark.parametrize(("kind", "n", "every_ms"), [(4, 1, 1000), (5, 120, 120), (6, 700, 700)])
def test_a_report_by_time_goes_out_at_its_time(kind: int, n: int, every_ms: int) -> None:
    bench = negotiated()
    bench.ask(Message("ADD_ROSPEC", 2, {}, [ro_spec(report_trigger=kind, every_n=n)], 2))
    bench.ask(Message("ENABLE_ROSPEC", 3, {"ROSpecID": 1}, version=2))
    reports = bench.run(3 * every_ms, step_ms=every_ms * 3)
    assert names(reports) == ["RO_ACCESS_REPORT"] * 3
    counts = [message.parameters[0].find("TagSeenCount") for message in reports]
    assert [count.fields["TagCount"] for count in counts if count] == [every_ms // 10] * 3


def test_everything_it_says_of_itself_is_legal_in_1_1() -> None:
    bench = negotiated()
    asked = {"AntennaID": 0, "RequestedData": 0, "GPIPortNum": 0, "GPOPortNum": 0}
    for request_ in (
        Message("GET_READER_CAPABILITIES", 1, {"RequestedData": 0}, version=2),
        Message("GET_READER_CONFIG", 1, asked, version=2),
    ):
        (answer,) = bench.ask(request_)
        assert (answer.version, code(answer)) == (2, 0)


def test_what_is_new_in_1_1_and_not_there_is_refused() -> None:
    bench = negotiated()
    looped = ro_spec()
    looped.parameters.insert(2, Parameter("LoopSpec", {"LoopCount": 2}))
    (answer,) = bench.ask(Message("ADD_ROSPEC", 2, {}, [looped], 2))
    assert errors(answer) == [(177, 200), (355, 209)]
    fields = {"OpSpecID": 1, "AccessPassword": 0, "MB": 3, "BlockPointer": 0, "BlockRange": 1}
    permanent = access_spec(3, Parameter("C1G2GetBlockPermalockStatus", fields))
    (answer,) = bench.ask(Message("ADD_ACCESSSPEC", 2, {}, [permanent], 2))
    assert errors(answer)[-1] == (359, 209)
