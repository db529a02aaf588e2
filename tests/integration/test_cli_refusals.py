"""What the command line cannot do it says in one line, with exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallyman.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "latin.csv").write_bytes(b"code,name\nJKT,Jakarta\nBDG,Bandung \xe9\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("import sites {folder}/latin.csv --database-url {dsn}", "line 3: is no text in UTF-8"),
        ("export sites {folder}/none/sites.csv --database-url {dsn}", "none/sites.csv: No such file"),
        ("export sites --database-url {nowhere}", "lets nobody in"),
        ("verify --database-url postgresql://[::1", "address cannot be used"),
        ("verify --database-url postgresql://127.0.0.1:99999/x", "address cannot be used"),
        ("migrate --database-url postgresql://127.0.0.1:99999/x", "address cannot be used"),
        ("simulate --readers 1 --host 192.0.2.1", "cannot listen on 192.0.2.1"),
        ("simulate --readers 2 --first-port 65535", "cannot listen on 127.0.0.1"),
        ("simulate --readers 1 --first-port 70000", "65535"),
    ],
)
def test_it_is_told_in_one_line(
    postgres_server: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    said: str,
) -> None:
    dsn, nowhere = postgres_server.format("migrated"), postgres_server.format("nowhere")
    words = [one.format(folder=folder, dsn=dsn, nowhere=nowhere) for one in arguments.split()]
    monkeypatch.setattr("sys.argv", ["tallyman", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
