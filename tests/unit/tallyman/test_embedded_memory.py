"""How much memory the embedded PostgreSQL is given."""

from __future__ import annotations

import os

import pytest

from tallyman.embedded import postgres


@pytest.mark.parametrize(
    ("memory_mb", "buffers_mb"),
    [
        (256, postgres.LEAST_BUFFERS_MB),
        (2048, 2048 // postgres.BUFFERS_SHARE),
        (65536, postgres.MOST_BUFFERS_MB),
    ],
)
def test_it_is_a_part_of_the_machines_within_limits(
    monkeypatch: pytest.MonkeyPatch, memory_mb: int, buffers_mb: int
) -> None:
    told = {"SC_PHYS_PAGES": memory_mb * 256, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", told.__getitem__)
    assert postgres.buffers_mb() == buffers_mb


def test_a_system_that_does_not_tell_gets_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> int:
        raise ValueError(f"unrecognized configuration name: {name}")

    monkeypatch.setattr(os, "sysconf", refuse)
    assert postgres.buffers_mb() == postgres.LEAST_BUFFERS_MB
