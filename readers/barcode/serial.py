"""Scanners on a serial port or USB-CDC: `address` is the port, such as /dev/serial/by-id/usb-Honeywell_…"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Literal

import serial_asyncio_fast
from pydantic import Field

from readers.barcode.line import Line, LineOptions, LineScanner
from readers.barcode.scanner import Deliver, ScannerSettings, read_options


class SerialOptions(LineOptions):
    """What a configuration may say about a scanner on a serial port. USB-CDC ignores speed and framing."""

    baud: Annotated[int, Field(ge=300, le=4_000_000)] = 9600
    data_bits: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1


def serial_scanner(settings: ScannerSettings, deliver: Deliver) -> LineScanner:
    """The driver `serial`. Raises ReaderError for options that cannot work."""
    options = read_options(SerialOptions, settings, "serial")

    async def open_line(make: Callable[[], Line]) -> Line:
        _, line = await serial_asyncio_fast.create_serial_connection(
            asyncio.get_running_loop(),
            make,
            settings.address,
            baudrate=options.baud,
            bytesize=options.data_bits,
            parity=options.parity,
            stopbits=options.stop_bits,
            exclusive=True,
        )
        assert isinstance(line, Line)
        return line

    return LineScanner(settings.name, open_line, options, deliver)
