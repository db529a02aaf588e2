"""SQL by name: every file parses into the names that it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backend.store.database import Queries

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted(path for path in (ROOT / "backend").rglob("*.sql") if "migrations" not in path.parts)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_query_is_one_statement_under_its_name(path: Path) -> None:
    queries = Queries(path)
    assert queries.names == set(re.findall(r"^-- name: (\w+)$", path.read_text(), re.MULTILINE))
    for name in queries.names:
        statement = re.sub(r"--.*|'[^']*'", "", queries[name])
        assert statement.strip()
        assert ";" not in statement


def test_a_missing_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "queries.sql").write_text("-- name: one\n-- Does one thing.\nSELECT 1\n")
    queries = Queries.beside(str(tmp_path / "service.py"))
    assert queries["one"].endswith("SELECT 1")
    with pytest.raises(KeyError):
        queries["two"]
