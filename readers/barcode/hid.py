"""Keyboard-wedge scanners (HID, Linux): `address` is the device, such as /dev/input/by-id/usb-…-event-kbd.

The device is grabbed, so that what it types goes to nobody else. Needs the extra `hid` (evdev) and a user who may read
the device (group `input`). A keyboard hears nothing back: outcomes of its scans are told on the outcomes topic only.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final, Protocol

from pydantic import Field

from readers.backoff import Backoff
from readers.barcode.keycode import KeyReader, Layout
from readers.barcode.line import LONGEST_WAIT_S, STABLE_S
from readers.barcode.scanner import Deliver, ScannerSettings, ScannerState, read_options
from readers.driver import DriverOptions
from readers.errors import MissingExtraError

logger = logging.getLogger(__name__)

EV_KEY: Final = 1
"""The event type of keys (input-event-codes.h)."""


class KeyEvent(Protocol):
    """An event as evdev gives it."""

    type: int
    code: int
    value: int


class InputDevice(Protocol):
    """What is used of evdev.InputDevice."""

    def grab(self) -> None:
        """Keep its events from everybody else. Raises OSError."""

    def close(self) -> None:
        """Let it go."""

    def async_read_loop(self) -> AsyncIterator[KeyEvent]:
        """Its events. Raises OSError when the device is gone."""


class HidOptions(DriverOptions):
    """What a configuration may say about a keyboard-wedge scanner."""

    layout: Layout = "us"
    """The keyboard layout that the scanner is set to."""
    idle_ms: Annotated[int, Field(ge=5, le=5000)] | None = None
    """For a scanner that types no Enter: so much silence ends a code."""


def hid_scanner(settings: ScannerSettings, deliver: Deliver) -> HidScanner:
    """The driver `hid`. Raises ReaderError for options that cannot work, MissingExtraError where evdev is missing."""
    options = read_options(HidOptions, settings, "hid")
    try:
        evdev: Any = importlib.import_module("evdev")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the scanner driver hid needs a package that is not installed: pip install 'tallyman-rfid[hid]'"
        ) from error
    return HidScanner(settings, options, deliver, evdev.InputDevice)


class HidScanner:
    """One keyboard-wedge scanner, opened again whenever it is plugged in again."""

    def __init__(
        self,
        settings: ScannerSettings,
        options: HidOptions,
        deliver: Deliver,
        open_device: Callable[[str], InputDevice],
    ) -> None:
        self._name = settings.name
        self._path = settings.address
        self._options = options
        self._deliver = deliver
        self._open_device = open_device
        self._backoff = Backoff(random.random, longest_s=LONGEST_WAIT_S)
        self._was_lost = False

    async def run(self) -> None:
        """Keep the device open until cancelled (see readers.barcode.scanner.Scanner)."""
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            try:
                await self._serve(loop)
                reason = "the device was closed"
            except OSError as error:
                reason = str(error)
            if not self._was_lost:
                self._was_lost = True
                logger.warning("scanner %s: no device: %s", self._name, reason)
                self._deliver(ScannerState(up=False, detail=reason))
            if loop.time() - began_s >= STABLE_S:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_wait_s())

    def answer(self, signal: bytes) -> None:
        """A keyboard takes nothing back."""

    async def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        device = self._open_device(self._path)
        silence: asyncio.TimerHandle | None = None
        try:
            device.grab()
            if self._was_lost:
                self._was_lost = False
                logger.info("scanner %s: the device is back", self._name)
            self._deliver(ScannerState(up=True))
            keys = KeyReader(self._options.layout)
            async for event in device.async_read_loop():
                if event.type != EV_KEY:
                    continue
                self._say(keys, event)
                if silence is not None:
                    silence.cancel()
                    silence = None
                if self._options.idle_ms is not None and keys.is_open:
                    silence = loop.call_later(self._options.idle_ms / 1000, self._fell_silent, keys)
        finally:
            if silence is not None:
                silence.cancel()
            device.close()

    def _say(self, keys: KeyReader, event: KeyEvent) -> None:
        for heard in keys.key(event.code, event.value):
            self._deliver(heard)

    def _fell_silent(self, keys: KeyReader) -> None:
        for heard in keys.flush():
            self._deliver(heard)
