"""AccessSpecs and select filters of a simulated reader: requests, results in reports, tags changed for good."""

from __future__ import annotations

from typing import Any

import pytest

from readers.llrp.message import Message, Parameter
from simulators.llrp.models import load_model
from simulators.tag_memory import TagMemories
from tests.reader_bench import BENCH_MODEL, EPC, Bench, access_spec, ai_spec, code, errors, names, ro_spec, target_tag

OTHER = bytes(11) + b"\x08"


def op(name: str, number: int = 1, *inside: Parameter, **fields: Any) -> Parameter:
    if name != "C1G2Kill":
        fields = {"AccessPassword": 0} | fields
    return Parameter(name, {"OpSpecID": number} | fields, list(inside))


def write(words: list[int], bank: int = 3, word: int = 0, name: str = "C1G2Write", **fields: Any) -> Parameter:
    return op(name, MB=bank, WordPointer=word, WriteData=words, **fields)


def read(bank: int = 3, word: int = 0, count: int = 2, **fields: Any) -> Parameter:
    return op("C1G2Read", MB=bank, WordPointer=word, WordCount=count, **fields)


def lock(field: int, privilege: int, **fields: Any) -> Parameter:
    return op("C1G2Lock", 1, Parameter("C1G2LockPayload", {"Privilege": privilege, "DataField": field}), **fields)


class Access(Bench):
    """A bench whose ROSpec runs; each operation is carried out on one tag once."""

    def __init__(self) -> None:
        super().__init__(BENCH_MODEL.model_copy(update={"can_block_erase": True}))
        self.start(ro_spec(every_n=1))

    def do(self, *ops: Parameter, target: Parameter | None = None) -> list[Parameter]:
        """Add, enable, wait; the OpSpecResults of the one execution."""
        assert code(self.request("ADD_ACCESSSPEC", access_spec(3, *ops, count=1, target=target))) == 0
        assert code(self.request("ENABLE_ACCESSSPEC", AccessSpecID=3)) == 0
        said = self.run(100)
        assert list(self.request("GET_ACCESSSPECS").every("AccessSpec")) == []
        found = [results for tag in tags(said) if (results := results_of(tag))]
        assert len(found) == 1
        return found[0]


def tags(said: list[Message]) -> list[Parameter]:
    return [tag for message in said if message.name == "RO_ACCESS_REPORT" for tag in message.parameters]


def results_of(tag: Parameter) -> list[Parameter]:
    return [parameter for parameter in tag.parameters if parameter.name.endswith("OpSpecResult")]


def epcs(said: list[Message]) -> set[bytes]:
    return {tag.parameters[0].fields["EPC"] for tag in tags(said)}


def outcome(results: list[Parameter]) -> list[tuple[str, int]]:
    return [(result.name, result.fields["Result"]) for result in results]


def test_what_is_written_is_read_again() -> None:
    bench = Access()
    written, back = bench.do(write([0xAB, 0xCD]), read(OpSpecID=2))
    assert written == Parameter("C1G2WriteOpSpecResult", {"Result": 0, "OpSpecID": 1, "NumWordsWritten": 2})
    assert back == Parameter("C1G2ReadOpSpecResult", {"Result": 0, "OpSpecID": 2, "ReadData": [0xAB, 0xCD]})


def test_a_block_is_written_and_erased() -> None:
    bench = Access()
    results = bench.do(
        write([1, 2], name="C1G2BlockWrite"),
        op("C1G2BlockErase", 2, MB=3, WordPointer=0, WordCount=1),
        read(OpSpecID=3),
    )
    assert outcome(results[:2]) == [("C1G2BlockWriteOpSpecResult", 0), ("C1G2BlockEraseOpSpecResult", 0)]
    assert results[2].fields["ReadData"] == [0, 2]


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        pytest.param([write([1], word=99)], 1, id="overrun"),
        pytest.param([write([1], bank=2)], 2, id="locked"),
        pytest.param([write([1], AccessPassword=9)], 5, id="wrong password"),
        pytest.param([read(word=99)], 1, id="read beyond the end"),
        pytest.param([read(AccessPassword=9)], 2, id="read with a wrong password"),
        pytest.param([op("C1G2Kill", KillPassword=0)], 1, id="no kill password"),
        pytest.param([write([0, 5], bank=0), op("C1G2Kill", KillPassword=6)], 4, id="wrong kill password"),
        pytest.param([write([0, 5], bank=0), op("C1G2Kill", KillPassword=5)], 0, id="killed"),
        pytest.param([lock(4, 0)], 0, id="locked by whom it may"),
        pytest.param([lock(3, 3)], 2, id="a lock that is for ever"),
        pytest.param([write([0, 5], bank=0, word=2), lock(4, 0)], 3, id="locked without the password"),
    ],
)
def test_every_outcome_has_its_code(ops: list[Parameter], expected: int) -> None:
    assert outcome(Access().do(*ops))[-1][1] == expected


