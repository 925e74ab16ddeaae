"""The real nginx with the configuration of docs/deploying.md."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from sandbox.processes.servers import ROOT, free_port, listening

DEPLOYING = ROOT / "docs" / "deploying.md"
NO_PROGRAM = "There is no nginx on PATH."
HOST = "sandbox.example.org"
"""The site's name in the documentation."""


def find_nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")  # as on Debian


def documented(mark: str) -> str:
    """Return the block of docs/deploying.md that follows a mark."""
    block = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", DEPLOYING.read_text(), re.DOTALL)
    assert block, mark
    return block[1]


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
    """Run nginx in front of the servers on two ports until the block ends.

    Only ports and paths of the documented configuration are replaced, and what ``changes`` says.
    """
    program = find_nginx()
    assert program, NO_PROGRAM
    port, plain_port = free_port(), free_port()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate = authority.issue_cert(HOST, "localhost", "127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "site.pem")
    replaced = {
        "listen 80;": f"listen 127.0.0.1:{plain_port};",
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        "https://$host$request_uri": f"https://$host:{port}$request_uri",
        "127.0.0.1:8001": f"127.0.0.1:{ports[0]}",
        "127.0.0.1:8002": f"127.0.0.1:{ports[1]}",
        "/etc/nginx/sandbox.pem": str(folder / "site.pem"),
        "/etc/nginx/sandbox.key": str(folder / "site.pem"),
        "/var/log/nginx/sandbox.log": str(folder / "access.log"),
        **(changes or {}),
    }
    site = documented("nginx")
    for documented_text, ours in replaced.items():
        assert documented_text in site, documented_text
        site = site.replace(documented_text, ours)
    temporary = "\n".join(
        f"{kind}_temp_path {folder / kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        # Workers of a root's nginx would be another user, who cannot read the folder.
        ("user root;\n" if os.geteuid() == 0 else "")
        + f"daemon off; pid {folder / 'pid'}; error_log stderr; worker_processes 1;\n"
        + f"events {{}}\nhttp {{\n{temporary}\naccess_log off;\n{site}\n}}\n"
    )
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    request = b"HEAD / HTTP/1.0\r\n\r\n"
    with listening("nginx", command, plain_port, request):
        yield Nginx(port, plain_port, folder / "authority.pem", folder / "access.log")
