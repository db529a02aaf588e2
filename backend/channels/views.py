"""What the API takes and shows of channels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from backend.api.storable import Text

Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Units = Annotated[int, Field(ge=0, le=1_000_000_000)]


class ChannelBody(BaseModel):
    """A channel, to be defined or changed."""

    code: Code
    kind: Literal["website", "marketplace", "social", "store", "wholesale"]
    name: Text = ""
    priority: Annotated[int, Field(ge=0, le=1_000_000, description="Back-orders of the lowest are filled first")] = 100
    open: bool = True


class RuleBody(BaseModel):
    """What a channel may take; the most specific rule that speaks of a case counts alone."""

    site: Annotated[Code | None, Field(description="A site's code; null: all")] = None
    sku: Annotated[Text | None, Field(description="A SKU's code; null: all")] = None
    sells: bool = True
    buffer: Annotated[Units, Field(description="Units that this channel leaves alone")] = 0
    protected: Annotated[Units, Field(description="Units that other channels leave to this one")] = 0


class RulesBody(BaseModel):
    """All the rules of a channel, in place of those it had."""

    rules: Annotated[list[RuleBody], Field(max_length=10_000)]


class ChannelView(BaseModel):
    """A channel."""

    code: str
    name: str
    kind: str
    priority: int
    open: bool
    revision: int


class ChannelDetail(ChannelView):
    """A channel with its rules."""

    rules: list[RuleBody]


class ChannelList(BaseModel):
    """Every channel, by code."""

    rows: list[ChannelView]


class ChannelCode(BaseModel):
    """One channel."""

    code: Code


class AvailableParams(BaseModel):
    """What of, for whom."""

    code: Code
    sku: Text
    region: Annotated[Text | None, Field(description="Only at the sites of this region")] = None


class AvailableView(BaseModel):
    """What a channel may still promise of a SKU at a site; `free`: what nobody was promised."""

    site: str
    region: str
    free: int
    available: int


class AvailableList(BaseModel):
    """What a channel may still promise of a SKU, in all and by site."""

    channel: str
    sku: str
    available: int
    sites: list[AvailableView]


class LaneBody(BaseModel):
    """What it costs to serve a region from a site."""

    site: Code
    region: Text
    cost: Annotated[int, Field(ge=0, le=1_000_000_000, description="In whatever unit the company counts in")]
    days: Annotated[int, Field(ge=0, le=365)] = 0


class LaneList(BaseModel):
    """Every lane, by site and region: a company has as many as sites times regions."""

    rows: list[LaneBody]
