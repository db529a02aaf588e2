"""gateway.toml: site, zones, portals, readers, which antenna looks where, which EPCs are foreign; scanners.

Unknown keys are errors: a misspelt setting must not be silently lost. The hash of the whole configuration travels in
the gateway's birth message, so the backend can tell under which rules a movement was judged.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import ConfigError
from readers.barcode.session import DEFAULT_REPEAT_MS, RepeatMs, ScanContext
from wire.events import Name, explain

DEFAULT_KEEP_ACKED_H: Final = 72.0
"""Three days of acknowledged events stay: a database restored from the weekend's backup can be refilled."""

DEFAULT_QUOTA_MIB: Final = 1024
"""A nominal portal site makes about 1 event/s of 600 stored bytes: 24 h take 52 MiB, 1 GiB lasts almost three weeks."""


Signal = Annotated[str, Field(max_length=64, pattern=r"^[\x00-\xff]*$")]
"""Bytes for a scanner, each written as the character of its number."""


class Strict(BaseModel):
    """A section of the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Zone(Strict):
    """An area that readers or people can tell apart."""

    code: Name
    name: str = ""


class Light(Strict):
    """A lamp at a door, wired to an output of a reader: lit for a moment when something crossed that way."""

    reader: Name
    gpo: Annotated[int, Field(ge=1, le=65535)]
    on: Literal["crossed_in", "crossed_out"]
    for_s: Annotated[float, Field(gt=0, le=60)] = 3.0


class PhotoEye(Strict):
    """A light barrier in a door, wired to an input (GPI) of a reader."""

    reader: Name
    port: Annotated[int, Field(ge=1, le=65535)]


class Portal(Strict):
    """A door with antennas on both sides. `inside_zone` is where a tag is after it crossed inwards. With photo-eyes
    nothing crosses unless one of them changed about then."""

    code: Name
    inside_zone: Name
    name: str = ""
    lights: tuple[Light, ...] = ()
    photo_eyes: tuple[PhotoEye, ...] = ()


class Antenna(Strict):
    """What one antenna looks at: a zone, or one side of a portal."""

    port: Annotated[int, Field(ge=1, le=65535)]
    zone: Name | None = None
    portal: Name | None = None
    side: Literal["in", "out"] | None = None

    @model_validator(mode="after")
    def _one_view(self) -> Antenna:
        if (self.zone is None) == (self.portal is None):
            raise ValueError("an antenna looks at a zone or at a portal: set exactly one of zone and portal")
        if (self.portal is None) != (self.side is None):
            raise ValueError('an antenna of a portal needs side = "in" or "out", any other none')
        return self


class Reader(Strict):
    """One reader: its driver, its address and its antennas. `options` belong to the driver."""

    name: Name
    driver: str = "llrp"
    address: str
    antennas: Annotated[tuple[Antenna, ...], Field(min_length=1)]
    options: dict[str, Any] = Field(default_factory=dict)


class ScannerAnswers(Strict):
    """What a scanner is sent when something became of a scan: its own bytes for a beep or a light. Empty: nothing."""

    stored: Signal = ""
    """The journal has it; the person may go on."""
    applied: Signal = ""
    refused: Signal = ""
    """No scan, or a scan that the backend refused: look at the outcome for the reason."""
    command: Signal = ""
    """A command code was obeyed."""


class Scanner(Strict):
    """One dumb scanner: its driver, its address, and what its scans mean until a command code says otherwise."""

    name: Name
    driver: str
    address: str
    defaults: ScanContext = ScanContext()
    repeat_ms: RepeatMs = DEFAULT_REPEAT_MS
    """The same code within this time is the same scan: the trigger was pulled twice."""
    answers: ScannerAnswers = ScannerAnswers()
    options: dict[str, Any] = Field(default_factory=dict)


class ListenerSettings(Strict):
    """The gateway's own MQTT listener on the site's network: its handhelds need no internet to scan.

    `users` are the handhelds: device name → password. A device may publish its own scans and hear their outcomes.
    """

    host: str
    port: Annotated[int, Field(ge=0, le=65535)] = 1883
    users: Annotated[dict[Name, Annotated[str, Field(min_length=8)]], Field(min_length=1)]
    tls_cert: Path | None = None
    tls_key: Path | None = None
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 200

    @model_validator(mode="after")
    def _whole_tls(self) -> ListenerSettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TLS needs both tls_cert and tls_key")
        return self


class PortalRules(Strict):
    """How doors judge. `tallyman tune` finds the last two for a door whose crossings are known."""

    model: str = "all"
    """A fitted model that comes with the gateway (`gateway/portal_models`): `all`, of a recorded door; `simulated`, of
    doors whose antennas read a tag many times a passage, at up to 3 m/s; or `physical`, without any fit."""
    caution: float = 0.0
    """Added to the log-odds that any crossing must reach: higher means fewer false crossings and more missed ones."""
    group_caution: float = 0.0
    """Added where many tags cross together."""


class Rules(Strict):
    """How reads become movements. The defaults suit a dock door and ceiling antennas in session S1."""

    tick_ms: Annotated[int, Field(ge=10, le=1000)] = 50
    """The event-time grid on which decisions are made."""
    reorder_ms: Annotated[int, Field(ge=0, le=5000)] = 200
    """Reads may arrive this late and still count as if in order."""
    absence_error: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Accepted probability that a tag declared absent is still there, unless `window_max_ms` ends the wait before."""
    window_min_ms: Annotated[int, Field(ge=100)] = 3000
    window_max_ms: Annotated[int, Field(ge=100)] = 120_000
    linger_s: Annotated[float, Field(ge=0)] = 10.0
    """After `crossed out`, zone reads bring a tag back only when they persist for this long."""
    portals: PortalRules = PortalRules()

    @property
    def longest_window_us(self) -> int:
        """No silence is waited for longer."""
        return max(self.window_min_ms, self.window_max_ms) * 1000


