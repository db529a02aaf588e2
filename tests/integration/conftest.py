"""An MQTT broker for the tests of this folder: real, on loopback, restartable, and forgetful by nature."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from amqtt.broker import Broker

from tests.ports import free_port

STOP_S = 5.0


@dataclass
class TestBroker:
    """amqtt in this process; `stop` forgets everything it held, as a broker killed without a disk would."""

    __test__ = False
    passwords: Path | None = None
    listener: dict[str, Any] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    _broker: Broker | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def start(self) -> None:
        plugin: dict[str, Any] = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        if self.passwords is not None:
            plugin = {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(self.passwords)}}
        listener = {"type": "tcp", "bind": f"127.0.0.1:{self.port}", **self.listener}
        self._broker = Broker({"listeners": {"default": listener}, "plugins": plugin})
        await self._broker.start()

    async def stop(self) -> None:
        if self._broker is not None:
            broker, self._broker = self._broker, None
            # amqtt stops listening last, and whoever comes back meanwhile would never be told to go
            for server in broker._servers.values():
                server.instance.close()
            # amqtt now and then waits for ever for a client that left while it was shutting down
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await broker.shutdown()
            await self._cut_leftovers()

    async def _cut_leftovers(self) -> None:
        """amqtt forgets connections that come or go while it shuts down; found by the garbage collector amid
        something else, they would fail it."""
        open_ones: Any = asyncio.get_running_loop()._transports  # type: ignore[attr-defined]
        for transport in list(open_ones.values()):
            if transport.get_extra_info("sockname")[1:2] == (self.port,):
                transport.abort()
        await asyncio.sleep(0)


@pytest.fixture
async def make_broker() -> AsyncIterator[Callable[..., TestBroker]]:
    """Makes brokers, not yet started, and stops them all afterwards."""
    made: list[TestBroker] = []

    def make(**options: Any) -> TestBroker:
        made.append(TestBroker(**options))
        return made[-1]

    yield make
    for broker in made:
        await broker.stop()


@pytest.fixture
async def broker(make_broker: Callable[..., TestBroker]) -> TestBroker:
    """A running broker that lets everybody in."""
    made = make_broker()
    await made.start()
    return made
