"""Whole sessions with the simulated reader, both directions, judged by tshark's LLRP dissector: no malformed packet."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from readers.llrp import requests
from readers.llrp.codec import Framer, decode, encode, read_header
from readers.llrp.message import Message, Parameter
from readers.llrp.requests import Capabilities, InventoryPlan
from simulators.faults import FaultProxy
from simulators.llrp.models import known_models, load_model
from simulators.llrp.reader import SimulatedReader
from simulators.llrp.steady import SteadyTags
from tests.reader_bench import access_spec, gpi, ro_spec, trigger
from wire.clock import ScaledClock

TSHARK, TEXT2PCAP = shutil.which("tshark"), shutil.which("text2pcap")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(TSHARK is None or TEXT2PCAP is None, reason="tshark and text2pcap are not on the PATH"),
]

LLRP_PORT = 5084
FALSE_ALARMS = {12, 1023}
"""GET_READER_CONFIG_RESPONSE and vendor messages: tshark 4.0 miscounts the bytes of all of them, real readers' too."""

WARNING = 0x600000
"""tshark's severity of a warning."""

CONFIG_ASKED = {"AntennaID": 0, "RequestedData": 0, "GPIPortNum": 0, "GPOPortNum": 0}


class Conversation:
    """Frames of both directions, in order, as a tap heard them."""

    def __init__(self) -> None:
        self.frames: list[tuple[bool, bytes]] = []
        self._framers = {True: Framer(), False: Framer()}

    def hear(self, from_client: bool, chunk: bytes) -> None:
        self.frames += [(from_client, frame) for frame in self._framers[from_client].feed(chunk)]

    def heard(self, name: str) -> bool:
        return any(decode(frame).name == name for from_client, frame in self.frames if not from_client)


async def hold_a_session(model: str) -> Conversation:
    """Ask for everything there is, inventory, change an input, run an AccessSpec, be refused, and close."""
    conversation = Conversation()
    clock = ScaledClock(datetime(2026, 3, 1, tzinfo=UTC))
    reader = SimulatedReader("door", SteadyTags(10, 200.0, 2), clock, 2, load_model(model))
    proxy = FaultProxy("127.0.0.1", await reader.start(), tap=conversation.hear)
    there, back = await asyncio.open_connection("127.0.0.1", await proxy.start())
    try:
        await asyncio.wait_for(_talk(there, back, conversation, reader), 20)
    finally:
        back.close()
        await proxy.stop()
        await reader.stop()
    return conversation


async def _talk(
    there: asyncio.StreamReader, back: asyncio.StreamWriter, conversation: Conversation, reader: SimulatedReader
) -> None:
    async def say(name: str, *parameters: Parameter, awaits: str = "", **fields: object) -> None:
        back.write(encode(Message(name, len(conversation.frames), fields, list(parameters))))
        answer = awaits or f"{name}_RESPONSE"
        before = len(conversation.frames)
        while answer not in {decode(frame).name for _, frame in conversation.frames[before:]}:
            await there.read(1 << 16)

    await say("GET_READER_CAPABILITIES", RequestedData=0)
    await say("GET_READER_CONFIG", **CONFIG_ASKED)
    back.write(encode(requests.set_config(900, InventoryPlan((1,)), Capabilities(gpis=1))))
    await say("GET_ROSPECS")
    await say("ADD_ROSPEC", ro_spec(0))
    start = trigger("ROSpecStartTrigger", 3, gpi(1, True))
    await say("ADD_ROSPEC", ro_spec(start=start, every_n=1))
    await say("ENABLE_ROSPEC", ROSpecID=1)
    await say("ADD_ACCESSSPEC", access_spec(3))
    await say("ENABLE_ACCESSSPEC", AccessSpecID=3)
    await say("GET_ACCESSSPECS")
    reader.set_gpi(1, True)
    while not conversation.heard("RO_ACCESS_REPORT"):
        await there.read(1 << 16)
    await say("DELETE_ACCESSSPEC", AccessSpecID=0)
    await say("GET_REPORT", awaits="RO_ACCESS_REPORT")
    await say("CUSTOM_MESSAGE", awaits="ERROR_MESSAGE", VendorIdentifier=1, MessageSubtype=1, Data=b"")
    await say("GET_ROSPECS")
    await say("STOP_ROSPEC", ROSpecID=1)
    await say("DELETE_ROSPEC", ROSpecID=0)
    await say("CLOSE_CONNECTION")


def judged(frames: list[tuple[bool, bytes]], folder: Path) -> list[str]:
    """Let tshark dissect the frames as one TCP conversation; its complaints."""
    dump, capture = folder / "session.txt", folder / "session.pcap"
    lines = []
    for from_client, frame in frames:
        lines.append("O" if from_client else "I")
        lines += [f"{at:06x} {frame[at : at + 16].hex(' ')}" for at in range(0, len(frame), 16)]
    dump.write_text("\n".join(lines) + "\n")
    convert = [TEXT2PCAP, "-q", "-D", "-T", f"40000,{LLRP_PORT}", dump, capture]
    subprocess.run(convert, check=True, capture_output=True)
    ask = [TSHARK, "-r", capture, "-Y", f"_ws.malformed or _ws.expert.severity >= {WARNING}", "-T", "fields"]
    ask += ["-e", "frame.number", "-e", "llrp.type", "-e", "_ws.expert.message"]
    judge = subprocess.run(ask, check=True, capture_output=True, text=True)
    return judge.stdout.splitlines()


def dissected(folder: Path) -> int:
    """How many LLRP messages tshark recognised."""
    ask = [TSHARK, "-r", folder / "session.pcap", "-Y", "llrp", "-T", "fields", "-e", "llrp.type"]
    return len(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.splitlines())


@pytest.mark.parametrize("model", known_models())
async def test_tshark_finds_nothing_malformed_in_a_whole_session(model: str, tmp_path: Path) -> None:
    conversation = await hold_a_session(model)
    frames = [
        (from_client, frame)
        for from_client, frame in conversation.frames
        if read_header(frame).type not in FALSE_ALARMS
    ]
    names = {decode(frame).name for _, frame in frames}
    assert {"ADD_ACCESSSPEC", "RO_ACCESS_REPORT", "ERROR_MESSAGE", "READER_EVENT_NOTIFICATION"} <= names
    assert judged(frames, tmp_path) == []
    assert dissected(tmp_path) == len(frames)


async def test_the_judge_can_tell(tmp_path: Path) -> None:
    report = encode(Message("KEEPALIVE", 1))
    broken = bytes.fromhex("043d 00000012 00000001 00f0 0009 8d 00 00 00".replace(" ", ""))
    assert len(judged([(False, report), (False, broken)], tmp_path)) == 1
