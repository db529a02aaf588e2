"""Codes out of a line's bytes: whole, cut anywhere, with trailing data, overlong, in odd character sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gs1.element import parse_scan
from readers.barcode.framing import MAX_CODE_BYTES, Code, CodeFramer, Heard, Unreadable

GS1_128 = b"]C1010950600013435210LOT7\x1d17270200"
CODES = st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), min_size=1, max_size=20), max_size=12)


def test_whole_with_trailing_data() -> None:
    framer = CodeFramer()
    assert framer.feed(GS1_128 + b"\r\n9506000134352\r950") == [Code(GS1_128.decode()), Code("9506000134352")]
    assert framer.is_open
    assert framer.flush() == [Code("950")]
    assert not framer.is_open


def test_a_separator_survives_and_the_code_is_understood() -> None:
    (code,) = CodeFramer().feed(GS1_128 + b"\n")
    assert isinstance(code, Code)
    assert parse_scan(code.text).lot == "LOT7"


def test_byte_by_byte() -> None:
    framer = CodeFramer()
    assert [code for byte in GS1_128 + b"\r\n" for code in framer.feed(bytes([byte]))] == [Code(GS1_128.decode())]


@given(CODES, st.data())
def test_random_splits(codes: list[str], data: st.DataObject) -> None:
    rest = b"".join(code.encode() + b"\r\n" for code in codes)
    framer, found = CodeFramer(), list[Heard]()
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        found += framer.feed(rest[:cut])
        rest = rest[cut:]
    assert found == [Code(code) for code in codes]


@given(st.lists(st.binary(max_size=3000), max_size=4))
def test_any_bytes_are_codes_or_told(chunks: list[bytes]) -> None:
    framer = CodeFramer()
    for chunk in chunks:
        for heard in framer.feed(chunk):
            assert isinstance(heard, Code | Unreadable)


def test_an_overlong_code_is_told_once_and_the_next_one_is_whole() -> None:
    framer = CodeFramer()
    heard = framer.feed(b"9" * (MAX_CODE_BYTES + 1))
    assert [type(one) for one in heard] == [Unreadable]
    assert framer.feed(b"9" * 5000) == []
    assert framer.feed(b"\r96385074\r") == [Code("96385074")]


def test_stx_and_etx() -> None:
    framer = CodeFramer(b"\x03", b"\x02")
    assert framer.feed(b"\x02one\x03\x02two\x03\x02\x03") == [Code("one"), Code("two")]


def test_what_is_no_utf8_is_latin_1() -> None:
    assert CodeFramer().feed("Käse".encode("latin-1") + b"\n") == [Code("Käse")]


def test_fnc1_cannot_end_a_code() -> None:
    with pytest.raises(ValueError, match="FNC1"):
        CodeFramer(b"\x1d")
