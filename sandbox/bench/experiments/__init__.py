"""The experiments, one module each."""

from collections.abc import Iterator
from typing import Any

from django.utils.module_loading import import_string

EXPERIMENTS = {
    "echo": "sandbox.bench.experiments.echo.Echo",
    "latency": "sandbox.bench.experiments.latency.Latency",
    "delay": "sandbox.bench.experiments.delay.Delay",
    "stall": "sandbox.bench.experiments.stall.Stall",
    "connections": "sandbox.bench.experiments.connections.Connections",
    "fanout": "sandbox.bench.experiments.fanout.Fanout",
    "anatomy": "sandbox.bench.experiments.anatomy.Anatomy",
    "processes": "sandbox.bench.experiments.processes.Processes",
    "workers": "sandbox.bench.experiments.workers.Workers",
    "database": "sandbox.bench.experiments.database.DatabaseWays",
    "delivery": "sandbox.bench.experiments.delivery.Delivery",
    "soak": "sandbox.bench.experiments.soak.Soak",
}
"""Each name, and its class. A path, so that the names are known without the extra ``bench``."""


def experiment(name: str) -> Any:
    """Import an experiment: a subclass of ``sandbox.bench.experiment.Experiment``."""
    return import_string(EXPERIMENTS[name])


def experiments() -> Iterator[tuple[str, Any]]:
    return ((name, experiment(name)) for name in EXPERIMENTS)
