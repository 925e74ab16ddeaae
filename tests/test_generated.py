"""What README and docs/ show of the code and of the committed results is generated.

``make docs`` writes it again.
"""

import difflib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from consumers.catalogue import EDITIONS, exhibits
from sandbox.bench.conditions import figures
from sandbox.bench.faults import FAULTS
from sandbox.bench.figures import SECTIONS, section
from sandbox.bench.output.json import SCHEMA_FILE, from_json, json_schema
from sandbox.bench.output.table import many
from sandbox.bench.report import Report
from sandbox.bench.versions import BEHAVIOUR, OF_BEHAVIOUR, OF_SPEED, table
from sandbox.choices import QUESTIONS, RESULTS, Choice, choices, conditions
from sandbox.compare.engine import questions
from sandbox.compare.output.markdown import as_markdown, table_head, table_row
from sandbox.compare.output.matrix import cells, committed
from sandbox.compare.run import run, started
from tests.bench.test_anatomy import as_answer, as_tables
from tests.compare.conftest import MATRIX_EXHIBITS
from tests.compare.test_autobahn import answer as autobahn_answer
from tests.compare.test_autobahn import rows as autobahn_rows
from tests.compare.test_servers_page import as_page
from tests.test_copying import FILES, anchor, facts, files_of, index, sections, with_it
from tests.test_copying import PAGE as COPYING
from tests.test_readme import DOCUMENTS, README, ROOT
from tests.test_security import as_table
from tests.test_upstream import as_faults, as_findings

ROOM = "A chat room with all of it"
RESULTS_OF = {
    "devices": "devices",
    "worker": "workers",
    "bot": "workers",
    "bridge": "workers",
}
"""Which results a section of figures is made of, unless those of ``figures``."""
PAGES = [*DOCUMENTS, ROOT / "SECURITY.md"]


@cache
def _results(name: str) -> Report:
    """Return what ``bench`` has measured, as it is in the repository."""
    return from_json((RESULTS / f"{name}.json").read_bytes())


def _file(path: str) -> str:
    return f"```python\n{(ROOT / path).read_text()}```"


def _diff(*paths: str) -> str:
    old, new = ((ROOT / path).read_text().splitlines(keepends=True) for path in paths)
    lines = difflib.unified_diff(old, new, n=0)
    changed = (line for line in lines if not line.startswith(("---", "+++", "@@")))
    return f"```diff\n{''.join(changed)}```"


def _choices() -> str:
    """Have a row for each choice, with links that work from the README."""
    rows = [
        table_row(
            one.situation,
            [
                f"{_consumer(one)}<br>{_files(one)}",
                one.figure,
                f"{one.trap} [More]({one.docs})",
            ],
        )
        for one in choices()
    ]
    head = table_head("you have", ["take and copy", "its number", "its trap"])
    awaits, blocks = (answer.label.partition(": ")[2] for answer in QUESTIONS[0].answers)
    words = f'"Your code blocks" means: {blocks}. "Never blocks" means: {awaits}.'
    return "\n".join([*head, *rows, "", f"{words} {conditions()}"])


def _consumer(one: Choice) -> str:
    return f"[`{one.consumer}`]({one.source})"


def _files(one: Choice) -> str:
    """Say what to copy, and what it goes behind; a room is copied together with that."""
    names = ", ".join(Path(file).stem for file in one.mounted)
    together, _, rest = COPYING.read_text().partition(f"\n## {ROOM}\n")
    room = rest.partition("\n## ")[0]
    if one.source in room:
        return f"{_copy(ROOM, FILES.findall(room)[0])}<br>with {names}"
    if all(file in together for file in one.mounted):
        return f"{_copied(one)}<br>behind [{names}](docs/copying.md#all-of-it-together)"
    return f"{_copied(one)}<br>behind {', '.join(map(_link, one.mounted))}"


def _copied(one: Choice) -> str:
    """Lead to the section that copies the file, or the mixins of its folder."""
    source = Path(one.source)

    def has_it(section: tuple[str, str]) -> tuple[bool, bool]:
        files = files_of(*section[1].split())
        return source in files, files[0].parent == source.parent

    return _copy(*max(sections(COPYING.read_text()), key=has_it))


def _copy(title: str, patterns: str) -> str:
    files = files_of(*patterns.split())
    number = many(len([*files, *with_it(files)]), "file", "files")
    return f"[copy {number}](docs/copying.md#{anchor(title)})"


