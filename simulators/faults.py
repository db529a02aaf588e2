"""A TCP proxy that breaks on demand: it stands between two programs of ours and does what networks do.

    mode      what is open               who newly connects          leaves by
    ----      ------------               ------------------          ---------
    open      passes, `delay_s` late     passes                      cut, refuse, stall
    refusing  was reset on entering      is reset at once            heal
    stalled   stays, nothing passes      waits, nothing passes       heal, refuse

`cut` resets what is open and stays open for newcomers; it is an event, not a mode. What was under way when a stall
began passes when it ends, as TCP would send it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

CHUNK_BYTES: Final = 65_536
Tap = Callable[[bool, bytes], None]
"""Hears every chunk as it arrives: whether it comes from the client, and its bytes."""

HELD_CHUNKS: Final = 64
"""Chunks that may wait in one direction before the proxy stops reading, as a full socket buffer would."""


class FaultProxy:
    """Passes every connection on to `host:port` until it is told to do otherwise. For one event loop.

    A `tap` hears what passes, to keep or to judge it.
    """

    def __init__(self, host: str, port: int, tap: Tap | None = None) -> None:
        self._target = host, port
        self._tap = tap
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._delay_s = 0.0

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and return the port; 0 takes a free one."""
        self._server = await asyncio.start_server(self._accept, host, port)
        listening: int = self._server.sockets[0].getsockname()[1]
        return listening

    async def stop(self) -> None:
        """Close everything; safe to call twice."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for session in list(self._sessions):
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    @property
    def connections(self) -> int:
        """How many connections are passed on now."""
        return len(self._sessions)

    @property
    def refusing(self) -> bool:
        """Whether the line is down."""
        return self._refusing

    def cut(self) -> None:
        """Reset every connection on both sides."""
        for writer in list(self._open):
            writer.transport.abort()

    def refuse(self) -> None:
        """Reset every connection, and every new one at once, until healed: the line is down."""
        self._refusing = True
        self._flowing.set()
        self.cut()

    def stall(self) -> None:
        """Let nothing pass, until healed: the line is up and swallows everything."""
        self._flowing.clear()

    def delay(self, seconds: float) -> None:
        """Let what arrives from now on pass so much later; 0 ends it."""
        self._delay_s = seconds

    def heal(self) -> None:
        """Pass everything again, at once."""
        self._refusing = False
        self._delay_s = 0.0
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None, "asyncio runs this in a task"
        self._sessions.add(task)
        self._open.add(writer)
        try:
            await self._flowing.wait()
            await self._pass_on(reader, writer)
        except OSError as error:
            logger.debug("proxied connection ended: %s", error)
        except asyncio.CancelledError:
            # Only `stop` cancels; a task of asyncio's own server must not end as cancelled, or it is logged as a fault.
            logger.debug("proxied connection closed with the proxy")
        finally:
            self._open.discard(writer)
            self._sessions.discard(task)
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        self._open.add(there_writer)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, there_writer, from_client=True))
                both.create_task(self._pump(there_reader, writer, from_client=False))
        except* OSError as errors:
            logger.debug("proxied connection ended: %s", errors.exceptions[0])
        finally:
            self._open.discard(there_writer)
            there_writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, from_client: bool) -> None:
        """One direction: read on while earlier chunks still wait for their time."""
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HELD_CHUNKS)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._release(held, target))
            loop = asyncio.get_running_loop()
            chunk = await source.read(CHUNK_BYTES)
            while chunk:
                if self._tap is not None:
                    self._tap(from_client, chunk)
                await held.put((loop.time() + self._delay_s, chunk))
                chunk = await source.read(CHUNK_BYTES)
            await held.put((loop.time() + self._delay_s, b""))

    async def _release(self, held: asyncio.Queue[tuple[float, bytes]], target: asyncio.StreamWriter) -> None:
        """Write each chunk when its time has come; an empty one is the end of the stream."""
        loop = asyncio.get_running_loop()
        while True:
            due, chunk = await held.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._flowing.wait()
            if not chunk:
                with contextlib.suppress(OSError):
                    target.write_eof()
                return
            target.write(chunk)
            await target.drain()
