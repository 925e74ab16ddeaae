"""How many members a room has, for the page that shows them come and go.

Members are sent what others send, and nothing else: so this is a WebSocket of its own.
"""

import json
from asyncio import create_task, sleep
from typing import Any

from channels.layers import get_channel_layer

from consumers.rooms.member import Member

INTERVAL = 0.5
"""Seconds between two looks at the channel layer."""


async def presence(scope: Any, receive: Any, send: Any) -> None:
    """Send ``{"members": 5}`` at first, and again whenever the number is another one.

    It counts the members that are connected to this server process.
    """
    await receive()
    await send({"type": "websocket.accept"})
    watching = create_task(_watch(scope["url_route"]["kwargs"]["room"], send))
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass  # a client has nothing to say here
    finally:
        watching.cancel()


async def _watch(room: str, send: Any) -> None:
    layer: Any = get_channel_layer(Member.channel_layer_alias)
    sent = None
    while True:
        if (members := layer.members(Member.group_prefix + room)) != sent:
            await send({"type": "websocket.send", "text": json.dumps({"members": members})})
            sent = members
        await sleep(INTERVAL)
