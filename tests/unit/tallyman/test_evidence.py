import numpy as np

from simulators.sighting import Sightings
from tallyman.demo.evidence import KEPT_READS, EvidenceLog, Witnessed

EPC = bytes.fromhex("3066C4409047E140075BCD15")


class Repeating:
    """Sees one tag `count` times by antenna 2 in each slice."""

    def __init__(self, count: int) -> None:
        self.count = count

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        return Sightings(
            [EPC] * self.count,
            np.full(self.count, 2, np.uint16),
            np.full(self.count, -61.5, np.float32),
            np.linspace(from_us + 1, to_us, self.count).astype(np.int64),
        )


def test_what_the_readers_saw_passes_through_and_is_noted() -> None:
    log = EvidenceLog()
    source = Witnessed(Repeating(3), log)
    seen = source.inventory("jkt-door-1", frozenset({1, 2}), 0, 1_000_000)
    assert len(seen) == 3
    assert (log.reads, log.tags) == (3, 1)
    assert log.of(EPC)["reads_by_antenna"] == {"jkt-door-1/2": 3}


def test_the_last_reads_are_kept_and_no_more() -> None:
    log = EvidenceLog()
    source = Witnessed(Repeating(KEPT_READS), log)
    source.inventory("jkt-door-1", frozenset({2}), 0, 1_000_000)
    source.inventory("jkt-door-1", frozenset({2}), 60_000_000, 61_000_000)
    last = log.of(EPC)["last_reads"]
    assert isinstance(last, list)
    assert len(last) == KEPT_READS
    assert last[0].startswith("00:01:00")
    assert "jkt-door-1/2 -61.5 dBm" in last[0]


def test_a_tag_that_was_never_read_has_no_evidence() -> None:
    assert EvidenceLog().of(EPC) == {"reads_by_antenna": {}, "last_reads": []}
