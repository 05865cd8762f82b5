"""What a download has heard and not stored yet: pages of one symbol's day in a file, so that a kill loses one page.

``downloads/<market>/<kind>/<day>/<code>.<end>.spool`` is an array of records, appended page by page; a torn end is cut.
When the last page is in, the file is called ``.whole``. Stored days have no file. The end is part of the name because
a day that still runs is asked for up to another moment each time.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np


class Spool:
    """Pages of one symbol and day.

    Parameters
    ----------
    folder : Path
        Of the market, kind and day; made when the first page comes.
    end_s : int
        End of what is asked for, UTC seconds.

    Attributes
    ----------
    held : ndarray of `dtype`
        All pages in the order they came.
    is_whole : bool
        Nothing is left to ask.
    """

    def __init__(self, folder: Path, code: str, end_s: int, dtype: np.dtype[np.void]) -> None:
        self._path = folder / f"{code}.{end_s}.spool"
        self._whole = self._path.with_suffix(".whole")
        self._dtype = dtype
        for other in folder.glob(f"{code}.*"):
            if other not in (self._path, self._whole) and other.name.split(".")[0] == code:
                other.unlink(missing_ok=True)  # asked up to another moment
        self.is_whole = self._whole.exists()
        self.held = self._read()
        self.was_there = self.is_whole or len(self.held) > 0

    def _read(self) -> np.ndarray:
        path = self._whole if self.is_whole else self._path
        data = path.read_bytes() if path.exists() else b""
        good = len(data) // self._dtype.itemsize * self._dtype.itemsize
        if good < len(data):
            os.truncate(path, good)
        return np.frombuffer(data[:good], self._dtype).copy()

    def add(self, page: np.ndarray, is_all: bool) -> None:
        """Keep a page; with the last one the spool is whole."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if len(page) or is_all:
            with open(self._path, "ab") as file:
                file.write(page.tobytes())
        self.held = np.concatenate((self.held, page))
        if is_all:
            os.replace(self._path, self._whole)
            self.is_whole = True

    def remove(self) -> None:
        """Forget it: it is stored."""
        for path in (self._path, self._whole):
            path.unlink(missing_ok=True)
        folder = self._path.parent
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
