"""MQTT_URL: what is one, and what is said of what is none."""

import pytest

from sandbox.mqtt.url import Broker, read_url


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://broker", Broker("broker", 1883)),
        ("mqtts://broker/", Broker("broker", 8883, tls=True)),
        ("mqtt://[::1]:1", Broker("::1", 1)),
        ("mqtt://a%40b:c%2Fd@broker:9", Broker("broker", 9, username="a@b", password="c/d")),  # noqa: S106 # an example
        ("mqtt://a@broker", Broker("broker", 1883, username="a")),
    ],
)
def test_reads_a_url(url: str, broker: Broker) -> None:
    """Host, port, TLS, user name and password are found, with their escapes."""
    assert read_url(url) == broker


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("broker:1883", "does not begin with mqtt://"),
        ("http://broker", "does not begin with mqtt://"),
        ("mqtt://", "no host"),
        ("mqtt://a:hush@", "no host"),
        ("mqtt://broker:hush", "cannot be read"),
        ("mqtt://broker:0", "cannot be read"),
        ("mqtt://broker:99999", "cannot be read"),
        ("mqtt://a:hu#sh@broker", "cannot be read"),
        ("mqtt://a:hu/sh@broker", "cannot be read"),
        ("mqtt://a:hu?sh@broker", "cannot be read"),
        ("mqtt://a,hush:1883", "several hosts"),
        ("mqtt://broker/hush", "only a host and a port"),
        ("mqtt://broker?hush=1", "only a host and a port"),
        ("mqtt://:hush@broker", "no user name"),
        ("mqtt://a:" + "hush" * 20_000 + "@broker", "longer than MQTT allows"),
        ("mqtt://[hush", "cannot be read"),
        ("mqtt://hush..example", "cannot be read"),
    ],
)
def test_says_what_is_wrong_and_shows_nothing(url: str, reason: str) -> None:
    """The reason names the mistake, and no part of the URL, which may be a password."""
    with pytest.raises(ValueError, match=reason) as error:
        read_url(url)
    assert "hush" not in str(error.value)


def test_a_broker_shows_no_password() -> None:
    """Neither its representation nor its address has the password."""
    broker = read_url("mqtt://a:hush@[::1]")
    assert broker.address == "[::1]:1883"
    assert "hush" not in repr(broker)
