"""The "+" and "++" schemes: GS1's values both ways, its own tables, round trips for each scheme, and refusals."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gs1 import checkdigit, epc
from gs1.bits import BitReader, BitWriter
from gs1.errors import EpcError, IdentityError
from gs1.identity import Sgln, Sgtin
from gs1.link import element_string, elements_of, identity_of, parse_link, to_link, to_plus
from gs1.plus import DATE_AIS, PLUS_BY_NAME, PLUS_SCHEMES, VALUES, Counted, Delimited, Packed, Text, integer_bits
from gs1.textcode import TEXT_CODES, read_text, write_text

SET_82 = [chr(code) for code in range(0x21, 0x7B) if chr(code) not in "#$@[\\]^`"]
SET_39 = [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/#-"]
BARE_DATES = {"prodDate": "11", "bestBeforeDate": "15", "expDate": "17"}


@pytest.fixture(scope="session")
def vectors(shared_data: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads((shared_data / "tds" / "e3-vectors.json").read_text())["plus"]
    assert len(found) == 20
    return found


@pytest.fixture(scope="session")
def tdt(shared_data: Path) -> Path:
    return shared_data / "tds" / "tdt" / "artefacts" / "JSON"


def memory(text: str) -> bytes:
    return bytes.fromhex(text.ljust(-(-len(text) // 4) * 4, "0"))


def bare_of(vector: dict[str, str]) -> tuple[tuple[tuple[str, str], ...], str | None]:
    """A vector's bare identifier as AIs and hostname, in the order of an element string."""
    said = dict(part.split("=", 1) for part in vector["bare"].split(";"))
    hostname, serial = said.pop("hostname", None), said.pop("serial", None)
    dates = tuple((BARE_DATES[name], said.pop(name)) for name in list(said) if name in BARE_DATES)
    ((key, value),) = said.items()
    primary = {"gtin": "01", "sscc": "00", "gln": "414", "grai": "8003", "giai": "8004", "gsrn": "8018"} | {
        "gsrnp": "8017",
        "gdti": "253",
        "cpi": "8010",
        "gcn": "255",
        "itip": "8006",
    }
    second = {"gln": "254", "cpi": "8011", "gtin": "21", "itip": "21"}
    elements = ((primary[key], value if key != "grai" else value + (serial or "")),)
    if serial is not None and key in second:
        elements += ((second[key], serial),)
    return (*elements, *dates), hostname


def test_gs1_vectors_from_memory_and_to_memory(vectors: list[dict[str, str]]) -> None:
    for vector in vectors:
        elements, hostname = bare_of(vector)
        value = int(dict(part.split("=") for part in vector["params"].split(";"))["filter"])
        identity = epc.parse_epc(memory(vector["hex"]))
        assert identity.scheme == vector["scheme"].lower()
        assert (identity.filter, identity.hostname, identity.aidc) == (value, hostname, None)
        assert elements_of(identity) == elements
        made = identity_of(elements, filter=value, scheme=identity.scheme, hostname=hostname)
        assert made == identity
        assert epc.to_epc(made) == memory(vector["hex"])
        assert to_link(identity).startswith(f"https://{hostname or 'id.gs1.org'}/")
        assert parse_link(to_link(identity), filter=value, scheme=identity.scheme) == identity


def test_the_table_agrees_with_the_scheme_files(tdt: Path) -> None:
    files = {path.stem.lower(): path for path in tdt.glob("*+.json")}
    assert set(files) == {scheme.name for scheme in PLUS_SCHEMES if not scheme.hosted}
    for name, path in files.items():
        scheme = PLUS_BY_NAME[name]
        levels = json.loads(path.read_text())["tdt:epcTagDataTranslation"]["scheme"]["level"]
        binary = next(level for level in levels if level["type"] == "BINARY")
        assert int(binary["prefixMatch"], 2) == scheme.header
        for option in binary["option"]:
            assert tuple(one["ai"] for one in option["encodedAI"]) == scheme.ais
        links = next(level for level in levels if level["type"] == "GS1_DIGITAL_LINK")["option"]
        dates = tuple(option["aiSequence"][-1] for option in links if scheme.dated)
        assert dates == (DATE_AIS if scheme.dated else ())


