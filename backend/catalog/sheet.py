"""A CSV file as rows of named cells, with every fault told by line and column (pure).

The first line names the columns, in any order; cells are parted by ',' or ';', whichever the header uses more. Cells
are trimmed, empty lines passed over. A fault does not end the reading: a person mends a file once, not fault by fault.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from io import StringIO
from typing import Final

from backend.errors import ImportRefusedError, LineFault

MAX_LINES: Final = 200_000
"""A file is one transaction and stands in memory whole: past this its locks are held for minutes. Cut it in parts."""

MAX_FAULTS: Final = 100
"""More than anybody reads at once; a file with more is usually the wrong file."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_DAY: Final = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_MONEY: Final = re.compile(r"^\d{1,10}(\.\d{1,4})?$")
_WHOLE: Final = re.compile(r"^\d{1,10}$")


class Faults:
    """The faults of one file, gathered while it is read and checked."""

    def __init__(self) -> None:
        self._found: list[LineFault] = []

    def add(self, line: int, column: str, what: str) -> None:
        """Keep one. Raises ImportRefusedError when there are too many to go on."""
        self._found.append(LineFault(line, column, what))
        if len(self._found) >= MAX_FAULTS:
            self._found.append(LineFault(line, "", f"{MAX_FAULTS} faults up to here; mend these first"))
            self.settle()

    def settle(self) -> None:
        """Raises ImportRefusedError, in the order of lines, when there is any."""
        if self._found:
            raise ImportRefusedError(sorted(self._found, key=lambda fault: fault.line))


@dataclass(frozen=True, slots=True)
class Row:
    """One line. What its cells cannot be read as becomes a fault, and a value that lets the reading go on."""

    line: int
    cells: dict[str, str]
    faults: Faults

    def refuse(self, column: str, what: str) -> None:
        """This line cannot be taken because of one of its cells."""
        self.faults.add(self.line, column, what)

    def text(self, column: str, default: str = "") -> str:
        """A cell as it stands; `default` when it is empty or its column is left out."""
        return self.cells.get(column) or default

    def needed(self, column: str) -> str:
        """A cell that must not be empty."""
        text = self.text(column)
        if not text:
            self.refuse(column, "is empty, and is needed")
        return text

    def whole(self, column: str) -> int | None:
        """A whole number from 1 on; None when the cell is empty."""
        text = self.text(column)
        if not text:
            return None
        if not _WHOLE.match(text) or not 1 <= int(text) <= MAX_QUANTITY:
            self.refuse(column, f"{text!r} is no whole number from 1 to {MAX_QUANTITY}")
            return None
        return int(text)

    def money(self, column: str) -> Decimal | None:
        """An amount of money from 0 on with at most four decimals; None when the cell is empty."""
        text = self.text(column)
        if not text:
            return None
        if not _MONEY.match(text):
            self.refuse(column, f"{text!r} is no amount; write it as 12.50, at most ten digits and four decimals")
            return None
        return Decimal(text)

    def choice(self, column: str, allowed: Sequence[str], default: str | None = None) -> str | None:
        """One of some words; `default` when the cell is empty."""
        text = self.text(column)
        if text and text not in allowed:
            self.refuse(column, f"{text!r} is none of {', '.join(allowed)}")
            return default
        return text or default

    def day(self, column: str) -> date | None:
        """A day; None when the cell is empty."""
        text = self.text(column)
        if not text:
            return None
        try:
            if _DAY.match(text):
                return date.fromisoformat(text)
        except ValueError:
            pass
        self.refuse(column, f"{text!r} is no day; write it as 2026-12-31")
        return None


MAX_QUANTITY: Final = 1_000_000_000
"""Fits the columns that hold it, and is beyond every stock of one article."""


def read_sheet(text: str, needed: Sequence[str], optional: Sequence[str] = ()) -> tuple[list[Row], Faults]:
    """The rows of a file with these columns, and the faults found so far, to be added to and settled.

    Raises ImportRefusedError when the header is not right, for then no line can be understood.
    """
    lines = text.removeprefix("\ufeff")
    first = lines.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    faults = Faults()
    rows: list[Row] = []
    header: list[str] = []
    for line, cells in _records(lines, delimiter, faults):
        if not any(cells):
            continue
        if not header:
            header = _header(line, cells, needed, optional)
        elif len(cells) != len(header):
            faults.add(
                line, "", f"has {len(cells)} cells, the header has {len(header)}; quote a cell that holds {delimiter!r}"
            )
        elif len(rows) == MAX_LINES:
            faults.add(line, "", f"is beyond the {MAX_LINES} lines of one file; cut it in parts")
            break
        else:
            rows.append(Row(line, dict(zip(header, cells, strict=True)), faults))
            _check_characters(rows[-1])
    if not header:
        raise ImportRefusedError([LineFault(1, "", f"the file is empty; its first line must name {', '.join(needed)}")])
    return rows, faults


def sheet_of(records: Iterable[tuple[int, Mapping[str, object]]]) -> tuple[list[Row], Faults]:
    """Numbered records of named values as the rows of a file, so that they are checked in the same words. What a record
    has as None is an empty cell, what it leaves out a column that is not there."""
    faults = Faults()
    rows = []
    for number, record in records:
        cells = {name: "" if value is None else str(value).strip() for name, value in record.items()}
        rows.append(Row(number, cells, faults))
        _check_characters(rows[-1])
    return rows, faults


def _records(text: str, delimiter: str, faults: Faults) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line it begins on: a quoted cell may hold line breaks."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            faults.add(line, "", f"cannot be read as CSV ({error}); look for a stray quotation mark")
            return
        yield line, [cell.strip() for cell in cells]
        line = reader.line_num + 1


def _header(line: int, cells: Sequence[str], needed: Sequence[str], optional: Sequence[str]) -> list[str]:
    names = [cell.lower() for cell in cells]
    faults = Faults()
    for name in needed:
        if name not in names:
            faults.add(line, name, f"this column is missing; the header must name {', '.join(needed)}")
    for name in dict.fromkeys(names):
        if name not in (*needed, *optional):
            faults.add(
                line, name, f"this column is not known; take it out, or name one of {', '.join((*needed, *optional))}"
            )
        elif names.count(name) > 1:
            faults.add(line, name, "this column stands there twice")
    faults.settle()
    return names


def _check_characters(row: Row) -> None:
    for column, cell in row.cells.items():
        if _CONTROL.search(cell):
            row.refuse(column, "holds a line break or another control character; take it out")
            row.cells[column] = _CONTROL.sub("?", cell)  # the file is checked further, also by the database
