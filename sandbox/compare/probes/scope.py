"""What a consumer knows about its connection, without secrets."""

from sandbox.compare.observations import Scope
from sandbox.compare.probe import Probe, group
from sandbox.compare.steps import AskScope

SECRET = "c2VjcmV0"  # noqa: S105 # an example

SCOPE = group(
    "Scope",
    Probe(
        "scope",
        "A consumer knows path, query, headers, cookies and user; what may be secret is masked.",
        (
            AskScope(
                query=f"message=%C3%A9&t={SECRET}",
                headers=(
                    ("Authorization", f"Basic {SECRET}"),
                    ("Cookie", f"theme={SECRET}"),
                    ("Accept-Language", "eo"),
                    ("X-Name", SECRET),
                    ("Referer", f"https://example.com/?t={SECRET}"),
                ),
                secret=SECRET,
            ),
        ),
        (
            Scope(
                has_path=True,
                query=(("message", "é"), ("t", "***")),
                headers=(
                    ("accept-language", "eo"),
                    ("authorization", "***"),
                    ("referer", "***"),
                    ("x-name", "***"),
                ),
                cookies=(("theme", "***"),),
                user="",
                is_authenticated=False,
                shows_secret=False,
            ),
        ),
    ),
)