def test_values_agree_with_table_f(tdt: Path) -> None:
    rows = {row["a"]: row for row in json.loads((tdt / "TDT_TableF.json").read_text())["rows"]}
    for ai, value in VALUES.items():
        row = rows[ai]
        first = value.components[0]
        match first:
            case Packed(digits):
                assert (row["b"], int(row["d"]), int(row["e"])) == ("Fixed-length numeric", digits, 4 * digits)
            case Text(most):
                assert (row["b"], int(row["h"])) == ("Variable-length alphanumeric", most)
            case Counted(most):
                assert (row["c"], int(row["h"]), int(row["g"])) == ("14.5.13", most, 4)
            case Delimited(most):
                assert (row["c"], int(row["h"])) == ("14.5.5", most)
        assert len(value.components) == 1 + ("j" in row)
        if "j" in row:
            kind = {"14.5.6": Text, "14.5.13": Counted}[row["j"]]
            assert value.components[1] == kind(int(row["o"]))


def test_text_codes_agree_with_tables_b_and_e(tdt: Path) -> None:
    table = json.loads((tdt / "TDT_TableB.json").read_text())
    column = {entry["encodingIndicator"]: entry["id"] for entry in table["columns"] if "encodingIndicator" in entry}
    assert sorted(column) == list(range(len(TEXT_CODES)))
    for row in table["rows"]:
        length = int(row["a"])
        assert integer_bits(length) == int(row["b"])
        for number, code in enumerate(TEXT_CODES):
            assert code.bits(length) == int(row[column[number]]), (number, length)
    rows = json.loads((tdt / "TDT_TableE.json").read_text())["rows"]
    for row in rows:
        theirs = re.compile(row["f"])
        ours = TEXT_CODES[int(row["a"])].characters
        for character in map(chr, range(128)):
            if (row["a"], character) == ("4", "#"):
                continue  # table E shows set 82 only; CPI's set 39 has it
            assert bool(theirs.fullmatch(character)) == bool(ours.fullmatch(character)), (row["c"], character)


@given(st.integers(0, 5), st.data())
def test_every_text_code_reads_what_it_writes(number: int, data: st.DataObject) -> None:
    code = TEXT_CODES[number]
    alphabet = [character for character in map(chr, range(128)) if code.characters.fullmatch(character)]
    text = data.draw(st.text(alphabet, min_size=1, max_size=20))
    bits = BitWriter()
    bits.put(number, 3)
    bits.put(len(text), 5)
    bits.put(code.write(text), code.bits(len(text)))
    assert read_text(BitReader(bits.memory()), "text") == text
    shortest = BitWriter()
    write_text(text, shortest)
    assert shortest.bits <= bits.bits
    assert read_text(BitReader(shortest.memory()), "text") == text


def keyed(draw: st.DrawFn, ai: str) -> str:
    """Any value of an AI."""
    digits = st.text("0123456789")
    match ai:
        case "21" | "254":
            return draw(st.text(SET_82, min_size=1, max_size=20))
        case "8011":
            return draw(st.text("0123456789", min_size=1, max_size=12))
        case "8004" | "8010":
            prefix = draw(st.text("0123456789", min_size=4, max_size=12))
            return prefix + draw(st.text(SET_82 if ai == "8004" else SET_39, min_size=1, max_size=18))
    first, beyond = VALUES[ai].checked
    length = beyond - first - 1
    payload = draw(digits.filter(lambda text: len(text) <= length)).rjust(length, "7")
    key = "0" * first + payload + checkdigit.of(payload)
    match ai:
        case "8006":
            return key + draw(st.text("0123456789", min_size=4, max_size=4))
        case "255":
            return key + draw(st.text("0123456789", min_size=1, max_size=12))
        case "253" | "8003":
            return key + draw(st.text(SET_82, min_size=1, max_size=16))
    return key


HOSTNAMES = st.from_regex(
    r"(id\.|qr\.|www\.)?[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,3})?(\.com|\.org|\.med|\.de)", fullmatch=True
)


@pytest.mark.parametrize("name", sorted(PLUS_BY_NAME))
@settings(max_examples=40)
@given(data=st.data())
def test_round_trips_of_each_scheme(name: str, data: st.DataObject) -> None:
    scheme = PLUS_BY_NAME[name]

    @st.composite
    def parts(draw: st.DrawFn) -> Any:
        elements = tuple((ai, keyed(draw, ai)) for ai in scheme.ais)
        if scheme.dated:
            day = f"{draw(st.dates(date(2000, 1, 1), date(2099, 12, 31))):%y%m%d}"
            elements += ((draw(st.sampled_from(DATE_AIS)), day),)
        return elements, draw(HOSTNAMES) if scheme.hosted else None, draw(st.integers(0, 7))

    elements, hostname, value = data.draw(parts())
    identity = identity_of(elements, filter=value, scheme=name, hostname=hostname)
    written = epc.to_epc(identity)
    assert len(written) % 2 == 0
    assert epc.parse_epc(written) == identity
    assert to_plus(identity).elements == elements
    if elements[-1] == ("254", "0"):
        elements = elements[:-1]
    assert elements_of(identity) == elements
    assert parse_link(to_link(identity), filter=value, scheme=name) == identity


