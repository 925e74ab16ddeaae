"""The text of the table of choices is Markdown, as the README shows it."""

from django.template import Library
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt

register = Library()
MARKDOWN = MarkdownIt("commonmark", {"html": False})


@register.filter
def markdown(text: str) -> SafeString:
    """Render one line, such as "Without `isolation.py` it waits"."""
    return SafeString(MARKDOWN.renderInline(text))  # it escapes all HTML in the text
