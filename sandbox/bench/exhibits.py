"""What is measured: the catalogue's exhibits, and the same echo in other frameworks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from consumers import catalogue
from consumers.catalogue import CATALOGUE, EDITIONS
from consumers.catalogue import DEVICES as TOPICS

T = TypeVar("T")

APPLICATION = "sandbox.asgi:application"
BARE_CLIENT = "sandbox.bench.bare_client"
PEERS = ("starlette", "fastapi", "blacksheep")
ISOLATIONS = ("thread-each", "pool")
"""Of the experiment database, which has "stock" too."""
SCHEMES = {"websocket": "ws", "http": "http"}
MQTT = ("mqtt-qos0", "mqtt-qos1")
"""Schemes of our own: the topics of a broker, by their QoS."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """An exhibit of the catalogue, or the echo of something else, which has no ``entry``."""

    id: str
    path: str
    scheme: str
    """Of its URL: ``ws`` or ``http``, or one of MQTT."""
    application: str = APPLICATION
    """What a server runs to have it; for a topic, what answers there."""
    entry: catalogue.Exhibit | None = None

    @property
    def is_baseline(self) -> bool:
        if self.entry is None:
            return self.application == BARE_CLIENT
        return self.entry.edition.is_baseline

    @property
    def is_device(self) -> bool:
        """Whether a broker stands between the client and what answers."""
        return self.scheme in MQTT

    @property
    def is_reference(self) -> bool:
        """Whether the consumers are measured against it: a baseline or another framework."""
        return self.entry is None or self.is_baseline

    @property
    def is_sync(self) -> bool:
        return self.entry is not None and not self.entry.is_async

    @property
    def has_rooms(self) -> bool:
        return self.entry is not None and self.entry.has_rooms

    @property
    def is_stream(self) -> bool:
        """Whether its clients listen to server-sent events, and send with requests of their own."""
        return self.has_rooms and self.scheme == "http"

    def path_in(self, room: str) -> str:
        return self.entry.url_in(room) if self.entry else self.path

    @property
    def remembers(self) -> bool:
        """Whether its rooms do, in a database."""
        return self.entry is not None and self.entry.edition.remembers

    @property
    def waits(self) -> bool:
        """Whether it waits for a ``delay``."""
        if self.entry is None:
            return self.application != BARE_CLIENT
        return self.entry.edition.keeps_contract

    @property
    def slug(self) -> str:
        return self.id.partition("/")[2]


MEASURABLE = (
    *(
        Exhibit(one.id, one.url, SCHEMES[one.protocol], entry=one)
        for one in CATALOGUE
        if one.edition.measured or one.has_rooms
    ),
    *(
        Exhibit(f"{peer}/{slug}", f"/{slug}/", scheme, f"sandbox.bench.peers:{peer}")
        for peer in PEERS
        for slug, scheme in SCHEMES.items()
    ),
)
DEVICES = (
    *(
        Exhibit(f"{one.id}-qos{qos}", f"/{one.topic}", scheme, entry=one)
        for one in TOPICS
        for qos, scheme in enumerate(MQTT)
    ),
    *(
        Exhibit(f"bare/client-qos{qos}", f"/{TOPICS[0].topic}", scheme, BARE_CLIENT)
        for qos, scheme in enumerate(MQTT)
    ),
)
"""They are measured only when named, on a server of their own: a broker."""
BY_ID = {exhibit.id: exhibit for exhibit in (*MEASURABLE, *DEVICES)}

GROUPS = (
    *(edition.name for edition in EDITIONS.values() if edition.measured),
    *PEERS,
    *ISOLATIONS,
    "bot",
    *(edition.name for edition in EDITIONS.values() if not edition.measured),
    "bare",
)
"""The editions, frameworks and isolations, in the order in which they are shown."""


def group(exhibit: str) -> str:
    """Name the edition or the framework of an exhibit, given its id."""
    return exhibit.partition("/")[0]


def find(ids: Sequence[str], *, peers: bool) -> list[Exhibit]:
    """Find exhibits by id, with the baselines that they are measured against.

    Rooms are not: a baseline has none.
    """
    schemes = {BY_ID[one].scheme for one in ids if not BY_ID[one].has_rooms}
    return [
        exhibit
        for exhibit in BY_ID.values()
        if exhibit.id in ids
        or (exhibit.scheme in schemes and (exhibit.is_baseline or (peers and not exhibit.entry)))
    ]


def rotated(exhibits: Sequence[T], number: int) -> list[T]:
    """Have another one go first in each round: the first finds the server in another state."""
    start = number % len(exhibits) if exhibits else 0
    return [*exhibits[start:], *exhibits[:start]]


def without_doubles(exhibits: Sequence[Exhibit], *, with_codec: bool = True) -> list[Exhibit]:
    """Leave out each exhibit that costs what another one here costs.

    The catalogue says which: an edition may cost as another does, and a class that is mounted
    twice in the same way costs the same. Without ``with_codec`` a JSON type counts as the plain
    type that it is with a codec.
    """
    kept: dict[object, Exhibit] = {}
    for exhibit in sorted(exhibits, key=lambda one: one != _model(one, with_codec=with_codec)):
        kept.setdefault(_cost(_model(exhibit, with_codec=with_codec)), exhibit)
    return [exhibit for exhibit in exhibits if exhibit in kept.values()]


def _model(exhibit: Exhibit, *, with_codec: bool) -> Exhibit:
    """Give the exhibit that costs the same by definition: usually the exhibit itself."""
    if exhibit.entry is None:
        return exhibit
    edition = exhibit.entry.edition
    slug = exhibit.slug if with_codec else exhibit.slug.replace("json-", "")
    return BY_ID.get(f"{edition.costs_as or edition.name}/{slug}", exhibit)


def _cost(exhibit: Exhibit) -> object:
    """The same class costs the same where it is mounted in the same way."""
    if exhibit.entry is None:
        return exhibit.id
    return exhibit.entry.consumer, exhibit.entry.edition.isolated, exhibit.scheme
