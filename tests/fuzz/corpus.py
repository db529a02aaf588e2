"""Bytes that must never hurt a parser of LLRP: good messages to begin from, and the hard ones by name."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from readers.llrp.codec import HEADER, MAX_FRAME_BYTES, Framer, encode
from readers.llrp.message import Message, Parameter
from tests.fuzz.examples import every_message, every_vendor_parameter

SHARED: Final = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "llrp"
"""Recordings of real readers; the corpus does without where they are missing."""

FOUND: Final = Path(__file__).resolve().parent / "found"
"""Inputs that once failed, as hex, one a file: they stay in the quick test for good."""

BODY_BYTES: Final = MAX_FRAME_BYTES - HEADER.size
RO_ACCESS_REPORT: Final = 61
LONGEST_REPORT_BYTES: Final = 600
EPC_96: Final = b"\x8d" + bytes(12)
STATUS: Final = struct.pack("!HHHH", 287, 8, 0, 0)


def frame(kind: int, body: bytes, version: int = 1) -> bytes:
    return HEADER.pack(version << 10 | kind, HEADER.size + len(body), 1) + body


def tlv(kind: int, body: bytes = b"") -> bytes:
    return struct.pack("!HH", kind, 4 + len(body)) + body


def custom(vendor: int, subtype: int, data: bytes) -> bytes:
    return tlv(1023, struct.pack("!II", vendor, subtype) + data)


def filled(kind: int, piece: bytes, head: bytes = b"", version: int = 1) -> bytes:
    """A message of the largest size, its body one piece over and over."""
    return frame(kind, head + piece * ((BODY_BYTES - len(head)) // len(piece)), version)


def lying_lengths() -> dict[str, bytes]:
    """Headers alone, and what they claim."""
    headers = {
        f"a header that claims {length} bytes": HEADER.pack(1 << 10 | 62, length, 1)
        for length in (0, 5, 9, 10, 11, MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1, 2**32 - 1)
    }
    return headers | {
        "nothing": b"",
        "half a header": HEADER.pack(1 << 10 | 62, 10, 1)[:5],
        "a version nobody speaks": frame(62, b"", 7),
        "a parameter that claims nothing": frame(30, struct.pack("!HH", 287, 0)),
        "a parameter that claims 64 KiB": frame(30, struct.pack("!HH", 287, 0xFFFF)),
        "a count of bits beyond the end": frame(61, tlv(240, tlv(241, b"\xff\xff" + bytes(12)))),
        "a count of words beyond the end": frame(20, tlv(177, bytes(6) + tlv(183, b"\xff\xff\0\1"))),
    }


def deep_nests() -> dict[str, bytes]:
    """Parameters inside themselves, as deep as a 16-bit length goes."""
    errors, vendors = b"", b""
    while len(errors) + 8 <= 0xFFFF - 8:
        errors = tlv(289, bytes(4) + errors)
    while len(vendors) + 14 <= 0xFFFF:
        vendors = custom(25882, 37, b"\0\x19" + vendors)
    return {
        "errors in errors": frame(100, tlv(287, bytes(4) + errors)),
        "vendors in vendors": frame(3, b"\0" + vendors),
        "vendors in vendors, many": filled(3, vendors, b"\0"),
    }


def huge_counts() -> dict[str, bytes]:
    """As many of one thing as 1 MiB holds."""
    words = tlv(
        143, bytes(4) + tlv(144, tlv(145, bytes(4)) + tlv(146, b"\0" + tlv(148, b"\x3f\xe0" + bytes(4 * 0x3FE0))))
    )
    general = bytes(14) + tlv(139, bytes(4)) + tlv(141, bytes(4))
    protocols = tlv(137, general + tlv(140, b"\0\1\xff\xb0" + b"\1" * 0xFFB0))
    strangers = tlv(137, general + tlv(140, b"\0\1\xff\0" + bytes(range(256)) * 255))
    mode = tlv(329, bytes(28))
    modes = tlv(143, bytes(4) + tlv(144, tlv(145, bytes(4)) + tlv(146, b"\0") + tlv(328, mode * 2000)))
    boundary = tlv(178, tlv(179, b"\0") + tlv(182, bytes(5)))
    inventory = tlv(183, b"\0\1\0\1" + tlv(184, bytes(5)) + tlv(186, b"\0\1\1"))
    return {
        "tags": filled(61, tlv(240, EPC_96)),
        "tags of a bit string": filled(61, tlv(240, tlv(241, b"\0\x60" + bytes(12)))),
        "tags of every length": frame(61, b"".join(_tag_of(size) for size in range(1400))),
        "tags that repeat a value": filled(61, tlv(240, EPC_96 + b"\x81\0\1" * 20_000)),
        "empty tags": filled(61, tlv(240)),
        "bare types": filled(61, b"\x8d"),
        "customs": filled(61, custom(25882, 57, b"\xe8\x5e")),
        "customs of 64 KiB": filled(61, custom(1, 1, bytes(0xFFFF - 12))),
        "customs of a tag": filled(61, tlv(240, EPC_96 + custom(25882, 56, b"\0\1") * 4000)),
        "a custom message": filled(1023, b"\xff", struct.pack("!IB", 25882, 22)),
        "frequencies": frame(11, STATUS + words),
        "radio modes": frame(11, STATUS + modes),
        "protocols": frame(11, STATUS + protocols),
        "protocols nobody knows": frame(11, STATUS + strangers),
        "ROSpecs": filled(36, tlv(177, struct.pack("!IBB", 1, 0, 0) + boundary + inventory), STATUS),
        "ROSpecs of antennas": filled(
            36, tlv(177, bytes(6) + boundary + tlv(183, b"\x7e\0" + bytes(0xFC00) + inventory[8:])), STATUS
        ),
        "survey entries": filled(61, tlv(242, tlv(243, bytes(10) + tlv(128, bytes(8))) * 2500), b"", 2),
        "text": frame(100, tlv(287, b"\0\0\xff\xf0" + b"x" * 0xFFF0)),
        "text that is not UTF-8": frame(100, tlv(287, b"\0\0\xff\xf0" + b"\xff" * 0xFFF0)),
        "keepalives": frame(62, b"") * (MAX_FRAME_BYTES // HEADER.size),
    }


def _tag_of(size: int) -> bytes:
    return tlv(240, tlv(241, struct.pack("!H", size * 8) + bytes(size)))


def hard_inputs() -> dict[str, bytes]:
    """All of them, by name; none longer than 1 MiB."""
    return lying_lengths() | deep_nests() | huge_counts()


def found_inputs() -> dict[str, bytes]:
    """What once failed, by file name."""
    return {path.stem: bytes.fromhex(path.read_text()) for path in sorted(FOUND.glob("*.hex"))}


def good_frames() -> list[bytes]:
    """Whole messages to begin from: one of each kind in both versions, reports as readers send them, and recordings."""
    frames = [
        encode(message) for version in (1, 2) for message in (*every_message(version), *every_vendor_parameter(version))
    ]
    frames += [encode(_report(tags, version)) for tags in (1, 3, 10) for version in (1, 2)]
    recording = SHARED / "dx101_a.bin"
    if recording.is_file():
        frames += sorted(set(Framer().feed(recording.read_bytes())))
    for body in sorted((SHARED / "impinj").glob("ROAccessReport-*.bytes")):
        frames.append(frame(61, body.read_bytes()))
    return frames


def reports() -> list[bytes]:
    """The RO_ACCESS_REPORTs among them; of long ones, which say nothing new, none."""
    frames = [good for good in good_frames() if HEADER.unpack_from(good)[0] & 0x3FF == RO_ACCESS_REPORT]
    return [good for good in frames if len(good) <= LONGEST_REPORT_BYTES]


def _report(tags: int, version: int) -> Message:
    inner = [
        Parameter("EPC_96", {"EPC": bytes(range(12))}),
        Parameter("AntennaID", {"AntennaID": 1}),
        Parameter("PeakRSSI", {"PeakRSSI": -60}),
        Parameter("FirstSeenTimestampUTC", {"Microseconds": 1_700_000_000_000_000}),
        Parameter("LastSeenTimestampUTC", {"Microseconds": 1_700_000_000_005_000}),
        Parameter("TagSeenCount", {"TagCount": 2}),
        Parameter("ImpinjRFPhaseAngle", {"PhaseAngle": 1024}),
        Parameter("ImpinjPeakRSSI", {"RSSI": -6050}),
    ]
    return Message("RO_ACCESS_REPORT", 1, {}, [Parameter("TagReportData", {}, inner)] * tags, version)
