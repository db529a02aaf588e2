"""What a backend process counts, for Prometheus. Each process has a registry of its own, so tests do not share one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

HTTP_BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class HttpMetrics:
    """Requests by route and status, and how long they took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "tallyman_http_requests_total", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "tallyman_http_request_seconds",
            "Time to answer a request",
            ["route"],
            buckets=HTTP_BUCKETS_S,
            registry=registry,
        )


class LiveMetrics:
    """The live WebSocket."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.clients = Gauge("tallyman_live_clients", "Pages that follow along", registry=registry)
        self.deltas = Counter("tallyman_live_deltas_total", "Deltas made for all pages", registry=registry)
        self.snapshots = Counter("tallyman_live_snapshots_total", "Snapshots sent to pages", registry=registry)
        self.dropped = Counter("tallyman_live_dropped_total", "Pages dropped for being too slow", registry=registry)


@dataclass(slots=True)
class BackendMetrics:
    """Everything that one process counts."""

    registry: CollectorRegistry = field(default_factory=lambda: CollectorRegistry(auto_describe=True))
    http: HttpMetrics = field(init=False)
    live: LiveMetrics = field(init=False)

    def __post_init__(self) -> None:
        ProcessCollector(registry=self.registry)
        self.http = HttpMetrics(self.registry)
        self.live = LiveMetrics(self.registry)
