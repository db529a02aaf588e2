"""Which sites and lots serve an order, and what a channel may take."""

from __future__ import annotations

import time
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from backend.channels.model import Rule, Rulebook, RuleKey
from backend.orders.model import LIFE, Grant, Lot, Wish, after
from backend.orders.sourcing import Asked, Shelf, Stand

TODAY = date(2026, 3, 2)
WEB, SHOP = 1, 2
SKU, OTHER = 50, 51


def lot(number: int, free: int, days: int | None = None) -> Lot:
    return Lot(number, None if days is None else TODAY + timedelta(days=days), free)


def stand(
    shelves: dict[tuple[int, int], list[Lot]],
    rules: dict[int, dict[RuleKey, Rule]] | None = None,
    costs: dict[tuple[int, str], int] | None = None,
    promised: dict[int, int] | None = None,
) -> Stand:
    made = {place: Shelf(lots, dict(promised or {})) for place, lots in shelves.items()}
    return Stand({site: TODAY for site, _ in made}, Rulebook(rules or {}), costs or {}, made)


def asked(*units: int, sku: int = SKU, channel: int = WEB, **more: object) -> Asked:
    least = int(str(more.pop("least_days", 0)))
    wishes = tuple(Wish(number, sku, quantity, least) for number, quantity in enumerate(units, 1))
    return Asked(channel, str(more.pop("region", "")), wishes, **more)  # type: ignore[arg-type]


def test_what_expires_first_goes_first() -> None:
    found = stand({(1, SKU): [lot(1, 2, 5), lot(2, 9, 30)]}).source(asked(4))
    assert found.grants == [Grant(1, 1, 1, 2), Grant(1, 1, 2, 2)]


def test_a_lot_that_would_not_live_long_enough_is_passed_over() -> None:
    shelves = {(1, SKU): [lot(1, 9, 5), lot(2, 3, 30)]}
    assert stand(shelves).source(asked(3, least_days=10)).grants == [Grant(1, 1, 2, 3)]
    refused = stand(shelves).source(asked(4, least_days=10))
    assert not refused.grants
    assert refused.lacking[0].reason == "of 12 free units only 3 live 10 days more"


def test_the_cheapest_site_that_can_serve_all_serves_all() -> None:
    shelves = {(1, SKU): [lot(1, 3)], (2, SKU): [lot(2, 9)], (3, SKU): [lot(3, 9)]}
    costs = {(1, "west"): 0, (2, "west"): 7, (3, "west"): 5}
    assert stand(shelves, costs=costs).source(asked(4, region="west")).grants == [Grant(1, 3, 3, 4)]


def test_a_split_takes_the_fewest_sites() -> None:
    shelves = {(1, SKU): [lot(1, 2)], (2, SKU): [lot(2, 6)], (3, SKU): [lot(3, 5)]}
    costs = {(1, ""): 0, (2, ""): 1, (3, ""): 2}
    found = stand(shelves, costs=costs).source(asked(10))
    assert found.grants == [Grant(1, 2, 2, 6), Grant(1, 3, 3, 4)]
    assert not stand(shelves, costs=costs).source(asked(10, most_sites=1)).grants


def test_what_is_missing_waits_only_where_the_order_allows_it() -> None:
    shelves = {(1, SKU): [lot(1, 2)]}
    waiting = stand(shelves).source(asked(5, backorder=True))
    assert (waiting.granted, waiting.lacking[0].quantity) == (2, 3)
    refused = stand(shelves)
    assert refused.source(asked(5)).granted == 0
    assert refused.source(asked(2)).granted == 2, "a refusal takes nothing"


def test_two_lines_on_the_same_sku_share_what_is_there() -> None:
    assert stand({(1, SKU): [lot(1, 5)]}).source(asked(3, 3)).granted == 0
    assert stand({(1, SKU): [lot(1, 6)]}).source(asked(3, 3)).granted == 6


def test_a_buffer_is_left_alone_by_its_channel_only() -> None:
    rules = {WEB: {(None, None): Rule(buffer=4)}}
    shelves = {(1, SKU): [lot(1, 5)]}
    assert stand(shelves, rules).source(asked(2)).granted == 0
    assert stand(shelves, rules).source(asked(1)).granted == 1
    assert stand(shelves, rules).source(asked(5, channel=SHOP)).granted == 5


def test_the_most_specific_rule_counts_alone() -> None:
    book = Rulebook(
        {
            WEB: {
                (None, None): Rule(buffer=1),
                (7, None): Rule(buffer=2),
                (None, SKU): Rule(buffer=3),
                (7, SKU): Rule(buffer=4, protected=1),
            }
        }
    )
    assert [book.rule(WEB, site, sku).buffer for site, sku in ((7, SKU), (8, SKU), (7, OTHER), (8, OTHER))] == [
        4,
        3,
        2,
        1,
    ]


