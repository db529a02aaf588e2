"""The Zebra IoT Connector driver: a fixed FX or ATR reader, or an RFD40/90 handheld, through an MQTT broker.

`address` is the broker's URL; the topics are what was set on the reader. Started and configured with Zebra's own tools:
the driver only listens.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from readers.driver import Deliver, DriverOptions, ReaderSettings, read_options
from readers.mqtt_feed import CHECK_S, MqttFeed
from readers.read import EpcTable
from readers.vendor_event import ClockOf, VendorReader
from readers.zebra_event import decode
from wire.clock import Clock


class ZebraOptions(DriverOptions):
    """What a configuration may say about one Zebra reader."""

    data_topic: Annotated[str, Field(min_length=1)]
    """Where its tag events come, such as `zebra/fx-1/data`."""
    events_topic: Annotated[str, Field(min_length=1)] | None = None
    """Where its management events come; with heartbeats switched on they say that a reader without tags lives."""
    silence_s: Annotated[float, Field(ge=1)] = 60.0
    """A reader not heard for so long counts as off, and no absence is decided by it."""
    clock: ClockOf = "reader"
    """Whose time a read carries. `gateway` for a reader whose clock is not set, or that writes whole seconds."""


class ZebraIotDriver(MqttFeed):
    """One Zebra reader for as long as `run` runs. Raises ReaderError for options or a URL that cannot work."""

    def __init__(self, settings: ReaderSettings, epcs: EpcTable, clock: Clock, deliver: Deliver) -> None:
        options = read_options(ZebraOptions, settings, "zebra-iot")
        topics = [options.data_topic, options.events_topic]
        reader = VendorReader(
            settings.name,
            settings.antennas,
            epcs,
            clock_of=options.clock,
            silence_s=options.silence_s,
            doubt_s=options.silence_s + CHECK_S,
        )
        decoders = {topic: decode for topic in topics if topic is not None}
        super().__init__(settings.name, settings.address, decoders, reader, clock, deliver)
