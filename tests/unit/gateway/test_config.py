"""gateway.toml: what it says is kept, what it misspells is refused with the place and the mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config import GatewayConfig, load
from gateway.errors import ConfigError

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "dockdoor.toml"

TEXT = """
site = "s"
gateway = "g"
[[zones]]
code = "hall"
[[portals]]
code = "d1"
inside_zone = "hall"
[[readers]]
name = "r1"
address = "127.0.0.1:5084"
antennas = [{ port = 1, portal = "d1", side = "in" }, { port = 2, zone = "hall" }]
[journal]
path = "journal.sqlite"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_of_the_dock_door_loads() -> None:
    config = load(EXAMPLE)
    antennas = config.readers[0].antennas
    assert [(antenna.port, antenna.side) for antenna in antennas] == [(1, "in"), (2, "in"), (3, "out"), (4, "out")]
    assert config.journal is None
    assert config.mqtt is None


def test_a_relative_journal_lies_beside_the_file(tmp_path: Path) -> None:
    config = load(written(tmp_path, TEXT))
    assert config.journal is not None
    assert config.journal.path == tmp_path / "journal.sqlite"


def test_a_photo_eye_must_hang_on_a_reader_of_this_file(tmp_path: Path) -> None:
    wired = 'inside_zone = "hall"\nphoto_eyes = [{{ reader = "{}", port = 2 }}]'
    config = load(written(tmp_path, TEXT.replace('inside_zone = "hall"', wired.format("r1"))))
    assert [(eye.reader, eye.port) for eye in config.portals[0].photo_eyes] == [("r1", 2)]
    with pytest.raises(ConfigError, match="r9"):
        load(written(tmp_path, TEXT.replace('inside_zone = "hall"', wired.format("r9"))))


def test_the_hash_follows_the_judgement_and_nothing_else(tmp_path: Path) -> None:
    config = load(written(tmp_path, TEXT))
    elsewhere = load(written(tmp_path, TEXT.replace("journal.sqlite", "other.sqlite")))
    other_rules = load(written(tmp_path, TEXT + "[rules]\nlinger_s = 11\n"))
    assert config.hash == elsewhere.hash
    assert config.hash != other_rules.hash


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('site = "s"', 'site = "s"\nsiet = "s"', "siet"),
        ('inside_zone = "hall"', 'inside_zone = "hell"', "hell"),
        ('side = "in"', 'side = "left"', "side"),
        ('portal = "d1", side = "in"', 'portal = "d1"', "side"),
        ('portal = "d1", side = "in"', 'portal = "d1", side = "in", zone = "hall"', "exactly one"),
        ('portal = "d1", side = "in"', 'portal = "d9", side = "in"', "d9"),
        ('zone = "hall" }', 'zone = "yard" }', "yard"),
        ('site = "s"', "site = ", "TOML"),
    ],
)
def test_a_fault_is_named_with_its_file(tmp_path: Path, old: str, new: str, named: str) -> None:
    assert old in TEXT
    path = written(tmp_path, TEXT.replace(old, new, 1))
    with pytest.raises(ConfigError, match=named) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load(tmp_path / "none.toml")


def test_two_readers_may_not_share_a_name() -> None:
    reader: dict[str, Any] = {"name": "r", "address": "x", "antennas": [{"port": 1, "zone": "z"}]}
    with pytest.raises(ValueError, match="same name"):
        GatewayConfig.model_validate(
            {"site": "s", "gateway": "g", "zones": [{"code": "z"}], "readers": [reader, reader]}
        )


SCANNING = """
site = "s"
gateway = "g"
[[scanners]]
name = "gun-1"
driver = "serial"
address = "/dev/ttyACM0"
defaults = { operator = "dewi", intent = "receive" }
answers = { stored = "\\u0006", refused = "\\u00FF" }
options = { baud = 9600 }
[listener]
host = "10.1.0.2"
tls_cert = "cert.pem"
tls_key = "key.pem"
[listener.users]
hand-1 = "correct horse"
"""


def test_a_gateway_may_have_nothing_but_scanners(tmp_path: Path) -> None:
    config = load(written(tmp_path, SCANNING))
    (scanner,) = config.scanners
    assert (scanner.defaults.operator, scanner.repeat_ms, scanner.answers.refused) == ("dewi", 500, "\xff")
    assert config.listener is not None
    assert config.listener.tls_cert == tmp_path / "cert.pem"
    assert config.listener.port == 1883


def test_scanners_and_listener_do_not_change_how_reads_are_judged(tmp_path: Path) -> None:
    with_both = TEXT + SCANNING.split('gateway = "g"')[1]
    assert load(written(tmp_path, TEXT)).hash == load(written(tmp_path, with_both)).hash


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('intent = "receive"', 'intent = "steal"', "intent"),
        ('driver = "serial"', "", "driver"),
        ('stored = "\\u0006"', 'stored = "\\u20AC"', "stored"),
        ('stored = "\\u0006"', 'heard = "x"', "heard"),
        ('hand-1 = "correct horse"', 'hand-1 = "short"', "hand-1"),
        ('hand-1 = "correct horse"', 'gun-1 = "correct horse"', "two scanners or handhelds"),
        ('hand-1 = "correct horse"', '"a b" = "correct horse"', "a b"),
        ('tls_key = "key.pem"', "", "both tls_cert and tls_key"),
    ],
)
def test_a_fault_of_scanners_or_listener_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    assert old in SCANNING
    with pytest.raises(ConfigError, match=named):
        load(written(tmp_path, SCANNING.replace(old, new, 1)))


def test_a_gateway_with_nothing_to_do_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nothing to do"):
        GatewayConfig.model_validate({"site": "s", "gateway": "g"})
