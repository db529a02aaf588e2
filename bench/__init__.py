"""Benchmarks: each prints one JSON line, a ratio against a peer or a bare limit measured in the same run.

    {"bench": name, "cases": [{"case", "value", "unit", "against", "against_value", "ratio", "bound", "ok"}]}

`make bench` runs all, prints a table and fails when an `ok` is false. They are never part of `make test`.
"""
