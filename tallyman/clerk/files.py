"""What a command is told in a file or in many words, as the body of a request.

A JSON file holds the body as the API takes it; a CSV file holds its lines. Words on the command line win over the file,
but lines stand in one place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tallyman.errors import AskError
from tallyman.program import room

NUMBERS: Final = frozenset({"quantity", "least_days", "buffer", "protected"})
"""Columns of CSV files whose cells are whole numbers."""

LineOption = Annotated[list[str] | None, typer.Option("--line", help="A line as SKU=UNITS; once for each.")]
FileOption = Annotated[
    Path | None,
    typer.Option("--file", exists=True, dir_okay=False, help="Lines as CSV, or all of it as JSON like the API's."),
]


def body_of(
    words: Mapping[str, object], lines: Sequence[str] | None, file: Path | None, columns: Sequence[str]
) -> dict[str, Any]:
    """A request with `lines`, each a SKU and a quantity; in a CSV file they may have more `columns`. A word that is
    None was not said. Raises AskError for a file or a line that cannot be read, and for lines in both places."""
    told: dict[str, Any] = {}
    if file is not None and is_json(file):
        told = read_json(file)
    elif file is not None:
        told["lines"] = read_csv(file, ("sku", "quantity"), columns)
    if lines and told.get("lines"):
        raise AskError(f"--line: {file} holds lines already: write it there, or leave one of the two out")
    if lines:
        told["lines"] = [_line(one) for one in lines]
    return told | {name: value for name, value in words.items() if value is not None}


def units_of(word: str, option: str) -> tuple[str, int]:
    """SKU and units of a word such as TEA=3. Raises AskError naming the option."""
    sku, _, units = word.rpartition("=")
    if not sku or not _is_number(units):
        raise AskError(f"{option}: {word!r} is not SKU=UNITS, such as TEA=3")
    return sku, int(units)


def is_json(file: Path) -> bool:
    """Whether a file's name says that it is JSON; CSV else."""
    return file.suffix.lower() == ".json"


def read_json(file: Path) -> dict[str, Any]:
    """A body out of a file. Raises AskError when it holds none."""
    try:
        told = json.loads(_text(file))
    except ValueError as error:
        raise AskError(f"{file}: is no JSON: {error}") from error
    if not isinstance(told, dict):
        raise AskError(f"{file}: must hold one JSON object, as the API takes it")
    return told


def read_csv(file: Path, needed: Sequence[str], optional: Sequence[str]) -> list[dict[str, object]]:
    """The lines of a CSV file by column, without the cells that are empty. Raises AskError with every fault."""
    sheet, refused = room("backend.catalog.sheet"), room("backend.errors").ImportRefusedError
    try:
        rows, faults = sheet.read_sheet(_text(file), needed, optional)
        for row in rows:
            for column in needed:
                row.needed(column)
            for column in NUMBERS & row.cells.keys():
                if (cell := row.text(column)) and not _is_number(cell):
                    row.refuse(column, f"{cell!r} is no whole number")
        faults.settle()
    except refused as error:
        raise AskError(f"{file}: " + "; ".join(str(fault) for fault in error.faults)) from error
    return [{name: int(cell) if name in NUMBERS else cell for name, cell in row.cells.items() if cell} for row in rows]


def _line(word: str) -> dict[str, object]:
    sku, units = units_of(word, "--line")
    return {"sku": sku, "quantity": units}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise AskError(f"{file}: is no text in UTF-8; save the file as UTF-8") from error
