"""Stack lights at doors: a crossing that was decided lights a lamp, wired to an output (GPO) of a reader, for a moment.

A lamp is shown what should be seen now, not each change: it is lit until the last crossing's time is over, put out at
the start (a gateway that crashed may have left it lit) and at the end, and set again when its reader was away. Lamps
are for people, so they go by real time, and what becomes of them never holds up judging.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gateway.config import Light, Portal
from gateway.errors import ConfigError
from readers.driver import Driver, SetsOutputs
from readers.errors import ReaderError
from wire.events import Movement

logger = logging.getLogger(__name__)

RETRY_S: Final = 1.0
"""Real seconds between two attempts to set a lamp whose reader is away."""

LAST_S: Final = 1.0
"""Real seconds that a gateway which ends spends on putting a lamp out."""


class Lights:
    """The lamps of all portals. Raises ConfigError for a lamp at a reader whose driver sets no outputs."""

    def __init__(self, portals: Iterable[Portal], drivers: Mapping[str, Driver]) -> None:
        self._lamps: dict[tuple[str, str], list[_Lamp]] = {}
        for portal in portals:
            for light in portal.lights:
                driver = drivers[light.reader]
                if not isinstance(driver, SetsOutputs):
                    raise ConfigError(f"portal {portal.code}: the driver of reader {light.reader} sets no outputs")
                self._lamps.setdefault((portal.code, light.on), []).append(_Lamp(light, driver))

    def show(self, movements: Sequence[Movement]) -> None:
        """Light what these movements call for."""
        for movement in movements:
            if movement.portal is not None:
                for lamp in self._lamps.get((movement.portal, f"crossed_{movement.direction}"), ()):
                    lamp.light()

    async def run(self) -> None:
        """Keep every lamp as it should be, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for lamps in self._lamps.values():
                for lamp in lamps:
                    group.create_task(lamp.run())


class _Lamp:
    """One lamp, and what it shows now as far as its reader has said; None: not known."""

    def __init__(self, light: Light, driver: SetsOutputs) -> None:
        self._light = light
        self._driver = driver
        self._lit_until_s = 0.0
        self._shows: bool | None = None
        self._is_lost = False
        self._changed = asyncio.Event()

    def light(self) -> None:
        """From now on, for its time."""
        self._lit_until_s = asyncio.get_running_loop().time() + self._light.for_s
        self._changed.set()

    async def run(self) -> None:
        """Set it whenever it should show something else; out at the end."""
        try:
            await self._keep()
        finally:
            if self._shows:
                with contextlib.suppress(ReaderError, TimeoutError):
                    async with asyncio.timeout(LAST_S):
                        await self._driver.set_gpo(self._light.gpo, False)

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            wanted = loop.time() < self._lit_until_s
            if wanted is not self._shows:
                await self._set(wanted)
            if self._shows is None:
                await asyncio.sleep(RETRY_S)
            elif self._shows is (loop.time() < self._lit_until_s):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(self._lit_until_s if self._shows else None):
                        await self._changed.wait()

    async def _set(self, high: bool) -> None:
        try:
            await self._driver.set_gpo(self._light.gpo, high)
        except ReaderError as error:
            if self._shows is not None and not self._is_lost:
                logger.warning("lamp %d of reader %s cannot be set: %s", self._light.gpo, self._light.reader, error)
                self._is_lost = True
            self._shows = None
        else:
            if self._is_lost:
                logger.info("lamp %d of reader %s is set again", self._light.gpo, self._light.reader)
                self._is_lost = False
            self._shows = high
