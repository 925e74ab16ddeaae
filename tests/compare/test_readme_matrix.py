"""The README's matrix and its table of servers are what a real run shows.

``python -m tests.compare.test_readme_matrix`` writes both.
"""

import re
from pathlib import Path

from sandbox.compare.engine import questions
from sandbox.compare.output.markdown import as_markdown
from sandbox.compare.report import Report
from sandbox.compare.run import run, started
from sandbox.processes.servers import ARGUMENTS
from tests.compare.conftest import README_EXHIBITS, SERVERS_EXHIBITS

README = Path(__file__).parent.parent.parent / "README.md"


def between(marker: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=<!-- {marker} -->\n).*?(?=<!-- /{marker} -->)", re.DOTALL)


def shown(marker: str) -> str:
    match = between(marker).search(README.read_text())
    assert match, f"README.md has no <!-- {marker} -->"
    return match[0].strip()


def test_matrix_is_what_a_run_shows(readme_report: Report) -> None:
    """The README's matrix is what ``compare echo tutorial --markdown`` writes."""
    assert shown("matrix") == as_markdown(readme_report).strip()


def test_servers_are_what_a_run_shows(servers_report: Report) -> None:
    """The README's table of servers is what ``compare`` shows with all four of them."""
    assert shown("servers") == as_markdown(servers_report).strip()


def write() -> None:
    text = README.read_text()
    for marker, exhibits, servers in (
        ("matrix", README_EXHIBITS, ["daphne"]),
        ("servers", SERVERS_EXHIBITS, list(ARGUMENTS)),
    ):
        report = run([started(server) for server in servers], questions(exhibits))
        assert report.is_good, report.of("differs")
        before, _, after = between(marker).sub("\0", text).partition("\0")
        text = f"{before}\n{as_markdown(report)}\n{after}"
    README.write_text(text)


if __name__ == "__main__":
    write()
