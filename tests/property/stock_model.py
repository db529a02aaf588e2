"""What must be true of two sites' stock, kept by adding alone: the state machine compares the store with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

SITES: Final = ("a", "b")
CHANNELS: Final = ("web", "market")


@dataclass
class Promise:
    """Units of a site promised to an order, through its channel, or to a transfer."""

    holder: str
    site: str
    held: int
    channel: str | None = None
    short: int = 0
    kept: int = 0


@dataclass
class Paper:
    """A shipment, a transfer or a receipt. `things`: those that left under it and have not come; `loose`: such units
    without a serial number; `lost`: units of those that were given up; `accepted`: of what came beyond the expected;
    `scans`: units by the scan that received them."""

    code: str
    kind: str
    site: str
    to_site: str | None = None
    order: str | None = None
    status: str = "open"
    gone: int = 0
    come: int = 0
    loose: int = 0
    lost: int = 0
    expected: int = 0
    accepted: int = 0
    things: set[int] = field(default_factory=set)
    scans: dict[str, int] = field(default_factory=dict)

    @property
    def surplus(self) -> int:
        """Units that came beyond what was expected and accepted."""
        return max(0, self.come - self.expected - self.accepted)


@dataclass
class Model:
    """What must be true."""

    on_hand: Counter[str] = field(default_factory=Counter)
    under_way: Counter[str] = field(default_factory=Counter)
    things: dict[int, tuple[str, str] | None] = field(default_factory=dict)
    promises: list[Promise] = field(default_factory=list)
    orders: dict[str, str] = field(default_factory=dict)
    papers: dict[str, Paper] = field(default_factory=dict)
    doors: dict[str, str | None] = field(default_factory=lambda: dict.fromkeys(SITES))
    rules: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """By channel and site: units left alone by the channel, and by every other one."""
    damaged: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By site and zone: units that wait for somebody to look at them."""
    scraps: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(SITES, False))
    """Whether a site throws away what is damaged."""
    refuses: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(SITES, False))
    """Whether a site receives nothing that did not come by a transfer."""
    left: dict[int, str] = field(default_factory=dict)
    """The paper under which a thing left and was not seen since."""

    def reserved(self, site: str) -> int:
        return sum(one.held for one in self.promises if one.site == site)

    def free(self, site: str) -> int:
        return max(0, self.on_hand[site] - self.reserved(site))

    def available(self, channel: str, site: str) -> int:
        """What the channel may still promise."""
        kept = self.rules.get((channel, site), (0, 0))[0]
        for other in CHANNELS:
            if other != channel:
                has = sum(one.held for one in self.promises if (one.channel, one.site) == (other, site))
                kept += max(0, self.rules.get((other, site), (0, 0))[1] - has)
        return max(0, self.free(site) - kept)

    def change(self, site: str, units: int) -> None:
        """Units come or go; the promises made last fall short of what is not there any more."""
        self.on_hand[site] += units
        lacking = self.reserved(site) - max(self.on_hand[site], 0)
        for one in reversed(self.promises):
            if one.site == site and lacking > 0:
                lost = min(one.held, lacking)
                one.held, one.short, lacking = one.held - lost, one.short + lost, lacking - lost

    def leave(self, paper: Paper | None, site: str, units: int) -> None:
        """Units leave a site, perhaps under a paper, whose promise they keep."""
        holder = None if paper is None else paper.order or paper.code
        open_units = units
        for one in self.promises:
            if one.holder == holder and one.site == site:
                held = min(one.held, open_units)
                found = min(one.short, open_units - held)
                one.held, one.short, open_units = one.held - held, one.short - found, open_units - held - found
                one.kept += held + found
        if paper is None or paper.kind == "transfer":
            self.under_way[site] += units
        if paper is not None:
            paper.gone += units
        self.change(site, -units)

    def turn_back(self, paper: Paper) -> None:
        """A thing that left under a paper is back at its site, and promised again while somebody waits for it."""
        waits = paper.status == "allocated" if paper.order is None else self.orders[paper.order] == "confirmed"
        for one in reversed(self.promises):
            if waits and one.holder == (paper.order or paper.code) and one.site == paper.site and one.kept:
                one.held, one.kept = one.held + 1, one.kept - 1
                break
        if paper.kind == "transfer":
            self.under_way[paper.site] -= 1
        paper.gone -= 1
        self.change(paper.site, 1)

    def release(self, holder: str) -> None:
        for one in self.promises:
            if one.holder == holder:
                one.held = 0

    def at_door(self, site: str) -> Paper | None:
        code = self.doors[site]
        return None if code is None else self.papers[code]

    def surplus(self) -> dict[str, int]:
        """Units that came beyond what was expected and accepted, by paper, where there are any."""
        return {code: one.surplus for code, one in self.papers.items() if one.surplus}

    def end(self, paper: Paper, status: str) -> None:
        paper.status = status
        self.doors = {site: None if code == paper.code else code for site, code in self.doors.items()}
