"""A broker's URL: what it says, and what is refused."""

from pathlib import Path

import pytest

from wire.errors import LinkError
from wire.mqtt import MqttLink, parse_url


def test_everything_a_url_can_say() -> None:
    plain = parse_url("mqtt://broker.example")
    assert (plain.host, plain.port, plain.username, plain.password, plain.tls) == (
        "broker.example",
        1883,
        None,
        None,
        None,
    )
    full = parse_url("mqtt://ga%40te:p%2Fw@[::1]:1999")
    assert (full.host, full.port, full.username, full.password) == ("::1", 1999, "ga@te", "p/w")
    secure = parse_url("mqtts://broker.example")
    assert secure.port == 8883
    assert secure.tls is not None
    assert secure.tls.check_hostname


def test_a_secret_is_never_shown() -> None:
    broker = parse_url("mqtts://gate:hidden@broker.example")
    assert "hidden" not in f"{broker} {broker!r}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "broker.example:1883",
        "http://broker.example",
        "mqtt://",
        "mqtt://broker:port",
        "mqtt://broker:99999",
        "mqtt://broker/path",
        "mqtt://broker?ca=x",
        "mqtts://broker?surprise=1",
        "mqtts://broker?ca=/no/such/file",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_before_connecting(url: str) -> None:
    with pytest.raises(LinkError):
        MqttLink(url, "x")


def test_a_certificate_file_that_is_none_is_explained(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(LinkError, match="certificate"):
        parse_url(f"mqtts://broker?ca={tmp_path / 'ca.pem'}")
