"""Access jobs and requests of others: what goes out, what comes back, and every way in which it may not."""

from __future__ import annotations

import pytest

from readers.errors import DecodeError, EncodeError, LinkLostError, NoAnswerError, ReaderStatusError
from readers.llrp import requests
from readers.llrp.access import (
    AccessJob,
    AccessOutcome,
    Bank,
    BlockErase,
    BlockWrite,
    Kill,
    Lock,
    LockField,
    Operation,
    Privilege,
    Read,
    TagMask,
    Write,
)
from readers.llrp.codec import encode
from readers.llrp.exchange import ANSWER_TIMEOUT_S, Answer
from readers.llrp.message import Message, Parameter
from readers.llrp.requests import ACCESS_SPEC_ID
from readers.read import ReadBatch
from tests.scripted_reader import NOW_US, Talk, report, status

EPC = bytes.fromhex("3034257BF7194E4000001A85")
OTHER = bytes.fromhex("3034257BF7194E4000001A86")
EVERY: tuple[Operation, ...] = (
    Read(Bank.TID, 0, 6, password=0x01020304),
    Write(Bank.EPC, 2, OTHER, password=9),
    BlockWrite(Bank.USER, 0, b"\x12\x34"),
    BlockErase(Bank.USER, 4, 2),
    Lock(LockField.EPC, Privilege.LOCK, password=9),
    Kill(0xDEADBEEF),
)


@pytest.fixture
def talk() -> Talk:
    talk = Talk()
    talk.run()
    talk.events.clear()
    talk.asked.clear()
    return talk


def results_of(talk: Talk, *codes: int) -> tuple[Parameter, ...]:
    """What a tag's report carries when the operations of the AccessSpec on the reader went so."""
    (spec,) = talk.reader.access_specs.values()
    command = spec.find("AccessCommand")
    assert command is not None
    found = []
    for operation, code in zip(command.parameters[1:], codes, strict=True):
        fields = {"Result": code, "OpSpecID": operation.fields["OpSpecID"]}
        if operation.name == "C1G2Read":
            fields["ReadData"] = [0xE280, 0x1160] if code == 0 else []
        elif operation.name in ("C1G2Write", "C1G2BlockWrite"):
            fields["NumWordsWritten"] = len(operation.fields["WriteData"]) if code == 0 else 0
        found.append(Parameter(f"{operation.name}OpSpecResult", fields))
    return tuple(found)


def start(talk: Talk, job: AccessJob) -> int:
    number = talk.session.access(job, talk.now_s)
    talk.events += talk.session.take_events()
    talk.pump()
    return number


def names(talk: Talk) -> list[str]:
    return [message.name for message in talk.asked]


def outcomes(talk: Talk) -> list[AccessOutcome]:
    return [event for event in talk.events if isinstance(event, AccessOutcome)]


def test_every_operation_goes_out_and_its_result_comes_back_typed(talk: Talk) -> None:
    number = start(talk, AccessJob(EVERY, TagMask(EPC), antenna=2))
    (spec,) = talk.reader.access_specs.values()
    assert spec.fields["AntennaID"] == 2
    assert spec.fields["CurrentState"] == 1
    stop, command = spec.parameters
    assert stop.fields == {"AccessSpecStopTrigger": 1, "OperationCountValue": 1}
    (target,) = command.parameters[0].parameters
    assert (target.fields["MB"], target.fields["Pointer"], target.fields["TagData"]) == (1, 32, EPC)
    assert target.fields["TagMask"] == b"\xff" * 12
    assert [operation.name for operation in command.parameters[1:]] == [operation.name for operation in EVERY]
    talk.say(report(EPC, more=results_of(talk, 0, 2, 0, 4, 0, 0), antenna=2))
    talk.pump()
    assert names(talk) == ["ADD_ACCESSSPEC", "ENABLE_ACCESSSPEC", "DELETE_ACCESSSPEC"]
    batch, outcome = talk.events
    assert isinstance(batch, ReadBatch)
    assert isinstance(outcome, AccessOutcome)
    (access,) = outcome.accesses
    assert (outcome.job_id, outcome.timed_out, outcome.error) == (number, False, None)
    assert (access.epc, access.antenna, access.ok) == (EPC, 2, False)
    assert [result.operation for result in access.results] == list(EVERY)
    said = [(result.result, result.data.hex(), result.words_written) for result in access.results]
    assert said == [
        ("Success", "e2801160", 0),
        ("Tag_Memory_Locked_Error", "", 0),
        ("Success", "", 1),
        ("Nonspecific_Tag_Error", "", 0),
        ("Success", "", 0),
        ("Success", "", 0),
    ]
    assert talk.reader.access_specs == {}


def test_reads_of_other_tags_are_no_results(talk: Talk) -> None:
    start(talk, AccessJob((Read(Bank.TID),), TagMask(EPC)))
    talk.say(report(OTHER), report(EPC))
    strange = Parameter("C1G2ReadOpSpecResult", {"Result": 0, "OpSpecID": 999, "ReadData": [1]})
    talk.say(report(OTHER, more=(strange,)))
    assert outcomes(talk) == []
    assert len(talk.of(ReadBatch)) == 2


