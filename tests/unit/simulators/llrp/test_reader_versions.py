"""Version negotiation of a simulated reader (LLRP 1.1 §9.1), and what LLRP 1.0.1 readers say to it."""

from __future__ import annotations

import pytest

from readers.llrp.codec import encode
from readers.llrp.message import Message
from simulators.llrp.models import load_model
from tests.reader_bench import Bench, code, names, ro_spec

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
