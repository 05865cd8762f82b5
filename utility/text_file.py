"""Text files that people made: read as UTF-8, or refused with what the file seems to be and what to do."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from domain.errors import InputError
from utility.shared_reads import shared

MAX_BYTES = 1 << 20
_HANGUL = re.compile("[가-힣]{2}")


@shared
def read_text(path: str | Path, limit: int = MAX_BYTES) -> str:
    """Return the text of a UTF-8 file, without a byte order mark.

    Raises
    ------
    InputError
        ``file.unreadable``, ``file.too_large``, ``file.not_utf8`` (with the encoding it looks like) or
        ``file.damaged``; each names the file, the last two the line.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
            size = path.stat().st_size if len(raw) > limit else len(raw)
    except OSError as error:
        raise InputError("file.unreadable", path=str(path), cause=error.strerror or str(error)) from error
    if size > limit:
        raise InputError("file.too_large", path=str(path), size=size, limit=limit)
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        encoding = looks_like(raw)
        code = "file.not_utf8" if encoding else "file.damaged"
        raise InputError(code, path=str(path), line=line, encoding=encoding) from error


def looks_like(raw: bytes) -> str:
    """Return the name of the encoding that Korean Windows programs save in when they do not save UTF-8, "" for none."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    try:
        return "CP949" if _HANGUL.search(raw.decode("cp949")) else ""
    except UnicodeDecodeError:
        return ""
