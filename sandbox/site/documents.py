"""The pages of docs/ as HTML: links between them stay on this site, and files are no links."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.html import escape
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt
from markdown_it.token import Token

FOLDER = settings.BASE_DIR / "docs"
HOST = "127.0.0.1:8000"
SITE = f"http://{HOST}/"
"""Where docs/ says that this site is."""
MARKDOWN = MarkdownIt().enable("table")
ADAPTED = {
    "<pre>": '<pre class="code" tabindex="0">',
    "<table>": '<div class="scroll" tabindex="0"><table>',
    "</table>": "</table></div>",
    "<th></th>": "<td></td>",
}
"""What may be wider than a phone scrolls, with the keyboard too. An empty cell is no heading."""


def documents() -> list[str]:
    """The names of all pages."""
    return sorted(file.stem for file in FOLDER.glob("*.md"))


def as_html(name: str, site: str) -> SafeString:
    """Render a page, whose URL ends in its name and a slash, with commands for this site.

    ``site`` is a URL without the slash at its end.
    """
    tokens = MARKDOWN.parse((FOLDER / f"{name}.md").read_text())
    for token, content in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor(content.content))
    for token in tokens:
        if token.children:
            token.children = list(_linked(token.children))
    html = MARKDOWN.renderer.render(tokens, MARKDOWN.options, {})
    for tag, replacement in ADAPTED.items():
        html = html.replace(tag, replacement)
    site = escape(site)
    html = html.replace(f"http://{HOST}", site)
    html = html.replace(f"ws://{HOST}", site.replace("http", "ws", 1))
    return SafeString(html.replace(HOST, urlsplit(site).netloc))


def anchor(heading: str) -> str:
    """Make what GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _linked(tokens: Iterable[Token]) -> Iterator[Token]:
    """Lead each link to where its target is on this site, and drop the links that have none."""
    is_link = False
    for token in tokens:
        if token.type == "link_open":
            href = _on_this_site(str(token.attrGet("href")))
            is_link = href is not None
            token.attrSet("href", href or "")
        if is_link or token.type not in ("link_open", "link_close"):
            yield token


def _on_this_site(href: str) -> str | None:
    if href.startswith(SITE):
        return "../../" + href.removeprefix(SITE)
    if "://" in href or href.startswith("#"):
        return href
    if page := re.fullmatch(r"(\w+)\.md(#.*)?", href):
        return f"../{page[1]}/{page[2] or ''}"
    return None
