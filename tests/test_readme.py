"""The README and docs/ are held to the project: what they show is generated, what they run is run.

``python -m tests.test_readme`` writes the generated parts again.
"""

import difflib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from consumers.catalogue import EDITIONS, exhibits
from sandbox.bench.conditions import figures
from sandbox.bench.faults import FAULTS
from sandbox.bench.output.json import from_json
from sandbox.bench.output.table import many
from sandbox.choices import QUESTIONS, RESULTS, Choice, choices, conditions
from sandbox.compare.output.markdown import table_head, table_row
from sandbox.compare.output.matrix import cells, committed
from sandbox.processes.migration import migrate
from sandbox.processes.servers import Server, serve
from tests.test_copying import PAGE as COPYING
from tests.test_copying import anchor as anchor_of
from tests.test_copying import files_of, sections, with_it

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").glob("*.md"))]
each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT))
)
LONGEST_README = 160
BLOCK = r"(?:\n```[a-z]+\n.*?```)?"
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def render(text: str) -> str:
    """Return a document with every generated part as it should be."""
    text = re.sub(
        rf"<!-- file: (\S+) -->{BLOCK}",
        lambda m: _fenced(m[0], "python", _read(m[1])),
        text,
        flags=re.DOTALL,
    )
    text = re.sub(
        rf"<!-- diff: (\S+) (\S+) -->{BLOCK}",
        lambda m: _fenced(m[0], "diff", _diff(m[1], m[2])),
        text,
        flags=re.DOTALL,
    )
    return re.sub(
        r"(<!-- (?P<name>[\w-]+)(?:: (?P<argument>.*?))? -->\n).*?(<!-- /(?P=name) -->)",
        lambda m: _generated(m[0], m[1], m["name"], m["argument"]),
        text,
        flags=re.DOTALL,
    )


def _generated(part: str, mark: str, name: str, argument: str) -> str:
    """Make a part again; leave those that others make."""
    if name not in GENERATED:
        return part
    return f"{mark}\n{GENERATED[name](argument)}\n\n<!-- /{name} -->"


def _fenced(block: str, language: str, content: str) -> str:
    marker = block.partition("\n")[0]
    return f"{marker}\n```{language}\n{content}```"


def _read(path: str) -> str:
    return (ROOT / path).read_text()


def _diff(old: str, new: str) -> str:
    lines = difflib.unified_diff(
        _read(old).splitlines(keepends=True), _read(new).splitlines(keepends=True), n=0
    )
    return "".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _choices(_: None) -> str:
    """Have a row for each choice, with links that work from the README."""
    rows = [
        table_row(
            one.situation,
            [
                f"`{one.consumer}`<br>{_copied(one)}<br>behind {_behind(one.mounted)}",
                one.figure,
                f"{one.trap} [More]({one.docs})",
            ],
        )
        for one in choices()
    ]
    head = table_head("you have", ["take, and copy", "its number", "its trap"])
    awaits, blocks = (answer.label.partition(": ")[2] for answer in QUESTIONS[0].answers)
    words = f'"Your code blocks": {blocks}. "Never blocks": {awaits}.'
    return "\n".join([*head, *rows, "", f"{words} {conditions()}"])


def _copied(one: Choice) -> str:
    """Lead to the section that copies the file, or the mixins of its folder, and to the file."""
    source = Path(one.source)
    found = [(title, files_of(patterns)) for title, patterns in sections(COPYING.read_text())]
    title, files = max(found, key=lambda it: (source in it[1], it[1][0].parent == source.parent))
    number = many(len([*files, *with_it(files)]), "file", "files")
    return f"[copy {number}](docs/copying.md#{anchor_of(title)}); source: {_link(one.source)}"


def _behind(mounted: tuple[str, ...]) -> str:
    """Lead to where they are shown together, or to the file if it is not among them."""
    together = COPYING.read_text().partition("## All of it together")[2].partition("### ")[0]
    if not all(file in together for file in mounted):
        return ", ".join(map(_link, mounted))
    names = ", ".join(Path(file).stem for file in mounted)
    return f"[{names}](docs/copying.md#all-of-it-together)"


def _link(path: str) -> str:
    return f"[`{'/'.join(Path(path).parts[1:])}`]({path})"


def _questions(_: None) -> str:
    """Have the table of the README, with links that work from docs/."""
    table = README.read_text().partition("## Questions\n\n")[2].partition("\n\n")[0]
    rows = table.replace("](docs/", "](").splitlines()
    return "\n".join(row for row in rows if "(README.md)" not in row)


