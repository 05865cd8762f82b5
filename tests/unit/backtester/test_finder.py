"""The back-finder against a plain search over the same rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.research import MadeRows, made_rows
from tests.research_cli import call, store_rows, told

BUY = (
    "self.평균 = 체결강도평균(5)\n"
    "if not (체결강도 >= self.평균 + self.vars[1]):\n    매수 = False\n"
    "elif 체결강도N(1) > 체결강도:\n    매수 = False\n"
)
AHEAD = 25


@pytest.fixture(scope="module")
def rows() -> MadeRows:
    return made_rows("upbit", 41)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, rows: MadeRows) -> Path:
    root = tmp_path_factory.mktemp("data")
    store_rows(root, rows)
    (root / "buy.txt").write_text(BUY, "utf-8")
    return root


def words(data: Path, *more: str) -> list[str]:
    texts = ("--buy", str(data / "buy.txt"), "--ahead", str(AHEAD), "--set", "0=5", "--set", "1=2")
    return ["find", "--data-dir", str(data), "--market", "upbit", "--json", *texts, *more]


def plainly(rows: MadeRows, rise: float) -> tuple[list[tuple[str, int, float, float, float, int, float]], int, int, int]:
    """Return hits, rows with a whole future, rows on which the condition held, and rows that rose: one row after the other."""
    hits, seen, held, base = [], 0, 0, 0
    for symbol, _, lo, hi in rows.blocks.tolist():
        price, strength = (rows.columns[key][lo:hi] for key in ("last_price", "trade_strength"))
        for i in range(4, hi - lo - AHEAD):
            future = price[i + 1 : i + AHEAD + 1]
            best, worst, end = ((one / price[i] - 1.0) * 100.0 for one in (future.max(), future.min(), future[-1]))
            seen, base = seen + 1, base + (best > rise)
            mean = round(strength[i - 4 : i + 1].mean() * 1e3) / 1e3
            if rows.columns["in_universe"][lo + i] and strength[i] >= mean + 2 and strength[i - 1] <= strength[i]:
                held += 1
                if best > rise:
                    hits.append((rows.codes[symbol], int(rows.row_time[lo + i]), best, worst, end, int(future.argmax()) + 1, mean))
    return sorted(hits, key=lambda one: (one[1], one[0])), seen, held, base


@pytest.mark.parametrize("rise", [-100.0, 2.0])
def test_hits_and_what_followed_are_those_of_a_plain_search(
    data: Path, rows: MadeRows, capsys: pytest.CaptureFixture[str], rise: float
) -> None:
    more = () if rise == -100.0 else ("--rise", str(rise))
    status, found = call(capsys, *words(data, *more, "--columns", "trade_strength", "--workers", "2"))
    hits, seen, held, base = plainly(rows, rise)
    assert status == 0
    assert (found["hits"], found["seen"], found["held"], found["reached"]) == (len(hits), seen, held, len(hits))
    assert len(hits) > 20
    table = pq.read_table(found["path"])
    names = ("code", "row_time", "best_pct", "worst_pct", "end_pct", "rows_to_best", "self.평균")
    for got, wanted in zip(zip(*(table.column(name).to_pylist() for name in names), strict=True), hits, strict=True):
        assert got == pytest.approx(wanted)
    assert "trade_strength" in table.column_names
    assert found["moves"]["end_pct"]["p50"] == pytest.approx(np.median([one[4] for one in hits]))
    assert found["base_share"] == pytest.approx((seen if rise == -100.0 else base) / seen)
    assert sum(one["hits"] for one in found["by_symbol"].values()) == sum(one["hits"] for one in found["by_hour"].values()) == len(hits)


def test_a_text_never_sees_what_follows(tmp_path: Path, data: Path, rows: MadeRows, capsys: pytest.CaptureFixture[str]) -> None:
    changed = replace(rows, columns={key: column.copy() for key, column in rows.columns.items()})
    cut = {}
    for symbol, day, lo, hi in rows.blocks.tolist():
        middle = (lo + hi) // 2
        cut[rows.codes[symbol], day] = int(rows.row_time[middle])
        for key in ("last_price", "trade_strength"):
            changed.columns[key][middle:hi] = changed.columns[key][middle:hi][::-1] * 1.5
    store_rows(tmp_path, changed)
    (tmp_path / "buy.txt").write_text(BUY, "utf-8")
    before = []
    for place in (data, tmp_path):
        _, found = call(capsys, *words(place))
        table = pq.read_table(found["path"])
        keys = zip(*(table.column(name).to_pylist() for name in ("code", "row_time", "self.평균")), strict=True)
        before.append([key for key in keys if key[1] < cut[key[0], key[1] // 1_000_000]])
    assert before[0] == before[1]
    assert before[0]


def test_shorts_mean_the_other_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = made_rows("upbit", 41)
    store_rows(tmp_path, replace(made, market="binance-futures"))
    (tmp_path / "buy.txt").write_text("BUY_LONG = False\nif 체결강도 <= 110:\n    SELL_SHORT = False\n", "utf-8")
    argv = [
        "find",
        "--data-dir",
        str(tmp_path),
        "--market",
        "binance-futures",
        "--json",
        "--buy",
        str(tmp_path / "buy.txt"),
        "--ahead",
        "9",
    ]
    status, found = call(capsys, *argv)
    assert status == 0
    assert found["hits"] > 0
    one = found["first"][0]
    k = next(
        lo + int(np.searchsorted(made.row_time[lo:hi], one["row_time"]))
        for symbol, day, lo, hi in made.blocks.tolist()
        if (made.codes[symbol], day) == (one["code"], one["row_time"] // 1_000_000)
    )
    future, price = made.columns["last_price"][k + 1 : k + 10], made.columns["last_price"][k]
    assert one["side"] == "SHORT"
    assert one["best_pct"] == pytest.approx((1 - future.min() / price) * 100)
    assert one["worst_pct"] == pytest.approx((1 - future.max() / price) * 100)
    assert one["rows_to_best"] == int(future.argmin()) + 1


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        (("--columns", "no_such"), 2, "find.column"),
        (("--ahead", "0"), 2, "cli.arguments"),
        (("--rise", "x"), 2, "cli.arguments"),
        (("--sell", "x"), 2, "cli.arguments"),  # an option that would do nothing is not taken
        (("--from", "2030-01-01"), 2, "backtest.no_rows"),
    ],
)
def test_bad_words_are_refused(data: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], status: int, code: str) -> None:
    got, found = call(capsys, *words(data, *more))
    assert (got, found["error"]["code"]) == (status, code)


def test_what_is_found_is_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said, _ = told(capsys, *words(data, "--rise", "2"))
    assert status == 0
    assert "of all rows" in said
    assert "furthest for it within 25 rows" in said
    assert "…" not in said
    status, said, _ = told(capsys, *words(data, "--set", "1=9999"))
    assert (status, "never held" in said) == (0, True)
    status, said, _ = told(capsys, *words(data, "--rise", "5000"))
    assert (status, "never went that far" in said) == (0, True)
