"""Devices that are not asked further: does the address, or the broker behind it, accept a connection?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.config import Scanner
from readers.barcode.scanner import find_scanner
from readers.errors import DriverNotFoundError
from tallyman.doctor.finding import Finding, fail, ok, reason

ANSWER_S: Final = 5.0

DEFAULT_PORTS: Final = {"": 5084, "http": 80, "https": 443, "mqtt": 1883, "mqtts": 8883}
"""By the address's scheme; without one it is an LLRP reader's."""

REACH_MEND: Final = "check its power, its cable and `address` in the configuration"


async def check_door(name: str, address: str, driver: str) -> Finding:
    """Open a connection to `host[:port]` or a URL, and close it again."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, DEFAULT_PORTS[""])
    where = f"{parts.hostname}:{port}"
    try:
        async with asyncio.timeout(ANSWER_S):
            _, outgoing = await asyncio.open_connection(parts.hostname, port)
    except TimeoutError:
        return fail(name, f"{where} does not answer within {ANSWER_S:g} s", REACH_MEND)
    except OSError as error:
        return fail(name, f"{where}: {reason(error)}", REACH_MEND)
    outgoing.close()
    return ok(name, f"{where} accepts a connection; the {driver} driver says the rest once it runs")


async def check_scanner(scanner: Scanner) -> Finding:
    """Is the driver installed, and is there a device at the address? One that calls in can only be waited for."""
    name = f"scanner {scanner.name}"
    try:
        find_scanner(scanner.driver)
    except DriverNotFoundError as error:
        return fail(name, str(error), "install the package that brings the driver, or correct `driver`")
    if scanner.options.get("listen"):
        return ok(name, f"calls in at {scanner.address}")
    if not scanner.address.startswith("/"):
        return await check_door(name, scanner.address, scanner.driver)
    if not await asyncio.to_thread(Path(scanner.address).exists):
        return fail(name, f"no device {scanner.address}", "plug it in, or correct `address` in the configuration")
    return ok(name, f"{scanner.address} is there")
