"""Who runs the embedded server, where its files live by default, and whether that account can get there.

PostgreSQL refuses to run as root. An ordinary user runs it directly; root runs it as `nobody`, an account that every
Unix has, with no other privilege and no change to the machine's accounts or to anybody else's folders.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tallyman.errors import EmbeddedError

UNPRIVILEGED: Final = "nobody"
ROOT_STATE: Final = Path("/var/lib/tallyman")
"""Root's state folder: its home is closed to the account that runs the server."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group to run a process as; `changed` when they are not our own."""

    name: str
    uid: int
    gid: int
    changed: bool

    def popen(self) -> dict[str, Any]:
        """Arguments of subprocess that make a child this account's."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.changed else {}

    def own(self, path: Path) -> None:
        """Give this account a file or folder that we just made."""
        if self.changed:
            os.chown(path, self.uid, self.gid)


def server_account() -> Account:
    """The account to run PostgreSQL as. Raises EmbeddedError when root finds no unprivileged one."""
    uid = os.geteuid()
    if uid != 0:
        return Account(str(uid), uid, os.getegid(), changed=False)
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError as error:
        raise EmbeddedError(
            f"PostgreSQL must not run as root and this machine has no account {UNPRIVILEGED!r}: "
            "run as an ordinary user, or give --database-url"
        ) from error
    return Account(UNPRIVILEGED, entry.pw_uid, entry.pw_gid, changed=True)


def default_state_dir() -> Path:
    """Where Tallyman keeps its data between runs: the user's state folder (XDG), or /var/lib/tallyman for root."""
    if os.geteuid() == 0:
        return ROOT_STATE
    given = os.environ.get("XDG_STATE_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".local" / "state") / "tallyman"


def closed_folder(path: Path, account: Account) -> Path | None:
    """The first folder above `path` that the account cannot enter, or None. Asked of another account than ours only."""
    if not account.changed:
        return None
    for folder in reversed(path.resolve().parents):
        if not _may(folder.stat(), account, stat.S_IXOTH):
            return folder
    return None


def may_run(program: Path, account: Account) -> bool:
    """Whether the account can get to a program and run it."""
    if not account.changed:
        return os.access(program, os.X_OK)
    return closed_folder(program, account) is None and _may(program.stat(), account, stat.S_IROTH | stat.S_IXOTH)


def _may(found: os.stat_result, account: Account, wanted: int) -> bool:
    shift = 6 if found.st_uid == account.uid else 3 if found.st_gid == account.gid else 0
    return (found.st_mode >> shift) & wanted == wanted
