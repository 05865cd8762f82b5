"""Order management as data: every buy and sell setting of workstation 5.3 and 5.4, typed, with both titles.

`entry` holds what concerns going in (매수, or opening a short), `exit` what concerns going out. The command line, the
file (utility/order_settings_file.py), forms and the vector that the compiled rules read (trading/order_rules.py) are made
from these structs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_type_hints

import msgspec

from domain.errors import InputError
from domain.instruments import Market
from domain.settings import AMOUNT_MAX, CLOCK, Group, field

ORDERS = ("market", "limit")
"""시장가, 지정가; the loop takes these two (workstation 8.2)."""
BASES = ("last", "ask1", "bid1")
"""현재가, 매도1호가, 매수1호가."""
METHODS = ("even", "falling", "rising")
"""균등, 비율감소, 비율증가 (strategy-language 10.6)."""
MEASURED: dict[str, tuple[str, ...]] = {
    "off": (),
    "day_range": ("day_high", "day_low"),
    "change_angle": ("change_pct",),
    "value_angle": ("day_value",),
    "volume_ratio": ("volume_ratio_prev_day",),
    "turnover": ("turnover_rate",),
    "same_time": ("volume_ratio_same_time",),
}
"""What 비중조절 weighs by, in the order of its mode 0 … 6 (strategy-language 10.5), and the columns that it is made of."""
MEASURES = tuple(MEASURED)
STOCK_MEASURES = MEASURES[4:]
SPLITS_MAX = 5


class Entry(Group, frozen=True):
    """Settings of going in."""

    order: Annotated[str, field("매수주문구분", "Entry order", choices=ORDERS)] = "market"
    splits: Annotated[int, field("매수분할횟수", "Entry steps", ge=1, le=SPLITS_MAX)] = 1
    split_method: Annotated[str, field("매수분할방법", "Entry step sizes", choices=METHODS)] = "even"
    split_by_signal: Annotated[bool, field("매수분할시그널", "Add on a signal")] = True
    split_down: Annotated[bool, field("매수분할하방", "Add on a fall")] = False
    split_down_pct: Annotated[float, field("매수분할하방수익률", "Fall that adds", unit="%", gt=0, le=100)] = 0.5
    split_up: Annotated[bool, field("매수분할상방", "Add on a rise")] = True
    split_up_pct: Annotated[float, field("매수분할상방수익률", "Rise that adds", unit="%", gt=0, le=1000)] = 0.5
    split_from_last: Annotated[bool, field("매수분할고정수익률", "Measure from the last entry's price")] = True
    limit_base: Annotated[str, field("매수지정가기준가격", "Base of the entry limit price", choices=BASES)] = "bid1"
    limit_ticks: Annotated[int, field("매수지정가호가번호", "Steps from the base", ge=-5, le=5)] = 0
    levels: Annotated[int, field("매수시장가잔량범위", "Book levels an entry may use", ge=1, le=5)] = 3
    cancel_outside: Annotated[bool, field("매수취소관심이탈", "Cancel when the symbol leaves the list")] = False
    cancel_on_signal: Annotated[bool, field("매수취소매도시그널", "Cancel on a sell signal")] = False
    cancel_late: Annotated[bool, field("매수취소시간", "Cancel after a time")] = False
    cancel_s: Annotated[float, field("매수취소시간초", "Cancel after", unit="s", gt=0, le=86_400)] = 30.0
    ban_blacklist: Annotated[bool, field("매수금지블랙리스트", "Ban listed symbols")] = False
    blacklist: Annotated[tuple[str, ...], field("블랙리스트", "Listed symbols")] = ()
    ban_round: Annotated[bool, field("매수금지라운드피겨", "Ban just above a round figure")] = False
    ban_round_ticks: Annotated[int, field("매수금지라운드호가", "Steps above a round figure", ge=0, le=100)] = 5
    ban_cheap: Annotated[bool, field("매수금지200원이하", "Ban prices of 200 KRW and less")] = False
    ban_stops: Annotated[bool, field("매수금지손절횟수", "Ban after losing trades")] = False
    ban_stops_count: Annotated[int, field("매수금지손절횟수값", "Losing trades a day", ge=1, le=10_000)] = 2
    ban_trades: Annotated[bool, field("매수금지거래횟수", "Ban after trades")] = False
    ban_trades_count: Annotated[int, field("매수금지거래횟수값", "Trades a day", ge=1, le=10_000)] = 2
    ban_time: Annotated[bool, field("매수금지시간", "Ban a time of day")] = False
    ban_from: Annotated[str, field("매수금지시작시간", "Entries banned from", pattern=CLOCK)] = "150000"
    ban_to: Annotated[str, field("매수금지종료시간", "Entries banned until", pattern=CLOCK)] = "210000"
    ban_interval: Annotated[bool, field("매수금지간격", "Ban soon after a trade")] = False
    ban_interval_s: Annotated[float, field("매수금지간격초", "After a trade for", unit="s", gt=0, le=86_400)] = 5.0
    ban_stop_interval: Annotated[bool, field("매수금지손절간격", "Ban soon after a losing trade")] = False
    ban_stop_interval_s: Annotated[float, field("매수금지손절간격초", "After a losing trade for", unit="s", gt=0, le=86_400)] = 300.0
    replaces: Annotated[int, field("매수정정횟수", "Times an entry limit moves", ge=0, le=1_000)] = 0
    replace_away: Annotated[int, field("매수정정호가차이", "Steps away that move it", ge=1, le=1_000)] = 5
    replace_ticks: Annotated[int, field("매수정정호가", "New price, steps below the last", ge=0, le=1_000)] = 2


class Exit(Group, frozen=True):
    """Settings of going out."""

    order: Annotated[str, field("매도주문구분", "Exit order", choices=ORDERS)] = "market"
    splits: Annotated[int, field("매도분할횟수", "Exit steps", ge=1, le=SPLITS_MAX)] = 1
    split_method: Annotated[str, field("매도분할방법", "Exit step sizes", choices=METHODS)] = "even"
    split_by_signal: Annotated[bool, field("매도분할시그널", "Leave a part on a signal")] = True
    split_down: Annotated[bool, field("매도분할하방", "Leave a part on a fall")] = False
    split_down_pct: Annotated[float, field("매도분할하방수익률", "Fall a step", unit="%", gt=0, le=100)] = 0.5
    split_up: Annotated[bool, field("매도분할상방", "Leave a part on a rise")] = True
    split_up_pct: Annotated[float, field("매도분할상방수익률", "Rise a step", unit="%", gt=0, le=1000)] = 2.0
    limit_base: Annotated[str, field("매도지정가기준가격", "Base of the exit limit price", choices=BASES)] = "ask1"
    limit_ticks: Annotated[int, field("매도지정가호가번호", "Steps from the base", ge=-5, le=5)] = 0
    levels: Annotated[int, field("매도시장가잔량범위", "Book levels an exit may use", ge=1, le=5)] = 5
    cancel_inside: Annotated[bool, field("매도취소관심진입", "Cancel when the symbol enters the list again")] = False
    cancel_on_signal: Annotated[bool, field("매도취소매수시그널", "Cancel on a buy signal")] = False
    cancel_late: Annotated[bool, field("매도취소시간", "Cancel after a time")] = False
    cancel_s: Annotated[float, field("매도취소시간초", "Cancel after", unit="s", gt=0, le=86_400)] = 30.0
    stop_rate: Annotated[bool, field("매도손절수익률청산", "Leave at a loss rate")] = False
    stop_rate_pct: Annotated[float, field("매도손절수익률", "Loss rate", unit="%", gt=0, le=100)] = 5.0
    stop_money: Annotated[bool, field("매도손절수익금청산", "Leave at a loss of money")] = False
    stop_money_amount: Annotated[float, field("매도손절수익금", "Loss of money (stocks: 10,000 KRW)", unit="통화", gt=0, le=AMOUNT_MAX)] = (
        100.0
    )
    ban_entries: Annotated[bool, field("매도금지매수횟수", "No exit before so many entries")] = False
    ban_entries_count: Annotated[int, field("매도금지매수횟수값", "Entries that ban an exit", ge=1, le=SPLITS_MAX)] = 2
    ban_round: Annotated[bool, field("매도금지라운드피겨", "Ban just below a round figure")] = False
    ban_round_ticks: Annotated[int, field("매도금지라운드호가", "Steps below a round figure", ge=0, le=100)] = 5
    ban_time: Annotated[bool, field("매도금지시간", "Ban a time of day")] = False
    ban_from: Annotated[str, field("매도금지시작시간", "Exits banned from", pattern=CLOCK)] = "150000"
    ban_to: Annotated[str, field("매도금지종료시간", "Exits banned until", pattern=CLOCK)] = "210000"
    ban_interval: Annotated[bool, field("매도금지간격", "Ban soon after a trade")] = False
    ban_interval_s: Annotated[float, field("매도금지간격초", "After a trade for", unit="s", gt=0, le=86_400)] = 300.0
    replaces: Annotated[int, field("매도정정횟수", "Times an exit limit moves", ge=0, le=1_000)] = 0
    replace_away: Annotated[int, field("매도정정호가차이", "Steps away that move it", ge=1, le=1_000)] = 5
    replace_ticks: Annotated[int, field("매도정정호가", "New price, steps above the last", ge=0, le=1_000)] = 2


class Weights(Group, frozen=True):
    """비중조절: the amount of an entry by a measure of its row, in five bands."""

    by: Annotated[str, field("비중조절기준", "Weigh by", choices=MEASURES)] = "off"
    edges: Annotated[tuple[float, float, float, float], field("비중조절구간", "Edges of the bands")] = (5.0, 10.0, 15.0, 20.0)
    factors: Annotated[tuple[float, float, float, float, float], field("비중조절비율", "Amount in each band")] = (1.0, 1.0, 1.0, 1.0, 1.0)


class OrderSettings(Group, frozen=True):
    """Everything of order management."""

    entry: Entry = Entry()
    exit: Exit = Exit()
    weights: Weights = Weights()


GROUPS = {"entry": Entry, "exit": Exit, "weights": Weights}


def defaults(market: Market) -> OrderSettings:
    """Return the settings of a market before anybody changed them (workstation 5.3, stock / coin)."""
    if market.kind != "stock":
        return OrderSettings()
    times = {"ban_from": "120000", "ban_to": "130000"}
    return OrderSettings(entry=Entry(split_method="falling", **times), exit=Exit(**times))  # type: ignore[arg-type]


def plain(market: Market, entry_levels: int = 3, exit_levels: int = 5) -> OrderSettings:
    """Return settings under which nothing differs from a run without any."""
    made = defaults(market)
    return msgspec.structs.replace(
        made,
        entry=msgspec.structs.replace(made.entry, levels=entry_levels),
        exit=msgspec.structs.replace(made.exit, levels=exit_levels),
    )


def titles(language: str) -> dict[str, str]:
    """Return path → title of every setting: ``entry.splits`` → 매수분할횟수."""
    return {path: meta.extra[language] for path, meta in metas() if meta.extra is not None}


def metas() -> Iterator[tuple[str, msgspec.Meta]]:
    """Yield path and Meta of every setting."""
    for group, kind in GROUPS.items():
        hints = get_type_hints(kind, include_extras=True)
        for name in kind.__struct_fields__:
            yield f"{group}.{name}", get_args(hints[name])[1]


def settings_of(tree: Any) -> OrderSettings:
    """Return checked settings from plain data, as a passport or a file holds them.

    Raises
    ------
    InputError
        ``orders.wrong`` names the setting and what msgspec says of it, ``orders.choice``, ``orders.number``, ``orders.edges``.
    """
    try:
        settings = msgspec.convert(tree, OrderSettings)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$.")
        raise InputError("orders.wrong", path=where.strip("`") or "-", detail=text) from error
    for path, meta in metas():
        group, name = path.split(".")
        value = getattr(getattr(settings, group), name)
        choices = (meta.extra or {})["choices"]
        if choices and value not in choices:
            raise InputError("orders.choice", path=path, value=value, choices=", ".join(choices))
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, float) and not abs(one) <= AMOUNT_MAX:
                raise InputError("orders.number", path=path, value=one)
    edges = settings.weights.edges
    if list(edges) != sorted(set(edges)):
        raise InputError("orders.edges", path="weights.edges", value=", ".join(map(str, edges)))
    if any(one < 0.0 or one > 100.0 for one in settings.weights.factors):
        raise InputError("orders.factors", path="weights.factors", value=", ".join(map(str, settings.weights.factors)))
    for side in (settings.entry, settings.exit):
        if side.ban_time and (not side.ban_from or not side.ban_to or side.ban_from == side.ban_to):
            raise InputError("orders.times", path="entry.ban_from" if side is settings.entry else "exit.ban_from")
    return settings


def check_market(settings: OrderSettings, market: Market, has_book: bool = True) -> None:
    """See to it that a market has what the settings speak of.

    Raises
    ------
    InputError
        ``orders.lacking`` names the setting and the market; ``orders.no_quotes``: a limit price by a quote that rows without a book lack.
    """
    stock = market.kind == "stock"
    lacking = {
        "entry.ban_round": settings.entry.ban_round and not stock,
        "exit.ban_round": settings.exit.ban_round and not stock,
        "entry.ban_cheap": settings.entry.ban_cheap and (stock or market.currency != "KRW"),
        "weights.by": settings.weights.by in STOCK_MEASURES and not stock,
    }
    for path, is_lacking in lacking.items():
        if is_lacking:
            raise InputError("orders.lacking", path=path, market=market.code)
    for name, side in (("entry", settings.entry), ("exit", settings.exit)):
        if not has_book and side.order == "limit" and side.limit_base != "last":
            raise InputError("orders.no_quotes", path=f"{name}.limit_base")


def clock(text: str) -> int:
    """Return HHMMSS as seconds of the day."""
    moment = dt.datetime.strptime(text, "%H%M%S")
    return moment.hour * 3600 + moment.minute * 60 + moment.second
