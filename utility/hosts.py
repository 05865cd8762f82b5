"""Which hosts a client may talk to (reliability P32), checked inside the client before each connect.

Paper: loopback and nothing else, whatever the configuration, a redirect or a proxy variable says.
Live: the hosts that the venue's own table names.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterable
from functools import cache
from urllib.parse import urlsplit

from domain.errors import RefusedError
from domain.ports import Endpoint


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class HostGuard:
    """The hosts of one client.

    Parameters
    ----------
    is_paper : bool
        True: loopback only.
    allowed : iterable of str
        Host names that a live client may use.
    """

    def __init__(self, is_paper: bool, allowed: Iterable[str] = ()) -> None:
        self.is_paper = is_paper
        self._allowed = frozenset(allowed)

    @classmethod
    def of(cls, endpoint: Endpoint, live: Endpoint) -> HostGuard:
        """Return the guard of an endpoint: loopback for paper, else the hosts of the venue's `live` table."""
        hosts = (urlsplit(url).hostname or "" for url in (live.rest, live.ws_public, live.ws_private))
        return cls(endpoint.is_paper, hosts)

    def check(self, url: str) -> None:
        """Raise RefusedError when the URL's host, or a plain-text scheme off loopback, is not allowed."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if is_loopback(host):
            return
        if self.is_paper:
            raise RefusedError("venue.host_not_loopback", host=host)
        if host not in self._allowed or parts.scheme not in ("https", "wss"):
            raise RefusedError("venue.host_not_allowed", host=host)


_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def open_socket(url: str, guard: HostGuard, timeout_s: float) -> socket.socket:
    """Return a connected socket to the URL's host, under TLS where its scheme says so.

    The only door to the network of signed requests and streams. It asks no environment: libraries
    above it would follow proxy variables.

    Raises
    ------
    RefusedError
        The host is not allowed.
    OSError
        Look-up, connect or TLS failed.
    """
    guard.check(url)
    parts = urlsplit(url)
    sock = socket.create_connection((parts.hostname or "", parts.port or _PORTS[parts.scheme]), timeout_s)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if parts.scheme not in ("https", "wss"):
        return sock
    try:
        return _tls().wrap_socket(sock, server_hostname=parts.hostname)
    except OSError:
        sock.close()
        raise


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
