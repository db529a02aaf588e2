"""Style as a test: what a linter has no rule for. Each limit says why it stands."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("gs1", "wire", "readers", "gateway", "backend", "simulators", "tallyman", "bench")

MAX_FUNCTION_LINES = 70
"""A function fits a screen, docstring included."""

MAX_FILE_LINES = 600
"""A file holds one idea; beyond this it holds two."""

MAX_TRACKED_BYTES = 1_000_000
"""Nothing generated or downloaded belongs in git; a lock file of hashes is the largest thing that does."""

BANNED_NAMES = re.compile(r"(^|_)(utils?|helpers?|managers?|common|misc|stuff)(_|$)")
"""Names that say nothing: what is in such a room nobody can guess."""

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError")

# Written in pieces, so that this file does not find itself.
FOREIGN = re.compile(
    "|".join(
        [
            "py" + r"pi\.org",
            "python" + r"hosted\.",
            "registry" + r"\.npm",
            "npm" + r"js\.",
            "deb" + r"\.debian",
            "security" + r"\.debian",
            "/wo" + r"rk/",
            "/ro" + r"ot/",
            "/ho" + r"me/[a-z]",
        ]
    )
)
"""Addresses of package indexes and paths of one machine: true for nobody else."""


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def python_files() -> list[Path]:
    return tracked("*.py")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_check() -> None:
    assert len(python_files()) > 50


def test_functions_fit_a_screen() -> None:
    long = []
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long.append(f"{name_of(path)}:{node.lineno} {node.name}: {lines} lines")
    assert not long, "\n".join(long)


def test_files_hold_one_idea() -> None:
    long = []
    for path in tracked("*.py", "*.ts", "*.tsx", "*.css", "*.sql"):
        lines = len(path.read_text().splitlines())
        if lines > MAX_FILE_LINES:
            long.append(f"{name_of(path)}: {lines} lines")
    assert not long, "\n".join(long)


def test_names_say_something() -> None:
    bad = [
        name_of(path)
        for path in tracked()
        if any(BANNED_NAMES.search(part.split(".")[0].lower()) for part in path.relative_to(ROOT).parts)
    ]
    for path in python_files():
        bad += [
            f"{name_of(path)}:{node.lineno} {node.name}"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ClassDef | ast.FunctionDef)
            and BANNED_NAMES.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.name).lower())
        ]
    assert not bad, "\n".join(bad)


def test_nothing_is_left_unfinished() -> None:
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in tracked("*.py", "*.ts", "*.tsx", "*.sql", "*.toml", "Makefile")
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not found, "\n".join(found)


def test_no_file_names_an_index_or_a_machine() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [
            f"{name_of(path)}:{number}: {line.strip()[:120]}"
            for number, line in enumerate(text.splitlines(), 1)
            if FOREIGN.search(line)
        ]
    assert not found, "\n".join(found)


def test_nothing_large_is_tracked() -> None:
    large = [name_of(path) for path in tracked() if path.stat().st_size > MAX_TRACKED_BYTES]
    assert not large, large


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(path: Path) -> set[str]:
    """Every module that a file may mean: `from a import b` is `a` and perhaps `a.b`; a string may name one that is
    imported when it is needed."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return names


def test_no_file_is_dead() -> None:
    """Each module of the project is imported by another one of the project, named by pyproject, or runs by itself."""
    sources = [path for path in python_files() if path.relative_to(ROOT).parts[0] in PACKAGES]
    imported: set[str] = set()
    for path in sources:
        imported |= imported_names(path) - {module_name(path)}
    project = (ROOT / "pyproject.toml").read_text()
    dead = [
        name_of(path)
        for path in sources
        if path.name not in {"__init__.py", "__main__.py"}
        and path.relative_to(ROOT).parts[0] != "bench"
        and module_name(path) not in imported
        and f'"{module_name(path)}:' not in project
    ]
    assert not dead, "imported by nobody: " + ", ".join(dead)


def test_sql_queries_are_named_described_and_used() -> None:
    """Each query stands under `-- name: x` and a line that says what it is for, and some Python names it."""
    python = "\n".join(path.read_text() for path in python_files())
    bad = []
    for path in tracked("*.sql"):
        if "migrations" in path.parts or path.parts[-2] == "bench":
            continue
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines, 1):
            if match := re.match(r"--\s*name:\s*(\w+)", line):
                if number >= len(lines) or not re.match(r"--\s*\S", lines[number]):
                    bad.append(f"{name_of(path)}:{number} {match[1]} has no description")
                if f'"{match[1]}"' not in python and f".{match[1]}" not in python:
                    bad.append(f"{name_of(path)}:{number} {match[1]} is used by nobody")
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_what_it_is_for(package: str) -> None:
    for path in tracked(f"{package}/*.py", f"{package}/**/*.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), f"{name_of(path)} has no docstring"
