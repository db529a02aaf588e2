"""A picture and those who look at it, none of whom waits for another.

Clients hold nothing but their place in the picture's deltas: one that is behind is told what it missed, one that is too
far behind gets a snapshot, one whose line takes nothing for SLOW_CLIENT_S is dropped. Whoever changes the picture never
waits for any of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from backend.live.numbered import Numbered
from backend.live.protocol import Beat
from backend.metrics import LiveMetrics

BEAT_S: Final = 5.0
"""A page takes a line that is silent for 20 s for dead."""

SLOW_CLIENT_S: Final = 10.0
"""A client that has not taken one message in this time is dropped; it comes back and is resynchronised."""

Send = Callable[[str], Awaitable[None]]

BEAT: Final = Beat().model_dump_json()

Shown = TypeVar("Shown", bound=Numbered)


class Stage(Generic[Shown]):
    """A picture, once there is one, and its clients."""

    def __init__(self, metrics: LiveMetrics) -> None:
        self.picture: Shown | None = None
        self._metrics = metrics
        self._news = asyncio.Event()

    def show(self, picture: Shown | None) -> None:
        """Another picture from now on; None: none until there is one again."""
        self.picture = picture
        self._wake()

    def tell(self) -> None:
        """The picture has a new delta."""
        self._metrics.deltas.inc()
        self._wake()

    async def serve(self, seq: str | None, send: Send) -> None:
        """Tell one client everything behind `seq`, then what comes, until cancelled; TimeoutError when too slow."""
        with self._metrics.clients.track_inprogress():
            known: Shown | None = None
            number: int | None = None
            while True:
                picture = await self._next(known, number)
                if picture is None:
                    messages = [BEAT]
                else:
                    if picture is not known:
                        number = picture.number_of(seq) if known is None else None
                        known = picture
                    missed = picture.behind(number)
                    if missed is None:
                        self._metrics.snapshots.inc()
                    messages = [picture.snapshot()] if missed is None else missed
                    number = picture.number
                for message in messages:
                    async with asyncio.timeout(SLOW_CLIENT_S):
                        await send(message)

    async def _next(self, known: Shown | None, number: int | None) -> Shown | None:
        """The picture once it holds something that the client has not been told; None after BEAT_S without any."""
        try:
            async with asyncio.timeout(BEAT_S):
                while self.picture is None or (self.picture is known and self.picture.number == number):
                    await self._news.wait()
        except TimeoutError:
            return None
        return self.picture

    def _wake(self) -> None:
        """Wake every client; whoever comes after this waits for the next news."""
        news, self._news = self._news, asyncio.Event()
        news.set()
