"""Binance seen from the venue: signatures, clock window, weights, order counts, bans.

Source: protocols/binance.md 2, 7, 8.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from domain.exchange import WireRequest
from utility.rate_windows import CountedWindow

NS = 1_000_000_000
MINUTE, TEN_S, DAY = 60 * NS, 10 * NS, 86_400 * NS
WEIGHT_LIMIT, ORDER_LIMIT, DAY_LIMIT, RAW_LIMIT = 6_000, 100, 200_000, 300_000
_MS = 1_000_000


class ApiError(Exception):
    """An error body."""

    def __init__(self, code: int, msg: str, status: int = 400, retry_after_s: int = 0) -> None:
        self.code = code
        self.msg = msg
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(msg)


def _split(text: str) -> tuple[str, str]:
    """Return (what was signed, signature); only the last `signature` counts, wherever it stands."""
    parts = text.split("&")
    kept = [part for part in parts if not part.startswith("signature=")]
    given = [part[10:] for part in parts if part.startswith("signature=")]
    return "&".join(kept), unquote_plus(given[-1]) if given else ""


def parameters(request: WireRequest) -> dict[str, str]:
    """Return the parameters; the query string wins when both hold a name. ApiError -1101 for one named twice."""
    out: dict[str, str] = {}
    for text in (request.query, request.body.decode("latin-1")):
        seen: set[str] = set()
        for name, value in parse_qsl(text, keep_blank_values=True):
            if name in seen and name not in ("symbols",):
                raise ApiError(-1101, f"Duplicate values for parameter '{name}'.")
            seen.add(name)
            out.setdefault(name, value)
    return out


class Signatures:
    """HMAC-SHA256 over the bytes received: query then body, without the signature."""

    def __init__(self, key: str, secret: str) -> None:
        self.key = key
        self._secret = secret.encode()

    def check_key(self, given: str) -> None:
        """Raise ApiError unless the key is ours."""
        if not given:
            raise ApiError(-2014, "API-key format invalid.", 401)
        if given != self.key:
            raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)

    def check(self, request: WireRequest, params: dict[str, str]) -> None:
        """Raise ApiError unless a signed request is ours, in time and whole."""
        self.check_key(request.headers.get("x-mbx-apikey", ""))
        query, in_query = _split(request.query)
        body, in_body = _split(request.body.decode("latin-1"))
        self._verify(query + body, in_query or in_body, params, request.wall_ns)

    def check_sorted(self, params: dict[str, str], wall_ns: int) -> None:
        """Raise ApiError unless a request of the WebSocket API is ours: parameters sorted by name."""
        self.check_key(params.get("apiKey", ""))
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
        self._verify(payload, params.get("signature", ""), params, wall_ns)

    def _verify(self, payload: str, given: str, params: dict[str, str], wall_ns: int) -> None:
        if not given:
            raise ApiError(-1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.")
        if not params.get("timestamp"):
            raise ApiError(-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")
        self._check_time(params, wall_ns)
        wanted = hmac.new(self._secret, payload.encode("latin-1", "replace"), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted, given.lower()):
            raise ApiError(-1022, "Signature for this request is not valid.")

    @staticmethod
    def _check_time(params: dict[str, str], wall_ns: int) -> None:
        try:
            stamp = float(params["timestamp"])
            window = float(params.get("recvWindow") or 5_000)
        except ValueError:
            raise ApiError(-1100, "Illegal characters found in parameter 'timestamp'.") from None
        if not 0 < window <= 60_000:
            raise ApiError(-1131, "recvWindow must be less than 60000")
        if stamp > 1e14:  # microseconds
            stamp /= 1_000
        now_ms = wall_ns / _MS
        if stamp >= now_ms + 1_000:
            raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now_ms - stamp > window:
            raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


class Limits:
    """Weights a minute, unfilled orders in ten seconds and a day; 429, then 418 for who goes on."""

    def __init__(self, factor: float) -> None:
        self.weight = CountedWindow(WEIGHT_LIMIT * factor, MINUTE)
        self.orders = CountedWindow(ORDER_LIMIT * factor, TEN_S)
        self.day = CountedWindow(DAY_LIMIT * factor, DAY)
        self._refused = CountedWindow(20, MINUTE)
        self._bans = 0
        self._banned_until = 0

    def use(self, weight: int, now_ns: int) -> None:
        """Use weight; ApiError 429 past the limit, 418 while banned."""
        if now_ns < self._banned_until:
            wait = (self._banned_until - now_ns) // NS + 1
            raise ApiError(-1003, f"Way too much request weight used; IP banned until {self._banned_until // _MS}.", 418, wait)
        if self.weight.use(weight, now_ns):
            return
        if not self._refused.use(1, now_ns):
            self._bans += 1
            self._banned_until = now_ns + min(2 * MINUTE * 4 ** (self._bans - 1), 3 * DAY)
            raise ApiError(-1003, f"Way too much request weight used; IP banned until {self._banned_until // _MS}.", 418, 120)
        raise ApiError(-1003, "Too much request weight used; current limit is 6000 request weight per 1 MINUTE.", 429, self._wait(now_ns))

    def _wait(self, now_ns: int) -> int:
        return int(self.weight.left_ns(now_ns) // NS) + 1

    def count_order(self, now_ns: int) -> None:
        """Count a new order; ApiError -1015 past the limit. A fill gives the count back."""
        if not self.orders.use(1, now_ns):
            self.orders.give_back(1, now_ns)
            raise ApiError(
                -1015, "Too many new orders; current limit is 100 orders per 10 SECOND.", 429, int(self.orders.left_ns(now_ns) // NS) + 1
            )
        self.day.use(1, now_ns)

    def give_order_back(self, now_ns: int) -> None:
        """A fill gives the count back."""
        self.orders.give_back(1, now_ns)
        self.day.give_back(1, now_ns)

    def headers(self, now_ns: int, with_orders: bool) -> dict[str, str]:
        """Return the usage headers."""
        used = int(self.weight.used(now_ns))
        out = {"X-MBX-USED-WEIGHT": str(used), "X-MBX-USED-WEIGHT-1M": str(used)}
        if with_orders:
            out |= {
                "X-MBX-ORDER-COUNT-10S": str(int(self.orders.used(now_ns))),
                "X-MBX-ORDER-COUNT-1D": str(int(self.day.used(now_ns))),
            }
        return out

    def rows(self, now_ns: int | None = None) -> list[dict[str, object]]:
        """Return `rateLimits`, with counts when a time is given."""
        table = (
            ("REQUEST_WEIGHT", "MINUTE", 1, self.weight),
            ("ORDERS", "SECOND", 10, self.orders),
            ("ORDERS", "DAY", 1, self.day),
        )
        rows: list[dict[str, object]] = []
        for kind, interval, number, window in table:
            row: dict[str, object] = {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": int(window.limit)}
            if now_ns is not None:
                row["count"] = int(window.used(now_ns))
            rows.append(row)
        if now_ns is None:
            rows.append({"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": RAW_LIMIT})
        return rows


def error_body(error: ApiError) -> bytes:
    """Return the body of a REST error."""
    return msgspec.json.encode({"code": error.code, "msg": error.msg})
