"""Sessions in the database, and the pages that need them while the database does not answer."""

from typing import Any

from django.contrib.sessions.backends import db
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject

from consumers.outage import UnavailableError, is_outage, reading


class SessionStore(db.SessionStore):
    """Django's own, without keys that PostgreSQL refuses: a cookie can hold a NUL."""

    def __init__(self, session_key: str | None = None) -> None:
        is_key = session_key is not None and session_key.isascii() and session_key.isalnum()
        super().__init__(session_key if is_key else None)


class UnavailableMiddleware(MiddlewareMixin):
    """Answer 503 where a view needs a database that does not answer.

    It comes after the middleware that finds the user. Who that is, the database is only asked where
    a view wants to know, so a page that does not is there all the same.
    """

    def process_request(self, request: HttpRequest) -> None:
        if request.session.session_key:
            user = request.user

            def watched() -> Any:
                with reading.watch():
                    user.is_authenticated  # noqa: B018 # it is lazy: this asks the database
                    return user

            request.user = SimpleLazyObject(watched)  # type: ignore[assignment] # so does Django

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if is_outage(error):
            reading.begin(error)
        elif not isinstance(error, UnavailableError):
            return None
        # The request is not the template's, whose context would ask for the user again.
        page = render_to_string("503.html", {"request": request})
        return HttpResponse(page, status=503, headers={"Retry-After": "1"})
