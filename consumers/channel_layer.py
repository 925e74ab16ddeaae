"""What a consumer answers when its channel layer does not."""

from redis.exceptions import RedisError

from consumers.contract import Error

LAYER_SECONDS = 5.0
"""How many seconds to wait for the channel layer."""
LAYER_ERRORS = (RedisError, TimeoutError)
"""What a layer over Redis raises while Redis does not answer."""
UNAVAILABLE = Error("unavailable", "The channel layer does not answer: try again in a moment.")