def _link(path: str) -> str:
    return f"[`{'/'.join(Path(path).parts[1:])}`]({path})"


def _questions() -> str:
    """Have the table of the README, with links that work from docs/."""
    table = README.read_text().partition("## Questions\n\n")[2].partition("\n\n")[0]
    rows = table.replace("](docs/", "](").splitlines()
    return "\n".join(row for row in rows if "(README.md)" not in row)


def _editions() -> str:
    rows = [
        table_row(
            f"`{edition.name}`",
            [edition.sentence, ", ".join(f"`{e.topic or e.url}`" for e in exhibits(edition.name))],
        )
        for edition in EDITIONS.values()
    ]
    return "\n".join([*table_head("edition", ["what it shows", "URLs, or topics"]), *rows])


def _conditions() -> str:
    rows = [
        table_row(f"`{name}`", [figure.words, f"`{experiment}`"])
        for experiment, name, figure in figures()
    ]
    return "\n".join([*table_head("figure", ["what it is", "experiment"]), *rows])


def _cells() -> list[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Return what the committed result has of each server, without other versions."""
    result = committed()
    servers = {it["name"] for it in result["targets"] if not it["environment"]}
    return [cell for cell in cells(result) if cell[0] in servers]


def _matrix_line(edition: str) -> str:
    """Say in one sentence how one edition did on all servers, in the result that is committed."""
    found = [it for it in _cells() if it[1].startswith(f"{edition}/")]
    count = Counter(outcome["verdict"] for *_, outcome in found)
    servers = list(dict.fromkeys(server.capitalize() for server, *_ in found))
    probes = {probe["id"] for _, _, probe, _ in found}
    text = f"""**{len(probes)} probes**, which are tests of one behaviour each, of the five types of
        `{edition}` on {", ".join(servers[:-1])} and {servers[-1]}: **{count["same"]:,} answers are
        as the contract says**. {count["declared"]:,} differ because of the server, each for a
        reason that is written down. {count["differs"]} differ without a reason. The page `/matrix/`
        shows all of them, and [matrix](docs/matrix.md) a summary."""
    return " ".join(text.split())


def _seen(*probes: str) -> str:
    """Have a row for each probe: what a trusting consumer shows on each server, and what echo."""
    exhibits = "tutorial/json-websocket", "tutorial/async-http", "echo/json-websocket"
    seen: dict[tuple[str, str], dict[str, list[str]]] = {}
    sentences = {}
    for server, exhibit, probe, outcome in _cells():
        if outcome["verdict"] == "n/a":
            continue
        sentences[probe["id"]] = probe["sentence"]
        by_words = seen.setdefault((probe["id"], exhibit), {})
        by_words.setdefault(outcome["seen"], []).append(server.capitalize())
    rows = [
        table_row(
            f"`{probe}`: {sentences[probe]}",
            [_by_server(seen.get((probe, one), {})) for one in exhibits],
        )
        for probe in probes
    ]
    return "\n".join([*table_head("", [f"`{one}`" for one in exhibits]), *rows])


def _by_server(seen: dict[str, list[str]]) -> str:
    """Name the servers only where not all show the same; a probe may not apply to an exhibit."""
    if len(seen) == 1:
        return f"`{next(iter(seen))}`"
    return "<br>".join(f"`{words}` ({', '.join(servers)})" for words, servers in seen.items())


def _lost(*words: str) -> str:
    """Have a row for each fault, a column for each edition: how many messages of all were lost.

    With the word "answer", say only what is lost with connections that drop.
    """
    rows = _results("delivery").results["delivery"]
    lost, sent = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in rows:
        key = row.fault, row.exhibit.partition("/")[0]
        lost[key] += row.lost
        sent[key] += row.lost + row.delivered
    if words == ("answer",):
        rooms, history = (
            f"{lost['drops', one]:,} of {sent['drops', one]:,}" for one in ("rooms", "history")
        )
        return (
            "A room loses what is sent while a client is away. In a test that resets each "
            "connection\nevery 2 s, "
            f"rooms lost {rooms} messages, and rooms that remember {history}."
        )
    editions = list(dict.fromkeys(edition for _, edition in sent))
    lines = [
        table_row(
            f"{name}: {fault.sentence}",
            [f"{lost[name, one]:,} of {sent[name, one]:,}" for one in editions],
        )
        for name, fault in FAULTS.items()
    ]
    return "\n".join([*table_head("", [f"`{one}`" for one in editions]), *lines])


def _figures(name: str) -> str:
    return section(name, _results(RESULTS_OF.get(name, "figures")))


def _matrix() -> str:
    report = run([started("daphne")], questions(MATRIX_EXHIBITS))
    assert report.is_good, report.of("differs")
    return as_markdown(report)


GENERATED: dict[str, Callable[..., str]] = {
    "anatomy": lambda *words: (as_answer if words else as_tables)(_results("anatomy")),
    "autobahn": lambda *words: autobahn_answer() if words else "\n".join(autobahn_rows()),
    "choices": _choices,
    "conditions": _conditions,
    "diff": _diff,
    "differences": as_page,
    "editions": _editions,
    "faults": as_faults,
    "figures": _figures,
    "file": _file,
    "files": facts,
    "findings": as_findings,
    "index": index,
    "lost": _lost,
    "matrix": _matrix,
    "matrix-line": _matrix_line,
    "questions": _questions,
    "seen": _seen,
    "tried": lambda: as_table(_results("soak")),
    "versions": table,
}
"""What writes a part of a page, by the name in its mark; it gets the words after the name."""

MARK = rf"<!-- (?P<name>{'|'.join(GENERATED)})(?:: (?P<words>.*))? -->"
PART = re.compile(rf"(?P<mark>{MARK})\n(?s:```.*?\n```|.*?<!-- /(?P=name) -->)")
"""A mark, with the block of code after it, or else with all up to its end mark."""
PARTS = {
    f"{page.relative_to(ROOT)} {part['mark'][5:-4]}": part
    for page in PAGES
    for part in PART.finditer(page.read_text())
}


def generated(part: re.Match[str]) -> str:
    words = (part["words"] or "").split()
    return between_marks(part, GENERATED[part["name"]](*words))


def between_marks(part: re.Match[str], text: str) -> str:
    text = text.strip()
    if not text.startswith("```"):
        text = f"\n{text}\n\n<!-- /{part['name']} -->"
    return f"{part['mark']}\n{text}"


@pytest.mark.parametrize(
    "part",
    [pytest.param(part, id=name) for name, part in PARTS.items() if part["name"] != "matrix"],
)  # tests/compare/test_matrix.py compares the matrix with the run that it has made already
def test_the_page_is_what_is_generated(part: re.Match[str]) -> None:
    """A part of a page shows the code, or the committed results, as they are now."""
    assert part[0] == generated(part), "make docs writes it again."


def test_no_mark_is_lost() -> None:
    """Each mark begins one part, and all that can be generated is on a page."""
    marks = [mark[0] for page in PAGES for mark in re.finditer(MARK, page.read_text())]
    assert marks == [part["mark"] for part in PARTS.values()]
    assert {part["name"] for part in PARTS.values()} == GENERATED.keys()
    for name, words in (("figures", SECTIONS), ("versions", OF_BEHAVIOUR | OF_SPEED)):
        assert {f"<!-- {name}: {word} -->" for word in words} <= set(marks)


def test_results_are_not_replaced_by_none() -> None:
    """Without a file to read, the command that keeps results writes nothing, and says why."""
    before = BEHAVIOUR.read_bytes()
    command = [sys.executable, "-m", "sandbox.bench.versions"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr[:24]) == (1, "Name the JSON files of c")
    assert BEHAVIOUR.read_bytes() == before


if __name__ == "__main__":
    SCHEMA_FILE.write_bytes(json_schema())
    for page in PAGES:
        page.write_text(PART.sub(generated, page.read_text()))


def test_the_websocket_types_of_tutorial_see_bad_input_alike() -> None:
    """What docs/contract.md shows of one of them holds for the others, on every server."""
    (ids,) = re.findall("<!-- seen: (.*) -->", (ROOT / "docs" / "contract.md").read_text())
    probes = ids.split()
    seen: dict[tuple[str, str], set[str]] = {}
    for server, exhibit, probe, outcome in _cells():
        if exhibit.startswith("tutorial/") and "websocket" in exhibit and probe["id"] in probes:
            seen.setdefault((server, probe["id"]), set()).add(outcome["seen"])

    assert len(seen) > 4 * 5
    assert all(len(words) == 1 for words in seen.values())
