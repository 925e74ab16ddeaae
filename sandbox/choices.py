"""Which consumer for which situation: what the README, docs/choosing.md and /choose/ recommend.

Every figure is read from the committed results of ``bench``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Literal, TypeAlias

from consumers.catalogue import CATALOGUE, Exhibit

RESULTS = Path(__file__).parent / "bench" / "results"
SERVER, CONNECTIONS, PAYLOAD_BYTES, MEMBERS = "daphne", 32, 32, 50
"""Which of the results are quoted."""
OTHER_SERVER = "uvicorn"
"""The one that docs/servers.md recommends: how many times as much it does is quoted too."""
ISOLATION, BACKPRESSURE = "routing/isolation.py", "routing/backpressure.py"
ENDING, ORIGIN = "routing/ending.py", "routing/origin.py"
TOPICS = "routing/topics.py"
ALONE = (ISOLATION, ORIGIN, ENDING)
"""In front of every consumer, from the server inwards: without ENDING it may not learn of its end,
without ORIGIN any page may open its WebSocket, or POST to it."""
ROOM = (ISOLATION, ORIGIN, BACKPRESSURE, ENDING)
IF_BLOCKS = (
    "Your code blocks, and this type has no sync form: use the ORM's asynchronous methods, and put "
    "all else that blocks into database_sync_to_async or sync_to_async."
)
REMEMBERED = (
    "Each message is first written to the database. A process has up to 32 connections to it "
    "(`SYNC_THREADS`)."
)
BY_ID = {exhibit.id: exhibit for exhibit in CATALOGUE}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a question."""

    value: str
    label: str
    note: str = ""
    """What follows from it, whatever the other answers are."""


@dataclass(frozen=True, slots=True)
class Question:
    """What has to be known about a situation."""

    name: str
    text: str
    answers: tuple[Answer, ...]


Answers: TypeAlias = dict[str, set[str]]
"""By question, the answers that suit. A question that is missing does not matter."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A situation, and the consumer for it."""

    id: str
    """That of the exhibit to try, where there is one."""
    situation: str
    mounted: tuple[str, ...]
    """The files of ``routing/`` that belong in front of it, from the project's root."""
    figure: str
    """Its one number, in words."""
    trap: str
    """What goes wrong most often, in Markdown."""
    docs: str
    """The section that says more, from the project's root."""
    when: tuple[Answers, ...] = ()
    """What leads here: any of these. Nothing does if there is none."""
    if_blocks: str = ""
    """What to do with code that blocks, where the consumer has no sync form."""
    without_url: tuple[str, str] = ("", "")
    """Of a consumer that is no exhibit, the class of Channels and the file."""

    @property
    def exhibit(self) -> Exhibit | None:
        return BY_ID.get(self.id)

    @property
    def consumer(self) -> str:
        """The class of Channels."""
        return self.exhibit.type if self.exhibit else self.without_url[0]

    @property
    def kind(self) -> Literal["sync", "async"]:
        return "async" if self.consumer.startswith("Async") else "sync"

    @property
    def source(self) -> str:
        """The file to copy, from the project's root."""
        return self.exhibit.source if self.exhibit else self.without_url[1]

    def suits(self, given: Mapping[str, str]) -> bool:
        """Whether one answer to each question leads here. Raises KeyError if one is missing."""
        return any(all(given[name] in it for name, it in one.items()) for one in self.when)