@given(st.sampled_from(sorted(scheme.header for scheme in PLUS_SCHEMES)), st.binary(max_size=40))
def test_any_bytes_parse_or_are_refused(header: int, rest: bytes) -> None:
    raw = bytes([header]) + rest
    try:
        identity = epc.parse_epc(raw)
    except EpcError:
        return
    assert epc.parse_epc(epc.to_epc(identity)).__class__ is identity.__class__


def test_aidc_data_after_the_epc_is_kept() -> None:
    plain = identity_of((("01", "79521141123453"), ("21", "32a/b")), filter=3, scheme="sgtin+")
    tagged = memory("F7B795211411234538566CB0AFC4" + "4C0FFEE0")
    identity = epc.parse_epc(tagged)
    assert isinstance(identity, Sgtin)
    assert (identity.gtin, identity.serial, identity.filter) == (plain.gtin, plain.serial, 3)
    assert identity.aidc is not None
    assert epc.to_epc(identity) == tagged


def test_a_whole_place_has_extension_zero() -> None:
    place = identity_of((("414", "9521141123454"),), scheme="sgln+")
    assert isinstance(place, Sgln)
    assert place.serial == "0"
    assert epc.parse_epc(epc.to_epc(place)) == place


def test_element_string_of_a_dated_tag() -> None:
    identity = epc.parse_epc(memory("FB342CDE795211411234538566CB0AFC4"))
    assert element_string(elements_of(identity)) == "01795211411234532132a/b\x1d17220630"


@pytest.mark.parametrize(
    ("hex_text", "says"),
    [
        ("F7", r"\(01\): needs 56 bits"),
        ("F73795211411234528566CB0AFC4", "check digit is 2, it should be 3"),
        ("F7379521141123453E8566CB0AFC4", "no text code"),
        ("F73A95211411234538566CB0AFC4", "is not 14 digits"),
        ("F73795211411234538566CB0AFC5", "bits after the last field are not zero"),
        ("F73795211411234538566CB0", "memory has"),
        ("FB372CDE795211411234538566CB0AFC4", "date type: 7"),
        ("FB342C5F795211411234538566CB0AFC4", "day 31 is no date"),
        ("FB342C1F795211411234538566CB0AFC4", "is no date"),
        ("FA3952F", "begin with four digits"),
        ("FA39521C", "neither a digit nor an end"),
        ("F13195211411234548566CB0AFC4", "does not begin with 0"),
        ("EF00952012345678912350", "hostname: .*Code 40"),
    ],
)
def test_refused_memory_says_what_and_where(hex_text: str, says: str) -> None:
    with pytest.raises(EpcError, match=says):
        epc.parse_epc(memory(hex_text))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: identity_of((("01", "79521141123454"), ("21", "1")), scheme="sgtin+"), "check digit"),
        (lambda: identity_of((("01", "79521141123453"),), scheme="sgtin+"), r"\(21\) is missing"),
        (lambda: identity_of((("01", "79521141123453"), ("21", "1")), scheme="dsgtin+"), "one date"),
        (lambda: identity_of((("01", "79521141123453"), ("21", "1")), scheme="sgtin++"), "needs hostname"),
        (lambda: identity_of((("01", "79521141123453"), ("21", "1")), scheme="sgtin+", hostname="a.b"), "no hostname"),
        (lambda: identity_of((("01", "79521141123453"), ("21", "a b")), scheme="sgtin+"), "outside its set"),
        (lambda: identity_of((("00", "095201234567891235"),), scheme="sscc+", filter=8), "filter 8"),
        (lambda: identity_of((("00", "095201234567891235"),), scheme="sscc-96"), "without a company prefix"),
        (lambda: identity_of((("8004", "12"),), scheme="giai+"), "four digits"),
        (lambda: epc.tag_uri(identity_of((("00", "095201234567891235"),), scheme="sscc+")), "no URN"),
    ],
)
def test_refused_identities_say_why(make: Any, says: str) -> None:
    with pytest.raises(IdentityError, match=says):
        make()
