"""What a process is told on its standard input, as one JSON line (architecture 3.2).

The main process writes these, `stom.py worker ROLE` reads them. They hold keys, so they print
nothing of them, and they travel over the inherited pipe alone: not in arguments, environment or files.
"""

from __future__ import annotations

from typing import Any

import msgspec

from domain.arming import ArmingToken
from domain.formulas import Formula
from domain.order_settings import OrderSettings
from domain.reading import Reading
from domain.settings import Settings

ROLES = ("exchange", "receiver", "strategy", "trader", "compile")


class StrategyText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A strategy as the host and the compile worker get it.

    Parameters
    ----------
    name, version : str
        Part of each intent's id; `version` is the program's digest when it is a file's text.
    buy, sell : str
    variables : tuple of float
        `self.vars`.
    betting : float
        종목당투자금 in the market's currency.
    entry_levels, exit_levels : int
        매수/매도시장가잔량범위.
    start_s, end_s : int
        Time of day in seconds on the market's clock between which the codes run.
    use_compiled : bool
        False: the interpreter of the same tree.
    rows_since : tuple of (name, expression)
        Conditions of 경과틱수.
    formulas : tuple of Formula
        The user's formulas that the texts name.
    orders : OrderSettings or None
        Order management; its levels are `entry_levels` and `exit_levels`.
    reading : Reading
        Strict history, and what STOM gave for what is not there.
    """

    name: str
    version: str
    buy: str
    sell: str
    variables: tuple[float, ...] = ()
    betting: float = 0.0
    entry_levels: int = 3
    exit_levels: int = 5
    start_s: int = 0
    end_s: int = 86_400
    use_compiled: bool = False
    rows_since: tuple[tuple[str, str], ...] = ()
    formulas: tuple[Formula, ...] = ()
    orders: OrderSettings | None = None
    reading: Reading = Reading()


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is replayed: one source of the store, whole or a span of it.

    Parameters
    ----------
    source : str
        ``recorded``, ``made`` or ``run<N>``.
    store : str
        Directory whose ``ticks/`` holds it; "" = the run's own data directory.
    codes : tuple of str
        Bare codes; empty = all that the source has.
    from_ns, to_ns : int
        Venue time, half open; 0 = the source's own first and last event.
    speed : float
        Steps are released at N times their own pace; 0 = max.
    resting : str
        What fills resting orders: ``events``, each trade and book message of the recording; ``rows``, what rows tell of them, as
        in a back-test.
    """

    source: str
    store: str = ""
    codes: tuple[str, ...] = ()
    from_ns: int = 0
    to_ns: int = 0
    speed: float = 0.0
    resting: str = "events"


class ExchangeOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One paper exchange.

    Parameters
    ----------
    port : int
        0 = chosen by the system.
    key, secret : str
        The paper account's key pair.
    cash : float
        Opening cash in the market's currency; 0 = the Market's.
    codes : tuple of str
        Made instruments; empty = the first `symbols` of the Market's.
    symbols, seed, speed
        Of the made market; `seed` 0 = random.
    replay : ReplayOptions or None
        None = the made market.
    faults : list of dict
        Rules of reliability §9.
    truth_path : str
        Where its own append-only record goes.
    rate_factor : float
        Multiplies every rate limit; load rigs raise it.
    start_ns : int
        Market time at which a made market begins; 0 = now.
    """

    port: int = 0
    key: str = ""
    secret: str = ""
    cash: float = 0.0
    codes: tuple[str, ...] = ()
    symbols: int = 10
    seed: int = 0
    speed: float = 1.0
    replay: ReplayOptions | None = None
    faults: tuple[dict[str, Any], ...] = ()
    truth_path: str = ""
    rate_factor: float = 1.0
    start_ns: int = 0

    def __repr__(self) -> str:
        return f"ExchangeOptions(port={self.port}, replay={self.replay!r}, key='***')"


class ProcessConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of it.

    Parameters
    ----------
    role : str
        One of ROLES.
    name : str
        ``<market>.<role>``; what this process's key stands for.
    run : int
        Number of the run: names the store's source ``run<N>`` and the run's folder.
    generation : int
        Of this role in this run, from 1; epoch of what it publishes.
    build, schema : str, int
        What main is; a child that is something else refuses (P14).
    public_key, secret_key : str
        This process's CURVE pair, Z85.
    allowed : dict
        Public key → process name, for the sockets it binds.
    control : str
        Address of main's control socket.
    server_keys : dict
        Role → public key: main, exchange, receiver, trader.
    is_paper : bool
        The venue is a paper exchange; the host allow-list refuses everything else.
    lockstep : bool
        A replay (architecture 3.4).
    has_strategy : bool
        Whether a strategy host belongs to the market; in lock-step the trader waits for its barriers.
    source : str
        Where received data is stored; "" = not stored.
    codes : tuple of str
        Instruments to watch; empty = the first `symbols` by traded value.
    venue_key, venue_secret : str
        For the trader alone.
    arming : ArmingToken or None
        Of a live trader; it judges it itself.
    """

    role: str
    name: str
    market: str
    venue: str
    build: str
    schema: int
    public_key: str
    secret_key: str
    control: str
    data_dir: str
    account: str = ""
    run: int = 0
    generation: int = 1
    allowed: dict[str, str] = {}
    server_keys: dict[str, str] = {}
    is_paper: bool = True
    lockstep: bool = False
    has_strategy: bool = False
    interval_s: int = 1
    source: str = ""
    codes: tuple[str, ...] = ()
    symbols: int = 10
    max_positions: int = 10
    venue_key: str = ""
    venue_secret: str = ""
    arming: ArmingToken | None = None
    settle_window_s: float = 0.0
    strategy: StrategyText | None = None
    exchange: ExchangeOptions | None = None
    settings: Settings = Settings()

    def __repr__(self) -> str:
        return f"ProcessConfig(role={self.role!r}, name={self.name!r}, run={self.run}, generation={self.generation})"


class LiveOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person asked for: one market to run.

    Parameters
    ----------
    market : str
    strategy : StrategyText or None
        None = watch and record only.
    interval_s : int
        1 or 60.
    replay : ReplayOptions or None
        Recorded data through the paper exchange, in lock-step.
    is_paper : bool
        False only with a person's grant (trading/arming.py).
    codes : tuple of str
        Bare codes to watch; empty = the settings' number of symbols.
    seed : int
        Of the made market; 0 = the setting's.
    """

    market: str
    strategy: StrategyText | None = None
    interval_s: int = 1
    replay: ReplayOptions | None = None
    is_paper: bool = True
    codes: tuple[str, ...] = ()
    seed: int = 0
    speed: float = 1.0
    cash: float = 0.0
    faults: tuple[dict[str, Any], ...] = ()
    rate_factor: float = 1.0
    settle_window_s: float = 0.0
    account: str = ""
