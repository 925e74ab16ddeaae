"""``python -m sandbox.processes.shared_socket PORT PROCESSES PROGRAM ...``: one socket for several.

Each process runs the program with ``--fd N`` behind it, and accepts from the same socket: what
Daphne offers in place of workers. SIGTERM goes to the process group, so to them as well, and this
one ends when all of them have.
"""

import signal
import socket
import subprocess
import sys

BACKLOG = 2048


def main(port: int, processes: int, command: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: None)  # what is ignored would stay so in a child
    with socket.create_server(("127.0.0.1", port), backlog=BACKLOG) as shared:
        file = shared.fileno()
        children = [
            subprocess.Popen([*command, "--fd", str(file)], pass_fds=[file])  # noqa: S603 # our own command line
            for _ in range(processes)
        ]
    return max(child.wait() for child in children)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
