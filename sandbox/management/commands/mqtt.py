"""The protocol server of MQTT: it connects to a broker, and runs the consumers of its topics."""

import asyncio
import os
import signal
import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from typing import Any

from channels.routing import get_default_application
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sandbox.management.shell import INTERRUPTED, UsageError, made_environments
from sandbox.mqtt.server import Server
from sandbox.mqtt.url import read_url
from sandbox.processes.amqtt import REQUIREMENT, Amqtt
from sandbox.processes.child import orders_to_end, terminable
from sandbox.processes.mosquitto import Mosquitto, find_mosquitto
from sandbox.processes.servers import ServerError, is_free

CLIENT_ID = "channels-sandbox"
PORT = 1883
NO_ROOMS = "none, because the in-memory channel layer reaches no other process: set REDIS_URL"


class Command(BaseCommand):
    """Serve the devices of a broker, until interrupted."""

    help = (
        "Run the consumers of devices: connect to the broker of MQTT_URL, or to that of --broker, "
        "and answer what devices publish."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--broker",
            action="store_true",
            help="start a broker on this machine: Mosquitto if it is on PATH, else amqtt, in an "
            "environment that is made when it is first needed",
        )
        parser.add_argument(
            "--client-id",
            default=CLIENT_ID,
            help="the name under which the broker keeps the session; only one process may use it "
            "(default: %(default)s)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if not options["broker"] and not settings.MQTT_URL:
            raise UsageError(
                "There is no broker: set MQTT_URL, such as mqtt://127.0.0.1:1883, or start one "
                "with --broker."
            )
        try:
            # Before there is a broker to end: while this imports and collects garbage, Python may
            # ignore an interruption, as it ignores all that a callback of a weak reference raises.
            application = get_default_application()
            with terminable(), ExitStack() as stack:
                url = self._started(stack) if options["broker"] else settings.MQTT_URL
                self._serve(Server(application, read_url(url), options["client_id"]))
        except KeyboardInterrupt as error:
            raise CommandError("Interrupted.", returncode=INTERRUPTED) from error
        # A thread that is still busy would keep the process: a consumer that sleeps, for one.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def _serve(self, server: Server) -> None:
        loop = asyncio.new_event_loop()
        for number in (signal.SIGINT, *orders_to_end()):
            loop.add_signal_handler(number, server.end)
        self.stdout.write(f"Serving the broker at {server.broker.address}. Quit with CONTROL-C.")
        rooms = ", ".join(settings.MQTT_ROOMS) if settings.REDIS_URL else NO_ROOMS
        self.stdout.write(f"In these rooms: {rooms or 'none'}.")
        loop.run_until_complete(server.run())

    def _started(self, stack: ExitStack) -> str:
        """Start a broker, until the stack is closed; return its URL."""
        port = PORT if is_free(PORT) else None
        broker: Mosquitto | Amqtt
        if find_mosquitto():
            broker = Mosquitto(port=port)
        else:
            broker = Amqtt(made_environments([REQUIREMENT])[0], port=port)
        try:
            stack.enter_context(broker)
        except ServerError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Started {type(broker).__name__} at {broker.url}.")
        return broker.url
