"""The MQTT protocol server: what Daphne is for WebSockets, for the topics of a broker."""
