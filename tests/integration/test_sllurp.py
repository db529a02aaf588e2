"""sllurp, an LLRP client nobody here wrote, reads the simulated reader: unmodified, in its own thread."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from simulators.llrp_reader import SimulatedReader
from simulators.sighting import Sightings
from wire.clock import SystemClock

llrp = pytest.importorskip("sllurp.llrp")

pytestmark = pytest.mark.peer

TAGS = [number.to_bytes(12, "big") for number in (0x3034_0000_0000_0001, 0x3034_0000_0000_0002, 0x3034_0000_0000_0003)]
READ_EVERY_US = 5_000
WAIT_S = 10.0


class Shelf:
    """Tags that lie still, read in turn through the antennas that are on; remembers what it served."""

    def __init__(self) -> None:
        self.served: list[tuple[bytes, int, float, int]] = []

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        ports = sorted(antennas)
        rows = [
            (TAGS[number % len(TAGS)], ports[number % len(ports)], -60.0 - number % 50 / 4, number * READ_EVERY_US)
            for number in range(from_us // READ_EVERY_US + 1, to_us // READ_EVERY_US + 1)
        ]
        self.served += rows
        return Sightings(
            epcs=[row[0] for row in rows],
            antenna=np.array([row[1] for row in rows], np.uint16),
            rssi_dbm=np.array([row[2] for row in rows], np.float32),
            at_us=np.array([row[3] for row in rows], np.int64),
        )


@contextmanager
def sllurp_client(port: int, **config: Any) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """A connected sllurp client and the list its tag reports go to; hung up hard if the test left it running."""
    client = llrp.LLRPReaderClient("127.0.0.1", port, llrp.LLRPReaderConfig(config))
    tags: list[dict[str, Any]] = []
    client.add_tag_report_callback(lambda _, reported: tags.extend(reported))
    client.connect()
    try:
        yield client, tags
    finally:
        if client.is_alive():
            client.hard_disconnect()
            client.join(WAIT_S)


def wait_for(condition: Any) -> None:
    """Until it holds. Fails after WAIT_S."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "sllurp got no further"
        time.sleep(0.01)


def read_and_stop(port: int, enough: int, **config: Any) -> list[dict[str, Any]]:
    """Connect, inventory until `enough` tag reports came, stop politely, and see the thread end."""
    with sllurp_client(port, **config) as (client, tags):
        wait_for(lambda: len(tags) >= enough)
        assert client.llrp.state == llrp.LLRPReaderState.STATE_INVENTORYING
        client.disconnect(timeout=WAIT_S)
        assert not client.is_alive()
    return tags


@pytest.fixture
def no_thread_stays() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sllurp-reader")]


@pytest.mark.usefixtures("no_thread_stays")
async def test_it_inventories_and_gets_every_read_served() -> None:
    shelf = Shelf()
    reader = SimulatedReader("door", shelf, SystemClock(), 2)
    port = await reader.start()
    began_us = int(datetime.now(UTC).timestamp() * 1e6)
    try:
        tags = await asyncio.to_thread(read_and_stop, port, 50, antennas=[1, 2], report_every_n_tags=2)
        assert {bytes.fromhex(tag["EPC"].decode()) for tag in tags} == set(TAGS)
        assert sum(tag["TagSeenCount"] for tag in tags) == len(shelf.served)
        times_us = {row[3] for row in shelf.served}
        assert {tag["LastSeenTimestampUTC"] for tag in tags} <= times_us
        assert min(times_us) >= began_us
    finally:
        await reader.stop()


@pytest.mark.usefixtures("no_thread_stays")
async def test_its_default_settings_get_reports_from_an_inventory_without_end() -> None:
    shelf = Shelf()
    reader = SimulatedReader("door", shelf, SystemClock(), 1)
    port = await reader.start()
    try:
        tags = await asyncio.to_thread(read_and_stop, port, 6)
        assert {bytes.fromhex(tag["EPC"].decode()) for tag in tags} == set(TAGS)
        assert sum(tag["TagSeenCount"] for tag in tags) == len(shelf.served)
    finally:
        await reader.stop()


@pytest.mark.usefixtures("no_thread_stays")
async def test_it_gets_the_vendors_rssi_in_hundredths() -> None:
    shelf = Shelf()
    reader = SimulatedReader("door", shelf, SystemClock(), 2)
    port = await reader.start()
    config = {
        "antennas": [2],
        "report_every_n_tags": 1,
        "tag_content_selector": {"EnableAntennaID": True, "EnablePeakRSSI": True, "EnableFirstSeenTimestamp": True},
        "impinj_tag_content_selector": {
            "EnableRFPhaseAngle": False,
            "EnablePeakRSSI": True,
            "EnableRFDopplerFrequency": False,
        },
    }
    try:
        tags = await asyncio.to_thread(lambda: read_and_stop(port, 20, **config))
        assert {tag["AntennaID"] for tag in tags} == {2}
        for tag in tags:
            merged = [
                rssi_dbm
                for epc, _, rssi_dbm, at_us in shelf.served
                if epc.hex().encode() == tag["EPC"]
                and tag["FirstSeenTimestampUTC"] <= at_us <= tag["LastSeenTimestampUTC"]
            ]
            assert len(merged) == tag["TagSeenCount"]
            assert tag["ImpinjPeakRSSI"] == round(max(merged) * 100)
            assert tag["PeakRSSI"] == round(max(merged))
    finally:
        await reader.stop()


@pytest.mark.usefixtures("no_thread_stays")
async def test_it_may_come_again_after_it_left() -> None:
    shelf = Shelf()
    reader = SimulatedReader("door", shelf, SystemClock(), 1)
    port = await reader.start()
    try:
        for _ in range(2):
            await asyncio.to_thread(read_and_stop, port, 3, report_every_n_tags=1)
            await asyncio.to_thread(wait_for, lambda: not reader.is_connected)
    finally:
        await reader.stop()
