"""sllurp, an LLRP client nobody here wrote, inventories the simulated reader as it would any other.

It runs in a process of its own: it is GPL software that only tests touch, and its threads outlive its errors. It leaves
on its own thread: it sends a request before it notes what to do with the answer, so told by another thread it may miss
a quick one and stay for ever.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from simulators.llrp.reader import SimulatedReader
from simulators.sighting import Sightings
from wire.clock import ScaledClock

pytest.importorskip("sllurp")
pytestmark = pytest.mark.peer

TAGS = 40
PERIOD_US = 5_000
SERVED_S = 1.5

CLIENT = """
import json, sys, time
from sllurp.llrp import LLRPReaderClient, LLRPReaderConfig

port, options, seconds = int(sys.argv[1]), json.loads(sys.argv[2]), float(sys.argv[3])
options["gpi_ports_config"] = {int(port): on for port, on in options.get("gpi_ports_config", {}).items()}
reports, events, gone, alive, answers = [], [], [], [], []

def plain(value):
    return value.decode() if isinstance(value, bytes) else value

def take(reader, tags):
    reports.extend({name: plain(value) for name, value in tag.items()} for tag in tags)
    if time.monotonic() >= leave_at and not reader.disconnect_requested.is_set():
        alive.append(reader.is_alive())
        reader.disconnect()

reader = LLRPReaderClient("127.0.0.1", port, LLRPReaderConfig(options))
reader.add_tag_report_callback(take)
reader.add_disconnected_callback(lambda _: gone.append(True))
reader.add_event_callback(lambda _, event: events.append({k: v for k, v in event.items() if "GPI" in k}))
if len(sys.argv) > 4:
    make, trigger = reader.llrp.getROSpec, json.loads(sys.argv[4])
    def gated(*given, **named):
        made = make(*given, **named)
        made["ROBoundarySpec"]["ROSpecStartTrigger"] = trigger
        return made
    reader.llrp.getROSpec = gated
    def refused(_, message):
        answers.append(message.msgdict["ADD_ROSPEC_RESPONSE"]["LLRPStatus"])
        reader.disconnect_requested.set()
    reader.add_message_callback("ADD_ROSPEC_RESPONSE", refused)
