"""What the Accept header of a request asks for, as Django reads it."""

from typing import Any

from django.http.request import MediaType


def asks_for(scope: Any, media_type: str) -> bool:
    """Whether Accept names that very media type, and not with a quality of 0.

    ``*/*`` does not name it: curl sends that with every request.
    """
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
    try:
        accepted = [MediaType(part) for part in ",".join(lines).split(",")]
    except (LookupError, ValueError):  # a parameter in an encoding that does not exist
        return False
    return any(f"{one.main_type}/{one.sub_type}" == media_type and one.quality for one in accepted)
