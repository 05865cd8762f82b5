"""The kill switch: a file beside the ledger that is read before each send, and stays pulled (P30).

Anyone who can write the account's folder can pull it, also when no trader runs. A file that cannot
be understood counts as the hardest level. Re-arming writes the level ``none`` on purpose: a file
that merely vanished changes nothing while the journal says pulled.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from domain.errors import DataError, InputError
from utility import alarm_words

log = logging.getLogger(__name__)

NONE, ENTRIES, CANCEL, FLATTEN, FREEZE = "none", "entries", "cancel", "flatten", "freeze"
LEVELS = (NONE, ENTRIES, CANCEL, FLATTEN, FREEZE)
"""By severity: entries stop; and all orders are cancelled; and positions are sold; or nothing but cancels leaves."""


class Latch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of the latch file."""

    level: str
    actor: str = ""
    reason: str = ""
    utc_ns: int = 0


_decoder = msgspec.json.Decoder(Latch)


def severity(level: str) -> int:
    """Return the rank of a level; an unknown one is the hardest."""
    return LEVELS.index(level) if level in LEVELS else len(LEVELS) - 1


def latch_path(folder: Path) -> Path:
    """Return the latch file of an account's folder."""
    return folder / "latch"


def write_latch(folder: Path, latch: Latch) -> Latch:
    """Pull (or re-arm) the switch of an account: written aside, synced, renamed. Return what holds now.

    A milder level never lowers a harder one, whether a trader runs or not: only a re-arm does.
    """
    if latch.level not in LEVELS:
        raise InputError("kill.unknown_level", level=latch.level)
    folder.mkdir(parents=True, exist_ok=True)
    path = latch_path(folder)
    there = read_latch(path)
    if there is not None and latch.level != NONE and severity(there.level) > severity(latch.level):
        return there
    aside = path.with_suffix(".new")
    with aside.open("wb") as file:
        file.write(msgspec.json.encode(latch) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    return latch


def join(there: Latch | None, journalled: Latch) -> Latch:
    """Return what counts of the file and the journal."""
    if there is None:
        return journalled
    if there.level == NONE:
        # Only a re-arm that came after the pull opens it.
        return there if there.utc_ns >= journalled.utc_ns else journalled
    return there if severity(there.level) >= severity(journalled.level) else journalled


def read_latch(path: Path) -> Latch | None:
    """Return what the file says; None when there is none; level freeze when it cannot be understood."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        return Latch(level=FREEZE, actor="latch", reason=str(error))
    try:
        latch = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        return Latch(level=FREEZE, actor="latch", reason=str(error))
    return latch if latch.level in LEVELS else Latch(level=FREEZE, actor="latch", reason=latch.level)


class KillSwitch:
    """The latch file as the trader sees it, joined with what the journal remembers.

    Parameters
    ----------
    folder : Path
        The account's folder.
    journalled : Latch or None
        The latch row of the ledger.
    """

    def __init__(self, folder: Path, journalled: Latch | None) -> None:
        self.path = latch_path(folder)
        self.state = journalled or Latch(level=NONE)
        self._stamp: tuple[int, int, int] | None = None
        self._file: Latch | None = None
        self._unwritten: Latch | None = None  # pulled where the file could not be written: holds while this process lives

    def level(self) -> str:
        """Return the level that counts now; one `stat`, and a read when the file changed."""
        try:
            found = os.stat(self.path)
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        except FileNotFoundError:
            self._stamp, self._file = None, None
            return self._joined().level
        except OSError:
            return FREEZE
        if stamp != self._stamp:
            self._file = read_latch(self.path)
            self._stamp = stamp
        return self._joined().level

    def _joined(self) -> Latch:
        found = join(self._file, self.state)
        return found if self._unwritten is None else join(found, self._unwritten)

    def changed(self) -> Latch | None:
        """Return the latch when it is not what the journal holds, to be journalled; else None."""
        self.level()
        joined = self._joined()
        if joined == self.state:
            return None
        self.state = joined
        return joined

    def pull(self, latch: Latch) -> None:
        """Write the file; `changed` then tells the journal. A full disk does not keep a person from stopping: the process remembers."""
        try:
            write_latch(self.path.parent, latch)
            self._unwritten = None
        except OSError as error:
            if latch.level == NONE:
                raise DataError("kill.not_rearmed", path=str(self.path), reason=error.strerror or str(error)) from error
            self._unwritten = latch
            log.critical("%s", alarm_words.write("kill.memory_only", {"path": str(self.path), "reason": error.strerror or str(error)}))
