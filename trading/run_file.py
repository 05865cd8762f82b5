"""`run/<N>.json`: where a running main process can be found, by its heir, a viewer or the kill switch.

It holds the run's own key pairs (control, children, one viewer), so it is 0600 and is removed at the end of
the run; a venue's keys are not in it. A main that died leaves it; the next one binds the same port and adopts the children.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from domain.errors import DataError
from domain.process_config import LiveOptions, ProcessConfig
from utility.paths import DataDir, write_private


class ChildEntry(msgspec.Struct, kw_only=True):
    """A child that was running."""

    name: str
    role: str
    slot: str
    pid: int
    generation: int
    config: ProcessConfig


class MarketEntry(msgspec.Struct, kw_only=True):
    """A market that was running."""

    options: LiveOptions
    account: str
    keys: dict[str, tuple[str, str]]
    children: list[ChildEntry] = []


class RunFile(msgspec.Struct, kw_only=True):
    """The file's content."""

    run: int
    pid: int
    build: str
    control: str
    public_key: str
    secret_key: str
    viewer_public: str
    viewer_secret: str
    markets: list[MarketEntry] = []


def path_of(data_dir: DataDir, run: int) -> Path:
    """Return where the file of run `run` is."""
    return data_dir.run / f"{run}.json"


def save(data_dir: DataDir, content: RunFile) -> None:
    """Write the file, 0600, whole or not at all."""
    write_private(path_of(data_dir, content.run), msgspec.json.encode(content))


def without_keys(config: ProcessConfig) -> ProcessConfig:
    """Return a configuration that may be written down."""
    exchange = None if config.exchange is None else msgspec.structs.replace(config.exchange, key="", secret="")
    return msgspec.structs.replace(config, venue_key="", venue_secret="", arming=None, exchange=exchange)


def newest(data_dir: DataDir) -> RunFile | None:
    """Return the newest run file, or None; DataError when it cannot be read."""
    numbers = sorted((int(path.stem) for path in data_dir.run.glob("*.json") if path.stem.isdigit()), reverse=True)
    if not numbers:
        return None
    path = path_of(data_dir, numbers[0])
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunFile)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError("run_file.damaged", path=str(path), reason=str(error)) from error


def remove(data_dir: DataDir, run: int) -> None:
    """Remove the file of a run that ended."""
    path_of(data_dir, run).unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs (it may be another one that got the number); one that waits to be reaped does not."""
    import psutil

    try:
        return pid > 0 and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
