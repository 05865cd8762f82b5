"""The strategy library: `library.db`, where every save is a version and nothing is overwritten.

A new library holds the strategies of `storage/library/`. Names may be joined as ``A+B``: the buy text
of A with the sell text of B.
"""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from domain.errors import InputError
from storage.bundles import Bundle, plain_name, read_bundle
from storage.user_library import make_tables, open_library, trouble

DEFAULTS = Path(__file__).parent / "library"
DEFAULT_ORDER = ("데모_돌파", "기본_R1", "되돌림", "분봉_교차")
metadata = MetaData()

versions = Table(
    "strategy_versions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("utc_ns", BigInteger, nullable=False),
    Column("buy", Text, nullable=False),
    Column("sell", Text, nullable=False),
    Column("markets", Text, nullable=False),  # space-separated, "" = any
    Column("interval_s", Integer, nullable=False),
    Column("variables", Text, nullable=False),  # JSON object index → value
    Column("note", Text, nullable=False),
)
"""One row a save; the newest of a name is the strategy."""

checks = Table(
    "strategy_checks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("utc_ns", BigInteger, nullable=False),
    Column("found", Text, nullable=False),  # JSON
)
"""What a check of a version found, the newest one."""


@dataclass(frozen=True)
class Version:
    """One saved state of a strategy."""

    bundle: Bundle
    version: int
    utc_ns: int

    @property
    def name(self) -> str:
        """The strategy's name."""
        return self.bundle.name


