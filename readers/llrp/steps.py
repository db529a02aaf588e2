"""What each phase of a connection asks, what its answer teaches, and where it leads: the table at the top of
connection.py as data.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from readers.errors import ReaderError
from readers.llrp import requests
from readers.llrp.exchange import ANSWER_TIMEOUT_S, M_SUCCESS
from readers.llrp.message import Message
from readers.llrp.requests import LLRP_1_1, Capabilities
from readers.llrp.vendor import IMPINJ

if TYPE_CHECKING:
    from readers.llrp.connection import ClientSession

VERSION_PATIENCE_S: Final = 3.0
"""A reader that swallows a message of a later version, as some of 1.0.1 do, costs a connection no more than this."""

DISABLED: Final = 0
ACTIVE: Final = 2
"""ROSpecState; 1 is inactive."""


class Phase(StrEnum):
    """Where the session stands; the table in connection.py says what each means."""

    GREETING = "greeting"
    VERSION = "asking for its version"
    SETTING_VERSION = "setting the version"
    CAPABILITIES = "capabilities"
    EXTENSIONS = "extensions"
    CONFIGURING = "configuring"
    KEEPALIVE = "keepalive"
    ANTENNAS = "antennas"
    INPUTS = "inputs"
    DISARMING = "disarming"
    LOOKING = "looking for our ROSpec"
    CLEARING = "clearing"
    ADDING = "adding"
    CLEARING_ALL = "clearing all"
    ADDING_AGAIN = "adding again"
    ENABLING = "enabling"
    ARMED = "waiting for its trigger"
    INVENTORYING = "inventorying"
    STOPPED = "stopped"
    RESTARTING = "restarting"
    CLOSING = "closing"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table. `learn` takes the answer in and may name another phase than `then`; `otherwise` None ends
    the session when the reader refuses, `silence` None when it does not answer within `patience_s`. A `quiet` refusal
    is part of the plan and worth no notice.
    """

    request: Callable[[ClientSession, int], Message]
    answer: str
    then: Phase
    otherwise: Phase | None
    learn: Callable[[ClientSession, Message], Phase | None] | None = None
    quiet: bool = False
    silence: Phase | None = None
    patience_s: float = ANSWER_TIMEOUT_S


def _learn_versions(session: ClientSession, message: Message) -> Phase | None:
    """Speak the latest version that both know; ours is 1.1."""
    if message.fields["SupportedVersion"] < LLRP_1_1:
        return Phase.CAPABILITIES
    if message.fields["CurrentVersion"] == LLRP_1_1:
        session.version = LLRP_1_1
        return Phase.CAPABILITIES
    return None


def _learn_version_set(session: ClientSession, _: Message) -> None:
    """From here on both speak 1.1."""
    session.version = LLRP_1_1


def _learn_capabilities(session: ClientSession, message: Message) -> None:
    """Keep what the reader can do; one that has none of the planned antennas cannot work."""
    if session.asks_version and not session.version_unanswered:
        session.memory.version_losses = 0
    session.capabilities = Capabilities.of(message)
    session.antennas.limit(session.capabilities.antennas)
    if session.plan.search_mode is not None and session.capabilities.vendor != IMPINJ:
        session.delivery.notice("fault", "search_mode is an option for Impinj's readers: this one goes without it")
    if not session.antennas.usable:
        missing = sorted(session.plan.antennas)
        session.fail(ReaderError(f"the reader has no antenna {missing}, only 1-{session.capabilities.antennas}"))
    elif session.antennas.lost:
        session.delivery.tell_antennas()


def _learn_extensions(session: ClientSession, message: Message) -> None:
    """A refusal of Impinj's comes as a custom message too."""
    if not _impinj_success(message):
        session.capabilities = replace(session.capabilities, has_extensions=False)
        session.delivery.notice("fault", "refused: Impinj's extensions; RSSI is whole dBm, and there is no phase")


def _learn_keepalive(session: ClientSession, _: Message) -> None:
    """Keepalives come from now on, and their absence tells."""
    session.watching = True


def _learn_config(session: ClientSession, _: Message) -> None:
    """The reader also tells of the events we asked for."""
    session.watching = session.hears_events = True


def _learn_antennas(session: ClientSession, message: Message) -> None:
    """Which antennas are connected."""
    session.delivery.take_antennas(message)


def _learn_inputs(session: ClientSession, message: Message) -> None:
    """Which inputs are high."""
    session.delivery.take_inputs(message)


def _learn_rospecs(session: ClientSession, message: Message) -> Phase:
    """Adopt what an earlier connection left, or say what must go."""
    states = {spec.fields["ROSpecID"]: spec.fields["CurrentState"] for spec in message.every("ROSpec")}
    ours = session.rospec_id
    session.to_clear = [number for number in states if requests.is_ours(number) and number != ours]
    strangers = [number for number, state in states.items() if state == ACTIVE and not requests.is_ours(number)]
    if strangers:
        session.delivery.notice("fault", f"the reader ran another client's ROSpec {strangers[0]}; it is deleted")
        return Phase.CLEARING_ALL
    if session.to_clear:
        session.to_clear += [ours] if ours in states else []
        return Phase.CLEARING
    if ours not in states:
        return Phase.ADDING
    session.is_running = states[ours] == ACTIVE
    if states[ours] == DISABLED:
        return Phase.ENABLING
    return Phase.ARMED if session.is_running or session.plan.start is not None else Phase.RESTARTING