def _editions(_: None) -> str:
    rows = [
        table_row(
            f"`{edition.name}`",
            [edition.sentence, ", ".join(f"`{e.topic or e.url}`" for e in exhibits(edition.name))],
        )
        for edition in EDITIONS.values()
    ]
    return "\n".join([*table_head("edition", ["what it shows", "URLs, or topics"]), *rows])


def _conditions(_: None) -> str:
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


def _matrix(edition: str) -> str:
    """Say in one sentence how one edition did on all servers, in the result that is committed."""
    found = [it for it in _cells() if it[1].startswith(f"{edition}/")]
    count = Counter(outcome["verdict"] for *_, outcome in found)
    servers = list(dict.fromkeys(server.capitalize() for server, *_ in found))
    probes = {probe["id"] for _, _, probe, _ in found}
    text = f"""**{len(probes)} probes** of the five types of `{edition}` on
        {", ".join(servers[:-1])} and {servers[-1]}: **{count["same"]:,} answers are as the contract
        says**.
        {count["declared"]:,} differ because of the server, for a reason that is written down;
        {count["differs"]} differ without one. All are on the page `/matrix/`; [a
        summary](docs/matrix.md)."""
    return " ".join(text.split())


def _seen(probes: str) -> str:
    """Have a row for each probe: what a trusting consumer shows on each server, and what echo."""
    exhibits = "tutorial/json-websocket", "echo/json-websocket"
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
            f"`{probe}`: {sentences[probe]}", [_by_server(seen[probe, one]) for one in exhibits]
        )
        for probe in probes.split()
    ]
    return "\n".join([*table_head("", [f"`{one}`" for one in exhibits]), *rows])


def _by_server(seen: dict[str, list[str]]) -> str:
    if len(seen) == 1:
        return f"`{next(iter(seen))}`"
    return "<br>".join(f"`{words}` ({', '.join(servers)})" for words, servers in seen.items())


def _lost(_: None) -> str:
    """Have a row for each fault, a column for each edition: how many messages of all were lost."""
    rows = from_json((RESULTS / "delivery.json").read_bytes()).results["delivery"]
    lost, sent = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in rows:
        key = row.fault, row.exhibit.partition("/")[0]
        lost[key] += row.lost
        sent[key] += row.lost + row.delivered
    editions = list(dict.fromkeys(edition for _, edition in sent))
    lines = [
        table_row(
            f"{name}: {fault.sentence}",
            [f"{lost[name, one]:,} of {sent[name, one]:,}" for one in editions],
        )
        for name, fault in FAULTS.items()
    ]
    return "\n".join([*table_head("", [f"`{one}`" for one in editions]), *lines])


GENERATED: dict[str, Callable[[Any], str]] = {
    "choices": _choices,
    "conditions": _conditions,
    "editions": _editions,
    "questions": _questions,
    "matrix-line": _matrix,
    "seen": _seen,
    "lost": _lost,
}
"""What is between the marks of that name. A mark may have an argument."""


