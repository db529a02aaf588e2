"""Bare limits of the chain: its two heaviest parts alone, on the kind of input that the chain gives them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

from backend.ingest.service import IngestService
from backend.store.database import Database
from bench.chain import gateway_config, reader_names
from bench.restless import TAGS, Handed, RestlessTags
from gateway.pipeline import Pipeline
from readers.llrp.report import ReportDecoder
from readers.read import EpcTable, ReadBatch, ReaderState
from simulators.llrp.report import RecordEncoder, ReportContent, TagBuffer, report_frame
from wire.clock import Clock
from wire.events import Movement, ReceivedBatch

TICK_US: Final = 50_000
PORTS: Final = frozenset((1, 2))
BATCH: Final = 500
"""Events of a full batch, as a gateway sends them by default."""
EPOCH: Final = "ba5e" * 4


def judged(
    site: str, first_serial: int, moves_hz: float, reads_hz: float, span_s: float
) -> tuple[float, list[Movement]]:
    """Reads a second through decoder and judgement of one gateway, one tag a report, and the movements decided."""
    names = reader_names(site)
    sources = [RestlessTags(first_serial + number * TAGS, Handed()) for number in range(len(names))]
    for source in sources:
        source.load(moves_hz / len(names), reads_hz / len(names))
    end_us = time.time_ns() // 1000
    ticks = range(end_us - round(span_s * 1e6), end_us, TICK_US)
    frames = [[_reports(source, at_us) for source in sources] for at_us in ticks]
    epcs = EpcTable()
    decoders = [ReportDecoder(epcs) for _ in names]
    pipeline = Pipeline(gateway_config(site, ["127.0.0.1"] * len(names), "mqtt://127.0.0.1", Path("unused")), epcs)
    pipeline.step([ReaderState(name, PORTS, ticks[0] - TICK_US) for name in names], ticks[0])
    reads, movements = 0, []
    began_s = time.perf_counter()
    for at_us, by_reader in zip(ticks, frames, strict=True):
        batches = [
            ReadBatch(name, decoder.decode_all(reports)[0], at_us)
            for name, decoder, reports in zip(names, decoders, by_reader, strict=True)
            if reports
        ]
        step = pipeline.step(batches, at_us)
        reads += step.reads
        movements += step.movements
    return reads / (time.perf_counter() - began_s), movements


def _reports(source: RestlessTags, at_us: int) -> list[bytes]:
    """What a reader sends of the tick that ends at `at_us`."""
    content = ReportContent()
    buffer = TagBuffer(content, RecordEncoder(content, 1))
    sightings = source.inventory("", PORTS, at_us - TICK_US, at_us)
    return [report_frame(records, 1) for records in buffer.add(sightings, 1, 1)]


async def ingested(database: Database, clock: Clock, movements: dict[str, list[Movement]]) -> float:
    """Movements a second that the ingest service applies, full batches handed to it, sites beside each other."""
    service = IngestService(database, clock)

    async def one(site: str, events: list[Movement]) -> None:
        for first in range(0, len(events), BATCH):
            batch = ReceivedBatch(
                site=site,
                gateway=f"alone-{site}",
                epoch=EPOCH,
                first_seq=first + 1,
                sent_at=clock.now(),
                events=tuple(events[first : first + BATCH]),
            )
            await service.apply(batch)

    began_s = time.perf_counter()
    await asyncio.gather(*(one(site, events) for site, events in movements.items()))
    return service.stats.applied / (time.perf_counter() - began_s)
