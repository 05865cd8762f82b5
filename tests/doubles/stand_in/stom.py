"""stom.py on a machine whose network ends at one loopback server: every venue's real host is answered by it.

    STOM_STAND_IN=<port>:<log file> python tests/doubles/stand_in/stom.py live --armed …

Addresses, host lists, scheme checks and adapters are the product's own; what is replaced is the wire below them:
look-up, connect and TLS of `utility/hosts.py`, and httpx's transport. Each connect is noted as ``<pid> <host>``.
Children are started through this file, too. Nothing in the product knows of it.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


def redirect(port: int, log: Path) -> None:
    """Let every connect to a host that is not this machine end at the loopback server."""
    import httpx

    from trading import launch
    from utility import hosts

    def note(host: str) -> None:
        with log.open("a") as file:
            file.write(f"{os.getpid()} {host}\n")

    def connect(address: tuple[str, int], timeout_s: float) -> socket.socket:
        note(address[0])
        return socket.create_connection(address if hosts.is_loopback(address[0]) else ("127.0.0.1", port), timeout_s)

    hosts.socket = SimpleNamespace(create_connection=connect, IPPROTO_TCP=socket.IPPROTO_TCP, TCP_NODELAY=socket.TCP_NODELAY)
    hosts._tls = lambda: SimpleNamespace(wrap_socket=lambda sock, server_hostname: sock)
    real = httpx.HTTPTransport.handle_request

    def handle(transport: Any, request: httpx.Request) -> httpx.Response:
        note(request.url.host)
        if not hosts.is_loopback(request.url.host):
            request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)
        return real(transport, request)

    httpx.HTTPTransport.handle_request = handle
    launch.ROOT = HERE


def main() -> int:
    """Run the product's own main on the redirected network."""
    sys.path[:1] = [str(ROOT)]
    port, _, log = os.environ["STOM_STAND_IN"].partition(":")
    redirect(int(port), Path(log))
    spec = importlib.util.spec_from_file_location("stom_of_the_product", ROOT / "stom.py")
    assert spec is not None
    assert spec.loader is not None
    product = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(product)
    return int(product.main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
