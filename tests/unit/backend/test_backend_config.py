"""backend.toml and the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.config import load
from backend.errors import ConfigError

WHOLE = 'database_url = "postgresql://db/tallyman"\nmqtt_url = "mqtt://127.0.0.1:1883"\n'


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "MQTT_URL", "READ_DSN", "HTTP__HOST", "HTTP__PORT", "HTTP__TOKEN"):
        monkeypatch.delenv(f"TALLYMAN_{name}", raising=False)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "backend.toml"
    path.write_text(text)
    return path


def test_defaults_serve_this_machine_only(tmp_path: Path) -> None:
    config = load(written(tmp_path, WHOLE))
    assert (config.http.host, config.http.port, config.http.token) == ("127.0.0.1", 8080, None)
    assert config.read_dsn is None


def test_the_environment_wins_over_the_file_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYMAN_DATABASE_URL", "postgresql://other/tallyman")
    monkeypatch.setenv("TALLYMAN_HTTP__PORT", "9000")
    config = load(written(tmp_path, WHOLE + '[http]\nhost = "localhost"\nport = 1\n'))
    assert config.database_url == "postgresql://other/tallyman"
    assert (config.http.host, config.http.port) == ("localhost", 9000)


def test_the_environment_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYMAN_DATABASE_URL", "postgresql://db/tallyman")
    monkeypatch.setenv("TALLYMAN_MQTT_URL", "mqtts://broker")
    assert load().mqtt_url == "mqtts://broker"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (WHOLE + "databse_url = 1\n", "databse_url"),
        (WHOLE + "[http]\nprot = 1\n", "http.prot"),
        ('mqtt_url = "mqtt://127.0.0.1"\n', "database_url"),
        (WHOLE + '[http]\nhost = "0.0.0.0"\n', "http.token"),
        (WHOLE + '[http]\nhost = "0.0.0.0"\ntoken = "short"\n', "http.token"),
        (WHOLE + "port = \n", "not valid TOML"),
    ],
)
def test_faults_are_named_with_the_file(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))
    assert named in str(caught.value)
    assert "backend.toml" in str(caught.value)


def test_a_token_opens_the_house_and_is_never_printed(tmp_path: Path) -> None:
    config = load(written(tmp_path, WHOLE + '[http]\nhost = "0.0.0.0"\ntoken = "a-long-enough-secret"\n'))
    assert "a-long-enough-secret" not in repr(config)
    assert config.http.token is not None
    assert config.http.token.get_secret_value() == "a-long-enough-secret"


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")
