"""What a consumer says when its channel layer does not answer."""

from redis.exceptions import RedisError

from consumers.contract import Error

LAYER_SECONDS = 5.0
"""How long to wait for the channel layer."""
LAYER_ERRORS = (RedisError, TimeoutError)
"""What a layer over Redis raises while Redis is out of reach."""
UNAVAILABLE = Error("unavailable", "The channel layer does not answer: try again in a moment.")
