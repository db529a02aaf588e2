"""An answer of the API as lines for a person (pure): a list as a table, one thing as names and values, and below them a
table for each list that it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

GAP: Final = "  "
"""Between two columns."""

NOTHING: Final = "(none)"


def shown(told: Mapping[str, object], columns: Sequence[str] = ()) -> Iterator[str]:
    """The lines of an answer. `columns`: of the rows of a list, or the members of anything else; all without."""
    rows = told.get("rows")
    if isinstance(rows, list):
        yield from table(rows, columns)
        return
    kept = {name: told[name] for name in columns or told}
    plain = {name: value for name, value in kept.items() if not _is_table(value)}
    width = max(map(len, plain), default=0)
    for name, value in plain.items():
        yield f"{name:<{width}}{GAP}{text(value)}".rstrip()
    for name, value in kept.items():
        if isinstance(value, list) and _is_table(value):
            yield ""
            yield f"{name}:"
            yield from table(value)


def table(rows: Sequence[Mapping[str, object]], columns: Sequence[str] = ()) -> Iterator[str]:
    """Rows under the names of their columns, numbers to the right."""
    if not rows:
        yield NOTHING
        return
    names = list(columns or rows[0])
    cells = [[text(row[name]) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[place]) for line in cells)) for place, name in enumerate(names)]
    right = [all(_is_number(row[name]) for row in rows) for name in names]
    for line in (names, *cells):
        padded = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        )
        yield GAP.join(padded).rstrip()


def text(value: object) -> str:
    """One cell: a list of things within it is told in a row, what of them is empty or nought left out."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(text(one) for one in value)
    if isinstance(value, dict):
        return " ".join(f"{name} {text(one)}" for name, one in value.items() if one)
    return str(value)


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
