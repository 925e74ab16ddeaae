"""Where the static files are, for a site below a prefix."""

from django.contrib.staticfiles.storage import StaticFilesStorage
from django.urls import get_script_prefix


class PrefixedStaticFilesStorage(StaticFilesStorage):
    """Give URLs with the prefix of the current request.

    Django keeps STATIC_URL with the prefix that it had when it was first read: at the start, when a
    prefix given to the server only (``--root-path``) is not yet known.
    """

    def url(self, name: str | None) -> str:
        return get_script_prefix().rstrip("/") + super().url(name)
