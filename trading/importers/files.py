"""Files as they lie about: plain, gzip, zip; text by line, tables by column."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from domain.errors import InputError
from utility.text_file import looks_like

HEAD_BYTES = 1 << 16
"""As much of a text is looked at to tell its encoding."""
BOM = b"\xef\xbb\xbf"
GZIP, ZIP, PARQUET = b"\x1f\x8b", b"PK\x03\x04", b"PAR1"


def magic(path: Path) -> bytes:
    """Return the first four bytes."""
    with open(path, "rb") as file:
        return file.read(4)


def open_binary(path: Path) -> IO[bytes]:
    """Open a file's content, whatever it is packed in; a zip must hold exactly one file."""
    start = magic(path)
    if start[:2] == GZIP:
        return cast(IO[bytes], gzip.open(path, "rb"))
    if start == ZIP:
        archive = zipfile.ZipFile(path)
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise InputError("import.archive", file=str(path), count=len(names))
        return archive.open(names[0])
    return open(path, "rb")


def open_text(path: Path) -> Iterator[bytes]:
    """Yield the lines without their ends, empty ones left out.

    Raises
    ------
    InputError
        ``import.damaged``: the packed data ends early or is broken, with the line that was reached.
    """
    number = 0
    try:
        with open_binary(path) as file:
            for line in file:
                number += 1
                line = (line.removeprefix(BOM) if number == 1 else line).rstrip(b"\r\n")
                if line:
                    yield line
    except (EOFError, OSError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError("import.damaged", file=str(path), line=number + 1, reason=str(error)) from error


def first_line(path: Path) -> bytes:
    """Return the first line that is not empty, b"" for none; InputError ``import.damaged``."""
    return next(open_text(path), b"")


def check_text(path: Path, is_table: bool) -> None:
    """Refuse a file that holds nothing, and text in the encoding of another age; tables may be in CP949.

    Raises
    ------
    InputError
        ``import.empty``; ``file.not_utf8`` with the line and the encoding it looks like; ``import.damaged``.
    """
    head = bytearray()
    for line in open_text(path):
        head += line + b"\n"
        if len(head) > HEAD_BYTES:
            break
    if not head.strip():
        raise InputError("import.empty", file=str(path))
    try:
        head.decode()
    except UnicodeDecodeError as error:
        encoding = looks_like(bytes(head))
        # Anything else that is no UTF-8 is a damaged line, and whoever reads the lines counts it as one.
        if encoding and not (is_table and encoding == "CP949"):
            raise InputError("file.not_utf8", path=str(path), line=head.count(b"\n", 0, error.start) + 1, encoding=encoding) from error


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in lower-case hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
