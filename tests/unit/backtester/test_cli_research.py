"""`stom.py backtest` and `optimise` from arguments to JSON, over a small store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cli.output import refusals_said
from domain.settings import MarketSettings, Risk, Settings, Strategy
from storage.studies import Studies
from tests.research_cli import SETS, call, make_data, told, words

ROOT = Path(__file__).resolve().parents[3]
METRICS = {"tc", "atc", "pc", "mc", "wr", "ah", "ap", "tg", "mh", "seed", "tp", "cagr", "tpi", "mdd", "mdd_amount"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory with made rows of three symbols and two texts beside it."""
    return make_data(tmp_path_factory.mktemp("data"))


def test_backtest_answers_with_every_key(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, got = call(capsys, *words(data, "backtest", *SETS, "--report", str(tmp_path)))
    assert status == 0
    assert {
        "rows",
        "engine_seconds",
        "compile_seconds",
        "load_seconds",
        "wall_seconds",
        "metrics",
        "trades",
        "trades_path",
        "trades_sha256",
    } <= set(got)
    assert set(got["metrics"]) >= METRICS | {"거래횟수", "수익금합계"}
    assert got["source"] == "made"
    table = pq.read_table(got["trades_path"])
    assert table.num_rows == got["trades"] > 5
    assert table["exit_label"].to_pylist()[0].startswith(("if ", "elif ", "전략종료청산"))
    for language in ("ko", "en"):
        page = (tmp_path / f"report_{language}.html").read_text("utf-8")
        assert page.count("<tr class=") == got["trades"]
        assert (tmp_path / f"report_{language}.pdf").read_bytes().startswith(b"%PDF")
    assert "수익금합계" in (tmp_path / "report_ko.html").read_text("utf-8")
    run = Studies(data / "library.db").run(got["run"])
    assert (run.trades_sha256, run.metrics["tc"]) == (got["trades_sha256"], got["trades"])


def test_same_arguments_same_hash_and_dates_are_included(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, whole = call(capsys, *words(data, "backtest", *SETS, "--workers", "1"))
    _, again = call(capsys, *words(data, "backtest", *SETS, "--from", "2024-01-05", "--to", "2024-01-06"))
    _, first = call(capsys, *words(data, "backtest", *SETS, "--to", "2024-01-05"))
    assert whole["trades_sha256"] == again["trades_sha256"]
    assert 0 < first["rows"] < whole["rows"]
    _, late = call(capsys, *words(data, "backtest", *SETS, "--latency", "1", "--fees", "0", "--symbols", "S00,S01"))
    assert late["trades_sha256"] != whole["trades_sha256"]


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ((), 2, "backtest.var_missing"),
        ((*SETS, "--from", "2030-01-01"), 2, "backtest.no_rows"),
        ((*SETS, "--order-settings", "/no/such/file"), 2, "file.unreadable"),
        ((*SETS, "--fill", "queue"), 2, "backtest.queue_orders"),
        ((*SETS, "--start", "25:00"), 2, "backtest.clock"),
        ((*SETS, "--fees", "abc"), 2, "backtest.fees"),
        ((*SETS, "--symbols", "NO"), 2, "store.unknown_symbol"),
        ((*SETS, "--betting", "0"), 2, "cli.arguments"),
        ((*SETS, "--rows-since", "/no/such/file"), 2, "file.unreadable"),
    ],
)
def test_bad_words_are_refused_with_a_sentence(
    data: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], status: int, code: str
) -> None:
    got, body = call(capsys, *words(data, "backtest", *more))
    assert (got, body["error"]["code"]) == (status, code)
    assert code not in body["error"]["message"] or code.startswith("store.")


