"""ROSpecs of different priority on one radio: who preempts whom, and who comes back."""

from __future__ import annotations

from readers.llrp.message import Message, Parameter
from simulators.llrp.models import load_model
from tests.reader_bench import MS, T0, Bench, ai_spec, code, gpi, ro_spec, trigger


def zebra() -> Bench:
    bench = Bench(load_model("fx9600"))
    bench.side.config.events.update({1, 2})
    return bench


def rospec_events(said: list[Message]) -> list[tuple[int, int, int]]:
    found = [message.parameters[0].find("ROSpecEvent") for message in said if message.name.startswith("READER_EVENT")]
    names = ("EventType", "ROSpecID", "PreemptingROSpecID")
    return [tuple(event.fields[name] for name in names) for event in found if event]  # type: ignore[misc]


def test_a_better_one_preempts_and_the_immediate_one_comes_back() -> None:
    bench = zebra()
    bench.start(ro_spec(1, specs=(ai_spec(1),), Priority=3))
    bench.run(100)
    start, stop = (
        trigger("ROSpecStartTrigger", 3, gpi(1, True)),
        trigger("ROSpecStopTrigger", 1, DurationTriggerValue=200),
    )
    bench.start(ro_spec(2, start=start, stop=stop, specs=(ai_spec(2),), Priority=1))
    bench.side.set_gpi(1, True, bench.now_us)
    assert rospec_events(bench.hear()) == [(2, 1, 2), (0, 2, 0)]
    assert rospec_events(bench.run(300)) == [(1, 2, 0), (0, 1, 0)]
    assert [ports for ports, *_ in bench.windows][1:-2] == [(1,), (2,), (2,), (2,), (2,)]
    assert bench.windows[-1][0] == (1,)


def test_an_equal_one_does_not_preempt() -> None:
    bench = zebra()
    bench.start(ro_spec(1, Priority=2))
    bench.start(ro_spec(2, start=trigger("ROSpecStartTrigger", 0), Priority=2))
    assert code(bench.request("START_ROSPEC", ROSpecID=2)) == 101
    bench.start(ro_spec(3, start=trigger("ROSpecStartTrigger", 0), Priority=1))
    assert code(bench.request("START_ROSPEC", ROSpecID=3)) == 0


def test_a_periodic_one_preempts_at_its_times_however_long_the_slice() -> None:
    bench = zebra()
    bench.start(ro_spec(1, specs=(ai_spec(1),), Priority=1))
    value = Parameter("PeriodicTriggerValue", {"Offset": 300, "Period": 500})
    start, stop = trigger("ROSpecStartTrigger", 2, value), trigger("ROSpecStopTrigger", 1, DurationTriggerValue=100)
    bench.start(ro_spec(2, start=start, stop=stop, specs=(ai_spec(2),)))
    bench.run(1200, step_ms=1200)
    inventoried = [((begin - T0) // MS, (end - T0) // MS) for ports, begin, end in bench.windows if ports == (2,)]
    assert inventoried == [(300, 400), (800, 900)]
    assert all(one[2] == two[1] for one, two in zip(bench.windows, bench.windows[1:], strict=False))


def test_of_those_that_wait_the_best_has_the_radio_next() -> None:
    bench = zebra()
    for number, priority in ((1, 0), (2, 5), (3, 4)):
        bench.start(ro_spec(number, specs=(ai_spec(number),), Priority=priority))
    bench.request("DELETE_ROSPEC", ROSpecID=1)
    bench.run(50)
    assert bench.windows[-1][0] == (3,)
