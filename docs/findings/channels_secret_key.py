"""Channels ends the session of a user of an older `SECRET_KEY`, also if it is a fallback.

Prints: for Django user 1, for Channels AnonymousUser, whose session has been emptied
Seen with: channels 4.3.2
Cause: `channels.auth.get_user` does not look at `SECRET_KEY_FALLBACKS`, and empties the session.
Workaround: routing/session.py
"""

import asyncio
from types import SimpleNamespace

import django
from channels.auth import get_user
from django.conf import settings
from django.contrib.sessions.backends.cache import SessionStore
from serving import show_versions

settings.configure(
    AUTHENTICATION_BACKENDS=["__main__.Backend"],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    SECRET_KEY="new",  # noqa: S106 # of this program
    SECRET_KEY_FALLBACKS=["old"],
)
django.setup()
from django.contrib import auth  # noqa: E402 # after setup, because of its models


class Backend:
    def get_user(self, user_id):
        return auth.get_user_model()(pk=user_id, username=f"user {user_id}")


def session_of_older_key():
    session = SessionStore()
    session[auth.SESSION_KEY] = "1"
    session[auth.BACKEND_SESSION_KEY] = "__main__.Backend"
    [session[auth.HASH_SESSION_KEY]] = Backend().get_user(1).get_session_auth_fallback_hash()
    return session


if __name__ == "__main__":
    show_versions("channels")
    session = session_of_older_key()
    of_django = auth.get_user(SimpleNamespace(session=session_of_older_key(), META={}))
    of_channels = asyncio.run(get_user({"session": session}))
    emptied = "" if session.items() else ", whose session has been emptied"
    print(f"for Django {of_django}, for Channels {of_channels}{emptied}")
