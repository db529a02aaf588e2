"""The MQTT link against real brokers: delivery, back-pressure, drops, wills, credentials, TLS."""

import asyncio
import contextlib
import logging
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pwdlib.hashers.argon2 import Argon2Hasher

import wire.mqtt
from tests.ports import free_port
from wire.errors import LinkError
from wire.mqtt import InboundMessage, MqttLink


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnect at once: the tests wait for brokers, not for back-off."""
    monkeypatch.setattr(wire.mqtt, "RECONNECT_MIN_S", 0.05)
    monkeypatch.setattr(wire.mqtt, "RECONNECT_MAX_S", 0.2)
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    logging.getLogger("transitions").setLevel(logging.CRITICAL)


async def until(true: Callable[[], Any], within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # what is awaited is another program's doing
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def linked(
    url: str, name: str, *, hears: tuple[str, Any] | None = None, **options: Any
) -> AsyncIterator[MqttLink]:
    link = MqttLink(url, name, **options)
    if hears is not None:
        link.subscribe(*hears)
    async with link:
        async with asyncio.timeout(20):
            await link.wait_connected()
        yield link


def collector(into: list[InboundMessage]) -> Any:
    async def handle(message: InboundMessage) -> None:
        into.append(message)

    return handle


async def test_what_is_published_arrives_in_order(broker: Any) -> None:
    got: list[InboundMessage] = []
    receiver = MqttLink(broker.url, "receiver")
    receiver.subscribe("t/+/x", collector(got))
    async with receiver, linked(broker.url, "sender") as sender:
        await receiver.wait_connected()
        await asyncio.gather(*(sender.publish("t/a/x", str(number).encode()) for number in range(300)))
        await until(lambda: len(got) == 300)
    assert [int(message.payload) for message in got] == list(range(300))
    assert {message.topic for message in got} == {"t/a/x"}


async def test_a_subscription_made_while_up_works_and_retained_messages_say_so(broker: Any) -> None:
    got: list[InboundMessage] = []
    async with linked(broker.url, "sender") as sender, linked(broker.url, "receiver") as receiver:
        await sender.publish("kept", b"old", retain=True)
        receiver.subscribe("kept", collector(got))
        await until(lambda: got)
        await sender.publish("kept", b"new", retain=True)
        await until(lambda: len(got) == 2)
    assert [(message.payload, message.retain) for message in got] == [(b"old", True), (b"new", False)]


async def test_large_payloads_pass_whole(broker: Any) -> None:
    got: list[InboundMessage] = []
    receiver = MqttLink(broker.url, "receiver")
    receiver.subscribe("big", collector(got))
    payload = bytes(range(256)) * 2048
    async with receiver, linked(broker.url, "sender") as sender:
        await receiver.wait_connected()
        await asyncio.gather(*(sender.publish("big", payload) for _ in range(4)))
        await until(lambda: len(got) == 4)
    assert all(message.payload == payload for message in got)


async def test_a_broker_that_forgot_everything_is_survived(broker: Any, caplog: pytest.LogCaptureFixture) -> None:
    got: list[InboundMessage] = []
    ups: list[str] = []
    receiver = MqttLink(broker.url, "receiver")
    receiver.subscribe("t", collector(got))
    receiver.on_up(lambda: ups.append("up"))
    receiver.on_down(lambda: ups.append("down"))
    caplog.set_level(logging.INFO, "wire.mqtt")
    async with receiver, linked(broker.url, "sender") as sender:
        await receiver.wait_connected()
        await sender.publish("t", b"1")
        await until(lambda: got)
        await broker.stop()
        await until(lambda: not receiver.connected and not sender.connected)
        waiting = asyncio.create_task(sender.publish("t", b"2"))
        await asyncio.sleep(0.5)
        assert not waiting.done(), "publishing waits for the link"
        await broker.start()
        await waiting
        await receiver.wait_connected()
        await sender.publish("t", b"3")
        await until(lambda: got[-1].payload == b"3")
    assert ups == ["up", "down", "up", "down"]
    mine = [record.getMessage() for record in caplog.records if record.name == "wire.mqtt"]
    assert sum("link down" in line for line in mine) == 2, "each link says once that it dropped"
    assert sum("link up" in line for line in mine) == 4


async def test_an_unconfirmed_publish_raises_when_the_connection_ends(broker: Any) -> None:
    async with linked(broker.url, "sender") as sender:
        publishes = [asyncio.create_task(sender.publish("t", b"x" * 100_000)) for _ in range(40)]
        await asyncio.sleep(0)
        await broker.stop()
        outcomes = await asyncio.wait_for(asyncio.gather(*publishes[:20], return_exceptions=True), 20)
        assert any(isinstance(outcome, LinkError) for outcome in outcomes)
        assert all(outcome is None or isinstance(outcome, LinkError) for outcome in outcomes)
        for publish in publishes:
            publish.cancel()
        await asyncio.gather(*publishes, return_exceptions=True)


@pytest.mark.timeout(60, method="thread")  # nothing else gets a turn where this fails
async def test_who_publishes_again_at_once_does_not_stop_the_world(broker: Any) -> None:
    """A connection's end is heard by its publishers first: what they do before the link hears of it must yield."""
    refused: list[LinkError] = []

    async def insist(link: MqttLink) -> None:
        while True:
            try:
                await link.publish("t", b"x" * 10_000)
            except LinkError as error:
                refused.append(error)

    async with linked(broker.url, "sender") as sender:
        insisting = [asyncio.create_task(insist(sender)) for _ in range(4)]
        await broker.stop()
        await until(lambda: refused)
        await broker.start()
        await until(lambda: sender.connected)
        for task in insisting:
            task.cancel()
        await asyncio.gather(*insisting, return_exceptions=True)