def _impinj_success(message: Message) -> bool:
    """Whether a CUSTOM_MESSAGE is Impinj's answer to enable-extensions with M_Success in its LLRPStatus."""
    fields = message.fields
    if (fields["VendorIdentifier"], fields["MessageSubtype"]) != (IMPINJ, requests.IMPINJ_ENABLE_EXTENSIONS_RESPONSE):
        return False
    data: bytes = fields["Data"]
    return len(data) >= 6 and struct.unpack_from("!H", data, 4)[0] == M_SUCCESS


def _add(session: ClientSession, message_id: int) -> Message:
    antennas = session.antennas.usable
    return requests.add_rospec(message_id, session.plan, session.capabilities, antennas)


STEPS: Final[Mapping[Phase, Step]] = {
    Phase.VERSION: Step(
        lambda _, number: requests.get_supported_version(number),
        "GET_SUPPORTED_VERSION_RESPONSE",
        Phase.SETTING_VERSION,
        Phase.CAPABILITIES,
        _learn_versions,
        quiet=True,
        silence=Phase.CAPABILITIES,
        patience_s=VERSION_PATIENCE_S,
    ),
    Phase.SETTING_VERSION: Step(
        lambda _, number: requests.set_version(number),
        "SET_PROTOCOL_VERSION_RESPONSE",
        Phase.CAPABILITIES,
        Phase.CAPABILITIES,
        _learn_version_set,
    ),
    Phase.CAPABILITIES: Step(
        lambda _, number: requests.get_capabilities(number),
        "GET_READER_CAPABILITIES_RESPONSE",
        Phase.EXTENSIONS,
        Phase.CONFIGURING,
        _learn_capabilities,
    ),
    Phase.EXTENSIONS: Step(
        lambda _, number: requests.enable_impinj_extensions(number),
        "CUSTOM_MESSAGE",
        Phase.CONFIGURING,
        Phase.CONFIGURING,
        _learn_extensions,
    ),
    Phase.CONFIGURING: Step(
        lambda session, number: requests.set_config(number, session.plan, session.capabilities),
        "SET_READER_CONFIG_RESPONSE",
        Phase.ANTENNAS,
        Phase.KEEPALIVE,
        _learn_config,
    ),
    Phase.KEEPALIVE: Step(
        lambda session, number: requests.set_keepalive(number, session.plan),
        "SET_READER_CONFIG_RESPONSE",
        Phase.ANTENNAS,
        None,
        _learn_keepalive,
    ),
    Phase.ANTENNAS: Step(
        lambda _, number: requests.get_antennas(number),
        "GET_READER_CONFIG_RESPONSE",
        Phase.INPUTS,
        Phase.INPUTS,
        _learn_antennas,
    ),
    Phase.INPUTS: Step(
        lambda _, number: requests.get_inputs(number),
        "GET_READER_CONFIG_RESPONSE",
        Phase.DISARMING,
        Phase.DISARMING,
        _learn_inputs,
    ),
    Phase.DISARMING: Step(
        lambda _, number: requests.access_spec_request("DELETE_ACCESSSPEC", number),
        "DELETE_ACCESSSPEC_RESPONSE",
        Phase.LOOKING,
        Phase.LOOKING,
        quiet=True,
    ),
    Phase.LOOKING: Step(
        lambda _, number: Message("GET_ROSPECS", number),
        "GET_ROSPECS_RESPONSE",
        Phase.ADDING,
        Phase.CLEARING,
        _learn_rospecs,
    ),
    Phase.CLEARING: Step(
        lambda session, number: requests.rospec_request("DELETE_ROSPEC", number, session.to_clear.pop()),
        "DELETE_ROSPEC_RESPONSE",
        Phase.CLEARING,
        Phase.CLEARING,
        quiet=True,
    ),
    Phase.ADDING: Step(_add, "ADD_ROSPEC_RESPONSE", Phase.ENABLING, Phase.CLEARING_ALL, quiet=True),
    Phase.CLEARING_ALL: Step(
        lambda _, number: requests.rospec_request("DELETE_ROSPEC", number),
        "DELETE_ROSPEC_RESPONSE",
        Phase.ADDING_AGAIN,
        Phase.ADDING_AGAIN,
        quiet=True,
    ),
    Phase.ADDING_AGAIN: Step(_add, "ADD_ROSPEC_RESPONSE", Phase.ENABLING, None),
    Phase.ENABLING: Step(
        lambda session, number: requests.rospec_request("ENABLE_ROSPEC", number, session.rospec_id),
        "ENABLE_ROSPEC_RESPONSE",
        Phase.ARMED,
        Phase.CLEARING_ALL,
    ),
    Phase.RESTARTING: Step(
        lambda session, number: requests.rospec_request("START_ROSPEC", number, session.rospec_id),
        "START_ROSPEC_RESPONSE",
        Phase.INVENTORYING,
        Phase.CLEARING,
        quiet=True,
    ),
    Phase.CLOSING: Step(
        lambda _, number: Message("CLOSE_CONNECTION", number),
        "CLOSE_CONNECTION_RESPONSE",
        Phase.CLOSED,
        Phase.CLOSED,
        quiet=True,
    ),
}
"""Phases that ask; in the others the session waits for the reader's word, or for the time."""
