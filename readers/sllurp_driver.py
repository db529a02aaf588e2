"""sllurp as a driver: for a reader that another LLRP client suits better, or to compare with ours (extra `sllurp`).

sllurp runs a thread for each reader. Its callbacks come on that thread; a bounded bridge brings them to the event loop,
and what does not fit is dropped, counted and told. Its own reconnecting is left off (it neither backs off from a
refusal nor notices a silent reader), and a thread that died without a word is noticed by asking. sllurp is GPL-3.0: it
is imported only when a configuration names this driver.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import math
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import Field

from readers.backoff import Backoff
from readers.driver import Deliver, DriverOptions, ReaderSettings, read_options
from readers.errors import LinkLostError, MissingExtraError, ReaderError
from readers.llrp.endpoint import parse_address
from readers.read import EpcTable, ReadBatch, ReaderNotice, ReaderState, empty_reads, to_us
from readers.vendor_event import MAX_COUNT
from wire.clock import Clock

logger = logging.getLogger(__name__)

MAX_BRIDGED_READS: Final = 20_000
"""Reads on their way from sllurp's thread to the loop: some ten seconds of one reader while the loop stands still."""

CHECK_S: Final = 0.5
"""How often the thread is asked whether it lives; nothing else tells."""

KEEPALIVES: Final = 3
"""So many keepalive periods without a word mean that the reader is gone."""

CONNECT_TIMEOUT_S: Final = 10.0
LEAVE_TIMEOUT_S: Final = 2.0
"""How long a polite goodbye may take before the socket is cut."""

STABLE_S: Final = 30.0
"""A link that held this long was a good one: the next wait is the shortest again."""

Tag = Mapping[str, Any]


class SllurpOptions(DriverOptions):
    """What a configuration may say about one reader driven by sllurp."""

    keepalive_s: Annotated[float, Field(ge=0.1, le=3600)] = 5.0
    """A silent reader is noticed after three times this."""
    session: Annotated[int, Field(ge=0, le=3)] = 1
    tag_population: Annotated[int, Field(ge=1, le=65535)] = 32
    tx_power_index: Annotated[int, Field(ge=0, le=65535)] = 0
    """Index into the reader's own power table; 0 asks for its highest."""


