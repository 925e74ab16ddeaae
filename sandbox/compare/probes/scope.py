"""What a consumer knows about its connection, without secrets."""

from sandbox.compare.observations import Scope
from sandbox.compare.probe import Probe, group
from sandbox.compare.steps import AskScope

SECRET = "c2VjcmV0"  # noqa: S105 # an example

SCOPE = group(
    "Scope",
    Probe(
        "scope",
        "A consumer knows path, query, headers, cookies and user; secrets are masked.",
        (
            AskScope(
                query=f"message=%C3%A9&token={SECRET}",
                headers=(
                    ("Authorization", f"Basic {SECRET}"),
                    ("Cookie", f"theme={SECRET}"),
                    ("X-Name", "plain"),
                ),
                secret=SECRET,
            ),
        ),
        (
            Scope(
                has_path=True,
                query=(("message", "é"), ("token", "***")),
                headers=(("authorization", "***"), ("x-name", "plain")),
                cookies=(("theme", "***"),),
                user="",
                is_authenticated=False,
                shows_secret=False,
            ),
        ),
    ),
)
