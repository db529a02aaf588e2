"""What scanners send: every symbology we promise, and refusals that say why."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gs1.element import ScannedCode, parse_scan
from gs1.errors import ScanError

GTIN = "09506000134352"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("]E09506000134352", {"kind": "gtin", "gtin": GTIN}),
        ("9506000134352\r\n", {"kind": "gtin", "gtin": GTIN}),
        ("]E496385074", {"kind": "gtin", "gtin": "00000096385074"}),
        ("96385074", {"kind": "gtin", "gtin": "00000096385074"}),
        ("614141007349", {"kind": "gtin", "gtin": "00614141007349"}),
        ("04252614", {"kind": "gtin", "gtin": "00042100005264"}),
        ("]I119506000134359", {"kind": "gtin", "gtin": "19506000134359"}),
        (f"]C101{GTIN}21X1", {"kind": "sgtin", "gtin": GTIN, "serial": "X1"}),
        (f"]d201{GTIN}10LOT7\x1d17270200", {"kind": "gtin", "lot": "LOT7", "expires_on": date(2027, 2, 28)}),
        (f"\x1d01{GTIN}10LOT7\x1d21S", {"kind": "sgtin", "lot": "LOT7", "serial": "S"}),
        (f"01{GTIN}15270131", {"kind": "gtin", "best_before_on": date(2027, 1, 31), "expires_on": None}),
        (f"(01){GTIN}(10)LOT7(21)S", {"kind": "sgtin", "lot": "LOT7", "serial": "S"}),
        ("]C100095201234567891235", {"kind": "sscc", "sscc": "095201234567891235"}),
        ("095201234567891235", {"kind": "sscc", "sscc": "095201234567891235"}),
        (f"]C10009520123456789123502{GTIN}3748", {"kind": "sscc", "content_gtin": GTIN, "count": 48, "gtin": None}),
        (f"]C102{GTIN}3748", {"kind": "content", "content_gtin": GTIN, "count": 48}),
        (
            f"]C10009520123456789123502{GTIN}172702283712\x1d10LOT7",
            {"kind": "sscc", "content_gtin": GTIN, "count": 12, "lot": "LOT7", "expires_on": date(2027, 2, 28)},
        ),
        (f"]C101{GTIN}305", {"kind": "gtin", "count": 5}),
        ("]C18003095211411234545678", {"kind": "grai", "grai": "95211411234545678"}),
        ("]C1800495211415678", {"kind": "giai", "giai": "95211415678"}),
        (f"]Q1https://id.gs1.org/01/{GTIN}/10/L/21/S%2F1?17=270131", {"lot": "L", "serial": "S/1"}),
        (f"https://shop.example/products/01/{GTIN}", {"kind": "gtin", "gtin": GTIN}),
    ],
)
def test_understood(code: str, expected: dict[str, object]) -> None:
    scanned = parse_scan(code)
    assert {name: getattr(scanned, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("", "1 to 512 characters"),
        ("x" * 513, "this one has 513"),
        (f"]C101{GTIN}3748", r"\(01\) and \(37\) may not stand together"),
        (f"https://id.gs1.org/01/{GTIN}?37=4", r"\(01\) and \(37\) may not stand together"),
        (f"]C101{GTIN}02{GTIN}3748", r"\(01\) and \(02\)"),
        (f"]C102{GTIN}", r"\(02\) needs \(37\)"),
        ("]C100095201234567891235375", "count of nothing"),
        ("]C1400ORDER1", "names none of the keys"),
        ("]C110LOT", r"\(10\) is a lot of nothing"),
        ("]C10009520123456789123510LOT", r"\(10\) is a lot of nothing"),
        ("]C10009520123456789123517270131", r"\(17\) is an expiry date of nothing"),
        ("]C10009520123456789123521S1", r"\(21\) is a serial number of nothing"),
        ("]C18004952114115678\x1d305", r"\(30\) is a count of pieces of nothing"),
        (f"]C101{GTIN}403ROUTE", r"\(403\) is a route of nothing"),
        (f"]C101{GTIN}21S1\x1d235T1", r"\(21\) and \(235\)"),
        (f"]C101{GTIN}4202000\x1d4213602000", r"\(420\) and \(421\)"),
        ("]C121SERIAL", "serial number of nothing"),
        ("]C10109506000134353", "check digit"),
        ("]E09506000134353", "check digit"),
        ("9506000134353", "check digit"),
        ("]C18003095211411234555678", "check digit"),
        (f"]C101{GTIN}17271301", "17271301"),
        (f"]C101{GTIN}10A\x1d10B", "stands twice"),
        (f"(01){GTIN}(1)x", "brackets"),
        ("hello", "hello"),
        ("]", "AIM identifier"),
        (f"https://id.gs1.org/01/{GTIN}?x=\x00", "0x00 is no character of a code"),
        (f"01{GTIN}10A\x1e", "0x1E is no character"),
        ("http://[/01/1", "Invalid IPv6"),
        ("https://example.com/hello", "primary identifier"),
    ],
)
def test_refused_with_a_reason(code: str, says: str) -> None:
    with pytest.raises(ScanError, match=says):
        parse_scan(code)


@given(st.text(max_size=80) | st.from_regex(r"(\]C1|\]d2|\]E0|\]|)[0-9()\x1d]{0,40}", fullmatch=True))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        scanned = parse_scan(text)
    except ScanError:
        return
    assert isinstance(scanned, ScannedCode)
    assert scanned.elements
