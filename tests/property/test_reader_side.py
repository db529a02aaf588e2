"""Whatever a client does in whatever order, a simulated reader answers each request once, keeps one ROSpec active at
most, looks at each instant once, and says only what decodes.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from readers.errors import DecodeError
from readers.llrp.codec import Framer, decode, encode
from readers.llrp.message import Message, Parameter
from simulators.llrp.models import load_model
from tests.reader_bench import Bench, access_spec, ai_spec, gpi, names, ro_spec, trigger

MODEL = load_model("fx9600")
NUMBERS = st.integers(0, 3)

STARTS = st.sampled_from(
    [
        trigger("ROSpecStartTrigger", 0),
        trigger("ROSpecStartTrigger", 1),
        trigger("ROSpecStartTrigger", 2, Parameter("PeriodicTriggerValue", {"Offset": 70, "Period": 190})),
        trigger("ROSpecStartTrigger", 3, gpi(1, True)),
    ]
)
STOPS = st.sampled_from(
    [
        trigger("ROSpecStopTrigger", 0, DurationTriggerValue=0),
        trigger("ROSpecStopTrigger", 1, DurationTriggerValue=130),
        trigger("ROSpecStopTrigger", 2, gpi(1, False, 300), DurationTriggerValue=0),
    ]
)
AI_STOPS = st.sampled_from(
    [
        None,
        trigger("AISpecStopTrigger", 1, DurationTrigger=40),
        trigger("AISpecStopTrigger", 2, gpi(2, True, 100), DurationTrigger=0),
    ]
)


@st.composite
def rospecs(draw: st.DrawFn) -> Parameter:
    specs = tuple(ai_spec(port, stop=draw(AI_STOPS)) for port in range(1, draw(st.integers(1, 2)) + 1))
    return ro_spec(
        draw(NUMBERS),
        draw(STARTS),
        draw(STOPS),
        specs,
        every_n=draw(st.integers(0, 3)),
        report_trigger=draw(st.integers(0, 2)),
        Priority=draw(st.integers(0, 2)),
    )


def requests() -> st.SearchStrategy[Message]:
    about = st.sampled_from(["DELETE", "ENABLE", "DISABLE", "START", "STOP"])
    access = st.sampled_from(["DELETE", "ENABLE", "DISABLE"])
    bare = st.sampled_from(["GET_ROSPECS", "GET_ACCESSSPECS"])
    return st.one_of(
        rospecs().map(lambda spec: Message("ADD_ROSPEC", 0, {}, [spec])),
        st.builds(lambda verb, number: Message(f"{verb}_ROSPEC", 0, {"ROSpecID": number}), about, NUMBERS),
        NUMBERS.map(lambda number: Message("ADD_ACCESSSPEC", 0, {}, [access_spec(number, count=number)])),
        st.builds(lambda verb, number: Message(f"{verb}_ACCESSSPEC", 0, {"AccessSpecID": number}), access, NUMBERS),
        bare.map(lambda name: Message(name, 0)),
    )


STEPS = st.one_of(
    requests().map(lambda message: ("ask", message)),
    st.integers(1, 400).map(lambda ms: ("wait", ms)),
    st.tuples(st.integers(1, 2), st.booleans()).map(lambda level: ("gpi", level)),
    st.booleans().map(lambda holds: ("come back", holds)),
    st.binary(max_size=30).map(lambda noise: ("damage", noise)),
)


def take(bench: Bench, kind: str, what: Any, number: int) -> None:
    match kind:
        case "ask":
            what.id = number
            answers = [said for said in bench.ask(what) if said.name == f"{what.name}_RESPONSE"]
            assert [answer.id for answer in answers] == [number]
        case "wait":
            bench.run(what, step_ms=what)
        case "gpi":
            bench.side.set_gpi(*what, bench.now_us)
            bench.hear()
        case "come back":
            bench.side.config.holds_on_reconnect = what
            bench.side.disconnect()
            bench.run(100)
            bench.framer = Framer()
            bench.side.connect(bench.now_us)
            assert names(bench.hear()) == ["READER_EVENT_NOTIFICATION"]
            bench.ask(Message("ENABLE_EVENTS_AND_REPORTS", number))
        case "damage":
            frame = encode(Message("ADD_ROSPEC", number, {}, [ro_spec(1)]))
            frame = frame[:12] + what + frame[12 + len(what) :]
            answers = [said for said in bench.ask(frame) if said.name == "ADD_ROSPEC_RESPONSE"]
            assert len(answers) == 1


@given(st.lists(STEPS, max_size=25))
def test_any_conversation_keeps_the_rules(steps: list[tuple[str, Any]]) -> None:
    bench = Bench(MODEL)
    bench.side.config.events.update(range(1, 9))
    for number, (kind, what) in enumerate(steps, 1):
        take(bench, kind, what, number)
        assert not bench.side.closing
        states = [spec.state for spec in bench.side.radio.rospecs.values()]
        assert states.count(2) <= 1
        assert (2 in states) is (bench.side.radio.active is not None)
    assert all(one[2] <= two[1] for one, two in zip(bench.windows, bench.windows[1:], strict=False))
    assert all(from_us < to_us <= bench.now_us for _, from_us, to_us in bench.windows)


@given(st.binary(max_size=200), st.integers(0, 1023))
def test_no_frame_breaks_it(body: bytes, kind: int) -> None:
    bench = Bench(MODEL)
    frame = (1 << 10 | kind).to_bytes(2, "big") + (10 + len(body)).to_bytes(4, "big") + b"\0\0\0\7" + body
    answers = bench.ask(frame)
    try:
        name = decode(frame).name
    except DecodeError:
        assert [answer.id for answer in answers if answer.name != "READER_EVENT_NOTIFICATION"] == [7]
        return
    if name not in ("KEEPALIVE_ACK", "ENABLE_EVENTS_AND_REPORTS"):
        assert answers
