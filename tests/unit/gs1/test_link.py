"""Identities as element strings and Digital Links, on GS1's vectors and on random ones."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gs1 import checkdigit, epc
from gs1.element import parse_scan
from gs1.errors import DigitalLinkError, IdentityError
from gs1.identity import Grai, Sgtin
from gs1.link import element_string, elements_of, identity_of, link_elements, parse_link, to_link


def test_gs1_vectors_through_elements_and_links(shared_data: Path) -> None:
    legacy = json.loads((shared_data / "tds" / "e3-vectors.json").read_text())["legacy"]
    through = 0
    for vector in legacy:
        identity = epc.parse_tag_uri(vector["tag"])
        if identity.kind in ("gid", "usdod", "adi"):
            with pytest.raises(IdentityError, match="no GS1 key"):
                elements_of(identity)
            continue
        digits = identity.company_prefix_digits
        assert epc.pure_uri(parse_link(to_link(identity), digits)) == vector["pure"]
        assert identity_of(elements_of(identity), digits, identity.filter).parts() == identity.parts()
        through += 1
    assert through == 24


def test_a_code_made_from_a_tag_scans_as_the_same_thing() -> None:
    identity = epc.parse_epc(bytes.fromhex("3666C4409047E159B2C2BF100000000000000000000000000000"))
    assert isinstance(identity, Sgtin)
    code = element_string((*elements_of(identity), ("10", "LOT7")))
    assert code == "010950600013435221" + "32a/b" + "\x1d" + "10LOT7"
    scanned = parse_scan("]d2" + code)
    assert (scanned.gtin, scanned.serial, scanned.lot) == (identity.gtin, identity.serial, "LOT7")
    assert to_link(identity, "https://shop.example/p/") == "https://shop.example/p/01/09506000134352/21/32a%2Fb"
    assert parse_scan(to_link(identity)).serial == "32a/b"


def test_company_prefix_is_looked_up_where_nobody_gives_it() -> None:
    found = identity_of((("01", "09506000134352"), ("21", "1")))
    assert isinstance(found, Sgtin)
    assert found.company_prefix_digits == 11
    assert identity_of((("8003", "095211411234545678"),)) == Grai(
        "9521141123454", "5678", scheme="grai-96", company_prefix_digits=7
    )
    with pytest.raises(IdentityError, match="knows no company prefix"):
        identity_of((("01", f"0978000000000{checkdigit.of('0978000000000')}"), ("21", "1")))


@given(
    st.integers(0, 10**13 - 1),
    st.from_regex(r"[!%-?A-Z_a-z\"]{1,20}", fullmatch=True),
    st.integers(6, 12),
)
def test_links_round_trip(payload: int, serial: str, digits: int) -> None:
    gtin = f"{payload:013d}{checkdigit.of_number(payload)}"
    identity = Sgtin(gtin, serial, scheme="sgtin-198", company_prefix_digits=digits)
    back = parse_link(to_link(identity), digits)
    assert isinstance(back, Sgtin)
    assert (back.gtin, back.serial) == (gtin, serial)


def test_refusals_say_why() -> None:
    with pytest.raises(DigitalLinkError, match="primary identifier"):
        link_elements("https://example.com/")
    with pytest.raises(DigitalLinkError, match="check digit"):
        link_elements("https://id.gs1.org/01/09506000134353")
    with pytest.raises(IdentityError, match=r"\(21\) is missing"):
        parse_link("https://id.gs1.org/01/09506000134352")
    with pytest.raises(IdentityError, match="is a key that a tag can hold"):
        identity_of((("10", "LOT"),))
