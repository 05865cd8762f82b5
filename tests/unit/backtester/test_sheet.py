"""The figures of a report by their numbers, and the sheet of a stored run as a page and as a PDF."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import numpy as np
import pytest

from backtester.sheet import figures as fig
from backtester.sheet.draw import Painter
from backtester.sheet.load import load_sheet
from backtester.sheet.page import draw_cover, draw_verdict, facts, metrics, span, verdict, write
from backtester.sheet.style import THEMES, drawing, number
from backtester.sheet.units import figure_text
from tests.research_cli import SETS, call, make_data, words
from utility.paths import DataDir

MONDAY = np.datetime64("2024-01-01T09:00:00")


def trades(*rows: tuple[int, int, float, float, float]) -> fig.Trades:
    """Return trades from (entry s, exit s after Monday 09:00, amount bought, amount sold, fees)."""
    entry, leave, bought, sold, fees = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    pnl = sold - bought - fees
    return fig.Trades(
        code=np.array([f"C{k % 2}" for k in range(len(rows))]),
        label=np.array(["if a:" for _ in rows]),
        sign=np.ones(len(rows)),
        entry=MONDAY + entry.astype(np.int64).astype("timedelta64[s]"),
        exit=MONDAY + leave.astype(np.int64).astype("timedelta64[s]"),
        held_s=leave - entry,
        entry_amount=bought,
        exit_amount=sold,
        return_pct=pnl / bought * 100,
        pnl=pnl,
    )


DAY = 86_400
THREE = trades((0, 60, 100.0, 112.0, 2.0), (30, 90, 200.0, 180.0, 4.0), (40 * DAY, 40 * DAY + 3_600, 50.0, 60.0, 1.0))


def test_row_times_become_moments() -> None:
    assert fig.moments(np.array([20240229235958]), 1)[0] == np.datetime64("2024-02-29T23:59:58")
    assert fig.moments(np.array([197001010001, 203012310900]), 60).tolist() == [
        np.datetime64("1970-01-01T00:01:00").item(),
        np.datetime64("2030-12-31T09:00:00").item(),
    ]


def test_equity_averages_and_drawdown() -> None:
    assert THREE.equity.tolist() == [10.0, -14.0, -5.0]
    assert fig.drawdown(THREE.equity).tolist() == [0.0, -24.0, -15.0]
    assert fig.drawdown(np.array([-3.0, 1.0])).tolist() == [-3.0, 0.0]
    mean = fig.average(np.arange(6.0), 4)
    assert np.isnan(mean[:3]).all()
    assert mean[3:].tolist() == [1.5, 2.5, 3.5]


def test_holdings_exposure_and_costs() -> None:
    times, amounts, counts = fig.holdings(THREE)
    assert ((times[:4] - MONDAY).astype(int).tolist(), amounts[:4].tolist(), counts[:4].tolist()) == (
        [0, 30, 60, 90],
        [100.0, 300.0, 200.0, 0.0],
        [1, 2, 1, 0],
    )
    found = fig.exposure(THREE, days=2, session_s=1_845.0)
    assert found.in_market == pytest.approx((90 + 3_600) / 3_690)
    assert found.mean_amount == pytest.approx((30 * 100 + 30 * 300 + 30 * 200 + 3_600 * 50) / 3_690)
    assert (found.max_amount, found.max_positions, found.long_share, found.turnover) == (300.0, 2, 1.0, 702.0)
    paid = fig.costs(THREE)
    assert (paid.gross, paid.costs, paid.net, paid.per_trade) == pytest.approx((2.0, 7.0, -5.0, 7 / 3))
    assert (paid.share_pct, paid.of_turnover_pct) == pytest.approx((350.0, 7 / 702 * 100))
    assert np.isnan(fig.costs(trades((0, 1, 10.0, 9.0, 1.0))).share_pct)


def test_months_hours_weekdays_and_groups() -> None:
    found = fig.months(THREE)
    assert (found.years.tolist(), found.pnl[0, :2].tolist(), found.trades[0, :3].tolist(), found.total.tolist()) == (
        [2024],
        [-14.0, 9.0],
        [2, 1, 0],
        [-5.0],
    )
    assert np.isnan(found.pnl[0, 2:]).all()
    hours = fig.by_time(THREE)
    assert hours.names == tuple(f"{9 + k // 12:02d}:{k % 12 * 5:02d}" for k in range(13))
    assert (hours.pnl[0], hours.pnl[12], hours.trades.sum()) == (-14.0, 9.0, 3)
    week = fig.by_weekday(THREE)
    assert (week.pnl.tolist(), week.wins.tolist()) == ([-14.0, 0.0, 0.0, 0.0, 0.0, 9.0, 0.0], [1, 0, 0, 0, 0, 1, 0])
    codes = fig.by_text(THREE, THREE.code)
    assert (codes.names, codes.pnl.tolist(), codes.trades.tolist()) == (("C0", "C1"), [19.0, -24.0], [2, 1])


def test_shuffles_are_seeded_and_end_where_the_run_ends() -> None:
    pnl = np.random.default_rng(4).normal(1, 30, 900)
    once, again, other = (fig.shuffled(pnl, 1_000.0, seed) for seed in (1, 1, 2))
    assert once.curves.shape == (fig.SHUFFLES_DRAWN, 400)
    assert np.array_equal(once.mdd_pct, again.mdd_pct)
    assert not np.array_equal(once.mdd_pct, other.mdd_pct)
    assert once.curves[:, -1] == pytest.approx(np.full(30, pnl.sum()))
    rising = fig.shuffled(np.ones(5), 10.0, 1)
    assert rising.mdd_pct.tolist() == [0.0] * 100
    # One loss of 5 among four gains of 1: the worst order has it first, the best one last.
    falls = fig.shuffled(np.array([1.0, 1.0, 1.0, 1.0, -5.0]), 10.0, 3).mdd_pct
    assert falls.max() == pytest.approx(50.0)
    assert falls.min() == pytest.approx(5 / 14 * 100)


def test_what_tells_most_is_kept_of_very_many() -> None:
    values = np.zeros(10_001)
    values[[17, 5_003, 9_999]] = (-4.0, 9.0, 1.0)
    kept = fig.telling(values, 100)
    assert len(kept) <= 104
    assert {17, 5_003, 9_999, 10_000} <= set(kept.tolist())
    assert fig.telling(values[:50], 100).tolist() == list(range(50))


def test_groups_of_trades_and_prices_without_a_beginning() -> None:
    sums, size = fig.grouped(np.arange(10.0), 4)
    assert (sums.tolist(), size) == ([3.0, 12.0, 21.0, 9.0], 3)
    gain = fig.equal_weight([np.array([10.0, 11.0]), np.array([np.nan, 4.0])])
    assert gain == pytest.approx([0.0, 5.0])
    assert [number(value) for value in (0.0, -1234.5, 12.5, 0.00025, -0.0000001)] == ["0", "-1,234", "12.5", "0.00025", "0"]


# --- the sheet of a stored run -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


def test_a_sheet_agrees_with_the_metrics(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, run = call(capsys, *words(data, "backtest", *SETS))
    sheet = load_sheet(DataDir(data), run["run"])
    found = run["metrics"]
    assert sheet.trades.equity[-1] == pytest.approx(found["tg"])
    assert -fig.drawdown(sheet.trades.equity).min() == pytest.approx(found["mdd_amount"])
    assert fig.months(sheet.trades).trades.sum() == fig.by_time(sheet.trades).trades.sum() == found["tc"]
    assert fig.costs(sheet.trades).of_turnover_pct == pytest.approx(0.05, abs=1e-4)  # Upbit's fee a side
    assert [price.name for price in sheet.prices] == [""]  # the symbols themselves; no KRW-BTC is stored
    assert (sheet.prices[0].gain_pct[0], len(sheet.prices[0].times) > 100) == (0.0, True)


@pytest.mark.parametrize("theme", THEMES)
def test_page_and_pdf_need_nothing_else(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, theme: str
) -> None:
    _, run = call(capsys, *words(data, "backtest", *SETS))
    monkeypatch.setattr(socket.socket, "connect", None)  # whoever asks the network fails
    html, pdf = tmp_path / "a" / "sheet.html", tmp_path / "sheet.pdf"
    for language in ("ko", "en"):
        more = ("--html", str(html), "--pdf", str(pdf), "--theme", theme, "--data-dir", str(data), "--lang", language, "--json")
        status, found = call(capsys, "report", str(run["run"]), *more)
        assert (status, found["trades"], found["written"]) == (0, run["trades"], {"html": str(html), "pdf": str(pdf)})
        text = html.read_text("utf-8")
        assert not re.search(r"(src|href)=['\"](?!data:)", text)
        assert "url(http" not in text
        assert text.count("<img src='data:image/svg+xml;base64,") == 7
        assert text.count("@font-face") == 2
        assert THEMES[theme].paper in text
        assert len(re.findall(r"<tr class='(?:up|down)'>", text)) == run["trades"]
        body = pdf.read_bytes()
        assert body.startswith(b"%PDF")
        assert len(re.findall(rb"/Type /Page\b", body)) == 8
        assert b"NanumGothic" in body
    assert ("Fees and taxes" in text, "수수료와 세금" in text) == (True, False)


@pytest.mark.parametrize(("buy", "trade_count", "pictures"), [("매수 = False\n", 0, 1), ("", 1, 7)])
def test_no_trade_and_one_trade(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], buy: str, trade_count: int, pictures: int
) -> None:
    (tmp_path / "buy.txt").write_text(buy or "매수 = True\n", "utf-8")
    (tmp_path / "sell.txt").write_text("if 보유시간 >= 99999:\n    매도 = True\n", "utf-8")  # the day's end sells
    texts = ("--buy", str(tmp_path / "buy.txt"), "--sell", str(tmp_path / "sell.txt"))
    more = (*texts, "--to", "2024-01-05", "--symbols", "S01")
    _, run = call(capsys, *words(data, "backtest", *more))
    assert run["trades"] == trade_count
    sheet = load_sheet(DataDir(data), run["run"])
    for language in ("ko", "en"):
        write(sheet, tmp_path / "one.html", language)
        write(sheet, tmp_path / "one.pdf", language, "dark")
        assert (tmp_path / "one.html").read_text("utf-8").count("<img ") == pictures
        assert len(re.findall(rb"/Type /Page\b", (tmp_path / "one.pdf").read_bytes())) == pictures + 1
        assert dict(facts(sheet, language))
        assert len(metrics(sheet, language)) >= 15


def test_what_is_drawn_are_the_numbers(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, run = call(capsys, *words(data, "backtest", *SETS))
    sheet = load_sheet(DataDir(data), run["run"])
    with drawing(THEMES["print"]):
        painter = Painter(sheet, "ko", THEMES["print"])
        lower = painter.result().axes[1]
        lines = {line.get_label(): line.get_ydata() for line in lower.lines}
        assert np.array_equal(lines["수익금 합계"], sheet.trades.equity)
        assert sum(bar.get_height() for bar in lower.patches) == pytest.approx(sheet.trades.pnl.sum())
        assert painter.extra().axes[1].lines[-2].get_ydata()[-1] == pytest.approx(run["metrics"]["tp"])
        week = painter.extra().axes[3].patches
        assert [bar.get_height() for bar in week] == fig.by_weekday(sheet.trades).pnl.tolist()


def test_validation_and_test_parts_are_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_data(tmp_path, days=21)
    more = ("--ranges", str(data / "ranges.txt"), "--population", "4", "--generations", "1", "--no-verdict", "--seed", "3")
    _, found = call(capsys, *words(data, "optimise", *more, "--split", "v", "--valid-weeks", "1", "--test-weeks", "1"))
    sheet = load_sheet(DataDir(data), found["run"])
    assert sheet.parts.validation == (np.datetime64("2024-01-12T00:00:00"),)
    assert sheet.parts.test == (np.datetime64("2024-01-19T00:00:00"), np.datetime64("2024-01-26T00:00:00"))
    with drawing(THEMES["print"]):
        lower = Painter(sheet, "en", THEMES["print"]).result().axes[1]
    lines = {line.get_label(): line.get_xdata()[0] for line in lower.lines}
    before = int((sheet.trades.exit < np.datetime64("2024-01-19")).sum())
    assert lines["the test part begins"] == before + 0.5
    assert lines["a validation part begins"] < before


def test_a_stored_verdict_is_shown(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = call(capsys, *words(data, "backtest", *SETS))
    status, heard = call(capsys, "verdict", str(found["run"]), "--data-dir", str(data), "--json")
    assert status == 0
    sheet = load_sheet(DataDir(data), found["run"])
    for language in ("ko", "en"):
        judged = verdict(sheet, language)
        assert judged is not None
        assert judged[0] == heard["verdict"]["sentence"][language]
        assert (len(judged[1]), len(judged[2]) >= 9) == (len(heard["verdict"]["reasons"]), True)
        write(sheet, tmp_path / "v.html", language)
        write(sheet, tmp_path / "v.pdf", language)
        assert judged[0][:20] in (tmp_path / "v.html").read_text("utf-8")
        assert len(re.findall(rb"/Type /Page\b", (tmp_path / "v.pdf").read_bytes())) == 9


@pytest.mark.parametrize("language", ["ko", "en"])
def test_no_text_of_the_first_pages_lies_on_another(data: Path, capsys: pytest.CaptureFixture[str], language: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    _, found = call(capsys, *words(data, "backtest", *SETS))
    call(capsys, "verdict", str(found["run"]), "--data-dir", str(data), "--json")
    sheet = load_sheet(DataDir(data), found["run"])
    with drawing(THEMES["dark"]):
        for page in (draw_cover(sheet, language, THEMES["dark"]), draw_verdict(sheet, language, THEMES["dark"])):
            renderer = FigureCanvasAgg(page).get_renderer()
            boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in page.texts if text.get_text()]
            wide = page.bbox.width
            assert not [text for text, box in boxes if box.x1 > wide]
            rows = [(a, b) for k, (a, one) in enumerate(boxes) for b, other in boxes[k + 1 :] if one.overlaps(other)]
            assert not rows
    assert len(boxes) > 20


def test_trades_that_are_gone_are_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, run = call(capsys, *words(data, "backtest", *SETS))
    Path(run["trades_path"]).write_bytes(b"PAR1 cut")
    status, found = call(capsys, "report", str(run["run"]), "--data-dir", str(data), "--json")
    assert (status, found["error"]["code"]) == (4, "report.no_trades_file")


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("tg", -21_055_341.88, ("-21,055,342원", "-₩21,055,342")),
        ("wr", 35.297, ("35.30%", "35.30%")),
        ("ah", 176.83, ("176.8초", "176.8 s")),
        ("tc", 3224.0, ("3,224", "3,224")),
        ("tpi", 0.719, ("0.72", "0.72")),
    ],
)
def test_a_figure_of_a_sheet_has_its_unit(key: str, value: float, wanted: tuple[str, str]) -> None:
    assert tuple(figure_text(key, value, "KRW", 1, language) for language in ("ko", "en")) == wanted


def test_what_the_ends_of_a_period_share_is_said_once() -> None:
    assert span("2026-01-05T00:00:00", "2026-01-08T23:59:59") == "2026-01-05 00:00:00 … 01-08 23:59:59"
    assert span("2026-01-05T09:00:00", "2026-01-05T15:30:00") == "2026-01-05 09:00:00 … 15:30:00"
    assert span("2025-12-31T00:00:00", "2026-01-01T00:00:00") == "2025-12-31 00:00:00 … 2026-01-01 00:00:00"
