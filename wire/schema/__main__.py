"""Write the schema files: `python -m wire.schema`."""

from __future__ import annotations

from pathlib import Path

from wire.schema import documents


def main() -> None:
    """Write every document beside this file."""
    folder = Path(__file__).parent
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


main()
