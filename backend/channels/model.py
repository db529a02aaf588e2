"""What a channel may take (pure).

One rule counts, the most specific that speaks of the case; rules never add up:

    SKU at a site  ›  SKU at any site  ›  any SKU at a site  ›  the channel's rule for everything  ›  no rule

A rule holds three things. `sells` false: the channel takes nothing. `buffer`: of each SKU at each site so many units
are left alone by this channel, for the count that is wrong and the item that is broken. `protected`: so many units are
left alone by every other channel; what the channel has already been promised counts towards them.

    available to promise = free − buffer of this channel − Σ over the others of what is protected and not yet promised
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

KINDS: Final = ("website", "marketplace", "social", "store", "wholesale")


class Rule(NamedTuple):
    """What a channel's rule says."""

    sells: bool = True
    buffer: int = 0
    protected: int = 0


FREE: Final = Rule()
"""Where nothing is said, everything may be sold."""

RuleKey = tuple[int | None, int | None]
"""Site and SKU; None speaks of all."""


class Rulebook:
    """Every channel's rules. `rules`: channel → (site, SKU) → rule."""

    def __init__(self, rules: Mapping[int, Mapping[RuleKey, Rule]]) -> None:
        self._rules = rules
        self._protecting = sorted(
            channel for channel, of_channel in rules.items() if any(rule.protected for rule in of_channel.values())
        )

    def rule(self, channel_id: int, site_id: int, sku_id: int) -> Rule:
        """The one rule that counts."""
        of_channel = self._rules.get(channel_id)
        if of_channel is None:
            return FREE
        for key in ((site_id, sku_id), (None, sku_id), (site_id, None), (None, None)):
            rule = of_channel.get(key)
            if rule is not None:
                return rule
        return FREE

    def protects(self, site_id: int, sku_id: int) -> bool:
        """Whether any channel keeps units from the others here."""
        return any(self.rule(channel, site_id, sku_id).protected for channel in self._protecting)

    def available(self, channel_id: int, site_id: int, sku_id: int, free: int, promised: Mapping[int, int]) -> int:
        """Units that the channel may still promise of `free` ones. `promised`: what each channel's orders hold here."""
        rule = self.rule(channel_id, site_id, sku_id)
        if not rule.sells:
            return 0
        kept = sum(
            max(0, self.rule(other, site_id, sku_id).protected - promised.get(other, 0))
            for other in self._protecting
            if other != channel_id
        )
        return max(0, free - rule.buffer - kept)

    def refusal(self, channel_id: int, site_ids: Iterable[int], sku_id: int) -> str | None:
        """Why the channel may sell the SKU from none of these sites, or None."""
        if any(self.rule(channel_id, site_id, sku_id).sells for site_id in site_ids):
            return None
        return "the channel's rules do not let it sell this"