def test_what_is_protected_is_left_to_its_channel_less_what_it_has() -> None:
    rules = {SHOP: {(None, SKU): Rule(protected=6)}}
    shelves = {(1, SKU): [lot(1, 10)]}
    assert stand(shelves, rules).source(asked(5)).granted == 0
    assert stand(shelves, rules).source(asked(4)).granted == 4
    assert stand(shelves, rules, promised={SHOP: 5}).source(asked(9)).granted == 9
    assert stand(shelves, rules).source(asked(10, channel=SHOP)).granted == 10


def test_a_channel_that_may_not_sell_it_is_told_so() -> None:
    found = stand({(1, SKU): [lot(1, 9)]}, {WEB: {(None, SKU): Rule(sells=False)}}).source(asked(1))
    assert found.lacking[0].reason == "the channel's rules do not let it sell this"


def test_only_the_sites_named_serve() -> None:
    shelves = {(1, SKU): [lot(1, 9)], (2, SKU): [lot(2, 1)]}
    assert stand(shelves).source(asked(1, site_ids=(2,))).grants == [Grant(1, 2, 2, 1)]
    assert not stand(shelves).source(asked(2, site_ids=(2,))).grants


requests = st.lists(
    st.tuples(
        st.sampled_from([WEB, SHOP]),
        st.lists(
            st.tuples(st.sampled_from([SKU, OTHER]), st.integers(1, 6), st.integers(0, 20)), min_size=1, max_size=3
        ),
        st.booleans(),
        st.integers(1, 3),
    ),
    max_size=12,
)
stocks = st.dictionaries(
    st.tuples(st.integers(1, 3), st.sampled_from([SKU, OTHER])),
    st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), st.integers(0, 30))), min_size=1, max_size=3),
)
rule_sets = st.dictionaries(
    st.sampled_from([WEB, SHOP]),
    st.dictionaries(
        st.tuples(st.sampled_from([None, 1, 2]), st.sampled_from([None, SKU])),
        st.builds(Rule, st.booleans(), st.integers(0, 4), st.integers(0, 4)),
    ),
)


@given(stocks, rule_sets, requests)
def test_nothing_is_promised_twice_and_no_rule_is_broken(
    stock: dict[tuple[int, int], list[tuple[int, int | None]]],
    rules: dict[int, dict[RuleKey, Rule]],
    wanted: list[tuple[int, list[tuple[int, int, int]], bool, int]],
) -> None:
    numbers = iter(range(1000))
    shelves = {place: [lot(next(numbers), *one) for one in lots] for place, lots in stock.items()}
    before = {one.availability_id: one for lots in shelves.values() for one in lots}
    found = stand(shelves, rules)
    taken: dict[int, int] = {}
    for channel, lines, backorder, most_sites in wanted:
        wishes = tuple(Wish(number, *line) for number, line in enumerate(lines, 1))
        request = Asked(channel, "", wishes, None, backorder, most_sites)
        free = {place: sum(one.free for one in shelf.lots) for place, shelf in found.shelves.items()}
        promised = {place: dict(shelf.promised) for place, shelf in found.shelves.items()}
        sourced = found.source(request)
        if backorder:
            assert sourced.granted + sum(one.quantity for one in sourced.lacking) == sum(
                wish.quantity for wish in wishes
            )
        assert len({grant.site_id for grant in sourced.grants}) <= most_sites
        of_place: dict[tuple[int, int], int] = {}
        for grant in sourced.grants:
            wish = wishes[grant.line_no - 1]
            taken[grant.availability_id] = taken.get(grant.availability_id, 0) + grant.quantity
            of_place[grant.site_id, wish.sku_id] = of_place.get((grant.site_id, wish.sku_id), 0) + grant.quantity
            expires_on = before[grant.availability_id].expires_on
            assert expires_on is None or expires_on >= TODAY + timedelta(days=wish.least_days)
        for place, units in of_place.items():
            assert units <= found.rulebook.available(channel, *place, free[place], promised[place])
        if not backorder:
            assert not sourced.lacking or not sourced.grants
    assert all(units <= before[number].free for number, units in taken.items())


def test_the_largest_order_over_a_hundred_sites_does_not_hold_up_the_others() -> None:
    """Five hundred lines over a hundred sites, none of which has more than a little: the worst that may be asked."""
    shelves = {
        (site, sku): [lot(site * 1000 + sku, (site + sku) % 50 == 0)] for site in range(100) for sku in range(500)
    }
    wishes = tuple(Wish(number, number - 1, 10) for number in range(1, 501))
    began = time.process_time()
    sourced = stand(shelves).source(Asked(WEB, "", wishes, None, True, 3))
    assert time.process_time() - began < 2
    assert sourced.granted == 3 * 10


def test_what_has_ended_stays_ended() -> None:
    assert {status for status, _ in LIFE} == {"reserved", "confirmed", "picking", "packed"}
    assert after("expired", "confirm") is None
    assert after("shipped", "cancel") is None
