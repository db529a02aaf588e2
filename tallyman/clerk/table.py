"""An answer of the API as lines for a person (pure): a list as a table, one thing as names and values, and below them a
table for each list of things that it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

GAP: Final = "  "
"""Between two columns."""

PLACES: Final = 4
"""Of a share or a chance: a hundredth of a percent."""

NOTHING: Final = "(none)"


def shown(told: Mapping[str, object], columns: Sequence[str] = ()) -> Iterator[str]:
    """The lines of an answer. `columns`: of the rows of a list, or members of the answer itself; all without. Of one
    thing, what is empty is left out."""
    rows = told.get("rows")
    if isinstance(rows, list) and not told.keys() & set(columns):
        yield from table(rows, columns)
        return
    kept = {name: told[name] for name in columns or told}
    plain = {name: text(value) for name, value in kept.items() if not _is_table(value)}
    width = max(map(len, plain), default=0)
    for name, said in plain.items():
        if said:
            yield f"{name:<{width}}{GAP}{said}"
    for name, value in kept.items():
        if isinstance(value, list) and _is_table(value):
            yield ""
            yield f"{name}:"
            yield from table(value)


def table(rows: Sequence[Mapping[str, object]], columns: Sequence[str] = ()) -> Iterator[str]:
    """Rows under the names of their columns, numbers to the right; what lists a row holds, line by line below it."""
    if not rows:
        yield NOTHING
        return
    nested = {name for row in rows for name, value in row.items() if _is_table(value)}
    names = [name for name in columns or rows[0] if name not in nested]
    cells = [[text(row[name]) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[place]) for line in cells)) for place, name in enumerate(names)]
    right = [all(_is_number(row[name]) for row in rows) for name in names]
    yield _line(names, widths, right)
    for row, line in zip(rows, cells, strict=True):
        yield _line(line, widths, right)
        for name in rows[0]:
            if name in nested:
                yield from (f"{GAP}{GAP}{name}: {text(one)}" for one in _listed(row[name]))


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    )
    return GAP.join(padded).rstrip()


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def text(value: object) -> str:
    """One value: a list in a row, and of what has members those that are neither empty nor nought."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(round(value, PLACES))
    if isinstance(value, list):
        return ", ".join(text(one) for one in value) or NOTHING
    if isinstance(value, dict):
        return " ".join(f"{name} {text(one)}" for name, one in value.items() if one)
    return str(value)


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