def test_optimise_agrees_with_backtest(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--ranges", str(data / "ranges.txt"), "--population", "12", "--generations", "4", "--seed", "3")
    status, got = call(capsys, *words(data, "optimise", *more))
    assert status == 0
    assert {"evaluations", "evaluations_per_second", "row_evaluations_per_second", "engine_seconds", "wall_seconds", "study"} <= set(got)
    sets = [word for index, value in enumerate(got["best"]["vars"]) for word in ("--set", f"{index}={value}")]
    _, alone = call(capsys, *words(data, "backtest", *sets))
    assert alone["metrics"] == got["best"]["metrics"]
    assert alone["trades_sha256"] == got["trades_sha256"]
    _, again = call(capsys, *words(data, "optimise", *more))
    assert (again["best"], again["evaluations"]) == (got["best"], got["evaluations"])
    _, grid = call(capsys, *words(data, "optimise", "--method", "grid", "--ranges-form", "list", "--ranges", str(data / "ranges.txt")))
    assert grid["evaluations"] == 27
    assert grid["best"]["score"] >= got["best"]["score"]


def test_a_large_grid_asks_first(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.optimise.ASK_PAST", 10)
    more = ("--method", "grid", "--ranges-form", "list", "--ranges", str(data / "ranges.txt"))
    status, got = call(capsys, *words(data, "optimise", *more))
    assert (status, got["error"]["code"], got["error"]["count"]) == (3, "optimise.too_many", "27")
    assert call(capsys, *words(data, "optimise", *more, "--yes"))[1]["evaluations"] == 27
    # How many sets a range text means is said also past every integer; what is evaluated has its own bound.
    lists = ", ".join(str(k) for k in range(1, 101))
    (tmp_path / "wide.txt").write_text("".join(f"self.vars[{k}] = [[{lists}], 5]\n" for k in range(12)), "utf-8")
    wide = ("--ranges-form", "list", "--ranges", str(tmp_path / "wide.txt"))
    status, got = call(capsys, *words(data, "optimise", *wide, "--method", "grid"))
    assert (status, got["error"]["code"], got["error"]["sets"]) == (3, "optimise.too_many", str(100**12))
    status, got = call(capsys, *words(data, "optimise", *wide, "--method", "random", "--trials", "5", "--no-verdict"))
    assert (status, got["evaluations"], got["sets"]) == (0, 5, 1e24)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_interrupt_saves_and_kill_loses_at_most_a_batch(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = "\n".join(
        f"self.vars[{index}] = [[{', '.join(str(start + k * step) for k in range(40))}], {start}]"
        for index, start, step in ((0, 3, 1), (1, 1, 0.25), (2, 0.5, 0.1))
    )
    (data / "wide.txt").write_text(wide, "utf-8")
    argv = words(data, "optimise", "--method", "grid", "--ranges-form", "list", "--ranges", str(data / "wide.txt"), "--progress", "json")
    store = Studies(data / "library.db")
    for number in (signal.SIGINT, signal.SIGKILL):
        known = {study.study for study in store.studies()}
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "stom.py"), *argv], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
        )
        deadline, study = time.monotonic() + 60, ""
        while time.monotonic() < deadline and not (study and len(store.trials(study))):
            study = next((one.study for one in store.studies() if one.study not in known), "")
            time.sleep(0.05)
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
        stored = len(store.trials(study))
        assert 0 < stored < 64_000
        if number == signal.SIGINT:
            body = json.loads(out)
            assert (body["state"], body["evaluations"], store.study(study).state) == ("stopped", stored, "stopped")
    monkey = store.trials(study)
    status, body = call(capsys, "optimise", "--data-dir", str(data), "--resume", "no-such", "--json")
    assert (status, body["error"]["code"]) == (2, "studies.no_study")
    assert np.array_equal(monkey.vectors, store.trials(study).vectors)


WIDE = {
    "intents_per_s": 1000.0, "intents_per_min": 60_000.0, "orders_per_s": 1000.0, "orders_per_min": 60_000.0, "entries_per_day": 1_000_000,
    "max_depth_pct": 100.0, "day_loss_reduce_pct": 100.0, "max_position_pct": 100.0,
}  # fmt: skip
"""Limits that nothing here meets."""


