"""The keyboard-wedge shell over a stand-in for evdev's device: grabbed, read, lost, opened again, closed."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

import readers.barcode.hid
from readers.barcode.framing import Code
from readers.barcode.hid import EV_KEY, HidOptions, HidScanner
from readers.barcode.scanner import ScannerEvent, ScannerSettings, ScannerState, find_scanner
from readers.errors import MissingExtraError, ReaderError

ENTER = 28


class Keyboard:
    """evdev.InputDevice as the shell uses it; `gone` pulls the plug."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.grabbed = self.closed = False
        self.keys: asyncio.Queue[tuple[int, int, int] | None] = asyncio.Queue()

    def grab(self) -> None:
        self.grabbed = True

    def close(self) -> None:
        self.closed = True

    def type(self, *codes: int) -> None:
        for code in codes:
            self.keys.put_nowait((EV_KEY, code, 1))
            self.keys.put_nowait((0, 0, 0))
            self.keys.put_nowait((EV_KEY, code, 0))

    def gone(self) -> None:
        self.keys.put_nowait(None)

    async def async_read_loop(self) -> AsyncIterator[Any]:
        while (key := await self.keys.get()) is not None:
            yield SimpleNamespace(type=key[0], code=key[1], value=key[2])
        raise OSError(19, "No such device")


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(scanner: HidScanner) -> AsyncIterator[None]:
    task = asyncio.create_task(scanner.run())
    yield
    assert not task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers.barcode.hid.Backoff, "next_wait_s", lambda _: 0.01)


async def test_it_is_grabbed_read_and_opened_again(caplog: pytest.LogCaptureFixture) -> None:
    opened: list[Keyboard] = []
    plugged = True

    def open_device(path: str) -> Keyboard:
        if not plugged:
            raise FileNotFoundError(2, "No such file", path)
        opened.append(Keyboard(path))
        return opened[-1]

    events: list[ScannerEvent] = []
    settings = ScannerSettings("gun", "/dev/input/event3")
    scanner = HidScanner(settings, HidOptions(), events.append, open_device)
    async with running(scanner):
        await until(lambda: opened)
        opened[0].type(2, 3, 4, ENTER)
        await until(lambda: Code("123") in events)
        assert opened[0].grabbed
        assert opened[0].path == "/dev/input/event3"
        scanner.answer(b"\x06")
        opened[0].type(5)
        plugged = False
        opened[0].gone()
        await until(lambda: ScannerState(up=False, detail="[Errno 19] No such device") in events)
        assert opened[0].closed
        await asyncio.sleep(0.1)
        plugged = True
        await until(lambda: len(opened) == 2)
        opened[1].type(6, ENTER)
        await until(lambda: Code("5") in events)
    assert opened[1].closed
    assert [event.up for event in events if isinstance(event, ScannerState)] == [True, False, True]
    assert sum("no device" in record.getMessage() for record in caplog.records) == 1


async def test_silence_ends_a_code_of_a_scanner_without_enter() -> None:
    keyboard, events = Keyboard(""), list[ScannerEvent]()
    scanner = HidScanner(ScannerSettings("gun", "x"), HidOptions(idle_ms=20), events.append, lambda _: keyboard)
    async with running(scanner):
        keyboard.type(2, 3)
        await until(lambda: Code("12") in events)


def test_without_evdev_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name=name)

    make = find_scanner("hid")
    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"tallyman-rfid\[hid\]"):
        make(ScannerSettings("gun", "/dev/input/event3"), lambda _: None)


@pytest.mark.parametrize("options", [{"layout": "klingon"}, {"baud": 9600}])
def test_unknown_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ReaderError, match=f"scanner gun: options of the hid driver: {next(iter(options))}"):
        find_scanner("hid")(ScannerSettings("gun", "x", options), lambda _: None)
