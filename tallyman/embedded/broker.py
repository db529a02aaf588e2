"""An MQTT 3.1.1 broker (amqtt) on loopback, in this process or as one of its own. It keeps nothing across a restart.

Nothing needs it to: a gateway holds its events until the backend says they are committed (docs/adr/0001).
"""

from __future__ import annotations

import asyncio
import logging
import socket
from types import TracebackType
from typing import Any, Final, Self

from amqtt.broker import Broker as Amqtt
from amqtt.errors import BrokerError

from tallyman.errors import EmbeddedError

logger = logging.getLogger(__name__)

_HOST: Final = "127.0.0.1"

_PORT_TRIES: Final = 5
"""A free port may be taken between finding it and binding it."""

STOP_TIMEOUT_S: Final = 5.0
"""A client that does not take its goodbye is left; the process ends or the loop goes on."""


class Broker:
    """A broker on 127.0.0.1 for whoever is on this machine; `port` 0 takes a free one."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self._broker: Any = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"mqtt://{_HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> str:
        """Listen, and return the URL. Raises EmbeddedError when the port is taken."""
        # amqtt logs a traceback for every client that drops; what fails here is raised instead.
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        logging.getLogger("transitions").setLevel(logging.WARNING)
        tries = 1 if self.port else _PORT_TRIES
        for left in reversed(range(tries)):
            port = self.port or _free_port()
            broker = Amqtt(_config(port))
            try:
                await broker.start()
            except BrokerError as error:
                if left == 0:
                    raise EmbeddedError(f"the embedded broker cannot listen on {_HOST}:{port}: {error}") from error
            else:
                self.port, self._broker = port, broker
                break
        return self.url

    async def stop(self) -> None:
        """Disconnect everybody and stop listening."""
        broker, self._broker = self._broker, None
        if broker is not None:
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await broker.shutdown()
            except TimeoutError:
                logger.warning("the embedded broker did not stop in %s s", STOP_TIMEOUT_S)


async def serve_broker(port: int, stop: asyncio.Event) -> int:
    """Run a broker until `stop` is set; the exit code."""
    async with Broker(port):
        await stop.wait()
    return 0


def _config(port: int) -> dict[str, Any]:
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"{_HOST}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
