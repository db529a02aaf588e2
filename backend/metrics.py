"""What a backend process counts, for Prometheus. Each process has a registry of its own, so tests do not share one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

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


class IngestCollector(Collector):
    """What ingest counts for itself, read when Prometheus asks."""

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """One counter for each thing counted, such as tallyman_ingest_batches_total."""
        for name, count in self._counts().items():
            family = CounterMetricFamily(f"tallyman_ingest_{name}", f"Ingest: {name} since this process started")
            family.add_metric([], count)
            yield family


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

    def show_ingest(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Have ingest's own counts among the metrics."""
        self.registry.register(IngestCollector(counts))
