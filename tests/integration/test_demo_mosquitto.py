"""A broker that nobody here wrote carries the demo."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallyman.demo.run import DemoSettings, run_demo

SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
"""Debian puts servers where an ordinary user's PATH does not look."""


@pytest.fixture
async def mosquitto_url(tmp_path: Path) -> AsyncIterator[str]:
    """Mosquitto on a free loopback port, without persistence."""
    program = shutil.which("mosquitto", path=SEARCHED)
    if program is None:
        pytest.skip("mosquitto is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    process = await asyncio.create_subprocess_exec(
        program, "-c", str(config), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                break
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.peer
async def test_mosquitto_carries_the_demo(mosquitto_url: str, tmp_path: Path, empty_database_url: str) -> None:
    report = tmp_path / "report.json"
    settings = DemoSettings(
        scenario="three-warehouses",
        for_s=5.0,
        speed=4.0,
        seed=3,
        headless=True,
        report=report,
        fresh=False,
        http_port=0,
        data_dir=tmp_path,
        database_url=empty_database_url,
        mqtt_url=mosquitto_url,
        recording=None,
    )
    await run_demo(settings, asyncio.Event())
    told = json.loads(report.read_text())
    assert told["items_wrong"] <= 0.01 * told["items_checked"], told["wrong_items"]
    assert told["tags_read"] >= 300
    assert told["movements"] >= 300
    assert told["lost_events"] == told["duplicated_events"] == 0
    assert told["verify"] == "ok"
