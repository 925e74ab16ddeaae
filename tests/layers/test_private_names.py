"""The private names of channels_redis that sandbox/layers/pub_sub.py overrides or uses.

Private names may change in any release, so pyproject.toml bounds the version, and a release that
changes one of them is noticed here, rather than in a room that loses messages.
"""

import asyncio
import inspect
import tomllib
from importlib.metadata import version
from types import NoneType
from typing import Any

import pytest
from channels_redis import (  # type: ignore[import-untyped] # it has no types
    pubsub,
    utils,
)

from sandbox.processes.servers import ROOT

pytestmark = pytest.mark.asyncio

LAYER = pubsub.RedisPubSubChannelLayer
LOOP_LAYER = pubsub.RedisPubSubLoopLayer
CONNECTION = pubsub.RedisSingleShardConnection

LOOP_LAYER_ARGUMENTS = (
    "(self, hosts=None, prefix='asgi', on_disconnect=None, on_reconnect=None, "
    "channel_layer=None, **kwargs)"
)
SIGNATURES = [
    (LAYER, "_get_layer", "(self)"),
    (LOOP_LAYER, "__init__", LOOP_LAYER_ARGUMENTS),
    (LOOP_LAYER, "_get_shard", "(self, channel_or_group_name)"),
    (LOOP_LAYER, "_subscribe_to_channel", "(self, channel)"),
    (LOOP_LAYER, "group_add", "(self, group, channel)"),
    (LOOP_LAYER, "group_discard", "(self, group, channel)"),
    (CONNECTION, "__init__", "(self, host, channel_layer)"),
    (CONNECTION, "subscribe", "(self, channel)"),
    (CONNECTION, "unsubscribe", "(self, channel)"),
    (CONNECTION, "_ensure_receiver", "(self)"),
    (CONNECTION, "_receive_message", "(self, message)"),
    (utils, "decode_hosts", "(hosts)"),
]

WHAT_TO_DO = (
    f"channels_redis {version('channels-redis')} has changed {{}}, a name that "
    "sandbox/layers/pub_sub.py relies on to bound its queues and to wait for subscriptions. "
    "Adapt it and this list to the new release, then move the bound in pyproject.toml."
)


@pytest.mark.parametrize(("owner", "name", "signature"), SIGNATURES)
async def test_a_name_that_we_rely_on_is_there(owner: Any, name: str, signature: str) -> None:
    """Every method that the layer overrides or calls takes what it took."""
    method = getattr(owner, name, None)
    found = method and str(inspect.signature(method))
    assert found == signature, WHAT_TO_DO.format(f"{owner.__name__}.{name}")


async def test_an_attribute_that_we_rely_on_is_there() -> None:
    """The layer finds the state that it shares with its base classes where it was."""
    layer = LAYER(hosts=[{"address": "redis://127.0.0.1:1"}])
    loop_layer = layer._get_layer()  # noqa: SLF001 # private names are what is tested
    connection = CONNECTION({}, loop_layer)
    for owner, name, kind in (
        (layer, "_kwargs", dict),
        (layer, "_layers", dict),
        (loop_layer, "_shards", list),
        (loop_layer, "channels", dict),
        (loop_layer, "groups", dict),
        (connection, "_lock", asyncio.Lock),
        (connection, "_pubsub", NoneType),
    ):
        whole = f"{type(owner).__name__}.{name}"
        assert isinstance(getattr(owner, name, "nothing"), kind), WHAT_TO_DO.format(whole)


async def test_the_version_is_bounded() -> None:
    """No release that may have other private names can be installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = (one for one in project["dependencies"] if one.startswith("channels-redis"))
    assert "<4.4" in wanted