class JournalSettings(Strict):
    """Where events wait for the backend's word, and what happens when they may not wait any longer."""

    path: Path
    keep_acked_h: Annotated[float, Field(ge=0)] = DEFAULT_KEEP_ACKED_H
    quota_mib: Annotated[int, Field(ge=1)] = DEFAULT_QUOTA_MIB
    on_full: Literal["refuse", "drop_oldest"] = "refuse"
    """`refuse` stops judging and raises an alarm; `drop_oldest` declares the oldest range lost, loudly."""


class MqttSettings(Strict):
    """The broker, as a URL: mqtt://[user[:password]@]host[:port] or mqtts://…"""

    url: str
    window_batches: Annotated[int, Field(ge=1, le=64)] = 8
    batch_events: Annotated[int, Field(ge=1, le=1000)] = 500
    retry_s: Annotated[float, Field(gt=0)] = 2.0
    """Silence after which the oldest unacknowledged batch is sent again; doubles up to `retry_max_s`."""
    retry_max_s: Annotated[float, Field(gt=0)] = 60.0


class HealthSettings(Strict):
    """The gateway's own health page, on loopback unless told otherwise. Port 0: a free one; no port: no page."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] | None = None


class GatewayConfig(Strict):
    """The whole file."""

    site: Name
    gateway: Name
    zones: tuple[Zone, ...] = ()
    portals: tuple[Portal, ...] = ()
    readers: tuple[Reader, ...] = ()
    foreign_prefixes: tuple[Annotated[str, Field(pattern=r"^[0-9A-Fa-f]+$")], ...] = ()
    """EPC prefixes (hex) that are not ours: dropped at the edge and counted."""
    own_prefixes: tuple[Annotated[str, Field(pattern=r"^[0-9A-Fa-f]+$")], ...] = ()
    """When given, every EPC that starts with none of these is foreign."""
    rules: Rules = Rules()
    journal: JournalSettings | None = None
    mqtt: MqttSettings | None = None
    health: HealthSettings = HealthSettings()
    scanners: tuple[Scanner, ...] = ()
    listener: ListenerSettings | None = None

    @model_validator(mode="after")
    def _names_are_apart(self) -> GatewayConfig:
        if not (self.readers or self.scanners or self.listener):
            raise ValueError("nothing to do: name readers, scanners or a listener for handhelds")
        if _has_twins(reader.name for reader in self.readers):
            raise ValueError("two readers have the same name")
        devices = [scanner.name for scanner in self.scanners] + list(self.listener.users if self.listener else ())
        if _has_twins(devices):
            raise ValueError("two scanners or handhelds have the same name")
        return self

    @model_validator(mode="after")
    def _names_agree(self) -> GatewayConfig:
        zones, portals = {zone.code for zone in self.zones}, {portal.code for portal in self.portals}
        readers = {reader.name for reader in self.readers}
        for portal in self.portals:
            if portal.inside_zone not in zones:
                raise ValueError(f"portal {portal.code}: inside_zone {portal.inside_zone} is no zone of this file")
            for light in portal.lights:
                if light.reader not in readers:
                    raise ValueError(f"portal {portal.code}: a light at reader {light.reader}, which is not here")
            for eye in portal.photo_eyes:
                if eye.reader not in readers:
                    raise ValueError(f"portal {portal.code}: a photo-eye at reader {eye.reader}, which is not here")
        for reader in self.readers:
            for antenna in reader.antennas:
                if antenna.zone is not None and antenna.zone not in zones:
                    raise ValueError(f"reader {reader.name} antenna {antenna.port}: no zone {antenna.zone}")
                if antenna.portal is not None and antenna.portal not in portals:
                    raise ValueError(f"reader {reader.name} antenna {antenna.port}: no portal {antenna.portal}")
        return self

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of everything that decides how reads are judged; journal, broker, scanners and lamps do not."""
        apart: dict[str, Any] = dict.fromkeys(("journal", "mqtt", "health", "scanners", "listener"), True)
        judged = self.model_dump_json(exclude=apart | {"portals": {"__all__": {"lights"}}})
        return hashlib.sha256(judged.encode()).hexdigest()


def _has_twins(names: Iterable[str]) -> bool:
    """Does a name stand twice among these?"""
    listed = list(names)
    return len(set(listed)) != len(listed)


def load(path: Path) -> GatewayConfig:
    """Read gateway.toml; relative paths of the journal and of certificates are taken from the file's folder.

    Raises ConfigError naming the key, what is wrong with it, and the file.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    try:
        config = GatewayConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}") from error
    return _with_whole_paths(config, path.parent)


def _with_whole_paths(config: GatewayConfig, folder: Path) -> GatewayConfig:
    changes: dict[str, Any] = {}
    if config.journal is not None:
        changes["journal"] = config.journal.model_copy(update={"path": folder / config.journal.path})
    if config.listener is not None and config.listener.tls_cert and config.listener.tls_key:
        files = {"tls_cert": folder / config.listener.tls_cert, "tls_key": folder / config.listener.tls_key}
        changes["listener"] = config.listener.model_copy(update=files)
    return config.model_copy(update=changes)
