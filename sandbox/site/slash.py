"""The answer to a path without the slash at its end."""

from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware
from django.utils.http import escape_leading_slashes


class RedirectToSlash(HttpResponsePermanentRedirect):
    """The client has to repeat the request as it is, its method and body included."""

    status_code = 308

    def __init__(self, path: str) -> None:
        super().__init__(path, content_type="text/plain")
        self.content = f"The address ends in a slash: {self.url}\n"


class SlashMiddleware(CommonMiddleware):
    """Say to any method which path was meant; Django raises for POST while DEBUG."""

    response_redirect_class = RedirectToSlash

    def get_full_path_with_slash(self, request: HttpRequest) -> str:
        return escape_leading_slashes(request.get_full_path(force_append_slash=True))
