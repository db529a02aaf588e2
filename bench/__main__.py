"""Run every benchmark of this folder in a process of its own, print a table, fail when a bound does not hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table


def is_benchmark(path: Path) -> bool:
    """Whether a file of this folder runs by itself; the others are parts of those that do."""
    return path.stem != "__main__" and 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")


def main(wanted: list[str]) -> int:
    """Run the benchmarks named, or all; 1 when one failed or a bound did not hold."""
    console = Console()
    table = Table("bench", "case", "value", "unit", "against", "its value", "ratio", "bound", "ok")
    failed = 0
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if not is_benchmark(path) or (wanted and path.stem not in wanted):
            continue
        console.print(f"running {path.stem} …")
        done = subprocess.run([sys.executable, "-m", f"bench.{path.stem}"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            console.print(f"{path.stem} failed:\n{done.stderr[-2000:]}", style="red")
            failed += 1
            continue
        print(done.stdout.strip())
        for case in json.loads(done.stdout.strip().splitlines()[-1])["cases"]:
            failed += not case["ok"]
            table.add_row(
                path.stem,
                case["case"],
                f"{case['value']:,.1f}",
                case["unit"],
                case["against"] or "",
                "" if case["against_value"] is None else f"{case['against_value']:,.1f}",
                "" if case["ratio"] is None else f"{case['ratio']:.2f}",
                "" if case["bound"] is None else f"{case['bound']:.2f}",
                "ok" if case["ok"] else "FAIL",
            )
    console.print(table)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
