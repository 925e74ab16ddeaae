"""The echo for devices: consumers of topics, which are no WebSocket class at all."""
