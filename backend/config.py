"""backend.toml and the environment: which database, which broker, where the API is served.

    database_url = "postgresql://tallyman@127.0.0.1/tallyman"
    read_dsn     = "postgresql://tallyman@replica/tallyman"     # optional: answers that may lag a moment
    mqtt_url     = "mqtt://127.0.0.1:1883"

    [http]
    host  = "127.0.0.1"
    port  = 8080
    token = "…"        # needed to serve any other than this machine

The environment wins over the file: TALLYMAN_DATABASE_URL, TALLYMAN_HTTP__TOKEN and so on. Unknown keys are errors.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from backend.api.guard import is_loopback
from backend.errors import ConfigError
from wire.events import explain

MIN_TOKEN_CHARS: Final = 16
"""A token is the only lock on the door; 16 random characters cannot be guessed over a network."""


class HttpSettings(BaseModel):
    """Where the API and the page are served. Port 0: a free one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    token: Annotated[SecretStr, Field(min_length=MIN_TOKEN_CHARS)] | None = None

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host} is reachable by others: set http.token (TALLYMAN_HTTP__TOKEN), or host = 127.0.0.1"
            )
        return self


class BackendConfig(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="TALLYMAN_", env_nested_delimiter="__", env_ignore_empty=True
    )

    database_url: Annotated[str, Field(pattern=r"^postgres(ql)?://")]
    read_dsn: Annotated[str, Field(pattern=r"^postgres(ql)?://")] | None = None
    """A replica; asked for stock and history, which then may lag behind the primary by its replication. A caller that
    sends back the Tallyman-LSN it was answered sees what it wrote itself (backend/store/reads.py)."""
    mqtt_url: Annotated[str, Field(pattern=r"^mqtts?://")]
    http: HttpSettings = HttpSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before what `load` read from the file; a .env file lying about is not read."""
        return env_settings, init_settings


def load(path: Path | None = None) -> BackendConfig:
    """The configuration of a file, the environment over it; of the environment alone without a path.

    Raises ConfigError naming the key, what is wrong with it, and the file.
    """
    raw: dict[str, Any] = {}
    if path is not None:
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not valid TOML: {error}") from error
    try:
        return BackendConfig(**raw)
    except ValidationError as error:
        raise ConfigError(f"{path or 'environment'}: {explain(error)}") from error
