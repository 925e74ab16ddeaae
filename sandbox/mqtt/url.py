"""The broker of MQTT_URL."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

PORTS = {"mqtt": 1883, "mqtts": 8883}
ESCAPE = "in a user name or a password, write # as %23, / as %2F, ? as %3F and @ as %40"
LONGEST = 65_535


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is, and how to log in there."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """How it is called in the log: without a name or a password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def read_url(url: str) -> Broker:
    """Read ``mqtt://[user[:password]@]host[:port]`` or ``mqtts://...``.

    Raises ValueError. The reason shows no value: one wrong character makes the password look like a
    part of the rest.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in PORTS:
        raise ValueError("it does not begin with mqtt:// or mqtts://")
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")  # raises where no name can be so, such as a..b
        is_readable = not parts.fragment and "@" not in parts.path + parts.query
    except ValueError:
        port, is_readable = None, False
    if not is_readable or port == 0:
        raise ValueError(f"its host and port cannot be read; {ESCAPE}")
    if not parts.hostname:
        raise ValueError("it has no host")
    if "," in parts.netloc.rpartition("@")[2]:
        raise ValueError("it has several hosts, and only a single broker is supported")
    if parts.path.strip("/") or parts.query:
        raise ValueError("only a host and a port may follow")
    username, password = (part and unquote(part) for part in (parts.username, parts.password))
    if password and not username:
        raise ValueError("it has a password, but no user name")
    if any(len(part.encode()) > LONGEST for part in (username, password) if part):
        raise ValueError("its user name or password is longer than MQTT allows")
    return Broker(
        parts.hostname, port or PORTS[scheme], scheme == "mqtts", username or None, password or None
    )
