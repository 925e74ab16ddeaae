"""The table of choices: what the README, docs/choosing.md and /choose/ recommend."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings

from sandbox import choices as module
from sandbox.choices import RESULTS, Choice, choices, choose, combinations, notes
from tests.test_readme import anchors

ROOT = Path(__file__).parent.parent
each = pytest.mark.parametrize("choice", choices(), ids=lambda choice: choice.id)


@pytest.mark.parametrize("given", combinations(), ids=lambda given: "-".join(given.values()))
def test_every_combination_leads_to_one_choice(given: dict[str, str]) -> None:
    """Whatever is answered to the four questions, exactly one choice suits."""
    assert [one for one in choices() if one.suits(given)] == [choose(given)]


def test_every_condition_names_questions_and_answers() -> None:
    """No choice waits for a question or an answer that does not exist."""
    known = {q.name: {answer.value for answer in q.answers} for q in module.QUESTIONS}

    for one in choices():
        for when in one.when:
            assert all(answers <= known[name] for name, answers in when.items()), one.id


def test_every_answer_matters() -> None:
    """Each answer has a note, or leads to another choice than others do."""
    for question in module.QUESTIONS:
        for answer in question.answers:
            others = [one for one in question.answers if one is not answer]
            assert answer.note or any(
                choose(given) is not choose(given | {question.name: other.value})
                for given in combinations()
                if given[question.name] == answer.value
                for other in others
            )


@pytest.mark.parametrize("given", combinations(), ids=lambda given: "-".join(given.values()))
def test_code_that_blocks_has_a_sync_consumer_or_a_way_around(given: dict[str, str]) -> None:
    """Whatever the other answers are, it matters whether the code blocks."""
    awaits, blocks = given | {"code": "awaits"}, given | {"code": "blocks"}

    assert choose(awaits).consumer.startswith("Async")
    says_what_to_do = any(module.IF_BLOCKS in note for note in notes(blocks))
    assert choose(blocks).consumer.startswith("Async") == says_what_to_do
    assert not any(module.IF_BLOCKS in note for note in notes(awaits))


@pytest.mark.parametrize("given", combinations(), ids=lambda given: "-".join(given.values()))
def test_devices_hear_each_other_and_members_over_the_bridge(given: dict[str, str]) -> None:
    """Devices that are no longer alone lead to the bridge, and nothing else does."""
    talks = given["client"] == "device" and given["others"] != "no"

    assert (choose(given).source == "consumers/mqtt/bridge.py") == talks


@each
def test_names_only_what_is_there(choice: Choice) -> None:
    """The file to copy, the files in front of it and the section of the docs exist."""
    page, _, anchor = choice.docs.partition("#")

    for path in (choice.source, *choice.mounted, page):
        assert (ROOT / path).is_file(), path
    assert not anchor or anchor in anchors((ROOT / page).read_text())


def test_every_figure_is_read_from_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other results, each number of a figure or a trap is another one."""
    for name in ("figures.json", "delivery.json", "devices.json", "workers.json"):
        written = (RESULTS / name).read_text()
        written = re.sub(r'"median":[^,]+', '"median":7654.321', written)
        (tmp_path / name).write_text(re.sub(r'"(lost|delivered)":\d+', r'"\1":1', written))
    monkeypatch.setattr(module, "RESULTS", tmp_path)

    for one, other in zip(choices(), choices.__wrapped__(), strict=True):
        assert re.match(r"7,700 |1 of 2 ", other.figure), other
        assert re.sub(r"\b(\d+ ms|[\d,]+ of [\d,]+)", "#", one.trap) == re.sub(
            "7,700 ms|1 of 2", "#", other.trap
        )


@each
def test_says_where_mixins_were_measured(choice: Choice) -> None:
    """A figure names the mixins of ``tuned`` if its consumer has them and others do not."""
    has_them = "from consumers.tuned.mixins" in (ROOT / choice.source).read_text()

    assert ("mixins" in choice.figure) == (has_them and not choice.exhibit)


def test_says_how_the_figures_came_about() -> None:
    """The day, the machine and the load of the figures are those of the results."""
    figures = json.loads((RESULTS / "figures.json").read_text())

    assert module.conditions().startswith(f"Measured on {figures['started'][:10]} with Daphne")
    assert f"one of {figures['machine']['cores']} cores" in module.conditions()


def test_says_how_much_more_the_recommended_server_does() -> None:
    """With Uvicorn the extremes of the table are those of the results."""
    rows = json.loads((RESULTS / "figures.json").read_text())["results"]["echo"]
    rate = {
        (row["server"], row["exhibit"]): row["per_second"]["median"]
        for row in rows
        if (row["connections"], row["payload_bytes"]) == (32, 32)
    }
    echo = [one.id for one in choices() if one.id.startswith("echo/")]
    times = [rate["uvicorn", one] / rate["daphne", one] for one in echo]
    tuned = rate["uvicorn", "tuned/async-websocket"] / rate["daphne", "tuned/async-websocket"]

    assert len(echo) == 4
    assert (
        f"With Uvicorn the consumers of `echo` did {min(times):.1f} to {max(times):.1f} times as "
        "much, "
    ) in module.conditions()
    assert f"that of `tuned` {tuned:.1f} times." in module.conditions()


def test_a_member_loses_what_exceeds_the_capacity() -> None:
    """The trap of a room names the number of messages that wait for a busy member."""
    assert f"up to {settings.ROOM_CAPACITY} messages" in "".join(one.trap for one in choices())


def test_a_room_that_remembers_has_threads() -> None:
    """Its trap names as many connections as there are threads unless set, as the settings do."""
    (threads,) = re.findall("up to ([0-9]+) connections", module.REMEMBERED)

    assert f"| `SYNC_THREADS` | `{threads}` |" in (ROOT / "docs" / "settings.md").read_text()


@pytest.mark.parametrize("missing", ["echo", "stall", "fanout", "delivery", "workers"])
def test_states_nothing_that_was_not_measured(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results that lack an experiment give no choices at all."""
    for name in ("figures.json", "delivery.json", "devices.json", "workers.json"):
        document = json.loads((RESULTS / name).read_text())
        document["results"][missing] = []
        (tmp_path / name).write_text(json.dumps(document))
    monkeypatch.setattr(module, "RESULTS", tmp_path)

    with pytest.raises(KeyError):
        choices.__wrapped__()
