#!/usr/bin/env python
"""Django's command line."""

import os
import sys


def main() -> None:
    """Run a command; say in a sentence when the database cannot be opened."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")
    # After the settings are named.
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    try:
        execute_from_command_line(sys.argv)
    except (DatabaseError, ImproperlyConfigured) as error:
        sys.exit(f"Cannot start: the database of DATABASE_URL does not answer: {error}")


if __name__ == "__main__":
    main()
