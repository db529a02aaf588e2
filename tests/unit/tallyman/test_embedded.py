"""Folders and accounts of the embedded server, without a server."""

import os
from pathlib import Path

import pytest

from tallyman.embedded import account as accounts
from tallyman.embedded.account import Account, closed_folder, default_state_dir, may_run
from tallyman.embedded.folder import MAX_LOG_BYTES, DataFolder
from tallyman.errors import EmbeddedError

OURSELVES = Account("us", os.geteuid(), os.getegid(), changed=False)
STRANGER = Account("stranger", 54321, 54321, changed=True)


def test_first_closed_folder_is_named(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/") and folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o001)
    outer.chmod(0o700)
    assert closed_folder(inner / "file", STRANGER) == outer
    assert closed_folder(inner / "file", OURSELVES) is None
    outer.chmod(0o755)
    inner.chmod(0o755)
    assert closed_folder(inner / "file", STRANGER) is None
    program = inner / "program"
    program.write_text("")
    program.chmod(0o700)
    assert not may_run(program, STRANGER)
    program.chmod(0o755)
    assert may_run(program, STRANGER)


def test_state_folder_follows_xdg_for_users_and_var_lib_for_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts.os, "geteuid", lambda: 0)
    assert default_state_dir() == Path("/var/lib/tallyman")
    monkeypatch.setattr(accounts.os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    assert default_state_dir() == Path("/elsewhere/tallyman")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", "/users/ana")
    assert default_state_dir() == Path("/users/ana/.local/state/tallyman")


def test_folder_is_one_runs_alone_until_released(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path / "data", OURSELVES), DataFolder(tmp_path / "data", OURSELVES)
    first.take()
    with pytest.raises(EmbeddedError, match=f"pid {os.getpid()}"):
        second.take()
    first.release()
    second.take()
    second.release()


def test_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedError, match="another --data-dir"):
        DataFolder(tmp_path / "file" / "data", OURSELVES).take()


def test_log_is_begun_anew_when_long(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path, OURSELVES)
    folder.log.write_bytes(b"x" * MAX_LOG_BYTES + b"\nfirst\nsecond\n")
    assert folder.log_tail(2) == "first | second"
    os.close(folder.open_log())
    assert folder.log.stat().st_size == 0
    assert folder.log_tail() == ""
