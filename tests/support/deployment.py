"""The deployment of docs/deploying.md on this machine: settings, servers, the real nginx."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from sandbox.processes.servers import ROOT, Server, free_port, installed, listening
from tests.support.missing import skip_outside_ci

TEXT = (ROOT / "docs" / "deploying.md").read_text()
NO_NGINX = "There is no nginx on PATH."
HOST = "sandbox.example.org"
"""The site's name in the documentation."""


def documented(mark: str) -> str:
    """Return the block that follows a mark."""
    block = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", TEXT, re.DOTALL)
    assert block, mark
    return block[1]


COMMANDS = {
    name: shlex.split(line)
    for line in documented("servers").splitlines()
    for name in installed()
    if f"-m {name} " in line
}
"""What starts each server that is installed."""


def settings(database: Path, **changes: str) -> dict[str, str]:
    """The settings, with a database of our own, without Redis, and also for localhost."""
    lines = documented("environment").split()
    return {
        **dict(line.split("=", 1) for line in lines),
        "ALLOWED_HOSTS": f"{HOST},localhost",
        "DATABASE_URL": f"sqlite:///{database}",
        "REDIS_URL": "",
        **changes,
    }


@contextmanager
def server(
    name: str, environment: Mapping[str, str], *, more: tuple[str, ...] = (), ping: str = "20"
) -> Iterator[Server]:
    """Run a server by its command, on a free port of its own."""
    port = free_port()
    program, *arguments, application = COMMANDS[name]
    assert program == "python"
    arguments = [
        {"20": ping}.get(argument, argument.replace("8001", str(port))) for argument in arguments
    ]
    command = [sys.executable, *arguments, *more, application]
    request = f"HEAD / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode()
    with listening(name, command, port, request, environment=environment) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx."""

    port: int
    """Of HTTPS, on 127.0.0.1."""
    plain_port: int
    authority: Path
    """The certificate to trust."""
    access_log: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"


@contextmanager
def nginx(
    folder: Path, ports: tuple[int, int], changes: Mapping[str, str] | None = None
) -> Iterator[Nginx]:
    """Run nginx in front of the servers on two ports.

    Only ports and paths of its configuration are replaced, and what ``changes`` says. Without an
    nginx the test is skipped; in CI it fails.
    """
    # Debian has it where only root has a PATH to.
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    program = shutil.which("nginx", path=path) or skip_outside_ci(NO_NGINX)
    port, plain_port = free_port(), free_port()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate = authority.issue_cert(HOST, "localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "site.pem")
    site = documented("nginx")
    for text, ours in {
        "listen 80;": f"listen 127.0.0.1:{plain_port};",
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        "https://$host$request_uri": f"https://$host:{port}$request_uri",
        "127.0.0.1:8001": f"127.0.0.1:{ports[0]}",
        "127.0.0.1:8002": f"127.0.0.1:{ports[1]}",
        "/etc/nginx/sandbox.pem": f"{folder}/site.pem",
        "/etc/nginx/sandbox.key": f"{folder}/site.pem",
        "/var/log/nginx/sandbox.log": f"{folder}/access.log",
        **(changes or {}),
    }.items():
        assert text in site, text
        site = site.replace(text, ours)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    # The workers of root's nginx would be another user, who may not read the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{ {temporary} access_log off;\n{site} }}\n"
    )
    command = [program, "-p", str(folder), "-c", f"{folder}/nginx.conf", "-e", "stderr"]
    with listening("nginx", command, plain_port, b"HEAD / HTTP/1.0\r\n\r\n"):
        yield Nginx(port, plain_port, folder / "authority.pem", folder / "access.log")
