"""The matrix of docs/matrix.md is what a real run shows.

``python -m tests.compare.test_readme_matrix`` writes it.
"""

import re
from pathlib import Path

from sandbox.compare.engine import questions
from sandbox.compare.output.markdown import as_markdown
from sandbox.compare.report import Report
from sandbox.compare.run import run, started
from tests.compare.conftest import MATRIX_EXHIBITS

PAGE = Path(__file__).parent.parent.parent / "docs" / "matrix.md"
MATRIX = re.compile(r"(?<=<!-- matrix -->\n).*?(?=<!-- /matrix -->)", re.DOTALL)


def test_matrix_is_what_a_run_shows(readme_report: Report) -> None:
    """The matrix of the page is what ``compare echo tutorial --markdown`` writes."""
    (matrix,) = MATRIX.findall(PAGE.read_text())

    assert matrix.strip() == as_markdown(readme_report).strip()


def write() -> None:
    report = run([started("daphne")], questions(MATRIX_EXHIBITS))
    assert report.is_good, report.of("differs")
    PAGE.write_text(MATRIX.sub(lambda _: f"\n{as_markdown(report)}\n", PAGE.read_text()))


if __name__ == "__main__":
    write()
