"""What simulated readers that publish by themselves have in common: a look at the world, a buffer before a broker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import Final, Self

from readers.read import to_us
from simulators.sighting import Sightings, TagSource
from wire.clock import Clock
from wire.errors import LinkError
from wire.mqtt import MqttLink

logger = logging.getLogger(__name__)

MAX_BUFFERED_EVENTS: Final = 100_000
"""Events kept while the broker is away (the R700's own default); then the oldest go."""

IN_FLIGHT: Final = 32
"""Events published before the first of them is confirmed."""


class Watcher:
    """Asks the world for what one reader sees, since the last time, while it is switched on."""

    def __init__(self, reader: str, source: TagSource, clock: Clock, antennas: int) -> None:
        self.is_on = False
        self._reader = reader
        self._source = source
        self._clock = clock
        self._antennas = frozenset(range(1, antennas + 1))
        self._seen_to_us = 0

    def switch(self, on: bool) -> None:
        """Begin to look from now on, or stop."""
        self._seen_to_us = to_us(self._clock.now())
        self.is_on = on

    def look(self) -> Sightings | None:
        """What was seen since; None while switched off."""
        from_us, now_us = self._seen_to_us, to_us(self._clock.now())
        if not self.is_on or now_us <= from_us:
            return None
        self._seen_to_us = now_us
        return self._source.inventory(self._reader, self._antennas, from_us, now_us)


class BrokerFeed:
    """Publishes payloads in order, with a buffer while the broker is away. Use as `async with`, around the link."""

    def __init__(self, link: MqttLink, room: int = MAX_BUFFERED_EVENTS) -> None:
        self.lost = 0
        """Events that found the buffer full."""
        self._link = link
        self._room = room
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="feed of a simulated reader")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def put(self, topic: str, payload: bytes) -> None:
        """Have it published; the oldest goes when there is no room."""
        if len(self._waiting) >= self._room:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append((topic, payload))
        self._more.set()

    async def _run(self) -> None:
        """Until cancelled, or until the link is closed for good."""
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                try:
                    await self._link.wait_connected()
                except LinkError:
                    return
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), IN_FLIGHT))]
                unsent = await self._publish(batch)
                self._waiting.extendleft(reversed(unsent))

    async def _publish(self, batch: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """Publish a batch; what must be published again, from the first on that was not confirmed."""
        sent = (self._link.publish(topic, payload) for topic, payload in batch)
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
        for number, outcome in enumerate(outcomes):
            if isinstance(outcome, LinkError):
                logger.debug("events not published, will be repeated count=%d: %s", len(batch) - number, outcome)
                return batch[number:]
            if isinstance(outcome, BaseException):
                raise outcome
        return []