def test_the_accessspec_is_named_and_results_do_not_merge_with_plain_reads() -> None:
    bench = Bench()
    bench.start(ro_spec(every_n=0))
    bench.request("ADD_ACCESSSPEC", access_spec(3, count=2))
    bench.request("ENABLE_ACCESSSPEC", AccessSpecID=3)
    said = tags(bench.run(500))
    by_spec = {tag.find("AccessSpecID").fields["AccessSpecID"]: tag for tag in said}  # type: ignore[union-attr]
    counts = {number: tag.find("TagSeenCount").fields["TagCount"] for number, tag in by_spec.items()}  # type: ignore[union-attr]
    assert counts == {3: 2, 0: 48}
    assert results_of(by_spec[3])
    assert not results_of(by_spec[0])


def test_only_the_target_is_touched_and_only_while_enabled() -> None:
    bench = Access()
    bench.epcs.append(OTHER)
    bench.request("ADD_ACCESSSPEC", access_spec(3, target=target_tag(OTHER)))
    assert not any(results_of(tag) for tag in tags(bench.run(50)))
    bench.request("ENABLE_ACCESSSPEC", AccessSpecID=3)
    touched = {tag.parameters[0].fields["EPC"] for tag in tags(bench.run(50)) if results_of(tag)}
    assert touched == {OTHER}
    bench.request("DISABLE_ACCESSSPEC", AccessSpecID=3)
    assert not any(results_of(tag) for tag in tags(bench.run(50)))


@pytest.mark.parametrize(
    ("fields", "touches"),
    [({"AntennaID": 2}, False), ({"ROSpecID": 9}, False), ({"AntennaID": 1, "ROSpecID": 1}, True)],
)
def test_an_accessspec_may_be_for_one_antenna_or_rospec(fields: dict[str, int], touches: bool) -> None:
    bench = Access()
    bench.request("ADD_ACCESSSPEC", access_spec(3, **fields))
    bench.request("ENABLE_ACCESSSPEC", AccessSpecID=3)
    assert any(results_of(tag) for tag in tags(bench.run(50))) is touches


def test_of_two_that_fit_the_lower_number_is_carried_out() -> None:
    bench = Access()
    for number in (7, 3):
        bench.request("ADD_ACCESSSPEC", access_spec(number))
    bench.request("ENABLE_ACCESSSPEC", AccessSpecID=0)
    numbers = {tag.find("AccessSpecID").fields["AccessSpecID"] for tag in tags(bench.run(50))}  # type: ignore[union-attr]
    assert numbers == {3}


def test_a_target_may_be_all_but_one() -> None:
    bench = Access()
    bench.epcs.append(OTHER)
    bench.request("ADD_ACCESSSPEC", access_spec(3, target=target_tag(OTHER, match=False)))
    bench.request("ENABLE_ACCESSSPEC", AccessSpecID=3)
    assert {tag.parameters[0].fields["EPC"] for tag in tags(bench.run(50)) if results_of(tag)} == {EPC}


def test_a_rewritten_epc_is_what_every_reader_of_the_world_reads_then() -> None:
    memories = TagMemories()
    bench = Access()
    bench.side._memories = memories
    bench.do(write([int.from_bytes(b"\xbe\xef", "big")], bank=1, word=7))
    renamed = EPC[:10] + b"\xbe\xef"
    assert epcs(bench.run(50)) == {renamed}
    assert memories.answering(EPC) == renamed


def test_a_killed_tag_is_silent_at_once_and_for_ever() -> None:
    bench = Access()
    bench.do(write([0, 5], bank=0), op("C1G2Kill", KillPassword=5))
    assert bench.run(100) == []


