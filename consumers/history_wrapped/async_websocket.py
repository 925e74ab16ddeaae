"""The raw WebSocket type of ``history``, with the plain ORM in ``database_sync_to_async``."""

from consumers.history import wrapped_orm
from consumers.history.async_websocket import HistoryConsumer


class WrappedConsumer(HistoryConsumer):
    orm = wrapped_orm
