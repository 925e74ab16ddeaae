"""The URL tables: which URL reaches which consumer, and what stands in front of it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import SyncToAsync
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter
from django.utils.module_loading import import_string

from consumers.catalogue import CATALOGUE, ROOM_NAME, Exhibit
from routing.backpressure import with_backpressure
from routing.ending import ended_once
from routing.hypercorn import with_every_end, without_compression
from routing.isolation import CAN_ISOLATE, isolated
from routing.origin import BrowserOriginValidator
from routing.refusal import not_found
from routing.session import with_session
from routing.signed_in import while_signed_in
from routing.static_files import static_files


class RoomConverter(StringConverter):
    regex = ROOM_NAME


register_converter(RoomConverter, "room")

THREADS = ThreadPoolExecutor(settings.SYNC_THREADS, thread_name_prefix="sync")
"""For the synchronous code of all connections, the views of Django included."""


def is_mounted(exhibit: Exhibit) -> bool:
    """Whether an exhibit has URLs: some editions have them only while DEBUG."""
    return settings.DEBUG or not exhibit.edition.debug_only


def mount(exhibit: Exhibit) -> Any:
    """Make the ASGI application of an exhibit, with what its edition wants in front of it."""
    application = import_string(exhibit.consumer)
    if exhibit.is_consumer:
        application = application.as_asgi()
    if exhibit.protocol == "http" and exhibit.edition.origin_checked:
        application = BrowserOriginValidator(application)
    if exhibit.edition.session:
        application = with_session(while_signed_in(application, settings.SIGNED_IN_SECONDS))
    application = with_every_end(with_backpressure(ended_once(application)))
    if exhibit.protocol == "websocket":
        application = without_compression(application)
    return isolated_where_possible(application) if exhibit.edition.isolated else shared(application)


def isolated_where_possible(application: Any) -> Any:
    """Isolate where that can be done: ``compare --with`` also runs versions that cannot."""
    return isolated(application, THREADS) if CAN_ISOLATE else application


def shared(application: Any) -> Any:
    """Make an ASGI application whose synchronous code runs on the one thread of the process.

    On Uvicorn a request can begin in the context of the one before it on its connection
    (github.com/python/cpython/issues/140947), so in that of ``isolated``, which is over.
    """

    async def shared_application(scope: Any, receive: Any, send: Any) -> None:
        SyncToAsync.thread_sensitive_context.set(None)  # type: ignore[arg-type] # which is none
        await application(scope, receive, send)

    return shared_application


def _patterns(protocol: str, others: dict[str, Any]) -> list[Any]:
    # Any: the stubs of path() and re_path() know Django's views only, not ASGI applications.
    return [
        *(
            path(route, mount(exhibit))
            for exhibit in CATALOGUE
            if exhibit.protocol == protocol and is_mounted(exhibit)
            for route in exhibit.routes
        ),
        *(re_path(regex, application) for regex, application in others.items()),
    ]


django_application = get_asgi_application()

websocket_urlpatterns = _patterns("websocket", {"": not_found})
http_urlpatterns = _patterns(
    "http",
    {
        f"^{settings.STATIC_URL.lstrip('/')}": isolated_where_possible(
            static_files(django_application)
        ),
        "": isolated_where_possible(ended_once(django_application)),
    },
)