class Bridge:
    """From any thread to the loop: at most `room` reads wait, and one wake-up at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, room: int, take: Callable[[list[Tag], int], None]) -> None:
        self._loop = loop
        self._room = room
        self._take = take
        self._lock = threading.Lock()
        self._waiting: list[Tag] = []
        self._dropped = 0
        self._woken = False

    def put(self, tags: Sequence[Tag]) -> None:
        """Called on the foreign thread. A closed loop takes nothing any more."""
        with self._lock:
            fits = max(0, self._room - len(self._waiting))
            self._waiting += tags[:fits]
            self._dropped += len(tags) - min(fits, len(tags))
            wake, self._woken = not self._woken, True
        if wake:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._cross)

    def _cross(self) -> None:
        with self._lock:
            tags, self._waiting = self._waiting, []
            dropped, self._dropped = self._dropped, 0
            self._woken = False
        self._take(tags, dropped)


class SllurpDriver:
    """One reader driven by sllurp for as long as `run` runs.

    Raises ReaderError for options or an address that cannot work, MissingExtraError where sllurp is not installed.
    """

    def __init__(self, settings: ReaderSettings, epcs: EpcTable, clock: Clock, deliver: Deliver) -> None:
        self._options = read_options(SllurpOptions, settings, "sllurp")
        self._address = parse_address(settings.address)
        self._sllurp = _import_sllurp()
        self._name = settings.name
        self._antennas = settings.antennas
        self._epcs = epcs
        self._clock = clock
        self._deliver = deliver
        self._backoff = Backoff(random.random)
        self._patience_s = max(KEEPALIVES * self._options.keepalive_s, CONNECT_TIMEOUT_S)
        self._is_on = False
        self._was_lost = False
        self._heard_at_us = 0
        self._heard_s = 0.0

    async def run(self) -> None:
        """Keep the reader inventorying until cancelled (see readers.driver.Driver)."""
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            failure = await self._serve_connection(loop)
            if not self._was_lost:
                self._was_lost = True
                logger.warning("reader %s: no inventory: %s", self._name, failure)
            if loop.time() - began_s >= STABLE_S:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_wait_s())

    async def _serve_connection(self, loop: asyncio.AbstractEventLoop) -> ReaderError:
        """One connection from first to last; why it ended."""
        client = self._make_client(loop)
        self._hear()
        try:
            await loop.run_in_executor(None, client.connect)
        except (OSError, self._sllurp.LLRPError) as error:
            return LinkLostError(f"sllurp cannot connect to {self._address.host}:{self._address.port}: {error}")
        try:
            return await self._watch(client, loop)
        finally:
            await asyncio.shield(self._leave(client, loop))
            if self._is_on:
                self._is_on = False
                self._deliver(ReaderState(self._name, frozenset(), self._heard_at_us, "the link has ended"))

    def _make_client(self, loop: asyncio.AbstractEventLoop) -> Any:
        options = self._options
        settings = {
            "antennas": list(self._antennas),
            "session": options.session,
            "tag_population": options.tag_population,
            "tx_power": options.tx_power_index,
            "keepalive_interval": round(options.keepalive_s * 1000),
            "reconnect": False,
            "tag_content_selector": _SELECTED,
        }
        llrp = self._sllurp
        client = llrp.LLRPReaderClient(
            self._address.host, self._address.port, llrp.LLRPReaderConfig(settings), timeout=CONNECT_TIMEOUT_S
        )
        bridge = Bridge(loop, MAX_BRIDGED_READS, self._take)
        client.add_tag_report_callback(lambda _client, tags: bridge.put(tags))
        client.add_message_callback("KEEPALIVE", lambda *_: bridge.put(()))
        client.add_state_callback(
            llrp.LLRPReaderState.STATE_INVENTORYING, lambda *_: loop.call_soon_threadsafe(self._turn_on)
        )
        return client

    async def _watch(self, client: Any, loop: asyncio.AbstractEventLoop) -> ReaderError:
        while client.is_alive():
            await asyncio.sleep(CHECK_S)
            if loop.time() - self._heard_s > self._patience_s:
                return LinkLostError("the reader fell silent")
        return LinkLostError("sllurp's thread has ended")

    async def _leave(self, client: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Politely, then by cutting the socket, which ends the thread."""

        def leave() -> None:
            if client.is_alive():
                with contextlib.suppress(Exception):
                    client.disconnect(timeout=LEAVE_TIMEOUT_S)
            client.hard_disconnect()
            client.join(LEAVE_TIMEOUT_S)

        await loop.run_in_executor(None, leave)

    def _turn_on(self) -> None:
        self._hear()
        if self._was_lost:
            self._was_lost = False
            logger.info("reader %s: inventorying again", self._name)
        self._is_on = True
        doubt_us = round((self._patience_s + CHECK_S) * 1e6)
        self._deliver(ReaderState(self._name, frozenset(self._antennas), self._heard_at_us, doubt_us=doubt_us))

    def _hear(self) -> None:
        self._heard_s = asyncio.get_running_loop().time()
        self._heard_at_us = to_us(self._clock.now())

    def _take(self, tags: list[Tag], dropped: int) -> None:
        self._hear()
        if dropped:
            detail = f"{dropped} reads of sllurp dropped: the gateway stood still"
            self._deliver(ReaderNotice(self._name, "overflow", detail, self._heard_at_us))
        if tags and self._is_on:
            self._deliver(ReadBatch(self._name, self._reads(tags), self._heard_at_us))

    def _reads(self, tags: Sequence[Tag]) -> Any:
        reads = empty_reads(len(tags))
        reads["epc"] = self._epcs.numbers([_epc(tag) for tag in tags])
        reads["antenna"] = [tag.get("AntennaID", 0) for tag in tags]
        reads["rssi_dbm"] = [tag.get("PeakRSSI", math.nan) for tag in tags]
        last_us = [tag.get("LastSeenTimestampUTC", self._heard_at_us) for tag in tags]
        reads["at_us"] = last_us
        reads["first_at_us"] = [tag.get("FirstSeenTimestampUTC", at) for tag, at in zip(tags, last_us, strict=True)]
        reads["count"] = [min(max(tag.get("TagSeenCount", 1), 1), MAX_COUNT) for tag in tags]
        return reads


_SELECTED: Final = {
    "EnableROSpecID": False,
    "EnableSpecIndex": False,
    "EnableInventoryParameterSpecID": False,
    "EnableAntennaID": True,
    "EnableChannelIndex": False,
    "EnablePeakRSSI": True,
    "EnableFirstSeenTimestamp": True,
    "EnableLastSeenTimestamp": True,
    "EnableTagSeenCount": True,
    "EnableAccessSpecID": False,
}
"""Report fields that a ReadBatch has room for."""


def _epc(tag: Tag) -> bytes:
    """sllurp gives EPCs as hex, in bytes."""
    return bytes.fromhex(tag["EPC"].decode() if isinstance(tag["EPC"], bytes) else tag["EPC"])


def _import_sllurp() -> Any:
    try:
        return importlib.import_module("sllurp.llrp")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the driver sllurp needs a package that is not installed: pip install 'tallyman-rfid[sllurp]'"
        ) from error
