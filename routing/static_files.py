"""Static files under every server and below a prefix: Django serves them under runserver only."""

from typing import Any

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.exceptions import SuspiciousFileOperation
from django.http import FileResponse, Http404, HttpRequest, HttpResponse


class StaticFiles(ASGIStaticFilesHandler):
    """A path that cannot be the path of a file is not found; Django's own class raises."""

    def serve(self, request: HttpRequest) -> HttpResponse | FileResponse:
        try:
            return super().serve(request)
        except (SuspiciousFileOperation, ValueError, OSError):
            raise Http404 from None


def static_files(application: Any) -> Any:
    """Make an ASGI application of the static files; what is none goes to ``application``.

    Django's handler looks for STATIC_URL at the start of the whole path, prefix included.
    """
    handler = StaticFiles(application)

    async def static_files_application(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        await handler({**scope, "path": path, "root_path": ""}, receive, send)

    return static_files_application
