"""EPC memory, identities and URIs: GS1's own vectors both ways, round trips over random values, and refusals."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gs1 import checkdigit, epc
from gs1.errors import EpcError, Gs1Error, IdentityError, UnknownSchemeError, UriError
from gs1.identity import Cpi, Gdti, Giai, Grai, Gsrn, Identity, Itip, Sgcn, Sgln, Sgtin, Sscc
from gs1.link import elements_of, identity_of
from gs1.scheme import (
    SCHEMES,
    Cage,
    Digits,
    Field,
    MarkedDigits,
    Number,
    Partition,
    Scheme,
    Tag,
    Text6,
    Text7,
    pack,
    unpack,
)

SET_82 = [chr(code) for code in range(0x21, 0x7B) if chr(code) not in "#$@[\\]^`"]
SET_39 = [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/#-"]


def bare(identity: Identity) -> str | None:
    """GS1's bare identifier text, as the vectors write it."""
    match identity:
        case Sgtin():
            return f"gtin={identity.gtin};serial={identity.serial}"
        case Sscc():
            return f"sscc={identity.sscc}"
        case Sgln():
            return f"gln={identity.gln};serial={identity.serial}"
        case Grai():
            return f"grai={identity.grai}"
        case Giai():
            return f"giai={identity.giai}"
        case Gsrn():
            return f"{identity.kind}={identity.gsrn}"
        case Gdti():
            return f"gdti={identity.document_type}{identity.serial}"
        case Cpi():
            return f"cpi={identity.cpi};cpiserial={identity.serial}"
        case Sgcn():
            return f"sgcn={identity.coupon}{identity.serial}"
        case Itip():
            return f"itip={identity.gtin}{identity.piece}{identity.total};serial={identity.serial}"
        case _:
            return None


@pytest.fixture(scope="session")
def vectors(shared_data: Path) -> list[dict[str, str | None]]:
    legacy = json.loads((shared_data / "tds" / "e3-vectors.json").read_text())["legacy"]
    assert len(legacy) == 28
    return legacy