async def test_closing_releases_whoever_waits_to_publish() -> None:
    async with MqttLink("mqtt://127.0.0.1:9", "alone") as link:
        waiting = asyncio.create_task(link.publish("t", b""))
        await asyncio.sleep(0.05)
    with pytest.raises(LinkError):
        await waiting


async def test_the_last_will_is_published_only_without_a_goodbye(broker: Any) -> None:
    got: list[InboundMessage] = []
    async with linked(broker.url, "watcher", hears=("status/+", collector(got))):
        async with linked(broker.url, "polite", will=("status/polite", b"gone")):
            pass
        async with linked(broker.url, "rude", will=("status/rude", b"gone")) as rude:
            assert rude._connection is not None
            rude._connection.drop("pulled the plug")
            await until(lambda: got)
        await asyncio.sleep(0.2)
    assert [(message.topic, message.payload) for message in got] == [("status/rude", b"gone")]


async def test_a_handler_that_publishes_is_not_starved_by_a_flood(broker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire.mqtt, "INBOUND_QUEUE", 5)
    answers: list[InboundMessage] = []
    echo = MqttLink(broker.url, "echo")

    async def answer(message: InboundMessage) -> None:
        await echo.publish("answer", message.payload)

    echo.subscribe("ask", answer)
    async with echo, linked(broker.url, "asker", hears=("answer", collector(answers))) as asker:
        await echo.wait_connected()
        await asyncio.gather(*(asker.publish("ask", str(number).encode()) for number in range(200)))
        await until(lambda: len(answers) == 200)
    assert [int(answer.payload) for answer in answers] == list(range(200))


async def test_a_slow_handler_holds_the_socket_back_and_loses_nothing(
    broker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire.mqtt, "INBOUND_QUEUE", 4)
    monkeypatch.setattr(wire.mqtt, "HOUSEKEEPING_S", 0.05)
    got: list[InboundMessage] = []
    free = asyncio.Event()
    receiver = MqttLink(broker.url, "slow")

    async def handle(message: InboundMessage) -> None:
        await free.wait()
        got.append(message)

    receiver.subscribe("t", handle)
    async with receiver, linked(broker.url, "sender") as sender:
        await receiver.wait_connected()
        await asyncio.gather(*(sender.publish("t", b"x" * 50_000) for _ in range(200)))
        await asyncio.sleep(0.5)
        assert receiver._connection is not None
        assert not receiver._connection._reading
        assert receiver._subscriptions[0].queue.qsize() < 100, "the rest waits in the broker and in TCP"
        free.set()
        await until(lambda: len(got) == 200)