QUESTIONS = (
    Question(
        "code",
        "Does your code block?",
        (
            Answer(
                "awaits", "No: it awaits all that takes time, such as the ORM's aget and acreate"
            ),
            Answer("blocks", "Yes: the ORM's get and create, requests, files, long computations"),
        ),
    ),
    Question(
        "others",
        "Do clients talk to each other?",
        (
            Answer("no", "No: each talks to the server alone"),
            Answer(
                "yes",
                "Yes: a chat, a dashboard, a game",
                "With several processes set `REDIS_URL`: a room in memory belongs to one process.",
            ),
            Answer(
                "remembered",
                "Yes, and a client that reconnects must get what it missed",
                "With several processes set `REDIS_URL`, and one `DATABASE_URL` for all of them.",
            ),
        ),
    ),
    Question(
        "listens",
        "Does the client only listen?",
        (
            Answer("no", "No: both sides send at any time"),
            Answer("yes", "Yes: it receives, and rarely sends"),
            Answer("asks", "No: it sends single requests, and each has one response"),
        ),
    ),
    Question(
        "client",
        "What is the client?",
        (
            Answer(
                "browser",
                "A browser",
                "Pages of any site may connect to yours: `routing/origin.py` checks their Origin.",
            ),
            Answer(
                "program",
                "A program",
                "A program may send any Origin, or none. So it has to prove who it is, for example "
                "with a token in a header.",
            ),
            Answer("device", "A device that speaks MQTT"),
        ),
    ),
)


def choose(given: Mapping[str, str]) -> Choice:
    """Find the choice for one answer to each question. Raises KeyError if one is missing."""
    (choice,) = (one for one in choices() if one.suits(given))
    return choice


def notes(given: Mapping[str, str]) -> list[str]:
    """What follows from these answers besides the choice. Raises KeyError if one is missing."""
    if_blocks = choose(given).if_blocks if given["code"] == "blocks" else ""
    of_answers = (
        answer.note
        for question in QUESTIONS
        for answer in question.answers
        if answer.value == given[question.name]
    )
    return [note for note in (if_blocks, *of_answers) if note]


def combinations() -> list[dict[str, str]]:
    """Every way to answer all questions: the answer's value by the question's name."""
    values = [[answer.value for answer in question.answers] for question in QUESTIONS]
    names = [question.name for question in QUESTIONS]
    return [dict(zip(names, given, strict=True)) for given in product(*values)]