def test_a_job_for_several_tags_ends_with_the_last_or_with_its_time(talk: Talk) -> None:
    job = AccessJob((Read(Bank.TID),), tags=2, timeout_s=4.0)
    start(talk, job)
    talk.say(report(EPC, more=results_of(talk, 0)), report(OTHER, more=results_of(talk, 2)))
    talk.pump()
    (outcome,) = outcomes(talk)
    assert [(access.epc, access.ok) for access in outcome.accesses] == [(EPC, True), (OTHER, False)]
    start(talk, job)
    talk.say(report(EPC, more=results_of(talk, 0)))
    talk.wait(4.0)
    talk.pump()
    late = outcomes(talk)[-1]
    assert (len(late.accesses), late.timed_out) == (1, True)
    assert talk.reader.access_specs == {}


def test_a_reader_that_is_quicker_than_its_own_answer_is_heard(talk: Talk) -> None:
    talk.session.access(AccessJob((Read(Bank.TID),)), talk.now_s)
    talk.hear()
    while talk.asked[-1].name != "ENABLE_ACCESSSPEC":
        data, talk.sent = talk.sent, b""
        talk.say(talk.reader.hear(data))
    talk.say(report(EPC, more=results_of(talk, 0)))
    assert outcomes(talk) == []
    talk.pump()
    (outcome,) = outcomes(talk)
    assert len(outcome.accesses) == 1
    assert names(talk) == ["ADD_ACCESSSPEC", "ENABLE_ACCESSSPEC", "DELETE_ACCESSSPEC"]


def test_a_result_that_comes_while_its_job_is_deleted_counts(talk: Talk) -> None:
    start(talk, AccessJob((Kill(1),), timeout_s=1.0))
    late = report(EPC, more=results_of(talk, 0))
    talk.wait(1.0)
    assert talk.asked[-1].name == "DELETE_ACCESSSPEC"
    talk.say(late)
    talk.pump()
    (outcome,) = outcomes(talk)
    assert (len(outcome.accesses), outcome.timed_out) == (1, False)


def test_jobs_wait_for_each_other_and_keep_their_order(talk: Talk) -> None:
    numbers = [talk.session.access(AccessJob((Read(Bank.TID),)), talk.now_s) for _ in range(3)]
    talk.pump()
    for _ in numbers:
        assert len(talk.reader.access_specs) == 1
        talk.say(report(EPC, more=results_of(talk, 0)))
        talk.pump()
    assert [outcome.job_id for outcome in outcomes(talk)] == numbers


@pytest.mark.parametrize("request_name", ["ADD_ACCESSSPEC", "ENABLE_ACCESSSPEC"])
@pytest.mark.parametrize("code", [109, 205])
def test_a_job_that_the_reader_refuses_ends_with_its_reason(talk: Talk, request_name: str, code: int) -> None:
    talk.reader.refuses[request_name] = code
    start(talk, AccessJob((Kill(1),)))
    (outcome,) = outcomes(talk)
    assert isinstance(outcome.error, ReaderStatusError)
    assert (outcome.error.request, outcome.error.status_code) == (request_name, code)
    assert names(talk)[-1] == "DELETE_ACCESSSPEC"
    assert talk.reader.access_specs == {}
    talk.reader.refuses.clear()
    start(talk, AccessJob((Kill(1),)))
    assert list(talk.reader.access_specs) == [ACCESS_SPEC_ID]


def test_a_reader_that_deleted_the_spec_by_its_own_count_is_no_fault(talk: Talk) -> None:
    start(talk, AccessJob((Read(Bank.TID),)))
    results = results_of(talk, 0)
    talk.reader.access_specs.clear()
    talk.say(report(EPC, more=results))
    talk.pump()
    assert outcomes(talk)[0].error is None


def test_a_reader_that_does_not_answer_a_job_holds_nobody_up(talk: Talk) -> None:
    talk.reader.ignores |= {"ADD_ACCESSSPEC", "DELETE_ACCESSSPEC"}
    start(talk, AccessJob((Read(Bank.TID),)))
    for _ in range(8):
        talk.wait(ANSWER_TIMEOUT_S / 4)
        talk.say(Message("KEEPALIVE", 1))
    (outcome,) = outcomes(talk)
    assert isinstance(outcome.error, NoAnswerError)
    assert talk.session.is_ready


def test_a_link_that_drops_ends_every_job_and_what_was_left_is_disarmed(talk: Talk) -> None:
    start(talk, AccessJob((Kill(1),), tags=2))
    talk.session.access(AccessJob((Read(Bank.TID),)), talk.now_s)
    talk.say(report(EPC, more=results_of(talk, 0)))
    talk.events += talk.session.connection_lost("reset by peer")
    first, second = outcomes(talk)
    assert len(first.accesses) == 1
    assert second.accesses == ()
    assert isinstance(first.error, LinkLostError)
    assert isinstance(second.error, LinkLostError)
    assert talk.of(Answer) == []
    assert talk.reader.access_specs
    talk.reconnect()
    talk.run()
    assert talk.reader.access_specs == {}


