"""Seeded order settings: each part of workstation §5.3–5.4 by itself, or several at once."""

from __future__ import annotations

import random
from typing import Any

from domain.order_settings import OrderSettings, defaults, settings_of
from tests.reference.data import Rows
from trading.venues import market as market_of

PARTS = ("splits", "limits", "cancels", "replaces", "stops", "bans", "times", "weights")


def draw(rng: random.Random, market: str, mode: str, rows: Rows) -> OrderSettings:
    """Draw settings; `mode` is one of PARTS, or `all` for some of them together."""
    parts = rng.sample(PARTS, rng.randint(2, len(PARTS))) if mode == "all" else mode.split("+")
    tree: dict[str, dict[str, Any]] = {"entry": {}, "exit": {}, "weights": {}}
    maker = Drawer(rng, market, rows, tree)
    for part in parts:
        getattr(maker, part)()
    return settings_of(maker.over_defaults())


class Drawer:
    """Fills a tree of settings, part by part."""

    def __init__(self, rng: random.Random, market: str, rows: Rows, tree: dict[str, dict[str, Any]]) -> None:
        self.rng, self.market, self.rows, self.tree = rng, market, rows, tree
        self.entry, self.exit = tree["entry"], tree["exit"]
        step = max(len(day.times) for day in rows.days) // 8
        self.seconds = [float(s * rows.interval_s) for s in (1, 3, 10, step)]

    def over_defaults(self) -> dict[str, Any]:
        made = defaults(market_of(self.market))
        groups = ("entry", "exit", "weights")
        return {g: {n: getattr(getattr(made, g), n) for n in getattr(made, g).__struct_fields__} | self.tree[g] for g in groups}

    def yes(self, share: float = 0.5) -> bool:
        return self.rng.random() < share

    def splits(self) -> None:
        rng = self.rng
        for side in (self.entry, self.exit):
            side |= {"splits": rng.randint(1, 5), "split_method": rng.choice(("even", "falling", "rising"))}
            side |= {"split_by_signal": self.yes(0.7), "split_down": self.yes(), "split_up": self.yes()}
            side |= {"split_down_pct": rng.choice((0.01, 0.05, 0.2)), "split_up_pct": rng.choice((0.01, 0.03, 0.1))}
        self.entry["split_from_last"] = self.yes()

    def limits(self) -> None:
        rng = self.rng
        bases = ("last", "ask1", "bid1") if self.rows.has_book else ("last",)
        for side in rng.sample((self.entry, self.exit), rng.randint(1, 2)):
            side |= {"order": "limit", "limit_base": rng.choice(bases), "limit_ticks": rng.randint(-5, 5)}

    def cancels(self) -> None:
        self.limits()
        for side, by_list in ((self.entry, "cancel_outside"), (self.exit, "cancel_inside")):
            side |= {by_list: self.yes(), "cancel_on_signal": self.yes(), "cancel_late": self.yes()}
            side["cancel_s"] = self.rng.choice(self.seconds)

    def replaces(self) -> None:
        self.limits()
        for side in (self.entry, self.exit):
            side |= {"replaces": self.rng.randint(0, 3), "replace_away": self.rng.randint(1, 6), "replace_ticks": self.rng.randint(0, 3)}

    def stops(self) -> None:
        self.exit |= {"stop_rate": self.yes(), "stop_rate_pct": self.rng.choice((0.05, 0.2, 0.5))}
        self.exit |= {"stop_money": self.yes(), "stop_money_amount": self.rng.choice((0.5, 20.0, 1000.0))}

    def bans(self) -> None:
        rng, krx = self.rng, self.market == "krx"
        self.entry |= {"ban_blacklist": self.yes(0.2), "blacklist": (self.rows.days[0].code,)}
        self.entry |= {"ban_round": krx and self.yes(0.3), "ban_round_ticks": rng.randint(0, 30)}
        self.entry |= {"ban_cheap": self.market == "upbit" and self.yes(0.3)}
        self.entry |= {"ban_stops": self.yes(), "ban_stops_count": rng.randint(1, 4), "ban_trades": self.yes()}
        self.entry |= {"ban_trades_count": rng.randint(1, 8), "ban_interval": self.yes(), "ban_interval_s": rng.choice(self.seconds)}
        self.entry |= {"ban_stop_interval": self.yes(), "ban_stop_interval_s": rng.choice(self.seconds)}
        self.exit |= {"ban_entries": self.yes(0.3), "ban_entries_count": rng.randint(1, 2)}
        self.exit |= {"ban_round": krx and self.yes(0.3), "ban_round_ticks": rng.randint(0, 30)}
        self.exit |= {"ban_interval": self.yes(), "ban_interval_s": rng.choice(self.seconds)}

    def times(self) -> None:
        day = self.rows.days[0]
        for side in (self.entry, self.exit):
            first, last = (f"{day.clock(self.rng.randrange(len(day.times))):06d}" for _ in range(2))
            if first != last:
                side |= {"ban_time": self.yes(0.7), "ban_from": first, "ban_to": last}

    def weights(self) -> None:
        rng = self.rng
        self.tree["weights"] = {"by": rng.choice(("day_range", "change_angle", "value_angle")), "factors": (0.2, 1.0, 1.7, 0.0, 0.5)}
        self.tree["weights"]["edges"] = rng.choice(((0.05, 0.2, 0.5, 1.0), (-5.0, 0.0, 5.0, 40.0)))


def said(settings: OrderSettings, market: str) -> dict[str, Any]:
    """Return what differs from the market's defaults, by path."""
    made = defaults(market_of(market))
    pairs = [(g, n) for g in ("entry", "exit", "weights") for n in getattr(made, g).__struct_fields__]
    found = {f"{g}.{n}": getattr(getattr(settings, g), n) for g, n in pairs}
    return {path: value for path, value in found.items() if value != getattr(getattr(made, path.split(".")[0]), path.split(".")[1])}