@cache
def choices() -> tuple[Choice, ...]:
    """All choices, in the order they are shown. Raises KeyError if a figure was not measured."""
    measured = _Measured()
    anyone = {"client": {"browser", "program"}}
    device = {"client": {"device"}}
    awaits, blocks = anyone | {"code": {"awaits"}}, anyone | {"code": {"blocks"}}
    alone = {"others": {"no"}, "listens": {"no"}}
    room = {"others": {"yes"}, "listens": {"no"}}
    remembering = {"others": {"remembered"}, "listens": {"no"}}
    return (
        Choice(
            "echo/async-websocket",
            "Both sides send at any time; your code never blocks",
            ALONE,
            f"{measured.echoes('echo/async-websocket')} echoes a second",
            "One call that blocks stops every connection of the process.",
            "docs/choosing.md#which-connections-wait-while-one-blocks",
            (awaits | alone,),
        ),
        Choice(
            "echo/websocket",
            "Both sides send at any time; your code blocks: the ORM, requests, files",
            ALONE,
            f"{measured.echoes('echo/websocket')} echoes a second",
            "Without `isolation.py`, a consumer that blocks for a second delays all others by "
            f"{measured.added_by('stock/websocket', 'stock/async-websocket')}.",
            "docs/choosing.md#which-connections-wait-while-one-blocks",
            (blocks | alone,),
        ),
        Choice(
            "rooms/async-websocket",
            "Clients talk to each other; your code never blocks",
            ROOM,
            f"{measured.deliveries('rooms/async-websocket')} deliveries a second in a room of "
            f"{MEMBERS}",
            "A client misses what is sent while its connection is down: "
            f"{measured.lost('rooms/async-websocket', 'drops')} messages.",
            "docs/rooms.md",
            (awaits | room,),
        ),
        Choice(
            "rooms/websocket",
            "Clients talk to each other; your code blocks",
            ROOM,
            f"{measured.deliveries('rooms/websocket')} deliveries a second in a room of {MEMBERS}",
            "While a member's handler blocks, up to 500 messages wait for it. It loses the others.",
            "docs/rooms.md",
            (blocks | room,),
        ),
        Choice(
            "history/async-websocket",
            "Clients talk to each other, and get what they missed; your code never blocks",
            ROOM,
            measured.lost_with_drops("history/async-websocket"),
            REMEMBERED,
            "docs/database.md#connections-for-a-thousand-sockets",
            (awaits | remembering,),
        ),
        Choice(
            "history/websocket",
            "Clients talk to each other, and get what they missed; your code blocks",
            ROOM,
            measured.lost_with_drops("history/websocket"),
            REMEMBERED,
            "docs/database.md#connections-for-a-thousand-sockets",
            (blocks | remembering,),
        ),
        Choice(
            "rooms/async-http",
            "Clients only listen, or post now and then: notifications, progress",
            ROOM,
            measured.lost_with_drops("rooms/async-http"),
            "It ends when `handle` returns. So `event_stream.py` overrides `http_request`.",
            "docs/rooms.md#event-streams",
            (
                anyone | {"others": {"no", "yes"}, "listens": {"yes"}},
                anyone | {"others": {"yes"}, "listens": {"asks"}},
            ),
            IF_BLOCKS,
        ),
        Choice(
            "history/async-http",
            "Clients only listen, or post now and then, and get what they missed",
            ROOM,
            measured.lost_with_drops("history/async-http"),
            "An `EventSource` sends `Last-Event-ID` by itself. Other clients need code for it.",
            "docs/rooms.md#a-room-that-remembers",
            (anyone | {"others": {"remembered"}, "listens": {"yes", "asks"}},),
            IF_BLOCKS,
        ),
        Choice(
            "echo/async-http",
            "Single requests, each with one response",
            ALONE,
            f"{measured.echoes('echo/async-http')} requests a second",
            "Django's middleware does not run for it: no sessions, no CSRF check.",
            "docs/choosing.md#the-five-types",
            (anyone | {"others": {"no"}, "listens": {"asks"}},),
            f"{IF_BLOCKS} Or use a view of Django, which may block.",
        ),
        Choice(
            "mqtt/async",
            "A device that speaks MQTT; your code never blocks",
            (TOPICS,),
            measured.devices("mqtt/async-qos1"),
            "With QoS 1 a message may come twice.",
            "docs/mqtt.md",
            (device | {"others": {"no"}, "code": {"awaits"}},),
            without_url=("AsyncConsumer", "consumers/mqtt/echo_async.py"),
        ),
        Choice(
            "mqtt/sync",
            "A device that speaks MQTT; your code blocks",
            (TOPICS,),
            measured.devices("mqtt/sync-qos1"),
            "With QoS 1 a message may come twice.",
            "docs/mqtt.md",
            (device | {"others": {"no"}, "code": {"blocks"}},),
            without_url=("SyncConsumer", "consumers/mqtt/echo_sync.py"),
        ),
        Choice(
            "mqtt/bridge",
            "Devices that speak MQTT and members of a room talk to each other",
            (TOPICS,),
            f"{measured.answers('mqtt/bridge-to-members')} messages a second from devices to "
            "members, at QoS 1",
            "It needs Redis. At QoS 1 a device later gets what it missed; a member does not.",
            "docs/bridge.md",
            (device | {"others": {"yes", "remembered"}},),
            IF_BLOCKS,
            ("AsyncConsumer", "consumers/mqtt/bridge.py"),
        ),
        Choice(
            "echo/async-json-websocket",
            "You want hooks that decode and encode JSON",
            ALONE,
            f"{measured.echoes('echo/async-json-websocket')} echoes a second",
            "By default bad input, binary and empty messages end the connection.",
            "docs/choosing.md#the-five-types",
        ),
        Choice(
            "tuned/async-websocket",
            "Channels' own cost for each message matters",
            ALONE,
            f"{measured.echoes('tuned/async-websocket')} echoes a second",
            "You give something up with each mixin. Its docstring says what.",
            "docs/anatomy.md",
        ),
        Choice(
            "worker/async-json-websocket",
            "Work that another process must do",
            ("routing/channels.py",),
            f"{measured.answers('worker/echo-async')} echoes a second",
            "It needs Redis: `runworker` hears nothing from a layer in memory.",
            "docs/rooms.md#workers",
        ),
        Choice(
            "bot",
            "A bot that answers in a room",
            ("routing/channels.py",),
            f"{measured.answers('bot/async')} answers a second",
            "Two workers answer some commands twice, unless each claims a command first.",
            "docs/bot.md",
            without_url=("AsyncConsumer", "consumers/bot/bot_async.py"),
        ),
    )


