"""At most one writer per account: a lock on a file beside the ledger, asked about before each send (P8)."""

from __future__ import annotations

import os

from utility.lock import FileLock


class AccountLock(FileLock):
    """The lock of an account's folder, code ``ledger.locked``."""

    def is_in_place(self) -> bool:
        """Tell whether the locked file is still the one in the directory.

        Somebody who removed it may have started a second trader on the account.
        """
        if self._file is None:
            return False
        try:
            there = os.stat(self.path)
        except OSError:
            return False
        mine = os.fstat(self._file)
        return (there.st_ino, there.st_dev) == (mine.st_ino, mine.st_dev)
