"""The log, while something else has the terminal: each record as one line to where it is shown."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Shown(logging.Handler):
    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show(record.getMessage())


@contextmanager
def log_shown(show: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, `show` gets what would have gone to the terminal."""
    root = logging.getLogger()
    before = root.handlers[:]
    shown = _Shown(show)
    root.handlers = [shown, *(one for one in before if not isinstance(one, logging.StreamHandler))]
    try:
        yield
    finally:
        root.handlers = before
