"""A site below a prefix, such as https://example.org/app/, whether the proxy strips it or not.

Copy this file into a project, and put ``under_prefix`` around the whole ASGI application:

    application = under_prefix(ProtocolTypeRouter({...}), "/app")

Why: ASGI has ``scope["path"]`` begin with ``scope["root_path"]``, and Channels and Django count on
it. But servers pass on the path that the proxy sends, which may have lost the prefix. Channels then
raises ``ValueError: No route found``. Uvicorn's ``--root-path`` puts the prefix in front also of a
path that has it.

How: the path that the application sees begins with the prefix exactly once, whatever has come.
So a prefix must differ from the first part of the site's own URLs.
"""

from typing import Any


def under_prefix(application: Any, prefix: str) -> Any:
    """Make an ASGI application whose scopes have ``prefix`` as ``root_path``, and paths to match.

    Without a prefix the server's own ``root_path`` holds, as ``--root-path`` gives it. On Daphne
    any client can set that one, with the header ``Daphne-Root-Path``.
    """

    async def prefixed_application(scope: Any, receive: Any, send: Any) -> None:
        given = scope.get("root_path") or ""
        if "path" in scope and (prefix or given):
            # No link may begin with "//", which is the start of a host.
            root_path = f"/{(prefix or given).strip('/')}".rstrip("/")
            path = scope["path"]
            while root_path and f"{path}/".startswith(f"{root_path}/"):
                path = path[len(root_path) :]
            scope = {**scope, "root_path": root_path, "path": root_path + (path or "/")}
        await application(scope, receive, send)

    return prefixed_application
