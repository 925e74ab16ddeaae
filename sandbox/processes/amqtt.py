"""Starting amqtt, an MQTT broker in pure Python, where there is no Mosquitto.

It speaks MQTT 3.1.1 and keeps nothing over a restart. It has an environment of its own, because it
asks for one exact version of a package that this project uses too.
"""

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from sandbox.processes.environments import Environment
from sandbox.processes.mosquitto import CONNECT
from sandbox.processes.servers import free_port, listening

REQUIREMENT = "amqtt==0.12.* websockets==15.0.*"


class Amqtt:
    """A broker on a loopback port, in the environment of REQUIREMENT.

    As a context manager it runs until the block ends. Raises ServerError.
    """

    def __init__(self, environment: Environment, *, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._environment = environment
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def start(self) -> None:
        """Start, and wait until it answers."""
        folder = Path(self._running.enter_context(tempfile.TemporaryDirectory()))
        settings = {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            },
        }
        (folder / "broker.yaml").write_text(json.dumps(settings))  # JSON is YAML
        program = ["-m", "amqtt.scripts.broker_script", "-c", str(folder / "broker.yaml")]
        self._running.enter_context(
            listening("amqtt", [self._environment.python, *program], self.port, CONNECT)
        )
