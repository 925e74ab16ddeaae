#!/usr/bin/env python
"""Django's command line."""

import os
import sys


def main() -> None:
    """Run a command; say in a sentence what the database has to say."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")
    # After the settings are named.
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    try:
        execute_from_command_line(sys.argv)
    except (DatabaseError, ImproperlyConfigured) as error:
        sys.exit(f"The database, or what Django needs for it (DATABASE_URL), says: {error}")


if __name__ == "__main__":
    main()