def memory(text: str) -> bytes:
    """A vector's hex as tag memory: whole words."""
    return bytes.fromhex(text.ljust(-(-len(text) // 4) * 4, "0"))


def test_gs1_vectors_from_memory(vectors: list[dict[str, str]]) -> None:
    for vector in vectors:
        identity = epc.parse_epc(memory(vector["hex"]))
        assert identity.scheme == vector["scheme"]
        assert identity.kind == vector["pure"].split(":")[3]
        assert epc.tag_uri(identity) == vector["tag"]
        assert epc.pure_uri(identity) == vector["pure"]
        if vector["bare"]:
            assert bare(identity) == vector["bare"]


def test_gs1_vectors_to_memory(vectors: list[dict[str, str]]) -> None:
    for vector in vectors:
        identity = epc.parse_tag_uri(vector["tag"])
        assert epc.to_epc(identity) == memory(vector["hex"])
        pure = epc.parse_pure_uri(vector["pure"], identity.filter)
        assert epc.pure_uri(pure) == vector["pure"]
        assert bare(pure) == bare(identity)


def test_the_table_agrees_with_the_machine_readable_definitions(shared_data: Path) -> None:
    """Header, prefix bits and reference bits of every row, against GS1's Tag Data Translation definitions."""
    folder = shared_data / "tds" / "tdt" / "artefacts" / "JSON"
    for scheme in SCHEMES:
        path = next(path for path in folder.iterdir() if path.stem.lower() == scheme.name)
        definition = json.loads(path.read_text())["tdt:epcTagDataTranslation"]["scheme"]
        binary = next(level for level in definition["level"] if level["type"] == "BINARY")
        assert int(binary["prefixMatch"], 2) == scheme.header
        for option in binary["option"]:
            company = next((field for field in option["field"] if field["name"] == "gs1companyprefix"), None)
            if company is None or not all("bitLength" in field for field in option["field"]):
                continue
            bits = 8 + 3 + sum(field["bitLength"] for field in option["field"]) + scheme.reserved_bits
            assert bits == definition["tagLength"]
            widths = {field["name"]: field for field in option["field"]}
            reference = option["field"][2]
            partition = 12 - int(option["optionKey"])
            field = scheme.fields[0].reference(partition)
            assert field.bits == reference["bitLength"]
            if "length" in reference:
                assert field.digits == int(reference["length"])
            assert widths["gs1companyprefix"]["length"] == int(option["optionKey"])


def digits(least: int, most: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=least, max_size=most)


def part(field: Field) -> st.SearchStrategy[str]:
    """Any value of a field, by its own rules."""
    match field:
        case Number(_, bits, most):
            return st.integers(0, min((1 << bits) - 1, 10 ** (most or 99) - 1)).map(str)
        case Digits(_, _, count):
            return digits(count, count)
        case MarkedDigits(_, _, most):
            return digits(1, most)
        case Text7(_, _, most):
            return st.text(SET_82, min_size=1, max_size=most)
        case Text6(_, most, least):
            return st.text(SET_39, min_size=least, max_size=most)
        case Cage():
            return st.text("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=5, max_size=6)


@st.composite
def tags(draw: st.DrawFn, scheme: Scheme) -> Tag:
    """Any valid tag of a scheme."""
    parts: list[str] = []
    for field in scheme.fields:
        if isinstance(field, Partition):
            partition = draw(st.integers(0, 6))
            parts += draw(digits(12 - partition, 12 - partition)), draw(part(field.reference(partition)))
        else:
            parts.append(draw(part(field)))
    return Tag(scheme, draw(st.integers(0, (1 << scheme.filter_bits) - 1)), tuple(parts))


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
@settings(max_examples=40)
@given(data=st.data())
def test_round_trips(scheme: Scheme, data: st.DataObject) -> None:
    tag = data.draw(tags(scheme))
    written = pack(tag)
    assert unpack(written) == tag
    identity = epc.parse_epc(written)
    assert epc.to_epc(identity) == written
    assert epc.parse_tag_uri(epc.tag_uri(identity)) == identity
    assert epc.pure_uri(epc.parse_pure_uri(epc.pure_uri(identity))) == epc.pure_uri(identity)
    if identity.kind not in ("gid", "usdod", "adi"):
        digits_known = identity.company_prefix_digits
        assert identity_of(elements_of(identity), digits_known, tag.filter).parts() == identity.parts()


@given(st.binary(max_size=40) | st.binary(min_size=11, max_size=31).map(lambda rest: b"\x30" + rest))
def test_any_bytes_parse_or_are_refused(raw: bytes) -> None:
    try:
        identity = epc.parse_epc(raw)
    except EpcError:
        return
    written = epc.to_epc(identity)
    assert written.ljust(len(raw), b"\0") == raw.ljust(len(written), b"\0")


@given(st.binary(min_size=12, max_size=12).map(lambda raw: b"\x30" + raw[1:]))
def test_the_fast_path_agrees_with_the_table(raw: bytes) -> None:
    try:
        identity = epc.parse_epc(raw)
    except EpcError:
        assert epc.sgtin96_of(raw) is None
        assert epc.sgtin96_uri(raw) is None
        return
    assert isinstance(identity, Sgtin)
    assert epc.sgtin96_of(raw) == (identity.gtin, int(identity.serial))
    assert epc.sgtin96_uri(raw) == epc.pure_uri(identity)


@given(st.binary(max_size=30))
def test_the_fast_path_takes_only_sgtin_96(raw: bytes) -> None:
    if len(raw) != 12 or raw[0] != 0x30:
        assert epc.sgtin96_of(raw) is None
        assert epc.sgtin96_uri(raw) is None


@given(st.text(max_size=60) | st.from_regex(r"urn:epc:(tag:sgtin-96|id:grai):[0-9.%a-f]{0,40}", fullmatch=True))
def test_any_text_parses_as_a_uri_or_is_refused(text: str) -> None:
    for parse, write in ((epc.parse_tag_uri, epc.tag_uri), (epc.parse_pure_uri, epc.pure_uri)):
        try:
            identity = parse(text)
        except (UriError, IdentityError):
            continue
        assert parse(write(identity)) == identity


@given(st.integers(0, 10**18))
def test_check_digit(payload: int) -> None:
    weighed = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(str(payload))))
    assert (weighed + checkdigit.of_number(payload)) % 10 == 0


def test_writers() -> None:
    assert epc.encode_sgtin96("09506000134352", 123456789, 11, 3).hex().upper() == "3066C4409047E140075BCD15"
    assert epc.encode_sscc96("095201234567891235", 6).hex().upper() == "311BA1B300CE0A6A83000000"
    assert epc.encode_sgln96("9521141123454", 5678, 7, 3).hex().upper() == "3276451FD46072000000162E"
    assert epc.encode_grai96("9521141123454", "5678", 7, 3).hex().upper() == "3376451FD40C0E400000162E"
    assert epc.encode_giai96("95211415678", 7, 3).hex().upper() == "3476451FD40000000000162E"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: epc.encode_sgtin96("09506000134353", 1, 7), "check digit is 3, it should be 2"),
        (lambda: epc.encode_sgtin96("9506000134352", 1, 7), "needs 14 digits"),
        (lambda: epc.encode_sgtin96("09506000134352", 1 << 38, 7), "largest that fits 38 bits is 274877906943"),
        (lambda: epc.encode_sgtin96("09506000134352", "007", 7), "leading zeros"),
        (lambda: epc.encode_sgtin96("09506000134352", "x", 7), "needs digits"),
        (lambda: epc.encode_sgtin96("09506000134352", 1, 5), "needs 6 to 12 digits"),
        (lambda: epc.encode_sgtin96("09506000134352", 1, 7, 8), "filter 8 is not one of 0 to 7"),
        (
            lambda: epc.to_epc(Sgtin("09506000134352", "1", scheme="sscc-96", company_prefix_digits=7)),
            "writes no Sgtin",
        ),
        (lambda: epc.to_epc(Sgtin("09506000134352", "1", scheme="sgtin-97", company_prefix_digits=7)), "no scheme"),
    ],
)
def test_refused_identities_say_why(make, says: str) -> None:
    with pytest.raises(IdentityError, match=says):
        make()


