"""A lock between processes that the system lets go when its holder dies."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from domain.errors import RefusedError


class FileLock:
    """An exclusive lock on a file, held until `release` or the end of the process.

    Parameters
    ----------
    path : Path
        The lock file; it stays where it is, only the lock goes. Its holder may take it away.
    code : str
        Code of the RefusedError when somebody else holds it.
    """

    def __init__(self, path: Path, code: str = "lock.held") -> None:
        self.path = path
        self._code = code
        self._file: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def acquire(self) -> FileLock:
        """Take the lock at once or raise RefusedError with the holder's process id."""
        if self._file is not None:
            return self
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            if not _try_lock(descriptor):
                holder = _holder(descriptor)
                os.close(descriptor)
                raise RefusedError(self._code, path=str(self.path), pid=holder)
            if _is_at(self.path, descriptor):
                break
            os.close(descriptor)  # its last holder took the file away between our opening and our locking: nobody else would see this lock
        self._file = descriptor
        # Byte 0 is what Windows locks, so what a reader may see stands behind it.
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, f"\n{os.getpid()}\n".encode())
        return self

    def release(self) -> None:
        """Let the lock go; harmless when it is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> FileLock:
        return self.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _try_lock(descriptor: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _holder(descriptor: int) -> int:
    try:
        os.lseek(descriptor, 1, os.SEEK_SET)
        text = os.read(descriptor, 32).decode("ascii", "replace").strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0


def is_locked(path: Path) -> bool:
    """Tell whether a living process holds the lock of a file.

    The lock itself is tried only while the process that wrote its number lives: a question must not stand in the
    way of a holder that is just being started again.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        import psutil

        return psutil.pid_exists(_holder(descriptor)) and not _try_lock(descriptor)
    finally:
        os.close(descriptor)
