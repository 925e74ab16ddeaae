"""Closing a WebSocket whose consumer cannot work, since a part behind it does not answer."""

from typing import Any

from consumers.contract import Error, answer, encode


async def close_unavailable(send: Any, error: Error, *, is_accepted: bool) -> None:
    """Send the error ``unavailable``, then close with 1013, Try Again Later.

    A browser cannot see why a handshake was refused, so the handshake is accepted first.
    Daphne sends no reason, and no close code other than 1000 and those from 3000 up.
    """
    if not is_accepted:
        await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": encode(answer(error))})
    try:
        await send({"type": "websocket.close", "code": 1013, "reason": error.detail})
    except Exception:  # noqa: BLE001 # Daphne raises a bare Exception
        await send({"type": "websocket.close", "code": 4013})
