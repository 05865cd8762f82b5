"""Public REST reads of a venue: instruments, candles, snapshots, missed trades.

httpx with explicit time-outs, no proxy, no redirect, the host list and the venue's limits. Nothing
signed passes here: httpx logs addresses.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TypeVar

import msgspec

from domain.errors import DataError, RateLimited, Refused, Unreachable
from utility.hosts import HostGuard
from utility.http_answer import Answer
from utility.rate_limit import Limit, RateLimiter
from utility.retry import retry
from utility.spared_imports import absent

with absent("click"):  # of httpx's command line, which brings three libraries along
    import httpcore  # noqa: F401 - httpx would do so at the first client, when there is no time
    import httpx

T = TypeVar("T")

CONNECT_S, TOTAL_S = 2.0, 5.0
PATIENCE_S = 10.0
logging.getLogger("httpx").setLevel(logging.WARNING)


@cache
def _authorities() -> ssl.SSLContext:
    """Return the certificate authorities, read once a process; a plain address is given none, which trusts nobody."""
    return httpx.create_ssl_context(trust_env=False)


class PublicRest:
    """Reads of one host, usable from several threads.

    Parameters
    ----------
    limits : mapping of str to Limit
        Groups of the venue; a read waits at most `PATIENCE_S` for its group.
    heard : callable (limiter, group, answer), optional
        Reads off each answer what the venue says is left of the group.

    Attributes
    ----------
    requests : int
        Sent so far, those without an answer included.
    """

    def __init__(
        self,
        base_url: str,
        guard: HostGuard,
        limits: Mapping[str, Limit],
        heard: Callable[[RateLimiter, str, Answer], None] | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._guard = guard
        self.limiter = RateLimiter(limits)
        self.requests = 0
        self._heard = heard
        self._client = httpx.Client(
            timeout=httpx.Timeout(TOTAL_S, connect=CONNECT_S),
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": "stom"},
            verify=_authorities() if base_url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )

    def get(
        self, path: str, params: Mapping[str, str] | Sequence[tuple[str, str]], decode: Callable[[bytes], T], group: str, cost: float = 1.0
    ) -> T:
        """Return a decoded answer, asked up to three times.

        Raises
        ------
        Unreachable, RateLimited, Refused
            No answer or 5xx; asked to wait; refused.
        DataError
            An answer that cannot be read.
        RefusedError
            The host is not allowed.
        """
        pairs = list(params.items()) if isinstance(params, Mapping) else list(params)
        answer = retry(lambda: self._once(path, pairs, group, cost))
        try:
            return decode(answer.body)
        except (msgspec.DecodeError, UnicodeError, ValueError, OverflowError, ArithmeticError) as error:
            raise DataError("venue.unreadable", path=path) from error

    def _once(self, path: str, pairs: list[tuple[str, str]], group: str, cost: float) -> Answer:
        self._guard.check(self._base_url)
        deadline = time.monotonic() + PATIENCE_S
        while (wait := self.limiter.take(group, cost)) > 0.0:
            if time.monotonic() + wait > deadline:
                raise RateLimited("venue.rate_limit_local", wait)
            time.sleep(wait)
        if self._client.is_closed:
            raise Unreachable("venue.closed")
        self.requests += 1
        try:
            reply = self._client.get(self._base_url + path, params=httpx.QueryParams(tuple(pairs)))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable("venue.unreachable_at", address=self._base_url, cause=type(error).__name__) from error
        headers = {name.lower(): value for name, value in reply.headers.items()}
        answer = Answer(status=reply.status_code, headers=headers, body=reply.content)
        if self._heard is not None:
            self._heard(self.limiter, group, answer)
        if answer.status in (418, 429):
            wait = answer.retry_after(1.0 if answer.status == 429 else 120.0)
            self.limiter.silence(wait, group if answer.status == 429 else None)
            raise RateLimited(f"venue.http_{answer.status}", wait)
        if answer.status >= 500:
            raise Unreachable(f"venue.http_{answer.status}")
        if answer.status != 200:
            raise Refused(f"venue.http_{answer.status}", path=path)
        return answer

    def close(self) -> None:
        self._client.close()
