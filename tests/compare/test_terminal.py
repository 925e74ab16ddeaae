"""The matrix in terminals of any kind."""

import re
from io import StringIO

import pytest
from rich.console import Console

from sandbox.compare.output.terminal import show
from sandbox.compare.report import Report


def shown(report: Report, width: int, *, is_terminal: bool = False) -> str:
    output = StringIO()
    show(report, Console(file=output, width=width, force_terminal=is_terminal))
    return output.getvalue()


@pytest.mark.parametrize("width", [40, 80, 160])
def test_no_line_is_wider_than_the_terminal(width: int, readme_report: Report) -> None:
    """The report keeps to the terminal's width, and hides nothing in doing so."""
    text = shown(readme_report, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text.partition("Declared differences")[0]


def test_a_narrow_terminal_gets_signs(readme_report: Report) -> None:
    """Where words do not fit the matrix has signs, with their legend."""
    text = shown(readme_report, 40)
    assert re.search(r"^= +as the contract says", text, re.MULTILINE)
    assert "4 async-json-websocket" in text
    assert re.search(r"  ping +=  =  =  =  -", text)


def test_a_terminal_gets_words(readme_report: Report) -> None:
    """In 80 columns the matrix has words; the legend is on top, the sum at the bottom."""
    text = shown(readme_report, 80)
    assert text.startswith("same     as the contract says, byte for byte")
    assert re.search(r"  ping +same +same +same +same +n/a", text)
    assert re.search(r"  nan +declared +declared", text)
    assert re.search(r"\d+ same, \d+ declared, \d+ n/a, in [\d.]+ s\.\n$", text)


def test_colour_is_for_terminals_that_want_it(
    readme_report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal gets colours, but not with NO_COLOR; a pipe gets none."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32msame" in shown(readme_report, 80, is_terminal=True)
    assert "\x1b" not in shown(readme_report, 80)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in shown(readme_report, 80, is_terminal=True)


def test_servers_are_put_side_by_side(servers_report: Report) -> None:
    """Several servers get a matrix each, and a table of what they answer differently."""
    text = shown(servers_report, 100)
    assert all(f"echo on {target.server}" in text for target in servers_report.targets)
    table = text.partition("what the servers make of the same consumers")[2]
    assert re.search(r"unknown-path +refused 403 +refused 404 +refused 404 +refused 404", table)