leave_at = time.monotonic() + seconds
reader.connect()
reader.join(seconds + 20)
left = alive == [True] and not reader.is_alive()
told = [event for event in events if event]
result = {"reports": reports, "events": told, "answers": answers, "inventoried_to_the_end": left, "gone": len(gone)}
print(json.dumps(result, default=str))
"""

SELECTED = {
    "EnableROSpecID": True,
    "EnableSpecIndex": True,
    "EnableInventoryParameterSpecID": True,
    "EnableAntennaID": True,
    "EnableChannelIndex": True,
    "EnablePeakRSSI": True,
    "EnableFirstSeenTimestamp": True,
    "EnableLastSeenTimestamp": True,
    "EnableTagSeenCount": True,
    "EnableAccessSpecID": True,
}
IMPINJ = {"EnableRFPhaseAngle": True, "EnablePeakRSSI": True, "EnableRFDopplerFrequency": False}


class Pallet:
    """TAGS tags read in turn, each by an antenna of its own; what was seen is kept."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int]] = []

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        ticks = [n for n in range(from_us // PERIOD_US + 1, to_us // PERIOD_US + 1) if n % TAGS % 4 + 1 in antennas]
        epcs = [bytes.fromhex("3034000000000000") + (n % TAGS).to_bytes(4, "big") for n in ticks]
        ports = [n % TAGS % 4 + 1 for n in ticks]
        times = [n * PERIOD_US for n in ticks]
        self.seen += [(epc.hex(), port, at) for epc, port, at in zip(epcs, ports, times, strict=True)]
        rssi_dbm = np.full(len(ticks), -61.25, np.float32)
        return Sightings(epcs, np.array(ports, np.uint16), rssi_dbm, np.array(times, np.int64))


@pytest.fixture
async def pallet() -> Pallet:
    return Pallet()


@pytest.fixture
async def reader(pallet: Pallet) -> AsyncIterator[SimulatedReader]:
    reader = SimulatedReader("door-1", pallet, ScaledClock(datetime(2026, 3, 1, tzinfo=UTC)), 4)
    await reader.start()
    yield reader
    await reader.stop()


async def inventory(port: int, start_trigger: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """Let sllurp inventory for a while and leave; what it got. A start trigger replaces that of its ROSpec."""
    settings = {"antennas": [1, 2, 3, 4], "tag_content_selector": SELECTED} | options
    arguments = ["-c", CLIENT, str(port), json.dumps(settings), str(SERVED_S)]
    if start_trigger is not None:
        arguments.append(json.dumps(start_trigger))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    return dict(json.loads(out))


async def test_it_connects_inventories_and_receives_the_tags(reader: SimulatedReader, pallet: Pallet) -> None:
    result = await inventory(reader.port)
    assert result["inventoried_to_the_end"]
    reports = result["reports"]
    assert {(tag["EPC"], tag["AntennaID"]) for tag in reports} == {(epc, port) for epc, port, _ in pallet.seen}
    assert len({tag["EPC"] for tag in reports}) == TAGS
    assert {tag["PeakRSSI"] for tag in reports} == {-61}
    seen = {(epc, at) for epc, _, at in pallet.seen}
    assert all((tag["EPC"], tag["FirstSeenTimestampUTC"]) in seen for tag in reports)
    assert all((tag["EPC"], tag["LastSeenTimestampUTC"]) in seen for tag in reports)
    last_us = max(tag["LastSeenTimestampUTC"] for tag in reports)
    assert sum(tag["TagSeenCount"] for tag in reports) == len([at for _, _, at in pallet.seen if at <= last_us])


async def test_it_gets_the_vendors_rssi_and_ends_its_aispec_every_n_tags(reader: SimulatedReader) -> None:
    result = await inventory(reader.port, report_every_n_tags=10, impinj_tag_content_selector=IMPINJ)
    assert result["inventoried_to_the_end"]
    reports = result["reports"]
    assert len(reports) > TAGS
    assert {tag["ImpinjPeakRSSI"] for tag in reports} == {-6125}


async def test_it_may_leave_and_come_back(reader: SimulatedReader) -> None:
    for _ in range(2):
        result = await inventory(reader.port)
        assert len({tag["EPC"] for tag in result["reports"]}) == TAGS


async def test_it_hears_the_photo_eye_and_hears_it_again_after_coming_back(reader: SimulatedReader) -> None:
    for _ in range(2):
        served = asyncio.create_task(
            inventory(reader.port, event_selector={"GPIEvent": True}, gpi_ports_config={1: True, 2: False})
        )
        high = False
        while not served.done():
            await asyncio.sleep(0.1)
            high = not high
            reader.set_gpi(1, high)
            reader.set_gpi(2, high)
        result = await served
        assert result["inventoried_to_the_end"]
        assert result["reports"]
        levels = [event["GPIEvent"]["GPIEvent"] for event in result["events"]]
        assert {event["GPIEvent"]["GPIPortNumber"] for event in result["events"]} == {1}
        assert len(levels) > 3
        assert all(one is not two for one, two in itertools.pairwise(levels))


async def test_its_photo_eye_trigger_carries_the_wrong_number_and_is_refused_for_it(reader: SimulatedReader) -> None:
    """It writes a GPITriggerValue (181) under the number of PeriodicTriggerValue (180), whose fields it then lacks."""
    value = {"GPIPortNum": 1, "GPIEvent": True, "Timeout": 0}
    result = await inventory(reader.port, {"ROSpecStartTriggerType": "GPI", "GPITriggerValue": value})
    (status,) = result["answers"]
    found = [status["StatusCode"]]
    while "ParameterError" in status:
        status = status["ParameterError"]
        found.append((status["ParameterType"], status["ErrorCode"]))
    assert found == [
        "ParameterError",
        ("ROSpec", "P_ParameterError"),
        ("ROBoundarySpec", "P_ParameterError"),
        ("ROSpecStartTrigger", "P_ParameterError"),
        ("GPITriggerValue", "P_FieldError"),  # sllurp's name for 180
    ]
    assert result["reports"] == []