@pytest.mark.parametrize(
    "make",
    [
        lambda: AccessJob(()),
        lambda: AccessJob((Kill(1),), tags=0),
        lambda: AccessJob((Kill(1),), timeout_s=0),
    ],
)
def test_a_job_that_says_nothing_is_refused_where_it_is_made(make: object) -> None:
    with pytest.raises(EncodeError):
        make()  # type: ignore[operator]


def test_a_job_that_cannot_be_said_is_refused_and_the_next_goes_on(talk: Talk) -> None:
    with pytest.raises(EncodeError, match="whole words"):
        talk.session.access(AccessJob((Write(Bank.USER, 0, b"odd"),)), talk.now_s)
    start(talk, AccessJob((Kill(1 << 40),)))
    (outcome,) = outcomes(talk)
    assert isinstance(outcome.error, EncodeError)
    start(talk, AccessJob((Kill(1),)))
    assert list(talk.reader.access_specs) == [ACCESS_SPEC_ID]


# --- requests ---------------------------------------------------------------------------------------------------------


def test_an_output_is_set_and_the_answer_comes_under_its_number(talk: Talk) -> None:
    first = talk.session.ask(requests.set_output(0, 2, True), talk.now_s)
    second = talk.session.ask(requests.get_antennas(0), talk.now_s)
    talk.pump()
    assert talk.reader.outputs == {2: True}
    answers = [event for event in talk.events if isinstance(event, Answer)]
    assert [(answer.request_id, answer.message.name) for answer in answers if answer.message is not None] == [
        (first, "SET_READER_CONFIG_RESPONSE"),
        (second, "GET_READER_CONFIG_RESPONSE"),
    ]


@pytest.mark.parametrize("code", [100, 109])
def test_a_refused_request_fails_with_its_status(talk: Talk, code: int) -> None:
    talk.reader.refuses["SET_READER_CONFIG"] = code
    talk.session.ask(requests.set_output(0, 2, True), talk.now_s)
    talk.pump()
    (answer,) = talk.events
    assert isinstance(answer, Answer)
    assert isinstance(answer.error, ReaderStatusError)
    assert answer.error.status_code == code


def test_a_request_without_an_answer_fails_alone(talk: Talk) -> None:
    talk.reader.ignores.add("SET_READER_CONFIG")
    talk.session.ask(requests.set_output(0, 2, True), talk.now_s)
    talk.pump()
    for _ in range(4):
        talk.wait(ANSWER_TIMEOUT_S / 4)
        talk.say(Message("KEEPALIVE", 1))
    (answer,) = talk.events
    assert isinstance(answer, Answer)
    assert isinstance(answer.error, NoAnswerError)
    assert talk.session.is_ready


def test_an_answer_that_does_not_decode_fails_its_request(talk: Talk) -> None:
    number = talk.session.ask(requests.set_output(0, 2, True), talk.now_s)
    whole = encode(Message("SET_READER_CONFIG_RESPONSE", number, {}, [status(0)]))
    talk.say(whole[:10] + b"\xff" + whole[11:])
    (answer,) = talk.of(Answer)
    assert isinstance(answer, Answer)
    assert isinstance(answer.error, DecodeError)


def test_nobody_is_asked_before_the_handshake_or_after_the_end(talk: Talk) -> None:
    fresh = Talk()
    with pytest.raises(LinkLostError, match="greeting"):
        fresh.session.ask(requests.get_antennas(0), 0.0)
    with pytest.raises(LinkLostError, match="greeting"):
        fresh.session.access(AccessJob((Kill(1),)), 0.0)
    number = talk.session.ask(requests.get_antennas(0), talk.now_s)
    talk.session.close(talk.now_s)
    with pytest.raises(LinkLostError, match="closing"):
        talk.session.ask(requests.get_antennas(0), talk.now_s)
    talk.events += talk.session.connection_lost("gone")
    (answer,) = talk.events
    assert isinstance(answer, Answer)
    assert answer.request_id == number
    assert isinstance(answer.error, LinkLostError)


@pytest.mark.parametrize("name", ["KEEPALIVE_ACK", "GET_REPORT", "ENABLE_EVENTS_AND_REPORTS", "RO_ACCESS_REPORT"])
def test_what_no_reader_answers_is_no_request(talk: Talk, name: str) -> None:
    with pytest.raises(EncodeError, match=name):
        talk.session.ask(Message(name, 0), talk.now_s)


def test_a_custom_message_is_answered_by_one(talk: Talk) -> None:
    ask = Message("CUSTOM_MESSAGE", 0, {"VendorIdentifier": 1, "MessageSubtype": 2, "Data": b""})
    number = talk.session.ask(ask, talk.now_s)
    talk.say(Message("CUSTOM_MESSAGE", number, {"VendorIdentifier": 1, "MessageSubtype": 3, "Data": b"x"}))
    (answer,) = talk.events
    assert isinstance(answer, Answer)
    assert answer.message is not None
    assert answer.message.fields["Data"] == b"x"
    assert talk.at_us == NOW_US
