"""Where everything is written: one property a place (architecture 3.3)."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from domain.errors import InputError

DEFAULT_ROOT = Path(__file__).resolve().parent.parent / "_database"
_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class DataDir:
    """The data directory; nothing is created before somebody writes.

    Parameters
    ----------
    root : Path or str, optional
        ``_database/`` of the work tree when None.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = DEFAULT_ROOT if root is None else Path(root).resolve()

    def __fspath__(self) -> str:
        return str(self.root)

    @property
    def settings(self) -> Path:
        """The one settings file."""
        return self.root / "settings.json"

    @property
    def user_library(self) -> Path:
        """Strategies, versions, runs and studies."""
        return self.root / "library.db"

    @property
    def ticks(self) -> Path:
        """Parquet archive of events and rows."""
        return self.root / "ticks"

    @property
    def columns(self) -> Path:
        """Memory-mapped cache of the archive; safe to delete."""
        return self.root / "columns"

    @property
    def cache(self) -> Path:
        """Compiled strategies and other things that can be made again."""
        return self.root / "cache"

    @property
    def run(self) -> Path:
        """Lock and run files of running main processes."""
        return self.root / "run"

    @property
    def runs(self) -> Path:
        """Passports, trades and reports of runs."""
        return self.root / "runs"

    @property
    def logs(self) -> Path:
        """One file per process and day."""
        return self.root / "log"

    @property
    def backup(self) -> Path:
        """Copies of ledgers and of old settings files."""
        return self.root / "backup"

    @property
    def exchange(self) -> Path:
        """Truth ledgers of paper exchanges."""
        return self.root / "exchange"

    @property
    def mac_key_file(self) -> Path:
        """Key of the cache's authentication codes (0600)."""
        return self.root / "mac.key"

    @property
    def vault(self) -> Path:
        """Encrypted venue keys."""
        return self.root / "vault.bin"

    @property
    def lock(self) -> Path:
        """Held by the one main process of this directory."""
        return self.run / "lock"

    def account(self, account: str) -> Path:
        """Return the folder of an account; InputError when the name could leave the directory."""
        if not _ACCOUNT.fullmatch(account):
            raise InputError("paths.account", account=account)
        return self.root / "accounts" / account

    def ledger(self, account: str) -> Path:
        """Return the journal and ledger of an account: one file, one writer."""
        return self.account(account) / "ledger.db"

    def latch(self, account: str) -> Path:
        """Return the kill switch's latch file of an account."""
        return self.account(account) / "latch"

    def run_dir(self, number: int) -> Path:
        """Return the folder of run `number`."""
        return self.runs / str(number)

    def truth(self, venue: str, number: int) -> Path:
        """Return the paper exchange's own record of run `number`."""
        return self.exchange / venue / str(number) / "truth.jsonl"

    def mac_key(self) -> bytes:
        """Return the 32-byte key of the cache's authentication codes, made on first use with mode 0600."""
        path = self.mac_key_file
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            write_private(path, secrets.token_bytes(32), exclusive=True)
            key = path.read_bytes()
        if len(key) != 32:
            raise InputError("paths.mac_key", path=str(path))
        return key

    def new_run(self) -> int:
        """Reserve the next run number by making its folder; safe between processes."""
        self.runs.mkdir(parents=True, exist_ok=True)
        number = max((int(entry.name) for entry in self.runs.iterdir() if entry.name.isdigit()), default=0)
        while True:
            number += 1
            try:
                self.run_dir(number).mkdir()
            except FileExistsError:
                continue
            return number


def write_private(path: Path, data: bytes, *, exclusive: bool = False) -> None:
    """Write a file that only this user may read (0600), whole or not at all.

    Parameters
    ----------
    exclusive : bool
        Leave a file that already exists as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if exclusive:
        try:
            os.link(part, path)
        except FileExistsError:
            pass
        finally:
            part.unlink()
        return
    part.replace(path)