def _marked(language: str) -> list[str]:
    pattern = re.compile(rf"<!-- run -->\n```{language}\n(.*?)```", re.DOTALL)
    return [block for document in DOCUMENTS for block in pattern.findall(document.read_text())]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What ``make serve`` starts, on a free port: its database is migrated."""
    url = f"sqlite:///{tmp_path_factory.mktemp('site') / 'db.sqlite3'}"
    migrate(url)
    with serve("daphne", environment={"DATABASE_URL": url}) as server:
        yield server


@each_document
def test_shows_the_files_as_they_are(document: Path) -> None:
    """Every consumer, diff and table in a document is the one in the project."""
    assert render(document.read_text()) == document.read_text()


def test_has_commands_to_run() -> None:
    """The marks of what is run have not got lost."""
    assert len(_marked("console")) >= 1
    assert len(_marked("python")) >= 1


@pytest.mark.parametrize("block", _marked("console"))
def test_commands_print_what_it_says(block: str, site: Server) -> None:
    """Each command after ``$`` prints the lines that follow it."""
    block = block.replace("http://127.0.0.1:8000", site.url)
    block = block.replace(".venv/bin/python", sys.executable)
    for command, output in COMMAND.findall(block):
        run = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
        )

        assert run.stdout.strip() == output.strip()


@pytest.mark.parametrize("block", _marked("python"))
def test_programs_print_what_their_comments_say(block: str, site: Server) -> None:
    """Each program runs, and prints what the comment behind ``print`` says."""
    program = block.replace("127.0.0.1:8000", f"127.0.0.1:{site.port}")
    said = set(re.findall(r"print\(.*\)  # (.*)", program))
    for _ in range(3):  # one of them is about time, and the machine may stop for a moment
        run = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        if set(run.stdout.splitlines()) == said:
            break

    assert set(run.stdout.splitlines()) == said


def test_names_every_setting() -> None:
    """Each setting read from the environment is in the table of settings."""
    read = set(re.findall(r'env\.\w+\(\s*"(\w+)"', _read("sandbox/settings.py")))
    table = _read("docs/settings.md")

    assert read == set(re.findall(r"^\| `([A-Z_]+)` \|", table, flags=re.MULTILINE))


@each_document
def test_names_only_files_that_are_there(document: Path) -> None:
    """Every link to a file of the project has its file, and every anchor its heading."""
    links = re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", document.read_text())
    for target, anchor in links:
        path = document.parent / target if target else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.read_text()), f"{target}#{anchor}"


@each_document
def test_headings_make_an_outline(document: Path) -> None:
    """No heading is more than one level below the one before it, and no two are the same."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^(#+) (.*)$", text, flags=re.MULTILINE)
    levels = [0, *(len(marks) for marks, _ in headings)]
    assert all(below <= above + 1 for above, below in pairwise(levels))
    assert len({title for _, title in headings}) == len(headings)


def test_the_readme_leads_to_every_document() -> None:
    """Each page of docs/ is one click away from the README."""
    links = set(re.findall(r"\]\((docs/\w+\.md)", README.read_text()))

    assert links >= {str(path.relative_to(ROOT)) for path in DOCUMENTS[1:]}


def test_each_question_is_answered_by_a_table_or_an_output() -> None:
    """Where a question of the README leads, there is a table or a block of code."""
    questions = _section(README.read_text(), "questions")
    links = re.findall(r"\]\((docs/\w+\.md)(?:#([^)]*))?\)", questions)
    assert links

    for path, anchor in links:
        section = _section(_read(path), anchor) if anchor else _read(path)
        assert re.search(r"^(\||```|    \$ )", section, flags=re.MULTILINE), f"{path}#{anchor}"


def _section(markdown: str, anchor: str) -> str:
    """Return what is below a heading, up to the next one of its level."""
    sections = re.split(r"^(?=## )", markdown, flags=re.MULTILINE)
    return next(one for one in sections if anchor in anchors(one))


def test_the_price_of_isolation_is_one() -> None:
    """What docs/choosing.md says of isolation is what docs/database.md and the figures say."""
    price = _section(_read("docs/choosing.md"), "what-isolation-costs").replace("\n  ", " ")
    measured = _section(_read("docs/database.md"), "measured")
    sync, _, _, asynchronous = (
        [row.split(" | ")[3] for row in measured.splitlines() if row.startswith(f"| {name}")]
        for name in ("sync, Channels", "sync, a", "async with", "asynchronous ORM, Channels")
    )
    isolated = re.findall(r"^\| \*\*.*? \|.*? \|.*? \| ([\d,]+) \|", measured, re.MULTILINE)
    idle = {
        (row.server, row.exhibit): row.kib_each.median
        for row in from_json((RESULTS / "figures.json").read_bytes()).results["connections"]
        if not row.compression
    }
    more = [
        idle[server, f"echo/{slug}"] - idle[server, f"stock/{slug}"]
        for server in ("daphne", "uvicorn")
        for slug in ("websocket", "async-websocket")
    ]

    assert f"{isolated[0]} replies a second instead of {sync[0]} from a sync consumer" in price
    assert f"{isolated[-1]} instead of {asynchronous[0]} with the asynchronous ORM" in price
    assert f"{min(more):.0f} to {max(more):.0f} KiB more" in price


def test_the_readme_is_one_page() -> None:
    """The README has at most 160 lines: what needs more has a page of its own."""
    assert len(README.read_text().splitlines()) <= LONGEST_README


def anchors(markdown: str) -> set[str]:
    """Find what GitHub makes of each heading."""
    headings = re.findall(r"^#+ (.*)$", markdown, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(render(document.read_text()))