def conditions() -> str:
    """Say how the figures came about. Raises KeyError if a figure was not measured."""
    figures, delivery, devices = map(_results, ("figures", "delivery", "devices"))
    clients = delivery["results"]["delivery"][0]["clients"]
    times = _Measured().times
    return (
        f"Measured on {figures['started'][:10]} with {SERVER.capitalize()}, over MQTT with "
        f"{devices['servers'][0]['name'].capitalize()}: one process on one of "
        f"{figures['machine']['cores']} cores, with {CONNECTIONS} connections or a room of "
        f"{MEMBERS}; for a worker, a bot and the bridge, Redis and their process share that core. "
        f"Lost messages are those of {clients} clients in one room on two servers. "
        f"With {OTHER_SERVER.capitalize()} the consumers of `echo` did "
        f"{times('echo', 'echo')} times as much, those of `rooms` {times('rooms', 'fanout')} "
        f"times, and that of `tuned` {times('tuned', 'echo')} times."
    )


def _results(name: str) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return results


class _Measured:
    """What the committed results say of an exhibit, in words. Methods raise KeyError."""

    def __init__(self) -> None:
        figures, delivery, devices, workers = (
            _results(name)["results"] for name in ("figures", "delivery", "devices", "workers")
        )
        self._answers = {
            row["exhibit"]: row["per_second"]["median"]
            for row in workers["workers"]
            if (row["server"], row["connections"]) == (SERVER, CONNECTIONS)
        }
        self._devices = {row["exhibit"]: row["per_second"] for row in devices["echo"]}
        self._rates = {
            "echo": {
                (row["server"], row["exhibit"]): row["per_second"]["median"]
                for row in figures["echo"]
                if (row["connections"], row["payload_bytes"]) == (CONNECTIONS, PAYLOAD_BYTES)
            },
            "fanout": {
                (row["server"], row["exhibit"]): row["deliveries_per_second"]["median"]
                for row in figures["fanout"]
                if (row["layer"], row["processes"], row["members"]) == ("in memory", 1, MEMBERS)
            },
        }
        self._stall = {
            (row["blocker"], row["exhibit"]): row["added_p99"]
            for row in figures["stall"]
            if row["server"] == SERVER
        }
        self._delivery = {
            (row["exhibit"], row["fault"]): row
            for row in delivery["delivery"]
            if row["server"] == SERVER
        }

    def echoes(self, exhibit: str) -> str:
        return rough(self._rates["echo"][SERVER, exhibit])

    def devices(self, exhibit: str) -> str:
        return (
            f"{rough(self._devices[exhibit]['median'])} echoes a second at QoS 1, with the mixins "
            "of `tuned`"
        )

    def answers(self, way: str) -> str:
        """How many another process gives a second."""
        return rough(self._answers[way])

    def deliveries(self, exhibit: str) -> str:
        return rough(self._rates["fanout"][SERVER, exhibit])

    def times(self, edition: str, experiment: str) -> str:
        """How many times as much the consumers of an edition do on the other server."""
        rates = self._rates[experiment]
        times = [
            rates[OTHER_SERVER, one.id] / rates[SERVER, one.id]
            for one in choices()
            if one.id.startswith(f"{edition}/") and (SERVER, one.id) in rates
        ]
        return " to ".join(dict.fromkeys(f"{one:.1f}" for one in (min(times), max(times))))

    def added_by(self, blocker: str, exhibit: str) -> str:
        return f"{rough(self._stall[blocker, exhibit]['median'])} ms"

    def lost(self, exhibit: str, fault: str) -> str:
        row = self._delivery[exhibit, fault]
        return f"{row['lost']:,} of {row['delivered'] + row['lost']:,}"

    def lost_with_drops(self, exhibit: str) -> str:
        return f"{self.lost(exhibit, 'drops')} messages lost while connections drop"


def rough(figure: float) -> str:
    """Keep two digits: the next run has others in the third."""
    return f"{float(f'{figure:.2g}'):,.0f}"
