"""The fault proxy against a real echo server: it does to a connection what it says, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simulators.faults import FaultProxy


@asynccontextmanager
async def echo_behind_proxy() -> AsyncIterator[tuple[FaultProxy, int]]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(4096):
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield proxy, await proxy.start()
    finally:
        await proxy.stop()
        server.close()
        await server.wait_closed()


async def enter(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def said_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> bytes:
    writer.write(text)
    await writer.drain()
    return await asyncio.wait_for(reader.readexactly(len(text)), 5)


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(1), 5) == b""
    except ConnectionError:
        return True


async def test_what_goes_in_comes_out() -> None:
    async with echo_behind_proxy() as (proxy, port):
        reader, writer = await enter(port)
        big = bytes(range(256)) * 4000
        assert await said_back(reader, writer, big) == big
        assert proxy.connections == 1
        writer.close()


async def test_the_end_of_the_stream_passes_and_frees_the_connection() -> None:
    async with echo_behind_proxy() as (proxy, port):
        reader, writer = await enter(port)
        writer.write(b"last words")
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 5) == b"last words"
        writer.close()
        for _ in range(500):
            await asyncio.sleep(0.01)
            if not proxy.connections:
                break
        assert proxy.connections == 0


async def test_cut_ends_what_is_open_and_lets_newcomers_in() -> None:
    async with echo_behind_proxy() as (proxy, port):
        reader, writer = await enter(port)
        await said_back(reader, writer, b"hello")
        proxy.cut()
        assert await ended(reader)
        writer.close()
        again = await enter(port)
        assert await said_back(*again, b"again") == b"again"
        again[1].close()


async def test_refuse_keeps_everybody_out_until_healed() -> None:
    async with echo_behind_proxy() as (proxy, port):
        first = await enter(port)
        await said_back(*first, b"hello")
        proxy.refuse()
        assert await ended(first[0])
        second = await enter(port)
        assert await ended(second[0])
        proxy.heal()
        third = await enter(port)
        assert await said_back(*third, b"back") == b"back"
        for _, writer in (first, second, third):
            writer.close()


async def test_stall_swallows_nothing_for_good() -> None:
    async with echo_behind_proxy() as (proxy, port):
        reader, writer = await enter(port)
        await said_back(reader, writer, b"hello")
        proxy.stall()
        writer.write(b"held")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        newcomer = await enter(port)
        newcomer[1].write(b"too")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(newcomer[0].read(1), 0.1)
        proxy.heal()
        assert await asyncio.wait_for(reader.readexactly(4), 5) == b"held"
        assert await asyncio.wait_for(newcomer[0].readexactly(3), 5) == b"too"
        writer.close()
        newcomer[1].close()


async def test_delay_makes_later_but_keeps_order() -> None:
    async with echo_behind_proxy() as (proxy, port):
        reader, writer = await enter(port)
        await said_back(reader, writer, b"quick")
        proxy.delay(0.15)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        writer.write(b"one ")
        proxy.delay(0.15)
        writer.write(b"two")
        assert await asyncio.wait_for(reader.readexactly(7), 5) == b"one two"
        # There and back, so twice the delay; an upper bound would measure the machine.
        assert loop.time() - began_s >= 0.29
        writer.close()


async def test_nobody_at_home_ends_the_connection() -> None:
    async with echo_behind_proxy() as (_, unused):
        lonely = FaultProxy("127.0.0.1", 1)
        port = await lonely.start()
        assert port != unused
        reader, writer = await enter(port)
        assert await ended(reader)
        writer.close()
        await lonely.stop()
        await lonely.stop()