@pytest.mark.parametrize(
    ("memory_hex", "error", "says"),
    [
        ("", EpcError, "empty"),
        ("AB" * 12, UnknownSchemeError, "header AB"),
        ("30", EpcError, "filter: needs 3 bits, memory has 0 left"),
        ("303C" + "00" * 10, EpcError, "partition: 7"),
        ("3033FFFFFFFFFFFFFFFFFFFF", EpcError, "company prefix: .* more than 8 digits"),
        ("311BA1B300CE0A6A83000001", EpcError, "bits after the last field are not zero"),
        ("311BA1B300CE0A6A83", EpcError, "needs 24 bits after the last field"),
        ("3666C4409047E159B2C2BF100000000000000000000000001000", EpcError, "serial: characters follow the end"),
    ],
)
def test_refused_memory_says_what_and_where(memory_hex: str, error: type[Gs1Error], says: str) -> None:
    with pytest.raises(error, match=says):
        epc.parse_epc(bytes.fromhex(memory_hex))


@pytest.mark.parametrize(
    "uri", ["", "urn:epc:tag:sgtin-97:1.2.3.4", "urn:epc:id:nothing:1", "urn:epc:tag:sgtin-96:x.1.2.3"]
)
def test_refused_uris(uri: str) -> None:
    with pytest.raises(UriError):
        epc.parse_tag_uri(uri)
    with pytest.raises(UriError):
        epc.parse_pure_uri(uri)
