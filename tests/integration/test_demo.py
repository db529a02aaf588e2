"""The demo judges honestly: it passes on a sound chain and fails on one that loses an event."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.ingest.service import IngestService
from tallyman.demo.run import DemoSettings, run_demo
from tallyman.errors import DemoError
from wire.ack import Ack
from wire.events import Lost, Movement, ReceivedBatch

MISJUDGED = 1
"""The radio is honest and this machine may be busy: of a door's twenty tags one may be judged wrong. No event may be
lost, doubled, or wrongly booked."""


@pytest.fixture
def settings(tmp_path: Path, empty_database_url: str) -> DemoSettings:
    """A quarter of a minute of one door, at eight times its speed."""
    return DemoSettings(
        scenario="one-door",
        for_s=4.0,
        speed=8.0,
        seed=1,
        headless=True,
        report=tmp_path / "report.json",
        fresh=False,
        http_port=0,
        data_dir=tmp_path,
        database_url=empty_database_url,
        mqtt_url=None,
        recording=None,
    )


def report_of(settings: DemoSettings) -> dict[str, Any]:
    assert settings.report is not None
    report: dict[str, Any] = json.loads(settings.report.read_text())
    return report


async def test_a_sound_chain_ends_as_the_world_does(settings: DemoSettings) -> None:
    code = await run_demo(settings, asyncio.Event())
    report = report_of(settings)
    assert report["reads"] > 100
    assert report["movements"] > 10
    assert report["applied"] >= report["movements"]
    assert report["items_checked"] > 5
    assert report["lost_events"] == report["duplicated_events"] == 0
    assert report["verify"] == "ok"
    assert report["items_wrong"] <= MISJUDGED, report["wrong_items"]
    assert code == (1 if report["items_wrong"] else 0), "one of so few is beyond one in a hundred"


async def test_an_event_skipped_by_ingest_fails_the_run(
    settings: DemoSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault: one movement of a batch is left out, and the cursor moves on as if nothing were."""
    apply, skipped = IngestService.apply, []

    async def forgetful(self: IngestService, message: ReceivedBatch | Lost) -> Ack:
        if isinstance(message, ReceivedBatch) and not skipped and len(message.events) > 1:
            last = message.events[-1]
            if isinstance(last, Movement):
                skipped.append(last)
                message = message.model_copy(update={"events": message.events[:-1]})
                ack = await apply(self, message)
                async with self._database.transaction() as connection:
                    await connection.execute(
                        "UPDATE ingest_cursor SET through = through + 1 WHERE gateway = $1 AND epoch = $2",
                        message.gateway,
                        message.epoch,
                    )
                return ack.model_copy(update={"through": ack.through + 1})
        return await apply(self, message)

    monkeypatch.setattr(IngestService, "apply", forgetful)
    assert await run_demo(settings, asyncio.Event()) == 1
    assert skipped
    report = report_of(settings)
    assert report["lost_events"] == 1
    assert report["verify"] != "ok"


async def test_a_stopped_run_is_still_judged(settings: DemoSettings) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(4, stop.set)
    await run_demo(replace(settings, for_s=None), stop)
    report = report_of(settings)
    assert report["items_checked"] > 5
    assert report["items_wrong"] <= MISJUDGED
    assert report["lost_events"] == report["duplicated_events"] == 0
    assert report["verify"] == "ok"


async def test_a_recording_is_served_whole(settings: DemoSettings, shared_data: Path) -> None:
    """A real dock door through the whole chain: each recorded read once, nothing lost."""
    whole = (shared_data / "dockdoor" / "runs" / "xstart1.csv").read_text().splitlines()
    assert settings.data_dir is not None
    part = settings.data_dir / "part.csv"
    part.write_text("\n".join(whole[:4000]) + "\n")
    recorded = replace(settings, scenario="recorded", recording=part, for_s=60.0, speed=10.0)
    assert await run_demo(recorded, asyncio.Event()) == 0
    report = report_of(settings)
    assert report["reads"] == sum(line[:1].isdigit() for line in whole[:4000])
    assert sum(row["in"] + row["out"] for row in report["crossings"]) > 50
    assert report["lost_events"] == report["duplicated_events"] == 0


async def test_a_recording_without_a_file_is_refused(settings: DemoSettings) -> None:
    with pytest.raises(DemoError, match="--recording FILE"):
        await run_demo(replace(settings, scenario="recorded"), asyncio.Event())


async def test_a_database_of_somebody_elses_is_not_emptied(settings: DemoSettings, database_url: str) -> None:
    with pytest.raises(DemoError, match="not the demo's own"):
        await run_demo(replace(settings, database_url=database_url, fresh=True), asyncio.Event())
