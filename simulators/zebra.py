"""A simulated Zebra fixed reader behind its IoT Connector: everything through an MQTT broker.

    topic                     says
    -----                     ----
    zebra/<name>/ctrl/cmd     in: {"command": "start" or "stop", "command_id": …}
    zebra/<name>/ctrl/res     out: the same, with "response" success or failure
    zebra/<name>/data         out: one SIMPLE event for each sighting of a tag
    zebra/<name>/events       out: a heartbeat each HEARTBEAT_S of the clock's time

The topics are those of Zebra's dock-door sample; on a real reader they are its owner's choice. Make it before its link
is opened, so that no command is missed. `SimulatedHandheldRfid` is an RFD40 or RFD90: it tells what one pull of its
trigger saw.
"""

from __future__ import annotations

import json
from typing import Final, Self

from simulators.publishing import BrokerFeed, Watcher
from simulators.sighting import TagSource
from simulators.tag_memory import TagMemories
from simulators.ticker import Ticker
from simulators.vendor_events import ZEBRA_FIELDS, handheld_tags, zebra_answer, zebra_heartbeat, zebra_tags
from wire.clock import Clock
from wire.mqtt import InboundMessage, MqttLink

HEARTBEAT_S: Final = 60.0

COMMANDS: Final = {"start": True, "stop": False}
"""Command → whether it inventories then."""


class SimulatedZebra:
    """One fixed reader. Its link is the caller's, and must be open while it is used (`async with link, reader`)."""

    def __init__(
        self,
        name: str,
        source: TagSource,
        clock: Clock,
        link: MqttLink,
        antennas: int = 4,
        *,
        fields: frozenset[str] = ZEBRA_FIELDS,
        ticker: Ticker | None = None,
        memories: TagMemories | None = None,
    ) -> None:
        self._topic = f"zebra/{name}"
        self._clock = clock
        self._watcher = Watcher(name, source, clock, antennas)
        self._fields = fields
        self._ticker = ticker or Ticker(clock)
        self._memories = TagMemories() if memories is None else memories
        self._feed = BrokerFeed(link)
        self._number = 1
        self._beat_at = clock.now()
        link.subscribe(f"{self._topic}/ctrl/cmd", self._obey)

    async def __aenter__(self) -> Self:
        await self._feed.__aenter__()
        self._ticker.add(self._look)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._ticker.remove(self._look)
        await self._feed.__aexit__()

    @property
    def is_on(self) -> bool:
        """Whether it inventories."""
        return self._watcher.is_on

    def switch(self, on: bool) -> None:
        """Inventory from now on, or stop, as its owner's own tool does."""
        self._watcher.switch(on)

    def _look(self) -> None:
        now = self._clock.now()
        if (now - self._beat_at).total_seconds() >= HEARTBEAT_S:
            self._beat_at = now
            self._feed.put(f"{self._topic}/events", zebra_heartbeat(now))
        sightings = self._watcher.look()
        if sightings is None or not len(sightings):
            return
        for event in zebra_tags(sightings, self._memories, self._number, self._fields):
            self._feed.put(f"{self._topic}/data", event)
            self._number += 1

    async def _obey(self, message: InboundMessage) -> None:
        try:
            command = json.loads(message.payload)
        except ValueError:
            command = {}
        if not isinstance(command, dict):
            command = {}
        wanted = COMMANDS.get(str(command.get("command")))
        if wanted is not None:
            self._watcher.switch(wanted)
        self._feed.put(f"{self._topic}/ctrl/res", zebra_answer(command, wanted is not None))


class SimulatedHandheldRfid:
    """A handheld RFID reader with one antenna. Its link is the caller's, and must be open while it is used."""

    def __init__(self, serial: str, source: TagSource, clock: Clock, link: MqttLink, tenant: str = "tenant") -> None:
        self._watcher = Watcher(serial, source, clock, 1)
        self._link = link
        self._topic = f"{tenant}/DATA/clients/data1event/{serial}"
        self._memories = TagMemories()

    def press(self) -> None:
        """Pull the trigger."""
        self._watcher.switch(True)

    async def release(self) -> int:
        """Let go of it: what was seen is published; the number of messages. Raises LinkError."""
        sightings = self._watcher.look()
        self._watcher.switch(False)
        messages = handheld_tags(sightings, self._memories) if sightings is not None else []
        for message in messages:
            await self._link.publish(self._topic, message)
        return len(messages)
