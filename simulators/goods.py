"""The tagged goods of a scenario: pallets of SGTIN-96 things, an SSCC-96 on each pallet, a GRAI-96 where it rides on a
roll cage. Everything that will ever exist in a run is made at the start, so tags have fixed numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from gs1 import checkdigit
from gs1.epc import encode_grai96, encode_sgtin96, encode_sscc96
from simulators.scenario import Plan, Product, Scenario, Site

FILTER_ITEM: Final = 1
FILTER_CASE: Final = 2
FILTER_UNIT_LOAD: Final = 6
"""Filter values of SGTIN and SSCC (TDS 2.x, 10.2 and 10.3): point-of-sale item, full case, unit load."""

CAGES: Final = 3
"""One pallet in so many rides on a roll cage with a tag of its own."""

PALLET_M: Final = (1.2, 0.8, 1.5)
"""A load on a EUR pallet: tags lie anywhere within it."""

LOWEST_M: Final = 0.15

TAGS_OF_A_SERIES: Final = 10_000
SERIES: Final = 10_000_000
"""Serial numbers come in series of ten thousand; ten million series fit the 38 bits of SGTIN-96 and GRAI-96."""

SSCC_DIGITS: Final = 16
"""Of company prefix and serial reference; longer references keep their last digits."""


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag: what is on it and what it is on. `sku` is None for pallets and cages."""

    number: int
    epc: bytes
    sku: str | None = None
    gtin: str = ""
    serial: str = ""
    lot: str = ""
    expires_on: date | None = None
    quantity: int = 1

    @property
    def hex(self) -> str:
        """The EPC as upper-case hex."""
        return self.epc.hex().upper()


@dataclass(slots=True)
class Pallet:
    """A load that moves as one. `tags` shrinks as things are picked from it."""

    sscc: str
    loaded: tuple[int, ...]
    """Numbers of all its tags as it was made."""
    tags: list[int]
    known: Literal["imported", "announced", "swept"]
    """How the backend comes to know its goods: opening stock, a receipt, or the first sweep alone."""
    receipt: str = ""
    ready_us: int = 0
    """It is not moved on before this instant."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The loads of one site: what stands in it at the start, and what is announced to it."""

    stored: list[Pallet]
    staged: list[Pallet]
    parked: list[Pallet]
    inbound: list[Pallet]
    shuttling: list[Pallet]

    @property
    def all(self) -> list[Pallet]:
        """Every load, whatever becomes of it."""
        return [*self.stored, *self.staged, *self.parked, *self.inbound, *self.shuttling]


class Goods:
    """Maker and register of all tags of a run. `series` sets its serial numbers apart from those of other runs: the
    same database may have seen them."""

    def __init__(self, scenario: Scenario, chance: np.random.Generator, series: int) -> None:
        self.tags: list[Tag] = []
        self.pallets: list[Pallet] = []
        self._scenario = scenario
        self._chance = chance
        self._series = series
        self._products: Iterator[tuple[Product, int]] = self._turn()
        self._offsets: list[tuple[float, float, float]] = []

    def pallet(self, things: int, known: Literal["imported", "announced", "swept"], receipt: str = "") -> Pallet:
        """A new load of `things` of one product and lot, with its SSCC; some on a roll cage."""
        product, lot = next(self._products)
        number = len(self.pallets) + 1
        digits = self._scenario.company_prefix_digits
        reference = str(self._serial(number)).zfill(SSCC_DIGITS)[digits - SSCC_DIGITS :]
        body = f"0{product.gtin[1 : 1 + digits]}{reference}"
        sscc = body + checkdigit.of(body)
        tags = [self._thing(product, lot, bare=known == "swept") for _ in range(things)]
        tags.append(self._tag(Tag(len(self.tags), encode_sscc96(sscc, digits, FILTER_UNIT_LOAD))))
        if number % CAGES == 0:
            cage = encode_grai96(self._scenario.asset_type, self._serial(number), digits)
            tags.append(self._tag(Tag(len(self.tags), cage)))
        pallet = Pallet(sscc, tuple(tags), tags, known, receipt)
        self.pallets.append(pallet)
        return pallet

    def opening(self, site: Site, plan: Plan) -> Opening:
        """Make everything that a site will ever bring into the world."""
        least, most = self._scenario.flow.pallet_tags
        sizes = iter(lambda: int(self._chance.integers(least, most + 1)), None)
        return Opening(
            stored=[self.pallet(next(sizes), "imported") for _ in range(site.stored_pallets)],
            staged=[self.pallet(next(sizes), "imported") for _ in range(site.staged_pallets)],
            parked=[self.pallet(parked.tags, "swept") for parked in plan.parked],
            inbound=[
                self.pallet(next(sizes), "announced", f"ASN-{site.code}-{self._serial(number)}")
                for number in range(1, site.inbound_pallets + 1)
            ],
            shuttling=[self.pallet(shuttle.tags, "swept") for shuttle in plan.shuttles],
        )

    @property
    def from_middle_m(self) -> NDArray[np.float64]:
        """Where each tag lies, from the middle of the box that its load fills: (n, 3)."""
        return self.offsets_m - (0.0, 0.0, LOWEST_M + PALLET_M[2] / 2)

    @property
    def offsets_m(self) -> NDArray[np.float64]:
        """Where each tag lies on its load, from the middle of the load on the floor: (n, 3)."""
        return np.array(self._offsets, np.float64).reshape(-1, 3)

    def _turn(self) -> Iterator[tuple[Product, int]]:
        while True:
            for lot in range(max(len(product.lots) for product in self._scenario.products)):
                for product in self._scenario.products:
                    yield product, lot % len(product.lots)

    def _thing(self, product: Product, lot: int, *, bare: bool) -> int:
        number = len(self.tags)
        serial = str(self._serial(number))
        kind = FILTER_ITEM if product.quantity == 1 else FILTER_CASE
        epc = encode_sgtin96(product.gtin, serial, self._scenario.company_prefix_digits, kind)
        return self._tag(
            Tag(
                number,
                epc,
                sku=product.sku,
                gtin=product.gtin,
                serial=serial,
                lot="" if bare else product.lots[lot],
                expires_on=None if bare or not product.expires_on else product.expires_on[lot],
                quantity=product.quantity,
            )
        )

    def _serial(self, number: int) -> int:
        return self._series % SERIES * TAGS_OF_A_SERIES + number

    def _tag(self, tag: Tag) -> int:
        self.tags.append(tag)
        length_m, width_m, height_m = PALLET_M
        along, across, up = self._chance.random(3).tolist()
        self._offsets.append(((along - 0.5) * length_m, (across - 0.5) * width_m, LOWEST_M + up * height_m))
        return tag.number
