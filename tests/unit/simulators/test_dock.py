"""Papers of trucks: one at a door at a time, and open whenever something crosses under them."""

from __future__ import annotations

from simulators.api_call import ApiCall
from simulators.dock import Dock
from simulators.goods import Tag
from simulators.scenario import load
from simulators.world import World

START_US = 1_800_000_000_000_000
PLAYED_US = 1_200_000_000


def test_a_door_has_one_paper_at_a_time() -> None:
    dock = Dock("r")
    assert dock.take("a", "D1")
    assert not dock.take("a", "D1")
    assert dock.take("b", "D1")
    dock.leave("a", "D1")
    assert dock.take("a", "D1")


def test_a_transfer_is_allocated_before_it_stands_at_a_door() -> None:
    dock, load_ = Dock("r"), [Tag(0, b"\0", "RICE", quantity=12), Tag(1, b"\1")]
    code = dock.make("transfer", "a", load_, 5, "b")
    dock.open(code, "a", "D2", 5)
    said = [call.body.get("event", call.path) for call in dock.calls]
    assert said == ["documents", "approve", "allocate", "doors/a/D2"]
    dock.gone(code, load_)
    assert (dock.papers[code].lines["RICE"].expected, dock.papers[code].lines["RICE"].gone) == (12, 12)


def door_spans(calls: list[ApiCall]) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """(site, door) → spans in which a paper stood open there, as the clerk was told."""
    doors: dict[str, list[tuple[str, str]]] = {}
    spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
    opened: dict[tuple[str, str], int] = {}
    for call in calls:
        parts = call.path.split("/")
        if parts[0] == "doors" and call.body["document"] is not None:
            doors.setdefault(call.body["document"], []).append((parts[1], parts[2]))
            opened[parts[1], parts[2]] = call.at_us
        ended = doors.pop(parts[1], []) if call.body.get("event") == "close" else []
        if parts[0] == "doors" and call.body["document"] is None:
            ended = [(parts[1], parts[2])]
        for door in ended:
            if door in opened:
                spans.setdefault(door, []).append((opened.pop(door), call.at_us))
    return spans


def test_whatever_crosses_crosses_under_a_paper_and_all_papers_end() -> None:
    world = World(load("day"), 1, START_US)
    world.advance(START_US + PLAYED_US)
    world.quiesce()
    world.advance(START_US + 2 * PLAYED_US)
    assert world.standing_still
    assert world.dock is not None
    spans = door_spans(world.dock.calls)
    crossings = world.truth.crossings()
    assert len(crossings) > 200
    for crossing in crossings:
        assert any(first < crossing.at_us < last for first, last in spans[crossing.site, crossing.portal]), crossing
    assert {paper.status for paper in world.dock.papers.values()} == {"closed"}
    kinds = {paper.kind for paper in world.dock.papers.values()}
    assert kinds == {"receipt", "shipment", "transfer"}
    for paper in world.dock.papers.values():
        for line in paper.lines.values():
            out, inwards = paper.kind != "receipt", paper.kind != "shipment"
            assert (line.gone, line.come) == (line.expected * out, line.expected * inwards)


def test_what_was_shipped_is_the_customers() -> None:
    world = World(load("day"), 1, START_US)
    world.advance(START_US + PLAYED_US)
    world.quiesce()
    world.advance(START_US + 2 * PLAYED_US)
    assert any(zone == "customer" for _, zone in world.truth.places().values())
    assert not any(zone == "customer" for _, zone, *_ in world.truth.balances())
