"""The channel names: which of them reaches which consumer, where ``runworker`` listens."""

from django.utils.module_loading import import_string

from consumers.catalogue import BOTS, WORKERS

channel_names = {
    name: import_string(consumer).as_asgi() for name, consumer in (WORKERS | BOTS).items()
}
