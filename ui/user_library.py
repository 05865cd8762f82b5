"""The strategy library as the window uses it: whole strategies with versions, behind four calls.

The store is opened in the job thread at the first call, because its database library is slow to import.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class StrategyDoc:
    """A strategy at one version; version 0 was never saved. `markets` empty means any."""

    name: str
    version: int
    buy: str
    sell: str
    variables: tuple[float, ...] = ()
    interval: str = "1s"
    markets: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class LibraryEntry:
    """A strategy in the list; `versions` are (number, saved in UTC nanoseconds, note), newest first."""

    name: str
    interval: str
    versions: tuple[tuple[int, int, str], ...] = ()


class Library(Protocol):
    """What the strategy tab asks; every call may raise StomError and is made in the job thread."""

    def entries(self) -> list[LibraryEntry]: ...

    def load(self, name: str, version: int = 0) -> StrategyDoc: ...

    def save(self, doc: StrategyDoc) -> StrategyDoc: ...

    def rename(self, old: str, new: str) -> None: ...


class StoreLibrary:
    """The library of a data directory (`storage/strategies.py`)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: Any = None

    def _open(self) -> Any:
        if self._store is None:
            from storage.strategies import Strategies

            self._store = Strategies(self._path)
        return self._store

    def entries(self) -> list[LibraryEntry]:
        """Return every strategy with its versions."""
        store = self._open()
        out = []
        for newest in store.all():
            versions = tuple((one.version, one.utc_ns, "") for one in store.history(newest.name))
            out.append(LibraryEntry(newest.name, _interval(newest), versions))
        return out

    def load(self, name: str, version: int = 0) -> StrategyDoc:
        """Return a strategy; version 0 is the newest."""
        return _doc(self._open().get(name, version or None))

    def save(self, doc: StrategyDoc) -> StrategyDoc:
        """Write a new version and return it; what equals the newest one is not stored again."""
        from storage.bundles import Bundle

        bundle = Bundle(
            name=doc.name,
            buy=doc.buy,
            sell=doc.sell,
            markets=doc.markets,
            interval_s=1 if doc.interval == "1s" else 60,
            variables=dict(enumerate(doc.variables)),
            note=doc.note,
        )
        saved, _ = self._open().save(bundle)
        return _doc(saved)

    def rename(self, old: str, new: str) -> None:
        """Give a strategy another name."""
        self._open().rename(old, new)


def _interval(version: Any) -> str:
    return "1s" if version.bundle.interval_s == 1 else "1m"


def _doc(version: Any) -> StrategyDoc:
    one = version.bundle
    variables = tuple(one.variables.get(index, 0.0) for index in range(max(one.variables, default=-1) + 1))
    return StrategyDoc(one.name, version.version, one.buy, one.sell, variables, _interval(version), one.markets, one.note)