def test_with_its_own_report_trigger_an_access_is_told_at_once() -> None:
    bench = Bench()
    trigger = Parameter("AccessReportSpec", {"AccessReportTrigger": 1})
    bench.request("SET_READER_CONFIG", trigger, ResetToFactoryDefault=False)
    bench.start(ro_spec(every_n=0))
    bench.request("ADD_ACCESSSPEC", access_spec(3, count=1))
    bench.request("ENABLE_ACCESSSPEC", AccessSpecID=3)
    assert any(results_of(tag) for tag in tags(bench.run(50)))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (access_spec(0), [(207, 201), (0, 301)]),
        (access_spec(3, CurrentState=1), [(207, 201), (3, 300)]),
        (access_spec(3, AntennaID=5), [(207, 201), (1, 301)]),
        (access_spec(3, *[read(OpSpecID=number) for number in range(9)]), [(207, 200), (209, 200), (341, 205)]),
        (
            access_spec(3, op("C1G2BlockErase", MB=3, WordPointer=0, WordCount=1)),
            [(207, 200), (209, 200), (346, 209)],
        ),
    ],
    ids=["id 0", "not disabled", "antenna", "too many operations", "no block erase"],
)
def test_an_accessspec_that_cannot_run_is_refused_with_its_exact_place(
    spec: Parameter, expected: list[tuple[int, int]]
) -> None:
    answer = Bench().request("ADD_ACCESSSPEC", spec)
    assert code(answer) == 100
    assert errors(answer) == expected


def test_a_reader_has_room_for_so_many() -> None:
    bench = Bench(load_model("fx9600"))
    for number in range(1, 5):
        assert code(bench.request("ADD_ACCESSSPEC", access_spec(number))) == 0
    assert errors(bench.request("ADD_ACCESSSPEC", access_spec(5))) == [(207, 205)]


# --- select filters --------------------------------------------------------------------------------------------------


def filtered(*filters: tuple[bytes, int], antenna: int = 0) -> Parameter:
    inside = [
        Parameter(
            "C1G2Filter",
            {"T": 0},
            [
                Parameter(
                    "C1G2TagInventoryMask",
                    {"MB": 1, "Pointer": 32, "TagMask": prefix, "TagMaskLengthBits": 8 * len(prefix)},
                ),
                Parameter("C1G2TagInventoryStateUnawareFilterAction", {"Action": action}),
            ],
        )
        for prefix, action in filters
    ]
    command = Parameter("C1G2InventoryCommand", {"TagInventoryStateAware": False}, inside)
    spec = ai_spec(1, 2)
    inventory = spec.find("InventoryParameterSpec")
    assert inventory is not None
    inventory.parameters.append(Parameter("AntennaConfiguration", {"AntennaID": antenna}, [command]))
    return ro_spec(specs=(spec,))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([(OTHER, 0)], {OTHER}),
        ([(OTHER, 1)], {OTHER}),
        ([(OTHER, 2)], {OTHER}),
        ([(OTHER, 3)], {EPC}),
        ([(OTHER, 4)], {EPC}),
        ([(OTHER, 5)], {EPC}),
        ([(bytes(11), 0), (OTHER, 3)], {EPC}),
        ([(b"\xff", 1), (OTHER, 1)], {OTHER}),
        ([(b"", 0)], {EPC, OTHER}),
    ],
)
def test_a_filter_selects_tags_as_its_action_says(filters: list[tuple[bytes, int]], expected: set[bytes]) -> None:
    bench = Bench()
    bench.epcs.append(OTHER)
    bench.start(filtered(*filters))
    assert epcs(bench.run(100)) == expected


def test_a_filter_of_one_antenna_leaves_the_others_alone() -> None:
    bench = Bench()
    bench.epcs.append(OTHER)
    bench.start(filtered((OTHER, 0), antenna=2))
    seen = {(tag.parameters[0].fields["EPC"], tag.find("AntennaID").fields["AntennaID"]) for tag in tags(bench.run(50))}  # type: ignore[union-attr]
    assert seen == {(EPC, 1), (OTHER, 1), (OTHER, 2)}


def test_more_filters_than_the_reader_has_are_refused() -> None:
    answer = Bench().request("ADD_ROSPEC", filtered((EPC, 0), (EPC, 0), (EPC, 0)))
    assert errors(answer)[-1] == (331, 205)


def test_a_killed_tag_stays_dead_for_a_second_reader() -> None:
    memories = TagMemories()
    memories.of(EPC).is_killed = True
    bench = Bench()
    bench.side._memories = memories
    bench.epcs.append(OTHER)
    bench.start(ro_spec())
    said = bench.run(50)
    assert names(said) == ["RO_ACCESS_REPORT"] * 5
    assert epcs(said) == {OTHER}