class Strategies:
    """The library of a data directory.

    Parameters
    ----------
    path : Path
        ``library.db``; made on first use, with the default strategies.

    Raises
    ------
    DataError
        ``strategy.kept_unreadable``: it is no database, or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._engine: Engine = open_library(path)
            if not inspect(self._engine).has_table(versions.name):
                self._seed()
            else:
                metadata.create_all(self._engine)  # a library from before there were checks
        except (SQLAlchemyError, OSError) as error:
            raise trouble("strategy.kept_unreadable", path, error) from error

    def _seed(self) -> None:
        make_tables(self._engine, metadata)
        files = [DEFAULTS / f"{name}.txt" for name in DEFAULT_ORDER]
        bundles = [read_bundle(path.read_text("utf-8"), path.name) for path in files]
        try:
            with self._engine.begin() as connection:
                for bundle in bundles:
                    connection.execute(insert(versions), _row(bundle, 1, 0))
        except IntegrityError:
            return  # another process seeded at the same moment

    # --- reading -------------------------------------------------------------------------------------

    def all(self) -> list[Version]:
        """Return the newest version of every strategy, by name."""
        newest = select(versions.c.name, func.max(versions.c.version).label("version")).group_by(versions.c.name).subquery()
        joined = select(versions).join(newest, (versions.c.name == newest.c.name) & (versions.c.version == newest.c.version))
        return [_version(row) for row in self._rows(joined.order_by(versions.c.name))]

    def get(self, name: str, version: int | None = None) -> Version:
        """Return a version of a strategy, the newest when `version` is None.

        Raises
        ------
        InputError
            ``strategy.kept_missing`` or ``strategy.kept_version``.
        """
        history = self.history(name)
        if version is None:
            return history[0]
        for one in history:
            if one.version == version:
                return one
        raise InputError("strategy.kept_version", name=name, version=version)

    def history(self, name: str) -> list[Version]:
        """Return every version of a strategy, newest first; InputError when there is none."""
        plain = plain_name(name)
        found = [_version(row) for row in self._rows(select(versions).where(versions.c.name == plain).order_by(versions.c.version.desc()))]
        if not found:
            raise InputError("strategy.kept_missing", name=name)
        return found

    def texts(self, name: str, market: str, sides: Sequence[str] = ("buy", "sell")) -> tuple[str, str, str, dict[int, float]]:
        """Return (name, buy text, sell text, variables) of what is to run on a market.

        Parameters
        ----------
        name : str
            A strategy, or ``A+B`` for the buy text of A with the sell text of B.
        market : str
            Market code; a strategy that names its markets runs on those only.
        sides : sequence of str
            Documents that must be there; a back-finder has a buy text alone.

        Raises
        ------
        InputError
            Unknown name, wrong market, or an empty document.
        """
        first, plus, second = name.partition("+")
        buy = self.get(first).bundle
        sell = self.get(second).bundle if plus else buy
        for side, bundle, text in (("buy", buy, buy.buy), ("sell", sell, sell.sell)):
            if market and bundle.markets and market not in bundle.markets:
                raise InputError("strategy.kept_market", name=bundle.name, market=market, markets=" ".join(bundle.markets))
            if side in sides and not text.strip():
                raise InputError("strategy.kept_empty", name=bundle.name)
        return name if plus else buy.name, buy.buy, sell.sell, {**sell.variables, **buy.variables}

    def diff(self, name: str, old: int, new: int | None = None) -> str:
        """Return a unified diff of two versions of both documents; "" when nothing differs."""
        before, after = self.get(name, old), self.get(name, new)
        out: list[str] = []
        for side in ("buy", "sell"):
            a, b = (getattr(one.bundle, side).splitlines() for one in (before, after))
            out += difflib.unified_diff(a, b, f"{side} v{before.version}", f"{side} v{after.version}", lineterm="")
        if before.bundle.variables != after.bundle.variables:
            out += [f"- vars {before.bundle.variables}", f"+ vars {after.bundle.variables}"]
        return "\n".join(out)

    # --- writing ----------------------------------------------------------------------------------------

    def save(self, bundle: Bundle, utc_ns: int | None = None) -> tuple[Version, bool]:
        """Store a new version; what equals the newest one is not stored again.

        Parameters
        ----------
        bundle : Bundle
            The checked texts (this store does not judge them).
        utc_ns : int, optional
            Time of the save; now when None.

        Returns
        -------
        (Version, bool)
            The newest version, and whether it is new.
        """
        name = plain_name(bundle.name)
        now = time.time_ns() if utc_ns is None else utc_ns
        while True:
            try:
                with self._engine.begin() as connection:
                    last = self._last(connection, name)
                    if last is not None and _row(last.bundle, 0, 0) == _row(bundle, 0, 0):
                        return last, False
                    number = 1 if last is None else last.version + 1
                    connection.execute(insert(versions), {**_row(bundle, number, now), "name": name})
                return self.get(name, number), True
            except IntegrityError:
                continue  # another process took this number between our read and our write
            except SQLAlchemyError as error:
                raise trouble("strategy.kept_unreadable", self.path, error) from error

    def keep_check(self, name: str, version: int, found: dict[str, Any]) -> None:
        """Keep what a check of a version found, in place of what an earlier one did."""
        row = {"name": plain_name(name), "version": version, "utc_ns": time.time_ns(), "found": json.dumps(found)}
        try:
            with self._engine.begin() as connection:
                connection.execute(delete(checks).where((checks.c.name == row["name"]) & (checks.c.version == version)))
                connection.execute(insert(checks), row)
        except SQLAlchemyError as error:
            raise trouble("strategy.kept_unreadable", self.path, error) from error

    def check_of(self, name: str, version: int) -> dict[str, Any] | None:
        """Return what the newest check of a version found, None when nobody checked it."""
        rows = self._rows(select(checks).where((checks.c.name == plain_name(name)) & (checks.c.version == version)))
        return dict(json.loads(rows[0]["found"])) if rows else None

    def rename(self, old: str, new: str) -> None:
        """Give a strategy another name; its versions stay with it.

        Raises
        ------
        InputError
            ``strategy.kept_missing``, ``strategy.kept_name`` or ``strategy.kept_taken``; nothing was changed.
        """
        before, after = plain_name(old), plain_name(new)
        try:
            with self._engine.begin() as connection:
                if self._last(connection, after) is not None:
                    raise InputError("strategy.kept_taken", name=after)
                if connection.execute(update(versions).where(versions.c.name == before).values(name=after)).rowcount == 0:
                    raise InputError("strategy.kept_missing", name=old)
                connection.execute(update(checks).where(checks.c.name == before).values(name=after))
        except IntegrityError as error:
            raise InputError("strategy.kept_taken", name=after) from error
        except SQLAlchemyError as error:
            raise trouble("strategy.kept_unreadable", self.path, error) from error

    def _last(self, connection: Connection, name: str) -> Version | None:
        query = select(versions).where(versions.c.name == name).order_by(versions.c.version.desc()).limit(1)
        row = connection.execute(query).mappings().first()
        return None if row is None else _version(dict(row))

    def _rows(self, query: Any) -> Sequence[dict[str, Any]]:
        try:
            with self._engine.connect() as connection:
                return [dict(row) for row in connection.execute(query).mappings().all()]
        except SQLAlchemyError as error:
            raise trouble("strategy.kept_unreadable", self.path, error) from error


def _row(bundle: Bundle, version: int, utc_ns: int) -> dict[str, Any]:
    return {
        "name": bundle.name,
        "version": version,
        "utc_ns": utc_ns,
        "buy": bundle.buy,
        "sell": bundle.sell,
        "markets": " ".join(bundle.markets),
        "interval_s": bundle.interval_s,
        "variables": json.dumps({str(k): float(v) for k, v in sorted(bundle.variables.items())}),
        "note": bundle.note,
    }


def _version(row: dict[str, Any]) -> Version:
    bundle = Bundle(
        name=row["name"],
        buy=row["buy"],
        sell=row["sell"],
        markets=tuple(row["markets"].split()),
        interval_s=row["interval_s"],
        variables={int(k): float(v) for k, v in json.loads(row["variables"]).items()},
        note=row["note"],
    )
    return Version(bundle, row["version"], row["utc_ns"])
