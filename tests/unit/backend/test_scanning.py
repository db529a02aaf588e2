"""What scans do, as a table, and which rules of its own a site may have."""

from __future__ import annotations

from typing import get_args

import pytest

from backend.catalog.model import VIRTUAL_KINDS
from backend.effects.scanning import IN_FROM, OUT, SCANNED, SCANS, STAYS, ScanBook, ScanRule, fault
from wire.events import Intent


def test_every_intent_has_a_rule_and_every_rule_can_be() -> None:
    assert {intent for intent, kind in SCANS if not kind} == set(get_args(Intent))
    assert [fault(*name, rule) for name, rule in SCANS.items()] == [None] * len(SCANS)
    assert set(OUT) | set(IN_FROM) <= set(VIRTUAL_KINDS)


def test_the_kind_of_document_counts_before_the_site_and_the_site_before_all() -> None:
    own = ScanRule(SCANNED, ("vendor",))
    book = ScanBook({("receive", ""): own, ("ship", "return"): ScanRule("vendor", ("returns",))})
    assert book.rule("receive") == book.rule("receive", "receipt") == own
    assert book.rule("receive", "return") == SCANS["receive", "return"], "more specific, though it is everybody's"
    assert book.rule("ship", "return").place == "vendor"
    assert book.rule("ship", "shipment") == SCANS["ship", "shipment"]
    assert len(book.all()) == len(SCANS) + 1


def test_what_is_shipped_under_a_transfer_is_in_transit_whatever_a_site_does_without_a_document() -> None:
    sold = ScanRule("customer", ("dock",))
    book = ScanBook({("ship", ""): sold})
    assert book.rule("ship") == book.rule("ship", "receipt") == sold
    assert fault("ship", "transfer", book.rule("ship", "transfer")) is None
    assert fault("ship", "transfer", sold) is not None


@pytest.mark.parametrize(
    ("intent", "kind", "rule", "said"),
    [
        ("count", "", ScanRule(STAYS, condition="damaged"), "moves nothing"),
        ("aggregate", "", ScanRule(STAYS, takes_expired=False), "moves nothing"),
        ("pick", "", ScanRule("customer", ("storage",)), "place: pick puts goods in scanned"),
        ("ship", "", ScanRule(SCANNED, ("storage",)), "place: ship puts goods in customer or"),
        ("pick", "", ScanRule(SCANNED), "sources: name kinds of zones"),
        ("pick", "", ScanRule(SCANNED, ("storage", "storage")), "each once"),
        ("pick", "", ScanRule(SCANNED, ("supplier",)), "sources: name kinds of zones"),
        ("receive", "", ScanRule(SCANNED, ("dock",)), "sources: goods are received from"),
        ("receive", "transfer", ScanRule(SCANNED, ("supplier",)), "was in transit"),
        ("ship", "transfer", ScanRule("customer", ("storage",)), "is in transit until"),
        ("damage", "", ScanRule(STAYS, ("storage",), "damaged"), "lies where it is scanned"),
        ("damage", "", ScanRule(STAYS), "are not changed at all"),
        ("put_away", "", ScanRule(SCANNED, ("dock",), "broken"), "condition: 'broken' is none of"),
    ],
)
def test_rules_that_cannot_be(intent: str, kind: str, rule: ScanRule, said: str) -> None:
    assert said in (fault(intent, kind, rule) or "")
