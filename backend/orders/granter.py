"""Grants reservations, many in one transaction.

While one group is being committed the next one gathers, so a lone request waits for nobody and a hot SKU's row is
locked once for hundreds of requests instead of once for each. Within a group requests are served in the order in which
they came, each seeing what the ones before it were granted (reserving.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from backend.api.idempotency import Answer
from backend.api.problems import ProblemError
from backend.orders.reserving import Outcome, Request, ReservingWork, TakenMeanwhileError
from backend.orders.terms import TermsCopy
from backend.orders.views import GrantedView
from backend.store.database import UNAVAILABLE, Database
from wire.clock import Clock

logger = logging.getLogger(__name__)

GROUP: Final = 256
"""Requests of one transaction: enough that the commit costs each next to nothing, few enough to take some 20 ms."""

MAX_WAITING: Final = 4096
"""Requests that may wait: about a second's work. Beyond it a caller is told at once to come again."""

ATTEMPTS: Final = 5
"""A group that met another process's order of the same code, or a deadlock, begins again."""


@dataclass(slots=True)
class _Waiting:
    request: Request
    answer: asyncio.Future[GrantedView | Answer]


class Granter:
    """The one place of a process where orders are reserved. It serves while its `running` block lasts."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._terms = TermsCopy()
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Granter]:
        """Serve requests until the block ends; those still waiting then are told to come again."""
        task = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for one in self._waiting:
                _fail(one, ProblemError("unavailable", "the server is stopping"))

    async def reserve(self, request: Request) -> GrantedView | Answer:
        """Reserve all that an order asks for, or what its back-order allows; or the answer that was kept for its key.

        Raises ProblemError: `not-available` with a reason for each line, `refused` for what does not exist,
        `code-taken` and `key-reused` for another request of the same name, `unavailable` when too many wait or the
        database is away.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise ProblemError("unavailable", f"{MAX_WAITING} reservations are waiting already")
        one = _Waiting(request, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._wake.set()
        return await one.answer

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            if not self._waiting:
                self._wake.clear()
            try:
                await self._answer(group)
            finally:
                for one in group:
                    _fail(one, ProblemError("unavailable", "the server is stopping"))

    async def _answer(self, group: Sequence[_Waiting]) -> None:
        """Each of a group is answered, whatever happens. One request that the database cannot hold must not take the
        others with it: after a fault each is served by itself."""
        try:
            await self._serve(group)
        except UNAVAILABLE as error:
            logger.warning("reservations not granted count=%d: %s", len(group), error)
            for one in group:
                _fail(one, ProblemError("unavailable", "the database does not answer"))
        except Exception as error:
            if len(group) > 1:
                logger.warning("reservations served one by one count=%d: %s", len(group), error)
                for one in group:
                    await self._answer([one])
            else:
                logger.exception("reservation failed order=%s", group[0].request.order.code)
                _fail(group[0], ProblemError("internal", "the server failed; its log says how"))

    async def _serve(self, group: Sequence[_Waiting]) -> None:
        outcomes = await self._commit([one.request for one in group])
        for one, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, ProblemError):
                _fail(one, outcome)
            elif not one.answer.done():
                one.answer.set_result(outcome)

    async def _commit(self, requests: Sequence[Request]) -> list[Outcome]:
        for attempt in range(ATTEMPTS):
            try:
                async with self._database.transaction() as connection:
                    terms = await self._terms.at(connection)
                    return await ReservingWork(connection, self._clock.now(), terms).reserve(requests)
            except (TakenMeanwhileError, asyncpg.DeadlockDetectedError):
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")


def _fail(one: _Waiting, error: ProblemError) -> None:
    if not one.answer.done():
        one.answer.set_exception(error)
