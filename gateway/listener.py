"""The gateway's own MQTT listener on the site's network (amqtt, extra `listener`).

    handheld ──MQTT, password, TLS──▶ listener ◀──loopback── the gateway's second link ──▶ ScanDesk ──▶ journal

A handheld whose site lost its internet scans here and hears `stored` at once; `applied` follows when the backend has
spoken. The listener remembers nothing and needs to remember nothing: the journal does.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import secrets
import socket
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from gateway.config import ListenerSettings
from gateway.errors import ConfigError
from wire.mqtt import MqttLink

logger = logging.getLogger(__name__)

ACCESS: Final = "gateway.listener_access"
"""The module that amqtt loads to learn who may do what."""

STOP_TIMEOUT_S: Final = 5.0
"""A client that does not take its goodbye is left: the program ends."""

_LOOPBACK: Final = "127.0.0.1"


class Listener:
    """The broker, and the gateway's link to it. Raises ConfigError when amqtt is missing or the address is taken."""

    def __init__(self, site: str, settings: ListenerSettings) -> None:
        self._site = site
        self._settings = settings
        self._own_name, self._password = secrets.token_hex(16), secrets.token_hex(16)
        self._loopback_port = _free_port()
        self._broker: Any = None
        url = f"mqtt://{self._own_name}:{self._password}@{_LOOPBACK}:{self._loopback_port}"
        self.link = MqttLink(url, self._own_name)

    async def __aenter__(self) -> Self:
        """Listen, then link."""
        await self._start()
        await self.link.__aenter__()
        logger.info("handhelds are served at %s:%d", self._settings.host, self._settings.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the link, then stop listening."""
        await self.link.__aexit__(kind, error, trace)
        broker, self._broker = self._broker, None
        # amqtt stops listening last, and would wait for ever for whoever comes back meanwhile
        for server in broker._servers.values():  # noqa: SLF001
            server.instance.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await broker.shutdown()

    async def _start(self) -> None:
        try:
            amqtt, errors = importlib.import_module("amqtt.broker"), importlib.import_module("amqtt.errors")
        except ModuleNotFoundError as error:
            raise ConfigError(
                "[listener] needs a package that is not installed: pip install 'tallyman-rfid[listener]'"
            ) from error
        # amqtt logs a traceback for every client that drops; what fails here is raised instead.
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        logging.getLogger("transitions").setLevel(logging.WARNING)
        try:
            self._broker = amqtt.Broker(self._config())
            await self._broker.start()
        except (errors.BrokerError, OSError) as error:
            where = f"{self._settings.host}:{self._settings.port}"
            raise ConfigError(f"[listener] {where} cannot be served: {error}") from error

    def _config(self) -> dict[str, Any]:
        settings = self._settings
        site: dict[str, Any] = {
            "type": "tcp",
            "bind": f"{settings.host}:{settings.port}",
            "max_connections": settings.max_connections,
        }
        if settings.tls_cert is not None:
            site |= {"ssl": True, "certfile": str(settings.tls_cert), "keyfile": str(settings.tls_key)}
        users = {**settings.users, self._own_name: self._password}
        return {
            # amqtt has other listeners inherit what they leave out, or set as it is anyway, from "default"
            "listeners": {"default": {"type": "tcp", "bind": f"{_LOOPBACK}:{self._loopback_port}"}, "site": site},
            "plugins": {
                f"{ACCESS}.Passwords": {"users": users},
                f"{ACCESS}.OwnTopics": {"site": self._site, "whole_site": self._own_name},
            },
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])
