"""The broker: is it there, how long do its certificates last, and does it do what it grants?"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallyman.doctor.certificate import expiry
from tallyman.doctor.finding import Check, Finding, fail, ok, reason
from wire.errors import LinkError
from wire.mqtt import Broker, Handler, InboundMessage, MqttLink, parse_url
from wire.topics import probe, shared

ANSWER_S: Final = 6.0
"""For the connection and each answer."""

DELIVERY_S: Final = 2.0
"""For a message to come back; brokers at the other side of the world take tenths."""

LOOK_S: Final = 0.02
"""Between two looks at a link that is coming up."""


@dataclass(frozen=True, slots=True)
class BrokerSubject:
    """What is checked: the URL as configured, and the program that connects with it."""

    url: str
    program: str


async def check_reach(subject: BrokerSubject) -> list[Finding]:
    """Can a connection be opened, and does the broker let us in?"""
    broker = parse_url(subject.url)
    mend = "check the URL in the configuration, that the broker runs, and that no firewall stands between"
    try:
        async with asyncio.timeout(ANSWER_S):
            _, outgoing = await asyncio.open_connection(broker.host, broker.port)
        outgoing.close()
        with contextlib.suppress(OSError):
            await outgoing.wait_closed()
    except TimeoutError:
        return [fail("broker", f"{broker} does not answer within {ANSWER_S:g} s", mend)]
    except OSError as error:
        return [fail("broker", f"{broker}: {reason(error)}", mend)]
    async with _link(subject) as link:
        if not await _comes_up(link):
            said = f"{broker} opens the connection, but: {link.down_reason or f'silent for {ANSWER_S:g} s'}"
            return [fail("broker", said, "check user, password and certificates in the URL, and the broker's log")]
    return [ok("broker", f"{broker} lets us in")]


async def check_tls(subject: BrokerSubject) -> list[Finding]:
    """Do the certificates hold, and how long?"""
    broker = parse_url(subject.url)
    if broker.tls is None:
        return [ok("  TLS", "not used (mqtt://)")]
    try:
        return [expiry("  TLS", "the broker's certificate", await _certificate(broker))]
    except ssl.SSLCertVerificationError as error:
        mend = "renew the broker's certificate, or give its CA as ?ca=FILE in the URL"
        return [fail("  TLS", f"the broker's certificate is not trusted: {error.verify_message}", mend)]
    except TimeoutError:
        return [fail("  TLS", f"no handshake within {ANSWER_S:g} s", "check that the port speaks TLS 1.2 or newer")]
    except OSError as error:
        return [fail("  TLS", f"no handshake: {reason(error)}", "check that the port speaks TLS 1.2 or newer")]


async def _certificate(broker: Broker) -> dict[str, Any]:
    async with asyncio.timeout(ANSWER_S):
        _, outgoing = await asyncio.open_connection(broker.host, broker.port, ssl=broker.tls)
    certificate: dict[str, Any] = outgoing.get_extra_info("peercert")
    outgoing.close()
    with contextlib.suppress(OSError):
        await outgoing.wait_closed()
    return certificate


async def check_delivery(subject: BrokerSubject) -> list[Finding]:
    """Does a message at QoS 1 come back to who subscribed?"""
    heard = await _round_trip(subject, [probe(_token())], retain=False)
    if heard is None:
        return []
    if heard != [True]:
        mend = "allow this user the topics tallyman/1/# in the broker's access rules"
        return [fail("  QoS 1", "accepted a message and delivered nothing", mend)]
    return [ok("  QoS 1", "acknowledged and delivered")]


async def check_retained(subject: BrokerSubject) -> list[Finding]:
    """Does it keep the last message of a topic for who comes later? Births of gateways rest on it."""
    topic = probe(_token())
    heard = await _round_trip(subject, [topic], retain=True)
    if heard is None:
        return []
    if heard != [True]:
        mend = "switch retained messages on: without them gateways show as unknown until they speak again"
        return [fail("  retained", "not kept for a later subscriber", mend)]
    return [ok("  retained", "kept for a later subscriber")]


async def check_shared(subject: BrokerSubject) -> list[Finding]:
    """Does it share a subscription out? Told only: nothing here relies on it (docs/adr/0008)."""
    topic = probe(_token())
    heard = await _round_trip(subject, [shared("doctor", topic)], retain=False, topic=topic)
    if heard is None:
        return []
    said = "honoured" if heard == [True] else "not honoured; nothing here relies on it"
    return [ok("  $share", said)]


WITHOUT_LINK: Final = (Check("reach", check_reach), Check("TLS", check_tls))
"""What is looked at whether or not the broker lets us in."""

BROKER_CHECKS: Final = (
    *WITHOUT_LINK,
    Check("QoS 1", check_delivery),
    Check("retained", check_retained),
    Check("$share", check_shared),
)


async def check_broker(subject: BrokerSubject) -> list[Finding]:
    """Every row; where the broker does not let us in, those of WITHOUT_LINK."""
    try:
        parse_url(subject.url)
    except LinkError as error:
        return [fail("broker", str(error), "correct the URL")]
    findings: list[Finding] = []
    for check in BROKER_CHECKS:
        if check not in WITHOUT_LINK and not findings[0].is_ok:
            break
        try:
            findings += await check.look(subject)
        except LinkError as error:
            findings.append(fail(f"  {check.name}", str(error), "look into the broker's log"))
    return findings


async def _round_trip(
    subject: BrokerSubject, filters: Sequence[str], *, retain: bool, topic: str | None = None
) -> list[bool] | None:
    """Whether each filter got what was published; None without a connection. A retained one is published before
    anybody subscribes, and taken away again."""
    topic = topic or filters[0]
    arrived = {one: asyncio.Event() for one in filters}
    sender, receiver = _link(subject), _link(subject)
    for one in filters:
        receiver.subscribe(one, _setter(arrived[one]))
    async with sender:
        if not await _comes_up(sender):
            return None
        if retain:
            await sender.publish(topic, b"doctor", retain=True)
        async with receiver:
            if not await _comes_up(receiver):  # up means that every subscription was answered
                return None
            if not retain:
                await sender.publish(topic, b"doctor")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DELIVERY_S):
                    await asyncio.gather(*(event.wait() for event in arrived.values()))
        if retain:
            await sender.publish(topic, b"", retain=True)
    return [event.is_set() for event in arrived.values()]


def _setter(event: asyncio.Event) -> Handler:
    async def arrived(message: InboundMessage) -> None:
        if message.payload:
            event.set()

    return arrived


def _link(subject: BrokerSubject) -> MqttLink:
    return MqttLink(subject.url, f"tallyman-doctor-{subject.program}-{_token()}"[:60])


async def _comes_up(link: MqttLink) -> bool:
    """Whether the first attempt succeeds; a link would try for ever."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            while not (link.connected or link.down_reason):
                await asyncio.sleep(LOOK_S)
    return link.connected


def _token() -> str:
    return secrets.token_hex(4)
