"""What Django's error page shows of the settings while DEBUG."""

import re

from django.views.debug import SafeExceptionReporterFilter


class SettingsFilter(SafeExceptionReporterFilter):
    """URLs hold passwords too, and so do the addresses of channel layers and caches."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|_URL$|^(address|LOCATION)$",
        re.IGNORECASE,
    )
