"""The gateway's own page for its operator: /healthz for eyes and watchdogs, /metrics for Prometheus."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from gateway.config import GatewayConfig
from gateway.errors import ConfigError
from gateway.stats import GatewayStats

logger = logging.getLogger(__name__)

COUNTERS: Final = {
    "reads": "Reads delivered by readers",
    "foreign": "Reads of tags that are not ours",
    "late": "Reads that came after their instant was judged",
    "dropped_reads": "Reads dropped because judging stood still",
    "movements": "Movements decided",
    "scans": "Scans heard from handhelds and wired scanners",
    "refused_scans": "Readings of wired scanners that the gateway refused",
    "batches_sent": "Batches published, repeated ones included",
    "times_back": "Times the publisher went back to send again",
    "rewinds": "Times a new store asked for older events",
}

GAUGES: Final = {
    "backlog": "Events the backend has not acknowledged",
    "acked_through": "Number of the last event the backend has acknowledged",
    "journal_used": "Fraction of the journal's quota in use",
    "online": "1 while the broker is connected",
    "judging": "0 while the journal takes nothing",
}


class StatsCollector(Collector):
    """The stats of one gateway, read at each scrape."""

    def __init__(self, config: GatewayConfig, stats: GatewayStats) -> None:
        self._names = ("site", "gateway")
        self._values = (config.site, config.gateway)
        self._stats = stats

    def collect(self) -> Iterable[Metric]:
        """One family for each field, and one for all readers."""
        for name, meaning in COUNTERS.items():
            counter = CounterMetricFamily(f"tallyman_gateway_{name}", meaning, labels=self._names)
            counter.add_metric(self._values, float(getattr(self._stats, name)))
            yield counter
        for name, meaning in GAUGES.items():
            gauge = GaugeMetricFamily(f"tallyman_gateway_{name}", meaning, labels=self._names)
            gauge.add_metric(self._values, float(getattr(self._stats, name)))
            yield gauge
        if self._stats.clock_offset_s is not None:
            offset = GaugeMetricFamily(
                "tallyman_gateway_clock_offset_seconds", "Backend's clock minus ours", labels=self._names
            )
            offset.add_metric(self._values, self._stats.clock_offset_s)
            yield offset
        yield self._ups("reader", "1 while the reader is inventorying", self._stats.readers)
        yield self._ups("scanner", "1 while the wired scanner has a line", self._stats.scanners)

    def _ups(self, kind: str, meaning: str, states: dict[str, bool]) -> Metric:
        gauge = GaugeMetricFamily(f"tallyman_gateway_{kind}_up", meaning, labels=(*self._names, kind))
        for name, up in states.items():
            gauge.add_metric((*self._values, name), float(up))
        return gauge


def make_app(config: GatewayConfig, stats: GatewayStats, registry: CollectorRegistry) -> web.Application:
    """The page. /healthz answers 503 while judging stands still or none of the readers is inventorying: what a person
    at the site must look at. Being offline is no illness."""
    registry.register(StatsCollector(config, stats))

    async def healthz(_request: web.Request) -> web.Response:
        healthy = stats.judging and (any(stats.readers.values()) or not config.readers)
        body = {"site": config.site, "gateway": config.gateway, "healthy": healthy, **asdict(stats)}
        return web.json_response(body, status=200 if healthy else 503)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics)])
    return app


@asynccontextmanager
async def serving(config: GatewayConfig, stats: GatewayStats, registry: CollectorRegistry) -> AsyncIterator[int | None]:
    """Serve the page while inside; yields its port, or None when the configuration wants no page.

    Raises ConfigError when the port is taken.
    """
    if config.health.port is None:
        yield None
        return
    runner = web.AppRunner(make_app(config, stats, registry), access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, config.health.host, config.health.port).start()
        except OSError as error:
            raise ConfigError(
                f"[health] {config.health.host}:{config.health.port} cannot be served: {error}"
            ) from error
        port = runner.addresses[0][1]
        logger.info("health page at http://%s:%d/healthz", config.health.host, port)
        yield port
    finally:
        await runner.cleanup()
