"""STOM: environment, then window, command or worker; the one file allowed to know everything.

    python stom.py                  the workstation
    python stom.py stock | coin     the workstation, with that market started
    python stom.py COMMAND ...      without a window (stom.py --help)
    python stom.py worker ROLE      a process of a running workstation; told everything over standard input

Standard library only until `.venv` is found: any Python 3.11 may start it, it goes on in the right one.
"""

import os
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

WORKERS = {
    "exchange": "paper.process",
    "receiver": "trading.receiver_process",
    "strategy": "trading.strategy_process",
    "trader": "trading.trader_process",
    "compile": "trading.compile_process",
}
"""Role → module with ``main(config) -> exit status``, and ``preload()`` when a spare process may become it."""


def main(arguments: list[str]) -> int:
    """Run what the words ask for and return the exit status."""
    from tools import environment

    environment.prepare()
    environment.speak_plainly()
    if arguments[:1] == ["worker"] and len(arguments) == 2:
        return worker(arguments[1])
    options = window_options(arguments)
    if options is not None:
        return window(*options)
    try:
        from cli.main import run_command

        return run_command(arguments)
    except KeyboardInterrupt:  # while the libraries are still being read: nothing was begun
        return 130


def worker(role: str) -> int:
    """Be a child process: read one line of configuration, then do the role; does not return when it could."""
    if role == "spare":
        from trading import spare, spare_process

        return spare_process.main({name: WORKERS[name] for name in spare.ROLES}, worker)
    if role not in WORKERS:
        print(f"stom.py worker: no such role: {role}", file=sys.stderr)
        return 2
    line = _first_line()
    if not line:
        print("stom.py worker: started by the workstation, not by hand", file=sys.stderr)
        return 2
    import importlib

    import msgspec

    from domain.process_config import ProcessConfig

    try:
        config = msgspec.json.decode(line, type=ProcessConfig)
    except msgspec.MsgspecError as error:
        print(f"stom.py worker: {error}", file=sys.stderr)
        return 2
    del line
    status = int(importlib.import_module(WORKERS[role]).main(config))
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything that matters is written by now; unloading the libraries would take longer than the whole stop may.
    os._exit(status)


def _first_line() -> bytes:
    # Unbuffered: what follows the line belongs to whoever watches for the pipe's end.
    parts = []
    while True:
        byte = os.read(0, 1) if os.name == "nt" else _read_until_newline()
        if not byte:
            return b""
        parts.append(byte)
        if byte.endswith(b"\n"):
            return b"".join(parts)


def _read_until_newline() -> bytes:
    # The parent writes exactly one line and then nothing, so a large read takes no more than that.
    return os.read(0, 1 << 16)


def window_options(arguments: list[str]) -> tuple[tuple[str, ...], str | None, str | None] | None:
    """Return (markets to start, data directory, language) when the words ask for the window, else None."""
    from domain.market_codes import WINDOWS

    rest = list(arguments)
    markets: tuple[str, ...] = ()
    if rest and not rest[0].startswith("-"):
        if rest[0] not in WINDOWS:
            return None
        markets = WINDOWS[rest.pop(0)]
    values: dict[str, str] = {}
    while rest:
        name, _, value = rest.pop(0).partition("=")
        if name not in ("--data-dir", "--lang", "--log-level"):
            return None
        if not value:
            if not rest:
                return None
            value = rest.pop(0)
        values[name] = value
    return markets, values.get("--data-dir"), values.get("--lang")


def window(markets: tuple[str, ...], data_dir: str | None, language: str | None) -> int:
    """Open the workstation's window, or say that there is no screen and run on the terminal."""
    from tools import environment

    if environment.has_display():
        from ui.main import run

        return int(run(data_dir=data_dir, language=language, markets=markets))
    from cli.main import run_command
    from domain.market_codes import FIRST_MARKET
    from utility.text import sentence

    print(sentence("stom.no_display", language or environment.language()), file=sys.stderr, flush=True)
    words = ["live"]
    for market in markets or (FIRST_MARKET,):
        words += ["--market", market]
    if data_dir:
        words += ["--data-dir", data_dir]
    if language:
        words += ["--lang", language]
    return run_command(words)


if __name__ == "__main__":
    from tools import bootstrap

    if not bootstrap.is_inside():
        try:
            bootstrap.enter([os.path.join(ROOT, "stom.py"), *sys.argv[1:]])
        except bootstrap.SetupError as problem:
            print(f"stom: {problem}", file=sys.stderr)
            sys.exit(2)
    sys.exit(main(sys.argv[1:]))
