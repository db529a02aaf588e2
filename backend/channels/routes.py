"""Channels over HTTP."""

from __future__ import annotations

from typing import Final

from backend.api import etag
from backend.api.permissions import Permission
from backend.api.problems import ProblemError
from backend.api.routing import Call, Routes
from backend.catalog.service import sku_ids
from backend.channels import service
from backend.channels.service import ChannelSpec, RuleSpec
from backend.channels.views import (
    AvailableList,
    AvailableParams,
    AvailableView,
    ChannelBody,
    ChannelCode,
    ChannelDetail,
    ChannelList,
    ChannelView,
    LaneBody,
    LaneList,
    RuleBody,
    RulesBody,
)
from backend.errors import CatalogError, UnknownNameError
from backend.store.database import Database

ROUTES: Final = Routes()
"""The routes of this capability."""


@ROUTES.get("/api/v1/channels", Permission.CHANNELS_READ, "Every sales channel", primary=True)
async def list_channels(call: Call) -> ChannelList:
    """Every channel."""
    channels = await service.read_channels(call.database.pool)
    return ChannelList(rows=[_view(channel) for channel in channels.values()])


@ROUTES.post("/api/v1/channels", Permission.CHANNELS_WRITE, "Define a sales channel, or change it", "refused")
async def put_channel(call: Call, body: ChannelBody) -> ChannelDetail:
    """Define a channel, or change it."""
    try:
        await service.put_channel(call.database, ChannelSpec(**dict(body)))
    except CatalogError as error:
        raise ProblemError("refused", str(error)) from error
    return await _detail(call.database, body.code)


@ROUTES.get(
    "/api/v1/channels/{code}", Permission.CHANNELS_READ, "One channel with its rules", "not-found", primary=True
)
async def get_channel(call: Call, params: ChannelCode) -> ChannelDetail:
    """One channel with its rules."""
    return await _detail(call.database, params.code)


@ROUTES.post(
    "/api/v1/channels/{code}/rules",
    Permission.CHANNELS_WRITE,
    "Give a channel new rules in place of those it had; If-Match guards against a change meanwhile",
    "not-found",
    "refused",
    "changed-meanwhile",
)
async def put_channel_rules(call: Call, params: ChannelCode, body: RulesBody) -> ChannelDetail:
    """New rules in place of the old ones."""
    rules = [RuleSpec(**dict(rule)) for rule in body.rules]
    async with call.database.transaction() as connection:
        try:
            await service.lock_channel(connection, params.code)
        except UnknownNameError as error:
            raise ProblemError("not-found", str(error)) from error
        etag.require_match(call.if_match, await _detail(call.database, params.code))
        try:
            await service.put_rules(call.database, params.code, rules)
        except CatalogError as error:
            raise ProblemError("refused", str(error)) from error
    return await _detail(call.database, params.code)


@ROUTES.get(
    "/api/v1/channels/{code}/available",
    Permission.CHANNELS_READ,
    "What a channel may still promise of a SKU, by site and region",
    "not-found",
    primary=True,
)
async def get_available(call: Call, params: AvailableParams) -> AvailableList:
    """What a channel may still promise."""
    found = await sku_ids_of(call.database, params.sku)
    try:
        sites = await service.available(call.database, params.code, found, call.clock.now(), params.region)
    except UnknownNameError as error:
        raise ProblemError("not-found", str(error)) from error
    return AvailableList(
        channel=params.code,
        sku=params.sku,
        available=sum(one.available for one in sites),
        sites=[AvailableView(**one._asdict()) for one in sites],
    )


@ROUTES.get("/api/v1/lanes", Permission.CHANNELS_READ, "What it costs to serve regions from sites", primary=True)
async def list_lanes(call: Call) -> LaneList:
    """Every lane."""
    return LaneList(rows=[LaneBody(**row) for row in await service.read_lanes(call.database.pool)])


@ROUTES.post("/api/v1/lanes", Permission.CHANNELS_WRITE, "Say what it costs to serve a region from a site", "refused")
async def put_lane(call: Call, body: LaneBody) -> LaneBody:
    """What it costs to serve a region from a site."""
    if not await service.put_lane(call.database, body.site, body.region, body.cost, body.days):
        raise ProblemError("refused", f"no site {body.site!r}")
    return body


async def sku_ids_of(database: Database, sku: str) -> int:
    """The number of a SKU. Raises ProblemError for one that does not exist."""
    async with database.snapshot() as connection:
        found = await sku_ids(connection, [sku])
    if sku not in found:
        raise ProblemError("not-found", f"no SKU {sku!r}")
    return found[sku]


async def _detail(database: Database, code: str) -> ChannelDetail:
    channel = (await service.read_channels(database.pool)).get(code)
    if channel is None:
        raise ProblemError("not-found", f"no channel {code!r}")
    rules = await service.rules_of(database, channel.channel_id)
    return ChannelDetail(**_view(channel).model_dump(), rules=[RuleBody(**rule) for rule in rules])


def _view(channel: service.Channel) -> ChannelView:
    return ChannelView(
        code=channel.code,
        name=channel.name,
        kind=channel.kind,
        priority=channel.priority,
        open=channel.open,
        revision=channel.revision,
    )
