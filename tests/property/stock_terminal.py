"""How the stock's state machine speaks to the program: over its API and the gateways' streams, and on its clock."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import aiohttp
from hypothesis.stateful import RuleBasedStateMachine

from backend.store.database import Database
from tests.house import GTIN, Gateway, SetClock, scan
from wire.events import Movement, Scan

T = TypeVar("T")


@dataclass
class Stage:
    """The program under test: its database, its API, and the loop they run on."""

    runner: asyncio.Runner
    database: Database
    session: aiohttp.ClientSession
    clock: SetClock
    steps: int = 0


class Terminal(RuleBasedStateMachine):
    """A machine without rules yet. Each step takes 20 seconds: longer than a tag lingers at a door."""

    stage: ClassVar[Stage]
    numbers: ClassVar[Any] = itertools.count(1)
    gateways: dict[str, Gateway]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.stage.runner.run(work)

    def tick(self) -> float:
        self.stage.steps += 1
        self.stage.clock.seconds += 20
        return self.stage.clock.seconds

    def post(self, path: str, expect: int = 200, **body: Any) -> dict[str, Any]:
        async def call() -> dict[str, Any]:
            headers = {"Idempotency-Key": f"m{next(self.numbers)}"}
            async with self.stage.session.post(f"/api/v1/{path}", json=body, headers=headers) as response:
                answer: dict[str, Any] = await response.json()
                assert response.status == expect, answer
                return answer

        return self.run(call())

    def get(self, path: str) -> dict[str, Any]:
        async def call() -> dict[str, Any]:
            async with self.stage.session.get(f"/api/v1/{path}") as response:
                assert response.status == 200
                answer: dict[str, Any] = await response.json()
                return answer

        return self.run(call())

    def say(self, site: str, *events: Movement | Scan, refused: bool = False) -> None:
        ack = self.run(self.gateways[site].say(*events))
        assert all(one.state == ("refused" if refused else "applied") for one in ack.scans), ack.scans

    def scan(self, site: str, intent: str, units: int, *, refused: bool = False, **more: Any) -> str:
        """Scan units; answers the scan's id."""
        number = f"s{next(self.numbers)}"
        said = scan(intent, f"01{GTIN}", self.tick(), scan_id=number, quantity=units, **more)
        self.say(site, said, refused=refused)
        return number
