"""Consumers that are not this project's, in message formats of their own, to check up on."""
