"""The database from asynchronous code as Channels' documentation has it: the plain ORM, wrapped."""

from channels.db import database_sync_to_async

from consumers.history import plain_orm

store = database_sync_to_async(plain_orm.store)
newest = database_sync_to_async(plain_orm.newest)
missed = database_sync_to_async(plain_orm.missed)
forget = database_sync_to_async(plain_orm.forget)
