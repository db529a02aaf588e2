"""What a person says of things by their codes: what stands on a pallet, and what was read on a walk through a zone.

A code is EPC memory as hex, or a label as scanned or typed: (00)…, (01)…(21)…, or a Digital Link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from backend.api.problems import ProblemError
from backend.catalog.model import Places, Site
from backend.catalog.service import read_places
from backend.catalog.sheet import sheet_of
from backend.documents.surplus import tell_surplus
from backend.effects import rules
from backend.effects.identity import Named, Unnamed, of_epc, of_scan, of_sscc
from backend.effects.observation import Key
from backend.ingest.aggregating import JoinWord, refusal, write_joins
from backend.ingest.batch import EARLIEST, MAX_SKEW, item_transfers, note_owed
from backend.ingest.documents import Tagged
from backend.ingest.items import SQL as ITEMS_SQL
from backend.ingest.items import Admitted, Item, admit
from backend.ingest.pallet_names import SQL
from backend.ingest.pallets import count_carried
from backend.ingest.receiving import Receiving
from backend.ledger.model import Cause
from backend.stock.promises import post
from backend.store import arrays
from backend.store.database import Connection, Database
from gs1 import checkdigit
from gs1.element import parse_scan
from gs1.errors import IdentityError, ScanError
from wire.clock import Clock

AGGREGATION: Final = "aggregation"
"""The reason of postings that follow from what was put on a pallet."""

_HEX: Final = re.compile(r"^(?:[0-9A-Fa-f]{4}){1,31}$")
_DIGITS: Final = re.compile(r"^\d{8,18}$")


class Loading(NamedTuple):
    """What is put on a pallet and taken off it, at an instant."""

    site: str
    add: Sequence[str]
    remove: Sequence[str]
    at: datetime | None
    document: str


class Swept(NamedTuple):
    """What became of a sweep: things that nobody knew, all things placed, and why others name nothing."""

    new: int
    placed: int
    refused: list[dict[str, Any]]


@dataclass(slots=True)
class _Codes:
    """Codes by what they name: tags, labels, and those that name nothing with the reason."""

    epcs: dict[str, bytes]
    labels: dict[str, Named]
    faults: dict[str, str]

    @classmethod
    def read(cls, codes: Iterable[str]) -> _Codes:
        """Understand codes, each once."""
        read = cls({}, {}, {})
        for code in dict.fromkeys(codes):
            if _HEX.match(code) and not _DIGITS.match(code):
                read.epcs[code] = bytes.fromhex(code)
                continue
            try:
                named = of_scan(parse_scan(code))
            except ScanError as error:
                read.faults[code] = str(error)
                continue
            if named is None:
                read.faults[code] = f"{code!r} names a kind of goods, not one thing: its serial number is missing"
            else:
                read.labels[code] = named
        return read

    async def admit(self, connection: Connection, places: Places, site: Site, more: Iterable[Named] = ()) -> Admitted:
        """Lock the things named, made where they are missing."""
        named = {one.identity: one for one in (*self.labels.values(), *more)}
        return await admit(connection, places, site, set(self.epcs.values()), named)

    def item(self, code: str, admitted: Admitted) -> Item | str:
        """The thing that a code names, or why it names none."""
        if code in self.faults:
            return self.faults[code]
        if code in self.epcs:
            name: bytes | str = self.epcs[code]
            item = admitted.by_epc.get(self.epcs[code])
        else:
            name = self.labels[code].identity
            item = admitted.by_identity.get(self.labels[code].identity)
        return item if item is not None else admitted.faults[name].reason


async def load_pallet(database: Database, clock: Clock, sscc: str, loading: Loading, actor: str, role: str) -> None:
    """Put things on a pallet and take others off it, all or none.

    Raises ProblemError: `refused` for a site, an instant or an SSCC that cannot be, `refused-rows` with each code that
    cannot be taken and why.
    """
    pallet_name = _pallet(sscc)
    now = clock.now()
    at = loading.at or now
    async with database.transaction() as connection:
        places, site = await _site(connection, loading.site, at, now)
        codes = _Codes.read((*loading.add, *loading.remove))
        admitted = await codes.admit(connection, places, site, [pallet_name])
        pallet = admitted.by_identity[pallet_name.identity]
        standing = {
            row["item_id"] for row in await connection.fetch(SQL["on_pallet"], list(admitted.all), pallet.item_id)
        }
        words: dict[int, JoinWord] = {}
        faults: list[dict[str, Any]] = []
        for column, given in (("add", loading.add), ("remove", loading.remove)):
            for row, code in enumerate(given, 1):
                item = codes.item(code, admitted)
                what = item if isinstance(item, str) else None
                if isinstance(item, Item):
                    if item.item_id in words:
                        what = "names a thing that another code names already; take one of them out"
                    elif column == "add":
                        what = await refusal(connection, item, pallet)
                    elif item.item_id not in standing:
                        what = f"does not stand on {pallet_name.identity}"
                    parent = pallet if column == "add" else None
                    words[item.item_id] = JoinWord(item, parent, at, actor, loading.document)
                if what is not None:
                    faults.append({"row": row, "column": column, "what": f"{code!r}: {what}"})
        if faults:
            first = f"{faults[0]['column']} {faults[0]['row']}: {faults[0]['what']}"
            raise ProblemError("refused-rows", f"{len(faults)} faults, the first: {first}", errors=faults)
        joins = await write_joins(connection, list(words.values()), now)
        cause = Cause(AGGREGATION, actor, role, loading.document or None)
        await _post(connection, places, admitted, {join.key: cause for join in joins}, now)


async def _post(
    connection: Connection, places: Places, admitted: Admitted, causes: dict[Key, Cause], now: datetime
) -> None:
    transfers, carried = await item_transfers(connection, places, admitted.all.values(), causes, now)
    came = await count_carried(connection, carried)
    await note_owed(connection, places, await post(connection, places, transfers, now), now)
    await tell_surplus(connection, came, now)
    await connection.execute(ITEMS_SQL["tell"], now, "", None)


async def sweep(
    database: Database, clock: Clock, site_code: str, zone_code: str, epcs: Sequence[str], actor: str
) -> Swept:
    """Take in what somebody read on a walk through a zone: what nobody knew becomes a thing of its SKU there, of
    unknown origin; what was known is there now. A tag that names nothing is answered with the reason, and holds up
    no other.

    Raises ProblemError (`refused`) for a site or zone that does not exist.
    """
    now = clock.now()
    async with database.transaction() as connection:
        places, site = await _site(connection, site_code, now, now)
        zone = site.real_zone(zone_code)
        if zone is None:
            raise ProblemError("refused", f"zone: site {site_code!r} has no zone {zone_code!r} where goods can stand")
        once = list(dict.fromkeys(one.upper() for one in epcs))
        refused = [{"epc": one, "what": "is no tag memory: hex digits in fours"} for one in once if not _HEX.match(one)]
        tags = {bytes.fromhex(one): one for one in once if _HEX.match(one)}
        known = {row["epc"] for row in await connection.fetch(ITEMS_SQL["find_items"], arrays.octets(tags))}
        admitted = await admit(connection, places, site, tags, {})
        refused += [{"epc": tags[tag], "what": admitted.faults[tag].reason} for tag in tags if tag in admitted.faults]
        rows, _ = sheet_of((number, {"epc": tags[tag]}) for number, tag in enumerate(admitted.by_epc, 1))
        things = []
        for row, (tag, item) in zip(rows, admitted.by_epc.items(), strict=True):
            named = of_epc(tag)
            kind = "other" if isinstance(named, Unnamed) else named.kind
            things.append(Tagged(row, tag, kind, item.identity, item.state.goods))
        receiving = await Receiving.begin(connection, actor, now)
        await receiving.sweep(things, site.site_id, zone.zone_id, f"sweep/{site_code}/{zone_code}")
        return Swept(len(admitted.by_epc.keys() - known), len(things), refused)


async def _site(connection: Connection, code: str, at: datetime, now: datetime) -> tuple[Places, Site]:
    places = await read_places(connection)
    site = places.by_code.get(code)
    if site is None:
        raise ProblemError("refused", f"site: no site {code!r}; define it first")
    wrong = rules.impossible_date(at, EARLIEST, now + MAX_SKEW)
    if wrong is not None:
        raise ProblemError("refused", f"at: {wrong}")
    return places, site


def _pallet(sscc: str) -> Named:
    try:
        checkdigit.require(sscc, 18, "SSCC")
    except IdentityError as error:
        raise ProblemError("refused", f"sscc: {error}") from error
    return of_sscc(sscc)
