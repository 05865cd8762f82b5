"""The user's formulas: a table of `library.db` beside the strategies, where every save is a version and nothing is overwritten.

A library of before this table gets it when it is first opened: nothing that was there changes.
"""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path

import msgspec
from sqlalchemy import BigInteger, Column, Engine, Integer, MetaData, Table, Text, and_, func, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from domain.errors import InputError
from domain.formulas import Formula
from storage.user_library import open_library, trouble

metadata = MetaData()
versions = Table(
    "formula_versions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("market", Text, primary_key=True),
    Column("interval_s", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("utc_ns", BigInteger, nullable=False),
    Column("formula", Text, nullable=False),  # JSON of domain.formulas.Formula; "" = deleted
)
"""One row a save or a deletion; the newest of a name, market and interval is the formula."""
Key = tuple[str, str, int]
"""Name, market, interval in seconds."""


class Formulas:
    """The formulas of a library.

    Raises
    ------
    DataError
        ``strategy.kept_unreadable``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._engine: Engine = open_library(path)
            metadata.create_all(self._engine)
        except (SQLAlchemyError, OSError) as error:
            raise trouble("strategy.kept_unreadable", path, error) from error

    def all(self, market: str = "", interval_s: int = 0) -> list[Formula]:
        """Return the formulas there are, by name; of one market or interval where they are named."""
        keys = ("name", "market", "interval_s")
        last = select(*(versions.c[key] for key in keys), func.max(versions.c.version).label("version"))
        newest = last.group_by(*(versions.c[key] for key in keys)).subquery()
        same = and_(*(versions.c[key] == newest.c[key] for key in (*keys, "version")))
        joined = select(versions.c.formula).join(newest, same).order_by(versions.c.name)
        with self._engine.connect() as connection:
            found = [msgspec.json.decode(row.formula, type=Formula) for row in connection.execute(joined) if row.formula]
        return [one for one in found if market in ("", one.market) and interval_s in (0, one.interval_s)]

    def history(self, key: Key) -> list[tuple[int, int, Formula | None]]:
        """Return (version, time in UTC ns, formula or None where it was deleted) of a key, newest first.

        Raises
        ------
        InputError
            ``formula.missing``.
        """
        name, market, interval_s = _plain(key[0]), key[1], key[2]
        where = (versions.c.name == name) & (versions.c.market == market) & (versions.c.interval_s == interval_s)
        with self._engine.connect() as connection:
            rows = list(connection.execute(select(versions).where(where).order_by(versions.c.version.desc())))
        if not rows:
            raise InputError("formula.missing", name=name, market=market)
        return [(row.version, row.utc_ns, msgspec.json.decode(row.formula, type=Formula) if row.formula else None) for row in rows]

    def get(self, key: Key) -> Formula:
        """Return the newest version; InputError ``formula.missing`` when there is none or it was deleted."""
        found = self.history(key)[0][2]
        if found is None:
            raise InputError("formula.missing", name=key[0], market=key[1])
        return found

    def save(self, formula: Formula) -> tuple[int, bool]:
        """Keep a formula; return its version and whether it is new (an equal one is not kept twice)."""
        key = (_plain(formula.name), formula.market, formula.interval_s)
        kept = msgspec.structs.replace(formula, name=key[0])
        return self._append(key, msgspec.json.encode(kept).decode())

    def delete(self, key: Key) -> int:
        """Note that a formula is deleted; its versions stay. InputError ``formula.missing``."""
        self.get(key)
        return self._append((_plain(key[0]), key[1], key[2]), "")[0]

    def _append(self, key: Key, text: str) -> tuple[int, bool]:
        """Add a version; another process may add one at the same moment, so the number is tried again."""
        while True:
            try:
                found = self.history(key)
            except InputError:
                found = []
            if found and (msgspec.json.encode(found[0][2]).decode() if found[0][2] is not None else "") == text:
                return found[0][0], False
            version = found[0][0] + 1 if found else 1
            row = dict(zip(("name", "market", "interval_s"), key, strict=True))
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(versions), {**row, "version": version, "utc_ns": time.time_ns(), "formula": text})
            except IntegrityError:
                continue
            return version, True


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name.strip())