def use(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Let a plain and a portfolio run have these settings."""
    for module in ("research", "job_args"):
        monkeypatch.setattr(f"cli.{module}.load_settings", lambda _: settings)


@pytest.mark.parametrize(
    ("risk", "positions", "rule"),
    [
        ({}, 10, ""),
        ({"entries_per_day": 2}, 10, "entries_day"),
        ({"max_depth_pct": 0.0001}, 10, "depth"),
        ({"orders_per_min": 1.0}, 10, "rate_orders"),
        ({}, 1, "max_positions"),
    ],
)
def test_what_the_accounts_limits_would_have_refused_is_counted(
    data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    risk: dict[str, float],
    positions: int,
    rule: str,
) -> None:
    group = MarketSettings(venue="upbit", strategy=Strategy(max_positions=positions))
    use(monkeypatch, Settings(risk=Risk(**{**WIDE, **risk}), upbit=group))
    status, found = call(capsys, *words(data, "backtest", *SETS, "--betting", "100000"))
    assert status == 0
    assert found["refusals_of"] == "intents"
    refused = found["refusals"]
    assert isinstance(refused, dict)
    assert set(refused) == ({rule} if rule else set())
    assert all(count > 0 for count in refused.values())
    _, shared = call(capsys, *words(data, "backtest", *SETS, "--betting", "100000", "--portfolio"))
    assert refused == shared["refusals"]


def test_a_signal_that_stays_is_refused_on_each_row_as_in_live(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "always.txt").write_text("매수 = True", "utf-8")
    (tmp_path / "late.txt").write_text("if 보유시간 >= 100000:\n    매도 = True", "utf-8")
    use(monkeypatch, Settings(risk=Risk(max_depth_pct=1e-9)))
    texts = ("--buy", str(tmp_path / "always.txt"), "--sell", str(tmp_path / "late.txt"), "--betting", "100000")
    _, found = call(capsys, *words(data, "backtest", *texts))
    # Nothing was ever bought, so every row behind the warm-up whose book could have filled it asked once.
    assert found["trades"] == found["symbols"] * found["days"]
    assert set(found["refusals"]) == {"depth"}
    assert 100 * found["trades"] < found["refusals"]["depth"] <= found["rows"] - 29 * found["trades"]
    _, shared = call(capsys, *words(data, "backtest", *texts, "--portfolio"))
    assert shared["refusals"] == found["refusals"]


def test_entries_that_are_all_too_large_are_told_without_a_second_run(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.research.refused_by", lambda _shared: pytest.fail("the account was run"))
    for risk, rule, limit in (({"max_order_krw": 1_000.0}, "max_order", 1_000.0), ({"max_order_pct": 0.0001}, "max_order_pct", 100.0)):
        use(monkeypatch, Settings(risk=Risk(**{**WIDE, **risk})))
        _, found = call(capsys, *words(data, "backtest", *SETS, "--betting", "100000"))
        assert (found["refusals"], found["refusals_of"]) == ({rule: found["trades"]}, "entries")
        assert found["largest_order"] == limit
        assert found["trades"] > 0
    _, said, _ = told(capsys, *words(data, "backtest", *SETS, "--betting", "100000", "--lang", "en"))
    assert "every entry of this run is more than one order may be, 100 KRW" in said


def test_the_look_at_trades_errs_on_the_side_of_the_loop(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trades that no limit could touch are not run again; many trades, or a loss that might stop entries, are."""
    runs: list[object] = []
    monkeypatch.setattr("cli.research.refused_by", lambda shared: runs.append(shared) or {})
    use(monkeypatch, Settings(risk=Risk(**WIDE)))
    more = (*SETS, "--betting", "100000")
    assert call(capsys, *words(data, "backtest", *more))[1]["refusals"] == {}
    assert not runs
    use(monkeypatch, Settings(risk=Risk(**WIDE | {"day_loss_reduce_pct": 1e-9})))
    call(capsys, *words(data, "backtest", *more))
    assert len(runs) == 1
    monkeypatch.setattr("backtester.account_limits.TRADES_MAX", 1)
    call(capsys, *words(data, "backtest", *more))
    assert len(runs) == 2


def test_what_is_hardly_meant_is_warned_of_once(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = told(capsys, *words(data, "backtest", *SETS))
    assert (status, err) == (0, "")
    (tmp_path / "empty.txt").write_text("", "utf-8")
    status, _, err = told(capsys, *words(data, "backtest", *SETS, "--set", "999=1", "--buy", str(tmp_path / "empty.txt")))
    assert status == 0
    assert err.count("turns buying off") == 1
    assert "self.vars[999] a value, but no text uses it" in err


def test_values_that_make_a_look_back_nothing_are_warned_of(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "buy.txt").write_text("매수 = False\nif 체결강도평균(self.vars[3]) > 100 and 현재가N(3) > 0:\n    매수 = True\n", "utf-8")
    more = (*SETS, "--quiet", "--buy", str(tmp_path / "buy.txt"), "--set")
    far = "line 2, column 4 of the buy text looks back on 1,000,000,000 rows"
    for value, wanted in (("1e9", far), ("0", "less than one row"), ("30", "")):
        status, _, err = told(capsys, *words(data, "backtest", *more, f"3={value}"))
        assert (status, "always 0" in err, wanted in err) == (0, bool(wanted), True)


def test_the_report_says_what_was_betted(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = told(capsys, *words(data, "backtest", *SETS, "--betting", "1234567.4"))
    assert (status, "Amount per entry: 1,234,567 KRW" in out) == (0, True)


@pytest.mark.parametrize(("code", "said"), [("ko", "신호 횟수 118, 주문 한도 16, venue.busy 1"), ("en", "118, ")])
def test_refusals_are_said_in_words(code: str, said: str) -> None:
    told = refusals_said({"max_order": 16, "rate_intents": 118, "venue.busy": 1}, code)
    assert said in told
    assert "max_order" not in told


def test_a_value_that_a_list_names_twice_is_warned_of(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "buy.txt").write_text("매수 = 등락율 > self.vars[3]\n", "utf-8")
    (tmp_path / "ranges.txt").write_text("self.vars[3] = [[1, 2, 1], 1]\n", "utf-8")
    more = ("--buy", str(tmp_path / "buy.txt"), "--method", "grid", "--ranges", str(tmp_path / "ranges.txt"), *SETS, "--quiet")
    for form in ("list", "grid"):
        status, _, err = told(capsys, *words(data, "optimise", *more, "--ranges-form", form))
        assert (status, "--ranges-form grid" in err) == (0, form == "list")


def test_a_search_of_nothing_says_so(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "never.txt").write_text("매수 = False\n", "utf-8")
    (tmp_path / "ranges.txt").write_text("self.vars[77] = [[1, 2], 1]\n", "utf-8")
    more = ("--buy", str(tmp_path / "never.txt"), "--method", "grid", "--ranges-form", "list", "--ranges", str(tmp_path / "ranges.txt"))
    status, out, err = told(capsys, *words(data, "optimise", *SETS, *more))
    assert status == 0
    assert "self.vars[77]" in err
    assert "Nothing traded" in out


def test_messages_name_the_option_or_the_file(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = told(capsys, *words(data, "backtest", *SETS, "--workers", "-1"))
    assert status == 2
    assert "--workers" in err
    status, _, err = told(capsys, *words(data, "backtest", *SETS, "--from", "2024-01-06", "--to", "2024-01-05"))
    assert (status, "--from (2024-01-06)" in err, "--to (2024-01-05)" in err) == (2, True, True)
    (tmp_path / "bad.txt").write_text("self.vars[1] = 3\n", "utf-8")
    status, body = call(capsys, *words(data, "optimise", *SETS, "--ranges", str(tmp_path / "bad.txt")))
    assert (status, body["error"]["code"], body["error"]["path"]) == (2, "optimise.range_form", str(tmp_path / "bad.txt"))  # type: ignore[index]
    assert str(tmp_path / "bad.txt") in body["error"]["message"]  # type: ignore[index]
    status, _, err = told(capsys, *words(data, "backtest", *SETS, "--rows-since", str(tmp_path / "none.txt")))
    assert (status, err.count("none.txt")) == (2, 1)
