"""llrpkit, a typed asyncio LLRP client nobody here wrote, uses the simulated reader as it would any other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from simulators.llrp.models import load_model
from simulators.llrp.reader import SimulatedReader
from simulators.sighting import Sightings
from wire.clock import ScaledClock

llrpkit = pytest.importorskip("llrpkit")
protocol = pytest.importorskip("llrpkit.protocol")
enums, messages, params = protocol.enums, protocol.messages, protocol.params
pytestmark = pytest.mark.peer

TAGS = 20
PERIOD_US = 5_000


class Shelf:
    """TAGS tags read in turn, each by an antenna of its own."""

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        ticks = [n for n in range(from_us // PERIOD_US + 1, to_us // PERIOD_US + 1) if n % TAGS % 4 + 1 in antennas]
        return Sightings(
            [epc_of(n % TAGS) for n in ticks],
            np.array([n % TAGS % 4 + 1 for n in ticks], np.uint16),
            np.full(len(ticks), -61.25, np.float32),
            np.array([n * PERIOD_US for n in ticks], np.int64),
            np.full(len(ticks), np.pi, np.float32),
        )


def epc_of(number: int) -> bytes:
    return bytes.fromhex("3034000000000000") + number.to_bytes(4, "big")


@pytest.fixture(params=["speedway-r420", "fx9600"])
async def reader(request: pytest.FixtureRequest) -> AsyncIterator[SimulatedReader]:
    clock = ScaledClock(datetime(2026, 3, 1, tzinfo=UTC))
    reader = SimulatedReader("shelf", Shelf(), clock, 4, load_model(request.param))
    await reader.start()
    yield reader
    await reader.stop()


async def test_it_connects_inventories_leaves_and_comes_back(reader: SimulatedReader) -> None:
    for _ in range(2):
        async with llrpkit.Reader("127.0.0.1", reader.port) as peer:
            assert peer.max_antennas == 4
            seen = [tag async for tag in peer.inventory(include_phase=True, max_tags=3 * TAGS)]
            assert {tag.epc for tag in seen} == {epc_of(number) for number in range(TAGS)}
            assert {tag.antenna for tag in seen} == {1, 2, 3, 4}
            if peer.is_impinj:
                assert {tag.rssi_dbm for tag in seen} == {-61.25}
                assert {round(tag.phase_deg) for tag in seen} == {180}
        assert not peer.client.connected


async def switch_on_gpi_events(peer: Any) -> None:
    """llrpkit leaves the choice of events as the reader has it; from the factory on these readers tell of no input."""
    state = params.EventNotificationState(event_type=enums.NotificationEventType.GPI_Event, notification_state=True)
    spec = params.ReaderEventNotificationSpec(event_notification_states=[state])
    request = messages.SET_READER_CONFIG(reset_to_factory_default=False, reader_event_notification_spec=spec)
    answer = await peer.client.transact(request)
    assert int(answer.llrp_status.status_code) == 0


async def test_a_photo_eye_gates_its_inventory(reader: SimulatedReader) -> None:
    async with llrpkit.Reader("127.0.0.1", reader.port) as peer:
        await switch_on_gpi_events(peer)
        windows = peer.windows(2, settle=0.1)

        async def pass_by() -> None:
            for _ in range(2):
                await asyncio.sleep(0.3)
                reader.set_gpi(2, True)
                await asyncio.sleep(0.3)
                reader.set_gpi(2, False)

        passing = asyncio.create_task(pass_by())
        async with asyncio.timeout(10):
            gathered = [await anext(windows) for _ in range(2)]
        await windows.aclose()
        await passing
        assert [bool(window.tags) for window in gathered] == [True, True]
        levels = await peer.get_gpio()
        assert levels.gpis[2] == "low"


async def test_a_second_client_is_refused_and_the_first_goes_on(reader: SimulatedReader) -> None:
    async with llrpkit.Reader("127.0.0.1", reader.port) as peer:
        with pytest.raises(llrpkit.LLRPConnectionError, match="refused"):
            await llrpkit.Reader("127.0.0.1", reader.port).connect()
        assert len([tag async for tag in peer.inventory(max_tags=5)]) == 5


async def test_it_sets_outputs_and_keepalives(reader: SimulatedReader) -> None:
    async with llrpkit.Reader("127.0.0.1", reader.port) as peer:
        await peer.set_gpo(2, True)
        assert reader.outputs[2]
        assert (await peer.get_gpio()).gpos[2]
        await peer.set_keepalive(20)
        await asyncio.sleep(0.3)  # more than the reader waits for an acknowledgement
        assert reader.is_connected


async def test_it_reads_writes_and_kills_tags(reader: SimulatedReader) -> None:
    # llrpkit compares only the bits that are set in the EPC: no other number below TAGS has all bits of 15.
    target = epc_of(15)
    async with llrpkit.Reader("127.0.0.1", reader.port) as peer:
        tid = await peer.read_memory(bank="tid", word_count=6, target_epc=target)
        assert tid.ok
        assert tid.data[:4] == bytes.fromhex("e2801170")
        assert (await peer.write_memory(bank="user", data="cafe0001", target_epc=target)).words_written == 2
        assert (await peer.read_memory(bank="user", word_count=2, target_epc=target)).data == bytes.fromhex("cafe0001")
        assert (await peer.write_memory(bank="tid", data="0000", target_epc=target)).status == "Tag_Memory_Locked_Error"
        renamed = target[:-1] + b"\x99"
        assert (await peer.write_epc(renamed, target_epc=target)).ok
        assert (await peer.write_memory(bank="reserved", data="00000007", target_epc=renamed)).ok
        assert (await peer.kill_tag(kill_password=7, target_epc=renamed)).ok
        left = {tag.epc async for tag in peer.inventory(max_tags=3 * TAGS)}
        assert left == {epc_of(number) for number in range(TAGS)} - {target}
