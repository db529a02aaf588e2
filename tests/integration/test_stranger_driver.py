"""A driver and a scanner of a package nobody here wrote: built, installed and found by their entry points."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from readers.barcode.scanner import ScannerSettings, find_scanner
from readers.driver import ReaderSettings, find_driver
from readers.errors import DriverNotFoundError
from readers.read import EpcTable, ReaderEvent, ReaderState
from wire.clock import SystemClock

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "acme-reader"
version = "1.0"
[project.entry-points."tallyman.drivers"]
acme = "acme_reader:AcmeDriver"
[project.entry-points."tallyman.scanners"]
acme-gun = "acme_reader:acme_gun"
"""

PACKAGE = '''
"""A driver for readers of Acme."""

from readers.read import ReaderState, to_us


class AcmeDriver:
    def __init__(self, settings, epcs, clock, deliver):
        self.settings, self.clock, self.deliver = settings, clock, deliver

    async def run(self):
        self.deliver(ReaderState(self.settings.name, frozenset(self.settings.antennas), to_us(self.clock.now())))


def acme_gun(settings, deliver):
    return settings.options["model"]
'''


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    (source / "acme_reader").mkdir(parents=True)
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "acme_reader" / "__init__.py").write_text(PACKAGE)
    install = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    done = subprocess.run([sys.executable, *install, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.usefixtures("acme")
async def test_an_installed_package_brings_a_driver() -> None:
    heard: list[ReaderEvent] = []
    driver = find_driver("acme")(ReaderSettings("door", "acme://1", (1, 2)), EpcTable(), SystemClock(), heard.append)
    await driver.run()
    (state,) = heard
    assert isinstance(state, ReaderState)
    assert state.antennas == {1, 2}
    with pytest.raises(DriverNotFoundError, match="no driver 'none' is installed; known: acme, "):
        find_driver("none")


@pytest.mark.usefixtures("acme")
def test_an_installed_package_brings_a_scanner() -> None:
    assert find_scanner("acme-gun")(ScannerSettings("g", "", {"model": 7}), lambda _: None) == 7  # type: ignore[comparison-overlap]


def test_without_the_package_there_is_no_driver() -> None:
    with pytest.raises(DriverNotFoundError, match="no driver 'acme' is installed; known: impinj-iot, llrp"):
        find_driver("acme")
    with pytest.raises(DriverNotFoundError, match="no scanner driver 'acme-gun' is installed; known: hid, mqtt"):
        find_scanner("acme-gun")
