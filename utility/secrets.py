"""API keys: hidden in memory, encrypted at rest, masked in logs (reliability P40, P41).

`Secret` prints as ``***`` and refuses to be formatted or pickled; `reveal` is called where a request
is signed and nowhere else. `Vault` is one file, 0600: Argon2id makes the key, AES-256-GCM seals the
contents and authenticates the header. `RedactionFilter` is the second line: whatever still reaches a
log record is masked there, in plain, base64, hex and URL form.
"""

from __future__ import annotations

import base64
import logging
import os
import re
import secrets
import struct
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from domain.errors import DataError, InputError, RefusedError

MASK = "***"

# --- in memory --------------------------------------------------------------------------------


class Secret:
    """A text that does not show itself. The redaction filter knows every one that was made."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value
        _redactor.learn(value)

    def reveal(self) -> str:
        """Return the text; for signing only."""
        return self.__value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("a secret is not formatted")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return secrets.compare_digest(self.__value.encode(), other.__value.encode())

    def __hash__(self) -> int:
        return id(self)


class KeyPair:
    """A venue's key and secret (domain.ports.Credentials)."""

    __slots__ = ("_key", "_secret")

    def __init__(self, key: str, secret: str) -> None:
        self._key = Secret(key)
        self._secret = Secret(secret)

    def key(self) -> str:
        return self._key.reveal()

    def secret(self) -> str:
        return self._secret.reveal()

    def __repr__(self) -> str:
        return f"KeyPair({MASK})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a key pair is not pickled or copied")


# --- in logs ----------------------------------------------------------------------------------

SHORTEST = 6
"""Shorter texts are not masked by value: they would hide half of every line."""

_PATTERNS = (
    re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(
        r"(?i)((?:signature|secret|secretkey|access_key|api[_-]?key|apikey|x-mbx-apikey|appkey|appsecret|password)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;}]{4,}"
    ),
)


class _Redactor:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._needles: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def learn(self, value: str) -> None:
        if len(value) < SHORTEST:
            return
        raw = value.encode()
        forms = {value, quote(value, safe=""), raw.hex(), raw.hex().upper()}
        # A secret inside a longer base64 text stands there in one of three shapes; their inner parts do not depend on neighbours.
        for shift in range(3):
            text = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
            inner = text[4 if shift else 0 : len(text) - 2 if len(text) % 4 else len(text)]
            if len(inner) >= SHORTEST:
                forms |= {inner, inner.replace("+", "-").replace("/", "_")}
        with self._lock:
            self._needles |= forms
            ordered = sorted(self._needles, key=len, reverse=True)
            self._pattern = re.compile("|".join(re.escape(needle) for needle in ordered))

    def redact(self, text: str) -> str:
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\1{MASK}", text)
        return text


_redactor = _Redactor()


def redact(text: str) -> str:
    """Return the text with every known secret, token and signature masked."""
    return _redactor.redact(text)


def hide(*values: str) -> None:
    """Mask these in every log line of this process from now on; short ones are left."""
    for value in values:
        _redactor.learn(value)


class RedactionFilter(logging.Filter):
    """Masks a record before any formatter sees it; belongs on every handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            text = record.getMessage()
        except (TypeError, ValueError) as error:
            text = f"unformattable log record: {type(error).__name__}"
        record.msg, record.args = redact(text), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


# --- at rest ----------------------------------------------------------------------------------

_MAGIC = b"STOMVLT1"
_HEADER = struct.Struct("<8sIII16s12s")  # magic, memory KiB, iterations, lanes, salt, nonce
MEMORY_KIB, ITERATIONS, LANES = 65_536, 3, 4
_MEMORY_KIB_MAX, _ITERATIONS_MAX, _LANES_MAX = 1_048_576, 16, 16
_FILE_BYTES_MAX = 1_000_000


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    secret: str


class Vault:
    """Key pairs by name in one encrypted file.

    The file: magic, Argon2id costs, salt and nonce in the clear but authenticated, then the sealed
    JSON. Each save takes a new salt and nonce, and replaces the file whole.

    Parameters
    ----------
    path : Path
        ``vault.bin`` of the data directory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failures = 0
        self._not_before = 0.0

    def exists(self) -> bool:
        return self._path.exists()

    def load(self, password: str) -> dict[str, KeyPair]:
        """Return the pairs; an empty dict when there is no file.

        Raises
        ------
        InputError
            ``vault.not_opened``: the password is wrong or the file was changed; the two cannot be told apart.
        RefusedError
            ``vault.wait``: too many wrong passwords in a row.
        DataError
            ``vault.damaged``: this is no vault of ours.
        """
        if not self._path.exists():
            return {}
        wait = self._not_before - time.monotonic()
        if wait > 0.0:
            raise RefusedError("vault.wait", seconds=round(wait, 1))
        data = self._path.read_bytes()[: _FILE_BYTES_MAX + 1]
        if not _HEADER.size < len(data) <= _FILE_BYTES_MAX:
            raise DataError("vault.damaged", file=str(self._path))
        header = data[: _HEADER.size]
        magic, memory, iterations, lanes, salt, nonce = _HEADER.unpack(header)
        is_sane = 8 * lanes <= memory <= _MEMORY_KIB_MAX and 1 <= iterations <= _ITERATIONS_MAX and 1 <= lanes <= _LANES_MAX
        if magic != _MAGIC or not is_sane:  # checked before any memory is asked for
            raise DataError("vault.damaged", file=str(self._path))
        key = _derive(password, salt, memory, iterations, lanes)
        try:
            plain = AESGCM(key).decrypt(nonce, data[_HEADER.size :], header)
            entries = msgspec.json.decode(plain, type=dict[str, _Entry])
        except (InvalidTag, msgspec.DecodeError):
            self._failures += 1
            self._not_before = time.monotonic() + min(0.5 * 2 ** (self._failures - 1), 60.0)
            raise InputError("vault.not_opened", file=str(self._path)) from None
        self._failures, self._not_before = 0, 0.0
        return {name: KeyPair(entry.key, entry.secret) for name, entry in entries.items()}

    def save(self, password: str, pairs: dict[str, KeyPair]) -> None:
        """Replace the file by these pairs, mode 0600.

        Raises
        ------
        InputError
            ``vault.password_empty``.
        """
        if not password:
            raise InputError("vault.password_empty")
        header = _HEADER.pack(_MAGIC, MEMORY_KIB, ITERATIONS, LANES, secrets.token_bytes(16), secrets.token_bytes(12))
        _, memory, iterations, lanes, salt, nonce = _HEADER.unpack(header)
        plain = msgspec.json.encode({name: _Entry(pair.key(), pair.secret()) for name, pair in pairs.items()})
        sealed = AESGCM(_derive(password, salt, memory, iterations, lanes)).encrypt(nonce, plain, header)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(header + sealed)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def _derive(password: str, salt: bytes, memory: int, iterations: int, lanes: int) -> bytes:
    return Argon2id(salt=salt, length=32, iterations=iterations, lanes=lanes, memory_cost=memory).derive(password.encode())
