"""The analysers of one-second rows against arrays worked out at once, written from decision 45."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from coin.markets import BINANCE_FUTURES, UPBIT
from domain.errors import StrategyError
from domain.instruments import Market
from stock.markets import KRX
from strategy.analyser_settings import defaults, settings_hash
from strategy.language import parse
from strategy.nodes import Series
from strategy.program import build
from strategy.table import SymbolTable
from tests.unit.strategy.steps import Both

ROWS, LO = 130, 50
TEXT = "self.a = 시그널\nself.b = ms_confidence\nself.c = 리스크\nself.d = 리스크점수\n"


def made(market: Market) -> dict[str, np.ndarray]:
    """Rows with walls, vanished sizes, hunts and pumps."""
    rng = np.random.default_rng(8)
    price = np.round(10_000 + np.cumsum(rng.normal(0, 8, ROWS)))
    price[70:76] -= 90
    price[100:106] += np.array([60, 150, 260, 250, 120, 20])
    out = {"last_price": price, "change_pct": np.round((price / price[0] - 1) * 100, 2), "trade_strength": rng.uniform(40, 180, ROWS)}
    out |= {"day_high": np.maximum.accumulate(price), "day_low": np.minimum.accumulate(price)}
    out |= {key: rng.lognormal(2, 1, ROWS) for key in ("value_1s", "buy_volume_1s", "sell_volume_1s")}
    for side, sign in (("ask", 1), ("bid", -1)):
        for level in range(1, 6):
            out[f"{side}{level}"] = price + sign * level
            out[f"{side}_size{level}"] = rng.lognormal(3, 0.7, ROWS)
    for row in (60, 90, 91, 115):
        for level in range(1, 6):
            out[f"bid_size{level}"][row] *= 30
    for level in range(2, 6):
        out[f"ask_size{level}"][80:84] *= 12
    out["ask1"][108:122] = 10_500.0
    out["ask_size1"][108:122] = 1.0
    return out


def plain(columns: dict[str, np.ndarray], market: Market) -> np.ndarray:
    """Return signal, confidence, risk and score of each row of the day that begins at LO, from windows as arrays."""
    use, out = defaults(market), np.zeros((4, ROWS))
    sizes = {side: np.array([columns[f"{side}_size{k}"] for k in range(1, 6)]) for side in ("bid", "ask")}
    prices = {side: np.array([columns[f"{side}{k}"] for k in range(1, 6)]) for side in ("bid", "ask")}
    against = {"bid": columns["sell_volume_1s"], "ask": columns["buy_volume_1s"]}
    whole = {side: sizes[side].sum(axis=0) for side in sizes}
    lean = (whole["bid"] - whole["ask"]) / (whole["bid"] + whole["ask"])
    near = {side: (sizes[side] * np.arange(5, 0, -1)[:, None]).sum(axis=0) for side in sizes}
    for i in range(LO + 29, ROWS):
        w, last = slice(i - 29, i + 1), columns["last_price"][i - 29 : i + 1]
        trend = np.clip(lean[i - 9 : i + 1].mean() - lean[i - 29 : i - 19].mean(), -1, 1)
        ratio = np.clip(math.log(whole["bid"][i] / whole["ask"][i]) / math.log(4), -1, 1)
        weight = (near["bid"][i] - near["ask"][i]) / (near["bid"][i] + near["ask"][i])
        best = {side: sizes[side][0, i] / whole[side][i] for side in sizes}
        force = {}
        for side, s in (("bid", 1), ("ask", -1)):
            parts = ((0.3, lean[i]), (0.2, trend), (0.2, ratio), (0.15, weight))
            force[side] = sum(part * (1 + s * value) / 2 for part, value in parts) + 0.15 * best[side]
        gap = force["bid"] - force["ask"]
        out[0, i], out[1, i] = float(gap > use["MS_threshold"]) - float(-gap > use["MS_threshold"]), min(abs(gap), 1)
        found = 0
        for side in ("bid", "ask"):
            s, three = sizes[side], slice(i - 2, i + 1)
            found += bool(((s[1:, three].mean(axis=0)) >= use["MS_layering"] * s[0, three]).all())
            t, traded = whole[side], against[side]
            found += any(
                t[j] >= t[j - 1] * (1 + use["MS_spoofing"])
                and t[k] * (1 + use["MS_spoofing"]) <= t[j]
                and traded[j + 1 : k + 1].sum() < 0.1 * (t[j] - t[k])
                for j in range(i - 28, i - 2)
                for k in range(j + 1, j + 4)
            )
            ten = slice(i - 9, i + 1)
            still = len(set(prices[side][0, ten])) == 1
            found += still and traded[ten].sum() >= use["MS_iceberg"] * s[0, ten].max()
        old, new, h = last[:20], last[20:], use["MS_hunt"] / 100
        found += (new.min() < old.min() * (1 - h) and last[-1] > old.min()) or (new.max() > old.max() * (1 + h) and last[-1] < old.max())
        p = use["MS_pump"] / 100
        found += last.max() >= last[0] * (1 + p) and last[-1] <= last.max() * (1 - p)
        level = 0.1 if found / 8 < 0.25 else 0.5 if found / 8 < 0.5 else 0.9
        depth = sum((prices[side][:, i] * sizes[side][:, i]).sum() for side in sizes)
        spread = last.std() / last.mean() * 100
        thin = 1 - min(depth / use["MS_depth"], 1)
        out[2, i] = 0.4 * min(spread / use["MS_volatility"], 1) + 0.3 * (level + found / 8) / 2 + 0.3 * (thin + max(best.values())) / 2
        moves = np.diff(last[-15:])
        up, down = moves[moves > 0].sum(), -moves[moves < 0].sum()
        rsi = up / (up + down) * 100 if up + down else 50
        value, power = columns["value_1s"], columns["trade_strength"][i]
        sells = columns["sell_volume_1s"][w].sum() / (columns["sell_volume_1s"][w].sum() + columns["buy_volume_1s"][w].sum())
        place = (last[-1] - columns["day_low"][i]) / (columns["day_high"][i] - columns["day_low"][i])
        angle = math.degrees(math.atan2((columns["change_pct"][i] - columns["change_pct"][i - 29]) * market.angle_change, 30))
        away, moved = abs(last[-1] / last.mean() - 1) * 100, abs(last[-1] / last[-11] - 1) * 100
        scored = (
            (15, max(abs(rsi - 50) - 20, 0) / 20),
            (15, spread / use["RISK_volatility"]),
            (15, away / use["RISK_trend"]),
            (10, moved / use["RISK_momentum"]),
            (8, (value[i] / value[w].mean() - 1) / (use["RISK_value"] - 1)),
            (12, (100 - power) / 50),
            (10, (sells - 0.5) / 0.3),
            (8, place),
            (7, abs(angle) / 45),
        )
        out[3, i] = sum(most * min(max(part, 0), 1) for most, part in scored)
    return out


@pytest.mark.parametrize("market", [KRX, UPBIT, BINANCE_FUTURES], ids=lambda market: market.code)
def test_both_back_ends_give_the_numbers_worked_out_at_once(tmp_path: Path, market: Market) -> None:
    columns = made(market)
    both = Both(tmp_path, market, 1, TEXT)
    both.feed(columns, [], (0, LO))
    wanted = plain(columns, market)
    seen = []
    for i in range(LO, ROWS):
        _, state, _ = both.run("buy", i, LO)
        found = [both.attribute(state, name) for name in "abcd"]
        np.testing.assert_allclose(found, wanted[:, i], rtol=1e-9, atol=1e-9, err_msg=str(i))
        seen.append(found)
    assert not np.any(seen[:29])  # a day begins anew
    assert {one[0] for one in seen[29:]} == {-1.0, 0.0, 1.0}
    assert max(one[3] for one in seen) > min(one[3] for one in seen[29:]) > 0.0


def test_live_equals_batch_and_no_later_row_counts() -> None:
    columns = made(UPBIT)
    program = build(TEXT, "", UPBIT, 1)
    keys = [program.series_row(node) for node in program.nodes if isinstance(node, Series)]
    schema_row = np.zeros(60)
    from domain.records import row_schema

    schema = row_schema("coin", 1)
    whole = []
    for spoiled in (False, True):
        table = SymbolTable(program, np.zeros(1))
        found = []
        for i in range(70):
            for key, column in columns.items():
                schema_row[schema.index(key)] = column[i] * (7.0 if spoiled and i >= 50 else 1.0)
            at = table.append(20260105000000 + i, schema_row)
            found.append([table.extremes[key][at] for key in keys])
        whole.append(found)
    assert whole[0][:50] == whole[1][:50]
    assert whole[0][50:] != whole[1][50:]
    np.testing.assert_allclose(whole[0][29], plain({key: np.roll(column, LO) for key, column in columns.items()}, UPBIT)[:, LO + 29])


def test_a_text_sets_parameters_and_names_mean_the_same() -> None:
    usual, other = build(TEXT, "", UPBIT, 1), build("self.indicator['MS_threshold'] = self.vars[1]\n" + TEXT, "", UPBIT, 1)
    assert usual.digest != other.digest
    assert other.windows([0.0, 0.25])[1:2].view(np.float64)[0] == 0.25
    english = TEXT.replace("시그널", "ms_signal").replace("리스크점수", "risk_score").replace("리스크", "ms_risk")
    assert build(english, "", UPBIT, 1).digest == usual.digest
    assert len({settings_hash(one) for one in (KRX, UPBIT, BINANCE_FUTURES)}) == 3
    for text, interval_s, code in (
        ("self.indicator['MS_threshold'] = 1\n", 60, "strategy.indicator_key"),
        ("self.indicator['RSI_timeperiod'] = 1\n", 1, "strategy.indicator_interval"),
        ("매수 = 패턴점수 > 1\n", 1, "strategy.wrong_interval"),
        ("매수 = volatility_confidence > 1\n", 300, "strategy.wrong_interval"),
    ):
        with pytest.raises(StrategyError, match=code.replace(".", r"\.")):
            parse(text, "buy", UPBIT, interval_s)
