"""The made instruments, as data: names, first prices, steps, activity.

Codes are real because venue clients ask for them; everything else is invented and every screen that
shows a made market says so. Prices are near those of late 2026 only so that steps and minimums bite
where they would.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.instruments import Instrument, Market, instrument_id


@dataclass(frozen=True)
class MadeFact:
    """What the order-flow model needs to know of one instrument.

    Parameters
    ----------
    price : float
        First price in quote currency.
    price_step : float
        Price step at that price.
    qty_decimals : int
        Decimals of a quantity.
    day_vol : float
        Standard deviation of a day's log return.
    activity : float
        Aggressive orders a second on a quiet second, before clustering.
    depth : float
        Typical money in one level of the book, in multiples of the market's amount per symbol.
    """

    name: str
    english: str
    price: float
    price_step: float
    qty_decimals: int
    day_vol: float
    activity: float
    depth: float


_KRW = {
    "KRW-BTC": MadeFact("비트코인", "Bitcoin", 152_000_000, 1_000, 8, 0.030, 1.10, 60),
    "KRW-ETH": MadeFact("이더리움", "Ethereum", 5_400_000, 1_000, 8, 0.038, 0.95, 50),
    "KRW-XRP": MadeFact("엑스알피", "XRP", 3_250, 1, 8, 0.045, 0.90, 60),
    "KRW-SOL": MadeFact("솔라나", "Solana", 268_000, 100, 8, 0.045, 0.70, 35),
    "KRW-DOGE": MadeFact("도지코인", "Dogecoin", 342, 1, 8, 0.050, 0.60, 60),
    "KRW-ADA": MadeFact("에이다", "Cardano", 1_130, 1, 8, 0.048, 0.50, 40),
    "KRW-AVAX": MadeFact("아발란체", "Avalanche", 37_400, 10, 8, 0.050, 0.40, 28),
    "KRW-LINK": MadeFact("체인링크", "Chainlink", 27_800, 10, 8, 0.050, 0.40, 28),
    "KRW-DOT": MadeFact("폴카닷", "Polkadot", 6_450, 5, 8, 0.048, 0.35, 28),
    "KRW-TRX": MadeFact("트론", "TRON", 436, 1, 8, 0.035, 0.35, 45),
}
_USDT = {
    "BTCUSDT": MadeFact("비트코인", "Bitcoin", 104_000, 0.01, 5, 0.030, 1.10, 70),
    "ETHUSDT": MadeFact("이더리움", "Ethereum", 3_700, 0.01, 4, 0.038, 0.95, 55),
    "XRPUSDT": MadeFact("엑스알피", "XRP", 2.24, 0.0001, 1, 0.045, 0.90, 45),
    "SOLUSDT": MadeFact("솔라나", "Solana", 183.4, 0.01, 3, 0.045, 0.70, 40),
    "DOGEUSDT": MadeFact("도지코인", "Dogecoin", 0.2340, 0.00001, 0, 0.050, 0.60, 35),
    "ADAUSDT": MadeFact("에이다", "Cardano", 0.7740, 0.0001, 1, 0.048, 0.50, 35),
    "AVAXUSDT": MadeFact("아발란체", "Avalanche", 25.6, 0.01, 2, 0.050, 0.40, 28),
    "LINKUSDT": MadeFact("체인링크", "Chainlink", 19.0, 0.01, 2, 0.050, 0.40, 28),
    "DOTUSDT": MadeFact("폴카닷", "Polkadot", 4.42, 0.001, 2, 0.048, 0.35, 28),
    "TRXUSDT": MadeFact("트론", "TRON", 0.2985, 0.0001, 1, 0.035, 0.35, 45),
}
_KRX_PRICES = (71_500, 183_000, 24_350, 9_120, 342_000, 132_500, 3_425, 61_300, 15_870, 88_400)
_KRX = {
    f"M{n:05d}": MadeFact(f"가상종목{n:02d}", f"Made stock {n:02d}", price, 0.0, 0, 0.026, 0.9 / (1 + 0.12 * n), 26)
    for n, price in enumerate(_KRX_PRICES, start=1)
}
_FACTS: dict[str, dict[str, MadeFact]] = {"upbit": _KRW, "binance": _USDT, "binance-futures": _USDT, "krx": _KRX}


def made_codes(market: Market, count: int) -> tuple[str, ...]:
    """Return the first `count` made codes; past the named ones, numbered ones."""
    named = list(_FACTS[market.code])
    if count <= len(named):
        return tuple(named[:count])
    first = named[0]
    if market.kind == "stock":
        extra = [f"M{n:05d}" for n in range(len(named) + 1, count + 1)]
    elif first.startswith("KRW-"):
        extra = [f"KRW-MADE{n}" for n in range(len(named) + 1, count + 1)]
    else:
        extra = [f"MADE{n}USDT" for n in range(len(named) + 1, count + 1)]
    return tuple(named + extra)


def made_fact(market: Market, code: str) -> MadeFact:
    """Return the facts of a made code; a numbered one borrows those of a named one."""
    table = _FACTS[market.code]
    if code in table:
        return table[code]
    digits = "".join(ch for ch in code if ch.isdigit())
    template = list(table.values())[int(digits or 0) % len(table)]
    label = f"{int(digits or 0):02d}"
    return MadeFact(
        f"가상종목{label}",
        f"Made {label}",
        template.price,
        template.price_step,
        template.qty_decimals,
        template.day_vol,
        template.activity * 0.8,
        template.depth,
    )


def made_instrument(market: Market, code: str, fact: MadeFact) -> Instrument:
    """Return the Instrument of a made code."""
    if code.startswith("KRW-"):
        base, quote = code[4:], "KRW"
    elif market.kind == "coin":
        base, quote = code.removesuffix("USDT"), "USDT"
    else:
        base, quote = code, "KRW"
    unit = 10 ** (8 - fact.qty_decimals)
    by_ladder = bool(market.ladder_is_dated())
    return Instrument(
        instrument_id=instrument_id(market.code, code),
        code=code,
        name=fact.name,
        english_name=fact.english,
        base=base,
        quote=quote,
        price_step=0.0 if by_ladder else fact.price_step,
        qty_step=unit,
        qty_decimals=fact.qty_decimals,
        min_qty=unit,
        min_notional=market.min_notional,
        made=True,
    )
