"""Channels over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from backend.api import etag
from backend.api.permissions import Permission
from backend.api.problems import ProblemError
from backend.api.routing import Call, Route
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
    RuleBody,
    RulesBody,
)
from backend.errors import CatalogError, UnknownNameError
from backend.store.database import Database
from wire.clock import Clock


@dataclass(frozen=True, slots=True)
class _Desk:
    """Answers for the routes below."""

    database: Database
    clock: Clock

    async def list_channels(self, _call: Call) -> ChannelList:
        """Every channel."""
        channels = await service.read_channels(self.database.pool)
        return ChannelList(rows=[_view(channel) for channel in channels.values()])

    async def get_channel(self, call: Call) -> ChannelDetail:
        """One channel with its rules."""
        return await _detail(self.database, call.params.code)

    async def put_channel(self, call: Call) -> ChannelDetail:
        """Define a channel, or change it."""
        assert call.database is not None
        body = call.body
        try:
            await service.put_channel(
                call.database, ChannelSpec(body.code, body.kind, body.name, body.priority, body.open)
            )
        except CatalogError as error:
            raise ProblemError("refused", str(error)) from error
        return await _detail(call.database, body.code)

    async def put_rules(self, call: Call) -> ChannelDetail:
        """New rules in place of the old ones."""
        assert call.database is not None
        before = await _detail(call.database, call.params.code)
        etag.require_match(call.if_match, before)
        rules = [RuleSpec(**rule.model_dump()) for rule in call.body.rules]
        try:
            await service.put_rules(call.database, call.params.code, rules)
        except CatalogError as error:
            raise ProblemError("refused", str(error)) from error
        return await _detail(call.database, call.params.code)

    async def get_available(self, call: Call) -> AvailableList:
        """What a channel may still promise."""
        code, sku = call.params.code, call.params.sku
        found = await sku_ids_of(self.database, sku)
        try:
            sites = await service.available(self.database, code, found, self.clock.now().date())
        except UnknownNameError as error:
            raise ProblemError("not-found", str(error)) from error
        return AvailableList(
            channel=code,
            sku=sku,
            available=sum(one.available for one in sites),
            sites=[AvailableView(**one._asdict()) for one in sites],
        )

    async def put_lane(self, call: Call) -> LaneBody:
        """What it costs to serve a region from a site."""
        assert call.database is not None
        if not await service.put_lane(call.database, call.body.site, call.body.region, call.body.cost, call.body.days):
            raise ProblemError("refused", f"no site {call.body.site!r}")
        lane: LaneBody = call.body
        return lane


def routes(database: Database, clock: Clock) -> list[Route]:
    """The routes of this capability."""
    desk = _Desk(database, clock)
    get = partial(Route, method="GET", permission=Permission.CHANNELS_READ)
    post = partial(Route, method="POST", permission=Permission.CHANNELS_WRITE)
    return [
        get(
            path="/api/v1/channels",
            operation="list_channels",
            summary="Every sales channel",
            answer=ChannelList,
            handler=desk.list_channels,
        ),
        post(
            path="/api/v1/channels",
            operation="put_channel",
            summary="Define a sales channel, or change it",
            answer=ChannelDetail,
            body=ChannelBody,
            problems=("refused",),
            handler=desk.put_channel,
        ),
        get(
            path="/api/v1/channels/{code}",
            operation="get_channel",
            summary="One channel with its rules",
            answer=ChannelDetail,
            params=ChannelCode,
            problems=("not-found",),
            handler=desk.get_channel,
        ),
        post(
            path="/api/v1/channels/{code}/rules",
            operation="put_channel_rules",
            summary="Give a channel new rules in place of those it had; If-Match guards against a change meanwhile",
            answer=ChannelDetail,
            params=ChannelCode,
            body=RulesBody,
            problems=("not-found", "refused", "changed-meanwhile"),
            handler=desk.put_rules,
        ),
        get(
            path="/api/v1/channels/{code}/available",
            operation="get_available",
            summary="What a channel may still promise of a SKU, by site and region",
            answer=AvailableList,
            params=AvailableParams,
            problems=("not-found",),
            handler=desk.get_available,
        ),
        post(
            path="/api/v1/lanes",
            operation="put_lane",
            summary="Say what it costs to serve a region from a site",
            answer=LaneBody,
            body=LaneBody,
            problems=("refused",),
            handler=desk.put_lane,
        ),
    ]


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
