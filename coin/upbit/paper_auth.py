"""Upbit seen from the venue: tokens, query hashes, nonces, rate groups.

Source: protocols/upbit.md 2, 8, 9.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from urllib.parse import parse_qsl, unquote, unquote_plus, urlencode

import msgspec

from domain.exchange import WireRequest
from utility.rate_windows import CountedWindow

NS = 1_000_000_000
_DIGESTS = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}
_NONCES = 200_000

LIMITS: dict[str, tuple[float, int]] = {
    "market": (10, NS),
    "candles": (10, NS),
    "crix-trades": (10, NS),
    "ticker": (10, NS),
    "orderbook": (10, NS),
    "default": (30, NS),
    "order": (12, NS),
    "order-test": (8, NS),
    "order-cancel-all": (1, 2 * NS),
    "websocket-connect": (5, NS),
    "origin": (1, 10 * NS),
}
"""Group → count and period. Group names follow the form that venue and clients are known to use."""


class AuthError(Exception):
    """A request that is refused for its token; `name` is the venue's error name."""

    def __init__(self, name: str, status: int = 401) -> None:
        self.name = name
        self.status = status
        super().__init__(name)


class _Header(msgspec.Struct):
    alg: str = ""


class _Claims(msgspec.Struct):
    access_key: str
    nonce: str
    query_hash: str | None = None
    query_hash_alg: str | None = None


def _part(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def pairs_of(request: WireRequest) -> list[tuple[str, str]]:
    """Return a request's parameters in the order sent: query string, JSON body or form body."""
    pairs = parse_qsl(request.query, keep_blank_values=True)
    if not request.body:
        return pairs
    if request.body.lstrip()[:1] == b"{":
        decoded = msgspec.json.decode(request.body, type=dict[str, object])
        for name, value in decoded.items():
            if isinstance(value, list):
                pairs += [(name if name.endswith("[]") else f"{name}[]", _text(item)) for item in value]
            else:
                pairs.append((name, _text(value)))
        return pairs
    return pairs + parse_qsl(request.body.decode("ascii"), keep_blank_values=True)


def _text(value: object) -> str:
    if value is True or value is False:
        return str(value).lower()
    if value is None:
        return ""
    return str(value)


def hash_texts(request: WireRequest) -> set[str]:
    """Return the strings whose hash a token may hold: un-encoded; and the encoded form that pyupbit hashes."""
    pairs = pairs_of(request)
    plain = "&".join(f"{name}={value}" for name, value in pairs)
    texts = {plain, urlencode(pairs).replace("%5B%5D=", "[]=")}
    if request.query:
        texts |= {unquote(request.query), unquote_plus(request.query)}
    return texts


class TokenCheck:
    """Checks ``Authorization: Bearer <JWT>``; a nonce is good once."""

    def __init__(self, key: str, secret: str) -> None:
        self._key = key
        self._secret = secret.encode()
        self._nonces: OrderedDict[str, None] = OrderedDict()

    def check(self, request: WireRequest) -> None:
        """Raise AuthError unless the token is ours, fresh, and covers the parameters."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token.count(".") != 2:
            raise AuthError("jwt_verification")
        head, body, signature = token.split(".")
        try:
            algorithm = msgspec.json.decode(_part(head), type=_Header).alg
            claims = msgspec.json.decode(_part(body), type=_Claims)
            given = _part(signature)
        except (ValueError, msgspec.DecodeError):
            raise AuthError("jwt_verification") from None
        digest = _DIGESTS.get(algorithm)
        if digest is None:
            raise AuthError("jwt_verification")
        if claims.access_key != self._key:
            raise AuthError("invalid_access_key")
        if not hmac.compare_digest(hmac.new(self._secret, f"{head}.{body}".encode(), digest).digest(), given):
            raise AuthError("jwt_verification")
        self._check_query(request, claims)
        if claims.nonce in self._nonces or not claims.nonce:
            raise AuthError("nonce_used")
        self._nonces[claims.nonce] = None
        if len(self._nonces) > _NONCES:
            self._nonces.popitem(last=False)

    @staticmethod
    def _check_query(request: WireRequest, claims: _Claims) -> None:
        if not request.query and not request.body:
            return
        if not claims.query_hash or (claims.query_hash_alg or "SHA512") != "SHA512":
            raise AuthError("invalid_query_payload")
        try:
            texts = hash_texts(request)
        except (ValueError, msgspec.DecodeError):
            raise AuthError("invalid_query_payload") from None
        if not any(hashlib.sha512(text.encode()).hexdigest() == claims.query_hash for text in texts):
            raise AuthError("invalid_query_payload")


class Groups:
    """The rate groups: 429 past a limit, 418 for who goes on after ten of those; blocks grow."""

    def __init__(self, factor: float) -> None:
        self._windows = {
            name: CountedWindow(count * (factor if name != "origin" else 1.0), period) for name, (count, period) in LIMITS.items()
        }
        self._refused = CountedWindow(10, 10 * NS)
        self._blocks = 0
        self.blocked_until = 0

    def use(self, group: str, now_ns: int) -> int:
        """Use one of a group; return the HTTP status: 0 = go on, 429 or 418."""
        if now_ns < self.blocked_until:
            return 418
        if self._windows[group].use(1, now_ns):
            return 0
        if not self._refused.use(1, now_ns):
            self._blocks += 1
            self.blocked_until = now_ns + min(10 * NS * 2 ** (self._blocks - 1), 3_600 * NS)
            return 418
        return 429

    def header(self, group: str, now_ns: int) -> str:
        """Return the value of Remaining-Req."""
        window = self._windows[group]
        return f"group={group}; min=1800; sec={max(int(window.limit - window.used(now_ns)), 0)}"
