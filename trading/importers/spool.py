"""What a download has heard of a day that is not over for it: pages of one symbol in files, so that a kill loses one page.

``downloads/<market>/<kind>/<day>/<code>.<end>.spool`` is an array of records, appended page by page; a torn end is cut.
With its last page the file is called ``.whole``. A day that still runs is asked for up to another moment each time: its
files follow each other, each from the end of the one before, and none of them is asked again. They go when the day is stored whole.
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
    first_s, end_s : int
        What is wanted, UTC seconds, the end excluded.

    Attributes
    ----------
    begin_s, until_s : int
        The span that the next page belongs to.
    held : ndarray of `dtype`
        Its pages in the order they came.
    was_there : bool
        Something was kept from an earlier attempt.
    """

    def __init__(self, folder: Path, code: str, first_s: int, end_s: int, dtype: np.dtype[np.void]) -> None:
        self._folder, self._code, self._end_s, self._dtype = folder, code, end_s, dtype
        self._done: list[np.ndarray] = []
        self.begin_s, self.until_s = first_s, end_s
        self.held = np.zeros(0, dtype)
        self.was_there = False
        for path in sorted(folder.glob(f"{code}.*"), key=lambda one: int(one.name.split(".")[1])):
            ends = int(path.name.split(".")[1])
            if ends > end_s:
                continue  # the clock went back: what it holds is asked again and known by its numbers
            self.was_there = True
            if path.suffix == ".whole":
                self._done.append(self._read(path))
                self.begin_s = ends
            else:
                self.held, self.until_s = self._read(path), ends

    def _read(self, path: Path) -> np.ndarray:
        data = path.read_bytes()
        good = len(data) // self._dtype.itemsize * self._dtype.itemsize
        if good < len(data):
            os.truncate(path, good)
        return np.frombuffer(data[:good], self._dtype).copy()

    @property
    def is_whole(self) -> bool:
        """Nothing is left to ask."""
        return self.begin_s >= self._end_s

    @property
    def everything(self) -> np.ndarray:
        """All pages of the day so far."""
        return np.concatenate([*self._done, self.held])

    def add(self, page: np.ndarray, is_all: bool) -> None:
        """Keep a page; with the last one of its span the next span begins."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._code}.{self.until_s}.spool"
        with open(path, "ab") as file:
            file.write(page.tobytes())
        self.held = np.concatenate((self.held, page))
        if is_all:
            os.replace(path, path.with_suffix(".whole"))
            self._done.append(self.held)
            self.held = np.zeros(0, self._dtype)
            self.begin_s, self.until_s = self.until_s, self._end_s

    def remove(self) -> None:
        """Forget it: the whole day is stored."""
        for path in self._folder.glob(f"{self._code}.*"):
            path.unlink(missing_ok=True)
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()
