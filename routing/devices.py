"""The topics: which of them reaches which consumer, where the protocol server of MQTT listens."""

from django.conf import settings
from django.utils.module_loading import import_string

from consumers.catalogue import DEVICES, Exhibit
from consumers.mqtt import bridge
from consumers.mqtt.replies import busy
from routing.topics import Route, topic
from routing.urls import isolated_where_possible


def _route(exhibit: Exhibit) -> Route:
    application = import_string(exhibit.consumer).as_asgi()
    return topic(exhibit.topic, isolated_where_possible(application), busy=busy)


topics = [_route(exhibit) for exhibit in DEVICES]
if settings.REDIS_URL:  # the in-memory channel layer reaches no member in another process
    application = isolated_where_possible(bridge.Bridge.as_asgi())
    topics += [
        topic(f"sandbox/rooms/{room}", application, no_local=True, busy=bridge.busy)
        for room in settings.MQTT_ROOMS
    ]
