"""Which antenna looks where, and for how long each zone has truly been watched.

Presence windows do not run on wall time but on a zone's clock: it counts only time in which every antenna of the zone
was on. Silence of a reader is not absence of tags, so a reader is trusted only up to its last sign of life (a read of
any tag, or a state event); one that stays silent longer than its driver needs to notice a dead link (`doubt_us` of its
state) is trusted again, because by then the driver would have said so.

    reader state            the zone's clock
    on, giving signs        runs up to the last sign of life
    on, silent < doubt      stands; the silent span is added when a sign of life comes, dropped when `off` comes
    on, silent >= doubt     runs: there is simply nothing to read
    off or antenna missing  stands, and no absence is decided

Doors wait for readers as well, in their own way (door_time.py); which of their readers are away is known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.config import Antenna, GatewayConfig
from readers.read import LINK_DOUBT_US, ReaderState

NOWHERE: Final = -1
SIDES: Final = ("in", "out")
HELD_PAUSE_US: Final = 1_000_000
"""For so long after a reader is on again its doors wait for the last of what it held: it may not have sent all of it
before it answered the questions that follow."""

LONGEST_AWAY_US: Final = 120_000_000
"""Doors wait so long for a reader: an outage of a minute, and the half minute that its driver may wait before it calls
again. Beyond that it counts more that the door's other antennas are heard."""

MASK_BITS: Final = 63
"""Antennas of one zone or portal that evidence can name; further ones share the last bit of the mask."""


