"""Lines of a text table on their way to the parser: those that are no row of it are left out, with the reason and their place.

One damaged line must not cost the file: the parser refuses a whole table for a missing comma, an open quotation mark
or a byte that is no text. Here each line is judged by itself, a block at a time where nothing in it looks wrong.
"""

from __future__ import annotations

import csv
import io
import re
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError

SEPARATORS = ",;\t"
_BLOCK_BYTES = 1 << 22
_LINE_BYTES_MAX = 1 << 20
"""A longer line is no row of a table."""
_HANGUL = re.compile("[가-힣]")


def decoded(line: bytes) -> str | None:
    """Return a line as text, of UTF-8 or of the CP949 that Korean programs write; None when it is neither."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        pass
    try:
        text = line.decode("cp949")
    except UnicodeDecodeError:
        return None
    return text if _HANGUL.search(text) else None


def separator_of(heading: str) -> str:
    """Return what separates the columns of a heading or a first row: the commonest of comma, semicolon and tab, "" for none."""
    found = max(SEPARATORS, key=heading.count)
    return found if found in heading else ""


class GoodLines(io.RawIOBase):
    """A text table without its heading and its bad lines, in UTF-8, as a file to read from.

    Parameters
    ----------
    file : binary file
        At its beginning.
    separator : str
        One character.
    columns : int
        As many fields a row must have.
    headings : int
        Filled lines before the first row; they are left out and not judged.

    Attributes
    ----------
    bad : list of (int, str)
        Place among the file's rows from 0, and reason (``columns_few``, ``columns_many``, ``quote``, ``nul``, ``encoding``).
    rows : int
        Filled lines so far, good and bad.
    """

    def __init__(self, file: IO[bytes], separator: str, columns: int, headings: int) -> None:
        super().__init__()
        self._file, self._separator, self._columns, self._skip = file, separator, columns, headings
        self.bad: list[tuple[int, str]] = []
        self.rows = 0
        self._rest = b""
        self._ready = memoryview(b"")
        self._is_first, self._is_over = True, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with good lines; 0 at the end."""
        self.is_empty()
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def is_empty(self) -> bool:
        """Tell whether no good line is left."""
        while not self._ready and not self._is_over:
            self._ready = memoryview(self._next_block())
        return not self._ready

    def kept(self) -> NDArray[np.int64] | None:
        """Return the place among the file's rows of each good one; None when all are good."""
        if not self.bad:
            return None
        good = np.ones(self.rows, bool)
        good[[row for row, _ in self.bad]] = False
        return np.flatnonzero(good)

    def _next_block(self) -> bytes:
        block = self._rest + self._file.read(_BLOCK_BYTES)
        if self._is_first:
            block, self._is_first = block.removeprefix(b"\xef\xbb\xbf"), False
        if len(block) == len(self._rest):
            self._is_over, whole, self._rest = True, block, b""
        else:
            cut = block.rfind(b"\n") + 1
            whole, self._rest = block[:cut], block[cut:]
            if len(self._rest) > _BLOCK_BYTES + _LINE_BYTES_MAX:
                raise InputError("import.long_line", row=self.rows + 1)
        while self._skip and whole:
            line, _, whole = whole.partition(b"\n")
            self._skip -= bool(line.strip(b"\r"))
        return self._judged(whole)

    def _judged(self, block: bytes) -> bytes:
        if not block:
            return b""
        suspects = self._suspects(block)
        if suspects is not None and not len(suspects):
            return block
        filled = [line + b"\n" for line in block.split(b"\n") if line.strip(b"\r")]
        if suspects is None:
            self.rows += len(filled)
        first = self.rows - len(filled)
        for place in range(len(filled)) if suspects is None else suspects.tolist():
            text, reason = self._line(filled[place].rstrip(b"\r\n"))
            if reason:
                self.bad.append((first + place, reason))
            filled[place] = b"" if reason else text.encode() + b"\n"
        return b"".join(filled)

    def _suspects(self, block: bytes) -> NDArray[np.int64] | None:
        """Return which filled lines have another number of separators than the table; None when each must be looked at."""
        if b'"' in block or b"\0" in block or not _is_utf8(block):
            return None
        marks = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(marks == ord("\n"))
        if not len(ends) or ends[-1] != len(marks) - 1:
            ends = np.append(ends, len(marks))
        starts = np.concatenate(([0], ends[:-1] + 1))
        commas = np.flatnonzero(marks == ord(self._separator))
        counts = np.searchsorted(commas, ends) - np.searchsorted(commas, starts)
        # A line of a line end alone is no row.
        is_bare = (ends - starts == 1) & (marks[np.minimum(starts, len(marks) - 1)] == ord("\r"))
        is_filled = (ends > starts) & ~is_bare
        counts = counts[is_filled]
        self.rows += len(counts)
        return np.flatnonzero(counts != self._columns - 1)

    def _line(self, line: bytes) -> tuple[str, str]:
        """Return a line's text and what is wrong with it, "" for nothing."""
        if b"\0" in line:
            return "", "nul"
        text = decoded(line)
        if text is None:
            return "", "encoding"
        if '"' not in text:
            fields = text.count(self._separator) + 1
        else:
            try:
                fields = len(next(csv.reader([text], delimiter=self._separator, strict=True)))
            except csv.Error:
                return "", "quote"
        if fields == self._columns:
            return text, ""
        return "", "columns_few" if fields < self._columns else "columns_many"


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def heading_fields(line: str, separator: str) -> list[str]:
    """Return the column names of a heading; a name that comes twice is numbered from its second place (``price#2``)."""
    names: list[str] = []
    for name in next(csv.reader([line], delimiter=separator), []):
        name = name.strip()
        count = 2
        told = name
        while told in names:
            told, count = f"{name}#{count}", count + 1
        names.append(told)
    return names
