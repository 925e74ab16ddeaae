"""The source files of the exhibits: highlighted, and two of them side by side."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import cache
from itertools import zip_longest
from typing import NamedTuple

from django.conf import settings
from pygments.lexers import PythonLexer
from pygments.token import STANDARD_TYPES

SIMILAR = 0.5
"""From this ratio on, two lines are shown as one line that changed, with the change marked."""


class Token(NamedTuple):
    """A piece of a line."""

    kind: str
    """Its CSS class, as in the style sheets of Pygments."""
    text: str
    changed: bool = False


class Line(NamedTuple):
    """A line of a file, highlighted."""

    tokens: list[Token]

    @property
    def text(self) -> str:
        return "".join(token.text for token in self.tokens)


class Row(NamedTuple):
    """The same place in two files; None where one of them has no such line."""

    left: Line | None
    right: Line | None
    changed: bool


@cache
def highlighted(file: str) -> list[Line]:
    """Read a file, given from the project's root. As the code that runs, it is read once."""
    lines = [Line([])]
    for kind, text in PythonLexer().get_tokens((settings.BASE_DIR / file).read_text()):
        for piece in text.splitlines(keepends=True):
            if part := piece.rstrip("\n"):
                lines[-1].tokens.append(Token(STANDARD_TYPES[kind], part))
            if piece.endswith("\n"):
                lines.append(Line([]))
    return lines[:-1]


def side_by_side(left_file: str, right_file: str) -> Iterator[Row]:
    """Yield two files line by line, with the differences marked."""
    left, right = highlighted(left_file), highlighted(right_file)
    matcher = SequenceMatcher(
        None, [line.text for line in left], [line.text for line in right], autojunk=False
    )
    for operation, left_from, left_to, right_from, right_to in matcher.get_opcodes():
        for pair in zip_longest(left[left_from:left_to], right[right_from:right_to]):
            changed = operation != "equal"
            left_line, right_line = _marked(*pair) if changed else pair
            yield Row(left_line, right_line, changed)


def _marked(left: Line | None, right: Line | None) -> tuple[Line | None, Line | None]:
    """Mark the tokens in which two lines differ."""
    if left is None or right is None:
        return left, right
    matcher = SequenceMatcher(None, left.tokens, right.tokens, autojunk=False)
    if matcher.ratio() < SIMILAR:
        return left, right
    marked: tuple[list[Token], list[Token]] = ([], [])
    for operation, left_from, left_to, right_from, right_to in matcher.get_opcodes():
        changed = operation != "equal"
        for side, tokens in zip(
            marked,
            (left.tokens[left_from:left_to], right.tokens[right_from:right_to]),
            strict=True,
        ):
            side.extend(token._replace(changed=changed) for token in tokens)
    return Line(marked[0]), Line(marked[1])
