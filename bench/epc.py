"""SGTIN-96 as hex turned into GTIN and serial number, and into a pure identity URI: ours against epcpy in the same run.

Both give the same answers for every tag, or the run fails. The peer is asked for what it has: its URI, and for GTIN and
serial its GS1 element string, taken apart by slicing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from epcpy.epc_schemes.sgtin import SGTIN

from bench.report import Case, line
from gs1.epc import sgtin96_of, sgtin96_uri

BOUND = 10.0
TAGS = 4_000
ROUNDS = 5
SERIAL_LIMIT = 1 << 38


def tags(chance: random.Random) -> list[str]:
    """Tags of every partition value, filter and length of serial number, as readers' hex."""
    found = []
    for _ in range(TAGS):
        partition = chance.randrange(7)
        company_bits, company_digits = (40, 37, 34, 30, 27, 24, 20)[partition], 12 - partition
        company, item = chance.randrange(10**company_digits), chance.randrange(10 ** (13 - company_digits))
        head = (0x30 << 6 | chance.randrange(8) << 3 | partition) << 44
        value = (head | company << (44 - company_bits) | item) << 38 | chance.randrange(SERIAL_LIMIT)
        found.append(f"{value:024X}")
    return found


def our_gtin(text: str) -> tuple[str, int] | None:
    return sgtin96_of(bytes.fromhex(text))


def our_uri(text: str) -> str | None:
    return sgtin96_uri(bytes.fromhex(text))


def peer_gtin(text: str) -> tuple[str, int]:
    element = SGTIN.from_hex(text).gs1_element_string()
    return element[4:18], int(element[22:])


def peer_uri(text: str) -> str:
    uri: str = SGTIN.from_hex(text).epc_uri
    return uri


def seconds(translate: Callable[[str], object], texts: list[str]) -> float:
    started = time.perf_counter()
    for text in texts:
        translate(text)
    return time.perf_counter() - started


def main() -> None:
    texts = tags(random.Random(1))
    cases = []
    ways: list[tuple[str, Callable[[str], object], Callable[[str], object]]] = [
        ("hex to GTIN and serial", our_gtin, peer_gtin),
        ("hex to pure identity URI", our_uri, peer_uri),
    ]
    for name, ours, theirs in ways:
        differing = [text for text in texts if ours(text) != theirs(text)]
        assert not differing, f"{name}: {len(differing)} differ, first {differing[0]}"
        # Rounds take turns, and the best of each counts: another program's burst then hurts neither side alone.
        our_s, their_s = [], []
        for _ in range(ROUNDS):
            our_s.append(seconds(ours, texts))
            their_s.append(seconds(theirs, texts))
        cases.append(Case(name, TAGS / min(our_s), "tags/s", "epcpy", TAGS / min(their_s), BOUND))
    print(line("epc", cases))


if __name__ == "__main__":
    main()
