"""`tallyman simulate` as an engineer runs it: a process that prints addresses, which clients then use."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner

from readers.llrp import requests
from readers.llrp.codec import Framer, decode, encode
from readers.llrp.requests import Capabilities, InventoryPlan
from tallyman.cli import app
from tallyman.errors import SimulateError
from tallyman.simulate import tls_context

SIMULATE = [sys.executable, "-c", "from tallyman.cli import main; main()", "simulate"]


@contextlib.asynccontextmanager
async def simulating(*arguments: str, said: list[str] | None = None) -> AsyncIterator[dict[str, str]]:
    """Run it; reader name → address. It must end well when told to."""
    process = await asyncio.create_subprocess_exec(
        *SIMULATE, "--json", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
            assert line, (await process.stderr.read()).decode()
        yield json.loads(line)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            out, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        if said is not None:
            said += out.decode().splitlines()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def reports(address: str, count: int, every_n: int) -> list[Any]:
    """Inventory at an address until so many reports have come."""
    host, _, port = address.partition(":")
    stream, writer = await asyncio.open_connection(host, int(port))
    plan = InventoryPlan(antennas=(1, 2, 3, 4), report_every_n=every_n)
    for message in (requests.add_rospec(1, plan, Capabilities(), (0,)), requests.rospec_request("ENABLE_ROSPEC", 2)):
        writer.write(encode(message))
    framer, found = Framer(), []
    async with asyncio.timeout(20):
        while len(found) < count:
            messages = [decode(frame) for frame in framer.feed(await stream.read(1 << 16))]
            found += [message for message in messages if message.name == "RO_ACCESS_REPORT"]
    writer.close()
    return found


async def test_many_readers_each_with_tags_of_its_own() -> None:
    async with simulating("--readers", "3", "--tags", "8", "--rate-hz", "100", "--model", "fx9600") as addresses:
        assert list(addresses) == ["reader-001", "reader-002", "reader-003"]
        said = await asyncio.gather(*(reports(address, 4, 4) for address in addresses.values()))
    seen = [{tag.parameters[0].fields["EPC"] for report in one for tag in report.parameters} for one in said]
    assert [len(epcs) for epcs in seen] == [8, 8, 8]
    assert len(set.union(*seen)) == 24
    assert {len(report.parameters) for one in said for report in one} == {4}


async def test_tags_a_report_may_be_the_readers_choice() -> None:
    async with simulating("--readers", "1", "--report-tags", "5") as addresses:
        (address,) = addresses.values()
        assert {len(report.parameters) for report in await reports(address, 3, 1)} == {5}


async def test_readers_count_what_they_reported_to_the_last_read() -> None:
    said: list[str] = []
    async with simulating("--readers", "1", said=said) as addresses:
        (address,) = addresses.values()
        counted = sum(len(report.parameters) for report in await reports(address, 10, 3))
    told = json.loads(said[-1])["reported"]
    assert counted <= told <= counted + 200  # what was under way when the client left


async def test_a_scenarios_readers_serve_their_world() -> None:
    async with simulating("one-door", "--speed", "5") as addresses:
        assert addresses
        (report, *_) = await reports(next(iter(addresses.values())), 1, 1)
        assert report.parameters[0].name == "TagReportData"


async def test_a_scenarios_readers_may_be_r700s() -> None:
    async with (
        simulating("one-door", "--interface", "r700", "--speed", "5") as addresses,
        aiohttp.ClientSession() as web,
    ):
        url = next(iter(addresses.values()))
        async with web.get(f"{url}/api/v1/data/stream") as stream:
            async with web.post(f"{url}/api/v1/profiles/inventory/presets/default/start") as answer:
                assert answer.status == 204
            events = [json.loads(await stream.content.readline()) for _ in range(2)]
    assert [event["eventType"] for event in events] == ["inventoryStatus", "tagInventory"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "name a scenario"),
        (("one-door", "--readers", "2"), "name a scenario"),
        (("--readers", "2", "--model", "fx1"), "known are"),
        (("--readers", "2", "--interface", "zebra"), "--mqtt-url"),
        (("--readers", "2", "--interface", "smoke"), "r700"),
        (("--readers", "2", "--tls", "nowhere.pem"), "not a PEM file"),
    ],
)
def test_what_cannot_be_served_is_said(arguments: tuple[str, ...], complaint: str) -> None:
    ended = CliRunner().invoke(app, ["simulate", *arguments])
    assert ended.exit_code
    assert complaint in ended.output + str(ended.exception)


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.pem"
    path.write_text("hello")
    with pytest.raises(SimulateError, match=r"mine\.pem"):
        tls_context(path)
    assert tls_context(None) is None