class Coverage:
    """Antennas by dense number, and the clocks of the zones (microseconds watched, index as in the configuration)."""

    def __init__(self, config: GatewayConfig) -> None:
        zones = {zone.code: number for number, zone in enumerate(config.zones)}
        portals = {portal.code: number for number, portal in enumerate(config.portals)}
        self.zones: tuple[str, ...] = tuple(zones)
        self.portals: tuple[str, ...] = tuple(portals)
        self.eyes = [{(eye.reader, eye.port) for eye in portal.photo_eyes} for portal in config.portals]
        self.inside_zone = np.array([zones[portal.inside_zone] for portal in config.portals], np.int64)
        views: list[tuple[int, Antenna]] = [
            (number, antenna) for number, reader in enumerate(config.readers) for antenna in reader.antennas
        ]
        self.zone_of = np.array([zones[a.zone] if a.zone is not None else NOWHERE for _, a in views], np.int64)
        self.portal_of = np.array([portals[a.portal] if a.portal is not None else NOWHERE for _, a in views], np.int64)
        self.side_of = np.array([SIDES.index(a.side) if a.side is not None else NOWHERE for _, a in views], np.int64)
        self._reader_of = np.array([number for number, _ in views], np.int64)
        self._ports = np.array([antenna.port for _, antenna in views], np.int64)
        self._readers = {reader.name: number for number, reader in enumerate(config.readers)}
        self._labels = [f"{config.readers[number].name}/{antenna.port}" for number, antenna in views]
        self.bit_of, self._zone_labels, self._portal_labels = self._number_within_views()
        self._lookup, self._lookup_at, self._past_ports = self._number_ports()
        self._on = np.zeros(len(views), np.bool_)
        self._sign_us = np.zeros(len(config.readers), np.int64)
        self._doubt_us = np.full(len(config.readers), LINK_DOUBT_US)
        self._well = np.zeros(len(config.readers), np.bool_)
        self._now_us = 0
        self._awaited_until_us = np.zeros(len(config.readers), np.int64)
        self._door_links = self._link_doors()
        self._trusted_us = np.zeros(len(zones), np.int64)
        self.clock_us = np.zeros(len(zones), np.int64)
        self.watched = self._watched()
        links = np.stack([self.zone_of, self._reader_of], axis=1)
        self._zone_links = np.unique(links[self.zone_of >= 0], axis=0)
        self._zone_doubt_us = self._longest_doubts()

    def antennas(self, readers: Sequence[str], counts: Sequence[int], ports: NDArray[np.uint16]) -> NDArray[np.int64]:
        """Antenna numbers of ports, the first `counts[0]` of `readers[0]` and so on; NOWHERE for a port or reader that
        the configuration does not have."""
        unknown = len(self._readers)
        reader = np.repeat([self._readers.get(name, unknown) for name in readers], counts)
        found: NDArray[np.int64] = self._lookup[self._lookup_at[reader] + np.minimum(ports, self._past_ports[reader])]
        return found

    def apply(self, state: ReaderState) -> None:
        """A reader began or ceased to see. The doubtful span before a loss is not counted."""
        number = self._readers.get(state.reader)
        if number is None:
            return
        if state.antennas:
            self._sign_us[number] = max(int(self._sign_us[number]), state.at_us)
            self._doubt_us[number] = state.doubt_us
            self._zone_doubt_us = self._longest_doubts()
        self._await(number, state)
        mine = self._reader_of == number
        before = self._on.copy()
        self._on[mine] = np.isin(self._ports[mine], list(state.antennas))
        self._trusted_us[self.zone_of[(self._on != before) & (self.zone_of >= 0)]] = state.at_us
        self.watched = self._watched()

    def heard(self, antennas: NDArray[np.int64], at_us: NDArray[np.int64]) -> None:
        """Reads are signs of life of their readers."""
        np.maximum.at(self._sign_us, self._reader_of[antennas], at_us)

    def advance(self, now_us: int) -> None:
        """Let the clocks of watched zones run, as far as their readers can be trusted at event time `now_us`."""
        self._now_us = now_us
        silent = now_us - self._sign_us > self._doubt_us
        trusted = np.where(silent, now_us, np.minimum(self._sign_us, now_us))
        until = np.full(len(self.zones), now_us, np.int64)
        np.minimum.at(until, self._zone_links[:, 0], trusted[self._zone_links[:, 1]])
        runs = self.watched & (until > self._trusted_us)
        self.clock_us[runs] += until[runs] - self._trusted_us[runs]
        self._trusted_us[runs] = until[runs]

    def doors_wait(self, now_us: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """For each portal: is one of its readers away and waited for at event time `now_us`, or back since a moment; is
        one of them in doubt?"""
        silent_us = now_us - self._sign_us
        doubted = self._well & (silent_us > 0) & (silent_us <= self._doubt_us)
        return self._at_door(self._awaited_until_us > now_us), self._at_door(doubted)

    def clock_at(self, zones: NDArray[np.int64], at_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """The clocks of `zones` at event times not after the last `advance`.

        Where a clock stands because a reader is in doubt, it is what it will be if the doubt proves idle: a tag that
        another reader saw meanwhile was not silent meanwhile. If the reader was off, the tag is taken for present by so
        much longer, by the reader's doubt at most.
        """
        may_add_us = np.where(self.watched[zones], self._zone_doubt_us[zones], 0)
        then_us: NDArray[np.int64] = self.clock_us[zones] + np.minimum(at_us - self._trusted_us[zones], may_add_us)
        return then_us

    def zone_antennas(self, zone: int, mask: int) -> tuple[str, ...]:
        """Names `reader/port` of the antennas of a zone whose bits stand in `mask`."""
        return _named(self._zone_labels[zone], mask)

    def portal_antennas(self, portal: int, mask: int) -> tuple[str, ...]:
        """Names `reader/port` of the antennas of a portal whose bits stand in `mask`."""
        return _named(self._portal_labels[portal], mask)

    @property
    def longest_doubt_us(self) -> int:
        """The clock of no zone moves on by more than this at once, unless time does."""
        return int(self._zone_doubt_us.max(initial=0))

    def _await(self, number: int, state: ReaderState) -> None:
        """A reader that was on and is off is waited for, and a little longer when it is back."""
        well = bool(state.antennas) or state.idle
        if well is not bool(self._well[number]):
            until_us = int(self._awaited_until_us[number])
            back_us = max(state.at_us, self._now_us)
            until_us = min(until_us, back_us + HELD_PAUSE_US) if well else state.at_us + LONGEST_AWAY_US
            self._awaited_until_us[number] = until_us
        self._well[number] = well

    def _at_door(self, readers: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The portals of these readers."""
        portals = np.zeros(len(self.portals), np.bool_)
        portals[self._door_links[readers[self._door_links[:, 1]], 0]] = True
        return portals

    def _link_doors(self) -> NDArray[np.int64]:
        """Pairs of a portal and a reader whose antennas or photo-eyes look at it."""
        links = {(int(p), int(r)) for p, r in zip(self.portal_of, self._reader_of, strict=True) if p != NOWHERE}
        for portal, eyes in enumerate(self.eyes):
            links |= {(portal, self._readers[reader]) for reader, _ in eyes}
        return np.array(sorted(links), np.int64).reshape(-1, 2)

    def _longest_doubts(self) -> NDArray[np.int64]:
        """Of each zone's readers."""
        longest_us = np.zeros(len(self.zones), np.int64)
        np.maximum.at(longest_us, self._zone_links[:, 0], self._doubt_us[self._zone_links[:, 1]])
        return longest_us

    def _watched(self) -> NDArray[np.bool_]:
        """For each zone: does it have antennas, and are all of them on?"""
        antennas = np.bincount(self.zone_of[self.zone_of >= 0], minlength=len(self.zones))
        off = np.bincount(self.zone_of[(self.zone_of >= 0) & ~self._on], minlength=len(self.zones))
        watched: NDArray[np.bool_] = (antennas > 0) & (off == 0)
        return watched

    def _number_ports(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """For all readers, and for an unknown one after them: antenna numbers by port, up to a port that is nowhere;
        where in them a reader's begin; and that port."""
        tables = []
        for reader in range(len(self._readers)):
            mine = np.flatnonzero(self._reader_of == reader)
            table = np.full(int(self._ports[mine].max()) + 2, NOWHERE, np.int64)
            table[self._ports[mine]] = mine
            tables.append(table)
        tables.append(np.array([NOWHERE], np.int64))
        lengths = np.array([len(table) for table in tables])
        return np.concatenate(tables), np.cumsum(lengths) - lengths, lengths - 1

    def _number_within_views(self) -> tuple[NDArray[np.int64], list[list[str]], list[list[str]]]:
        zone_labels: list[list[str]] = [[] for _ in self.zones]
        portal_labels: list[list[str]] = [[] for _ in self.portals]
        bits = np.zeros(len(self._labels), np.int64)
        for number, label in enumerate(self._labels):
            zone, portal = int(self.zone_of[number]), int(self.portal_of[number])
            mates = zone_labels[zone] if zone >= 0 else portal_labels[portal]
            bits[number] = 1 << min(len(mates), MASK_BITS - 1)
            mates.append(label)
        return bits, zone_labels, portal_labels


def _named(labels: Sequence[str], mask: int) -> tuple[str, ...]:
    return tuple(label for place, label in enumerate(labels) if mask >> min(place, MASK_BITS - 1) & 1)