async def test_a_failing_handler_costs_only_its_message(broker: Any, caplog: pytest.LogCaptureFixture) -> None:
    got: list[bytes] = []

    async def handle(message: InboundMessage) -> None:
        if message.payload == b"bad":
            raise RuntimeError("boom")
        got.append(message.payload)

    async with linked(broker.url, "receiver", hears=("t", handle)), linked(broker.url, "sender") as sender:
        for payload in (b"1", b"bad", b"2"):
            await sender.publish("t", payload)
        await until(lambda: len(got) == 2)
    assert got == [b"1", b"2"]
    assert "the handler of a message failed" in caplog.text


async def test_credentials_travel_in_the_url_and_a_refusal_is_said_once(
    make_broker: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("gate:" + Argon2Hasher().hash("s p@ce") + "\n")
    broker = make_broker(passwords=passwords)
    await broker.start()
    async with linked(f"mqtt://gate:s%20p%40ce@127.0.0.1:{broker.port}", "gate") as link:
        await link.publish("t", b"hello")
    caplog.clear()
    async with MqttLink(f"mqtt://gate:wrong@127.0.0.1:{broker.port}", "gate") as link:
        await until(lambda: "link down" in caplog.text)
        await asyncio.sleep(1)
        assert not link.connected
    said = [record.getMessage() for record in caplog.records if "link down" in record.getMessage()]
    assert len(said) == 1
    assert "refused" in said[0]
    assert "wrong" not in said[0]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of its own for localhost, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not on the PATH")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    new = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*new, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


async def test_tls_trusts_the_named_authority_only(
    make_broker: Callable[..., Any], certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker(
        listener={"ssl": True, "certfile": str(certificate[0]), "keyfile": str(certificate[1])},
    )
    await broker.start()
    got: list[InboundMessage] = []
    url = f"mqtts://127.0.0.1:{broker.port}?ca={certificate[0]}"
    async with linked(url, "secure", hears=("t", collector(got))) as link:
        await asyncio.gather(*(link.publish("t", b"x" * 20_000) for _ in range(50)))
        await until(lambda: len(got) == 50)
    async with MqttLink(f"mqtts://127.0.0.1:{broker.port}", "stranger"):
        await until(lambda: "CERTIFICATE_VERIFY_FAILED" in caplog.text)


async def test_a_silent_peer_is_no_broker(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(wire.mqtt, "HANDSHAKE_TIMEOUT_S", 0.2)
    writers: list[asyncio.StreamWriter] = []

    async def listen(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with MqttLink(f"mqtt://127.0.0.1:{port}", "patient"):
        await until(lambda: len(writers) >= 2)
    assert "answered nothing" in caplog.text
    for writer in writers:
        writer.close()
    server.close()
    await server.wait_closed()


@pytest.mark.peer
async def test_mosquitto_carries_the_same(tmp_path: Path) -> None:
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if mosquitto is None:
        pytest.skip("mosquitto is not on the PATH")
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = await asyncio.create_subprocess_exec(mosquitto, "-c", str(config), stderr=asyncio.subprocess.DEVNULL)
    try:
        got: list[InboundMessage] = []
        receiver = MqttLink(f"mqtt://127.0.0.1:{port}", "receiver")
        receiver.subscribe("t", collector(got))
        async with receiver, linked(f"mqtt://127.0.0.1:{port}", "sender") as sender:
            await receiver.wait_connected()
            # Mosquitto 2 drops what is beyond 1000 queued messages: the gateway's window is what prevents that.
            await asyncio.gather(*(sender.publish("t", str(number).encode()) for number in range(900)))
            await until(lambda: len(got) == 900)
        assert [int(message.payload) for message in got] == list(range(900))
    finally:
        process.terminate()
        await process.wait()
