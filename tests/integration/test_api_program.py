"""The whole backend program: files in over HTTP, movements in over MQTT, stock out over HTTP and the live feed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from backend.app import run_backend
from backend.config import BackendConfig, HttpSettings
from backend.errors import ConfigError, SchemaError, StoreUnavailableError
from gs1.epc import encode_sgtin96
from tests.postgres import START
from wire.ack import Ack, GatewayStatus, decode_ack
from wire.clock import ScaledClock
from wire.events import Batch, Movement, encode
from wire.mqtt import InboundMessage, MqttLink
from wire.topics import topic

IN_TIME_S = 30.0

GTIN, UNKNOWN_GTIN = "09506000134352", "09506000134369"

FILES = {
    "sites": "code,name,time_zone\njakarta,Jakarta,Asia/Jakarta\n",
    "zones": "site,code,kind\njakarta,dock,dock\njakarta,rack,storage\n",
    "portals": "site,code,inside_zone\njakarta,d1,dock\n",
    "skus": f"code,name,gtin\nCASE,A case,{GTIN}\n",
    "opening-stock": "site,zone,sku,quantity\njakarta,rack,CASE,40\n",
}


def tag(serial: int, gtin: str = GTIN) -> str:
    return encode_sgtin96(gtin, serial, 7).hex().upper()


def arrival(epc: str, zone: str, seconds: float) -> Movement:
    at = START + timedelta(seconds=seconds)
    return Movement(kind="arrived", epc=epc, zone=zone, observed_at=at, decided_at=at)


class Edge:
    """A gateway as far as the backend sees one."""

    def __init__(self, link: MqttLink) -> None:
        self.link = link
        self.epoch = "00000000000000e1"
        self.seq = 1
        self.acks: asyncio.Queue[Ack] = asyncio.Queue()

    async def heard(self, message: InboundMessage) -> None:
        await self.acks.put(decode_ack(message.payload))

    async def send(self, *events: Movement) -> Ack:
        batch = Batch(
            site="jakarta", gateway="edge", epoch=self.epoch, first_seq=self.seq, sent_at=START, events=events
        )
        self.seq += len(events)
        await self.link.publish(topic("jakarta", "edge", "events"), encode(batch))
        async with asyncio.timeout(IN_TIME_S):
            while (ack := await self.acks.get()).through < self.seq - 1:
                pass
        return ack

    async def birth(self) -> None:
        status = GatewayStatus(
            site="jakarta",
            gateway="edge",
            online=True,
            epoch=self.epoch,
            config_hash="0" * 64,
            zones=("rack", "attic"),
            portals=("d1",),
            readers=("r1",),
            at=START,
        )
        await self.link.publish(topic("jakarta", "edge", "status"), encode(status), retain=True)


def config(database_url: str, mqtt_url: str, **http: Any) -> BackendConfig:
    return BackendConfig(database_url=database_url, mqtt_url=mqtt_url, http=HttpSettings(port=0, **http))


@contextlib.asynccontextmanager
async def running(settings: BackendConfig) -> AsyncIterator[aiohttp.ClientSession]:
    stop = asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    program = asyncio.create_task(run_backend(settings, ScaledClock(START), stop=stop, ready=ready.set_result))
    await asyncio.wait({program, ready}, timeout=IN_TIME_S, return_when=asyncio.FIRST_COMPLETED)
    try:
        if program.done():
            await program
        async with aiohttp.ClientSession(await ready) as session:
            yield session
    finally:
        stop.set()
        async with asyncio.timeout(IN_TIME_S):
            await program


@pytest.fixture
async def api(database_url: str, broker: Any) -> AsyncIterator[aiohttp.ClientSession]:
    async with running(config(database_url, broker.url)) as session:
        async with asyncio.timeout(IN_TIME_S):
            while (await session.get("/readyz")).status != 200:
                await asyncio.sleep(0.05)
        yield session


@pytest.fixture
async def edge(api: aiohttp.ClientSession, broker: Any) -> AsyncIterator[Edge]:
    link = MqttLink(broker.url, "edge")
    edge = Edge(link)
    link.subscribe(topic("jakarta", "edge", "ack"), edge.heard)
    async with link:
        await link.wait_connected()
        yield edge


async def post(api: aiohttp.ClientSession, path: str, key: str, body: str | dict[str, Any]) -> tuple[int, Any]:
    sent: dict[str, Any] = {"json": body} if isinstance(body, dict) else {"data": body.encode()}
    headers = {"Idempotency-Key": key} | ({} if isinstance(body, dict) else {"Content-Type": "text/csv"})
    async with api.post(f"/api/v1/{path}", headers=headers, **sent) as answer:
        return answer.status, await answer.json()


async def import_all(api: aiohttp.ClientSession) -> None:
    for kind, text in FILES.items():
        status, body = await post(api, f"imports/{kind}", f"first-{kind}", text)
        assert status == 200, body


async def units(api: aiohttp.ClientSession) -> dict[str, int]:
    async with api.get("/api/v1/stock?group=zone") as answer:
        return {row["zone"]: row["units"] for row in (await answer.json())["rows"]}


async def test_files_in_movements_in_stock_out(api: aiohttp.ClientSession, edge: Edge) -> None:
    await import_all(api)
    assert await units(api) == {"rack": 40}
    await edge.send(arrival(tag(1), "dock", 1), arrival(tag(2), "dock", 1))
    assert await units(api) == {"rack": 40, "dock": 2}
    async with api.get("/metrics") as answer:
        assert "tallyman_ingest_applied_total 2.0" in await answer.text()
    async with api.get(f"/api/v1/items/{tag(1)}") as answer:
        item = await answer.json()
    assert (item["zone"], item["sku"], item["gateway"]) == ("dock", "CASE", "edge")
    async with api.get(f"/api/v1/items/{tag(1)}/history") as answer:
        history = (await answer.json())["rows"]
    assert {(entry["entry"], entry["what"]) for entry in history} >= {("movement", "arrived")}
    posted = [entry for entry in history if entry["entry"] == "posting"]
    assert [(entry["to_zone"], entry["quantity"]) for entry in posted] == [("jakarta/dock", 1)]


async def test_a_repeated_import_changes_nothing_and_a_wrong_one_says_where(api: aiohttp.ClientSession) -> None:
    await import_all(api)
    first = await post(api, "imports/opening-stock", "first-opening-stock", FILES["opening-stock"])
    assert first == (200, {"kind": "opening-stock", "lines": 1, "repeated": 0})
    status, problem = await post(api, "imports/opening-stock", "first-opening-stock", FILES["opening-stock"] + "\n")
    assert (status, problem["type"]) == (422, "/problems/key-reused")
    again = await post(api, "imports/opening-stock", "another key", FILES["opening-stock"])
    assert again == (200, {"kind": "opening-stock", "lines": 0, "repeated": 1})
    wrong = "site,zone,sku,quantity\njakarta,rack,CASE,5\njakarta,attic,CASE,5\njakarta,loft,CASE,5\n"
    status, problem = await post(api, "imports/opening-stock", "second", wrong)
    assert (status, problem["type"]) == (422, "/problems/refused-rows")
    assert {fault["line"] for fault in problem["errors"]} == {3, 4}
    assert await units(api) == {"rack": 40}
    async with api.post("/api/v1/imports/skus", data=b"x", headers={"Content-Type": "text/csv"}) as answer:
        assert (await answer.json())["type"] == "/problems/key-missing"


async def test_what_is_set_aside_is_replayed_after_its_mend(api: aiohttp.ClientSession, edge: Edge) -> None:
    await import_all(api)
    await edge.send(arrival(tag(1, UNKNOWN_GTIN), "dock", 1), arrival(tag(2), "loft", 1))
    async with api.get("/api/v1/quarantine") as answer:
        causes = {cause["cause"] for cause in (await answer.json())["causes"]}
    assert "unknown_zone:jakarta/loft" in causes
    assert len(causes) == 2
    await post(api, "imports/skus", "k1", f"code,name,gtin\nDRUM,A drum,{UNKNOWN_GTIN}\n")
    await post(api, "imports/zones", "k2", "site,code,kind\njakarta,loft,storage\n")
    for number, cause in enumerate(sorted(causes)):
        assert await post(api, "quarantine/replay", f"r{number}", {"cause": cause}) == (
            200,
            {"applied": 1, "remaining": 0},
        )
        assert (await post(api, "quarantine/replay", f"r{number}", {"cause": cause}))[1]["applied"] == 1
        assert (await post(api, "quarantine/replay", f"again{number}", {"cause": cause}))[1]["applied"] == 0
    assert await units(api) == {"rack": 40, "dock": 1, "loft": 1}


async def test_the_page_is_told_what_the_gateway_said(api: aiohttp.ClientSession, edge: Edge) -> None:
    await import_all(api)
    async with api.ws_connect("/api/v1/live") as socket:
        await edge.birth()
        await edge.send(arrival(tag(7), "dock", 1))
        stock: dict[tuple[str, str], int] = {}
        movements: list[Any] = []
        unknown: list[str] = []
        async with asyncio.timeout(IN_TIME_S):
            while not (movements and unknown and stock.get(("dock", "CASE")) == 1):
                message = await socket.receive_json()
                stock |= {(row["zone"], row["sku"]): row["net"] for row in message.get("stock", ())}
                movements += message.get("movements", ())
                unknown += [name for one in message.get("gateways", ()) for name in one["unknown_zones"]]
    assert [(one["kind"], one["epc"], one["zone"], one["sku"]) for one in movements] == [
        ("arrived", tag(7), "dock", "CASE")
    ]
    assert set(unknown) == {"attic"}
    async with api.get("/api/v1/gateways") as answer:
        (gateway,) = (await answer.json())["rows"]
    assert (gateway["online"], gateway["through"], gateway["unknown_portals"]) == (True, 1, [])


async def test_without_a_broker_it_reads_but_says_that_it_is_not_ready(database_url: str, unused_tcp_port: int) -> None:
    async with running(config(database_url, f"mqtt://127.0.0.1:{unused_tcp_port}")) as api:
        async with api.get("/readyz") as answer:
            assert (answer.status, list((await answer.json())["faults"])) == (503, ["mqtt"])
        assert await units(api) == {}


async def test_it_does_not_start_on_what_it_cannot_use(
    database_url: str, empty_database_url: str, broker: Any, unused_tcp_port: int
) -> None:
    with pytest.raises(SchemaError, match="tallyman migrate"):
        async with running(config(empty_database_url, broker.url)):
            pass
    with pytest.raises(StoreUnavailableError):
        async with running(config(f"postgresql://127.0.0.1:{unused_tcp_port}/none", broker.url)):
            pass
    with pytest.raises(ConfigError, match="cannot listen"):
        async with running(config(database_url, broker.url, host="127.0.0.1.localhost")):
            pass
