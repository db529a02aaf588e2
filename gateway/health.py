"""The gateway's own page for its operator: /healthz for eyes and load balancers, /metrics for Prometheus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from gateway.config import GatewayConfig
from gateway.stats import GatewayStats

COUNTED: Final = {
    "reads": "Reads delivered by readers",
    "foreign": "Reads of tags that are not ours",
    "late": "Reads that came after their cell was judged",
    "dropped_reads": "Reads dropped because judging stood still",
    "movements": "Movements decided",
    "scans": "Scans heard from handhelds",
    "backlog": "Events the backend has not confirmed",
    "acked_through": "Number of the last event the backend has confirmed",
    "readers_up": "Readers that are inventorying",
    "online": "1 while the broker is reached",
    "judging": "1 unless the journal is full and refuses",
    "journal_fraction": "Share of the journal's quota in use",
}


class StatsCollector(Collector):
    """The stats of one gateway as Prometheus gauges, read at each scrape."""

    def __init__(self, config: GatewayConfig, stats: GatewayStats) -> None:
        self._labels = {"site": config.site, "gateway": config.gateway}
        self._stats = stats

    def collect(self) -> Iterable[Metric]:
        """One gauge for each counted field."""
        for name, meaning in COUNTED.items():
            family = GaugeMetricFamily(f"tallyman_gateway_{name}", meaning, labels=list(self._labels))
            family.add_metric(list(self._labels.values()), float(getattr(self._stats, name)))
            yield family


def make_app(config: GatewayConfig, stats: GatewayStats) -> web.Application:
    """The page. 503 on /healthz while movements cannot be kept or no reader is up."""
    registry = CollectorRegistry()
    registry.register(StatsCollector(config, stats))

    async def healthz(_request: web.Request) -> web.Response:
        healthy = stats.judging and stats.readers_up > 0
        body = {"site": config.site, "gateway": config.gateway, "healthy": healthy, **asdict(stats)}
        return web.json_response(body, status=200 if healthy else 503)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics)])
    return app


@asynccontextmanager
async def serving(config: GatewayConfig, stats: GatewayStats) -> AsyncIterator[int | None]:
    """Serve the page while inside; yields its port, or None when the configuration wants no page."""
    if config.health.port is None:
        yield None
        return
    runner = web.AppRunner(make_app(config, stats), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, config.health.host, config.health.port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
