"""`stom.py batch` over a small store: queue, run, stop, kill, results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from backtester import job as job_module
from cli.batch_words import expand, with_option, words_at
from cli.main import run_command
from domain.errors import InputError
from storage.batches import Batches
from storage.studies import Studies
from storage.ticks import TickStore
from tests.research_cli import SETS, call, make_data
from utility.lock import FileLock
from utility.shared_reads import shared, sharing
from utility.text_file import read_text

MANY = "?=" + "|".join(map(str, range(101)))
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path)


def queue(data: Path, *more: str, command: tuple[str, ...] | None = None) -> list[str]:
    texts = ("--buy", str(data / "buy.txt"), "--sell", str(data / "sell.txt"))
    words = command or ("backtest", "--market", "upbit", *texts, *SETS)
    return ["batch", "add", "--data-dir", str(data), "--json", *more, "--", *words]


def ask(capsys: pytest.CaptureFixture[str], data: Path, *words: str) -> tuple[int, dict[str, Any]]:
    return call(capsys, "batch", *words, "--data-dir", str(data), "--json")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("backtest", "--market", "upbit", "--strategy", "NoSuch"), "strategy.kept_missing"),
        (("backtest", "--market", "upbit", "--buy", "gone.txt", "--sell", "gone.txt"), "file.unreadable"),
        (("backtest", "--market", "krx", "{texts}"), "store.no_data"),
        (("backtest", "--market", "upbit", "--interval", "5m", "{texts}"), "store.no_data"),
        (("backtest", "--market", "upbit", "--source", "run9", "{texts}"), "store.no_data"),
        (("backtest", "--market", "upbit", "{texts}", "--order-settings", "gone.json"), "file.unreadable"),
        (("backtest", "--market", "upbit", "{plain}"), "backtest.var_missing"),
        (("backtest", "--market", "upbit", "--buy", "{wrong}", "--sell", "{wrong}"), "strategy.ahead"),
        (("optimise", "--market", "upbit", "{plain}", "--ranges", "gone.txt"), "file.unreadable"),
        (("optimise", "--market", "upbit", "{plain}", "--ranges", "{wrong}"), "optimise.range_form"),
        (("optimise", "--resume", "nothing"), "studies.no_study"),
        (("find", "--market", "upbit", "--strategy", "NoSuch"), "strategy.kept_missing"),
        (("verdict", "999"), "studies.no_run"),
        (("verdict", "nothing"), "studies.no_study"),
        (("report", "999"), "studies.no_run"),
        (("rerun", "999"), "studies.no_run"),
        (("compare", "5", "6"), "studies.no_run"),
        (("compare", "5", "5"), "compare.twice"),
        (("data", "import", "gone.csv"), "import.no_file"),
        (("data", "export", "--market", "krx", "--interval", "1s", "--out", "x.csv"), "store.no_data"),
    ],
)
def test_what_is_not_there_is_refused_before_it_is_queued(
    data: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: str
) -> None:
    (data / "wrong.txt").write_text("매수 = 현재가N(-5) > 1\n", "utf-8")
    texts = ("--buy", str(data / "buy.txt"), "--sell", str(data / "sell.txt"))
    told = {"{texts}": (*texts, *SETS), "{plain}": texts, "{wrong}": (str(data / "wrong.txt"),)}
    spoken = tuple(part for word in words for part in told.get(word, (word,)))
    status, refused = call(capsys, *queue(data, command=spoken))
    assert (status, refused["error"]["code"]) == (2, code)
    if "{texts}" not in words:  # those would be compiled first
        status, alone = call(capsys, *spoken, "--data-dir", str(data), "--json")
        assert (alone["error"]["code"], alone["error"]["message"]) == (code, refused["error"]["message"]), "the command's own sentence"
    assert ask(capsys, data, "list")[1]["jobs"] == []


def test_rows_that_another_job_brings_are_waited_for(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = ("--buy", str(data / "buy.txt"), "--sell", str(data / "sell.txt"))
    later = queue(data, command=("backtest", "--market", "binance", *texts, *SETS))
    assert call(capsys, *later)[1]["error"]["code"] == "store.no_data"
    assert call(capsys, *queue(data, command=("data", "make", "--market", "binance", "--hours", "0.01")))[0] == 0
    assert call(capsys, *later)[0] == 0
    status, changed = ask(capsys, data, "edit", "2", "--change", "buy=gone.txt")
    assert (status, changed["error"]["code"]) == (2, "file.unreadable")


def test_a_matrix_is_queued_run_and_compared(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, added = call(capsys, *queue(data, "--name", "m", "--vary", "latency=0|2", "--vary", "symbols=S00|S01|NO"))
    assert (status, added["jobs"]) == (0, [1, 2, 3, 4, 5, 6])
    status, ran = ask(capsys, data, "run", "--progress", "none")
    assert (status, ran["done"], ran["failed"], ran["left"]) == (0, 4, 2, 0)
    status, found = ask(capsys, data, "results", "m", "--by", "mdd", "--csv", str(tmp_path / "b.csv"))
    falls = [row["metrics"]["mdd"] for row in found["rows"]]
    assert (status, falls) == (0, sorted(falls))
    assert {one["code"] for one in found["failed"]} == {"store.unknown_symbol"}
    assert (tmp_path / "b.csv").read_text("utf-8-sig").count("\n") == 5
    store = Studies(data / "library.db")
    for row in found["rows"]:
        assert store.run(row["run"]).passport["ticket"] == f"batch-{row['job']}-1"
        assert store.run(row["run"]).trades_sha256 == row["trades_sha256"]
    status, _ = ask(capsys, data, "edit", "3", "6", "--change", "symbols=S02", "--change", "latency=", "--again")
    assert status == 0
    jobs = ask(capsys, data, "list", "3", "6")[1]["jobs"]
    assert [job["state"] for job in jobs] == ["waiting", "waiting"]
    assert all(job["words"][-1] == "--symbols=S02" and "--latency=0" not in job["words"] for job in jobs)
    assert ask(capsys, data, "run")[1]["done"] == 2
    assert ask(capsys, data, "remove", "m")[1]["changed"] == 6
    assert ask(capsys, data, "list")[1]["jobs"] == []
    assert len(ask(capsys, data, "results")[1]["rows"]) == 6


def test_a_run_that_was_stored_before_a_kill_is_on_record_once(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    call(capsys, *queue(data))
    with monkeypatch.context() as patch:
        patch.setattr(Batches, "finish", die)
        with pytest.raises(Killed):
            run_command(["batch", "run", "--data-dir", str(data), "--json"])
    capsys.readouterr()
    assert len(Studies(data / "library.db").runs()) == 1
    _, ran = ask(capsys, data, "run")
    assert (ran["recovered"], ran["done"]) == (1, 1)
    assert [run.run for run in Studies(data / "library.db").runs()] == [ran["jobs"][0]["result"]["run"]]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.slow
def test_interrupt_and_kill_go_on_where_they_were(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = "\n".join(
        f"self.vars[{index}] = [[{', '.join(str(start + k * step) for k in range(22))}], {start}]"
        for index, start, step in ((0, 3, 1), (1, 1, 0.25), (2, 0.5, 0.1))
    )
    (data / "wide.txt").write_text(wide, "utf-8")
    texts = ("--buy", str(data / "buy.txt"), "--sell", str(data / "sell.txt"), "--ranges", str(data / "wide.txt"))
    words = ("optimise", "--market", "upbit", *texts, "--method", "grid", "--ranges-form", "list", "--no-verdict", "--no-cache")
    call(capsys, *queue(data, command=words))
    store, batches = Studies(data / "library.db"), Batches(data / "library.db")
    counts, study = [0], ""
    for number in (signal.SIGINT, signal.SIGKILL):
        argv = [sys.executable, str(ROOT / "stom.py"), "batch", "run", "--data-dir", str(data), "--json"]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and not (study and len(store.trials(study)) > counts[-1]):
            study = next(iter(turn.study for turn in batches.turns()), "")
            time.sleep(0.05)
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
        counts.append(len(store.trials(study)))
        if number == signal.SIGINT:
            body = json.loads(out)
            assert (process.returncode, body["stopped"], body["done"], body["left"]) == (0, True, 0, 1)
    assert 0 < counts[1] < counts[2] < 22**3
    _, ran = ask(capsys, data, "run")
    assert (ran["recovered"], ran["done"]) == (1, 1)
    assert [one.study for one in store.studies()] == [study]  # gone on with, not begun anew
    assert len(store.trials(study)) == 22**3
    (row,) = ask(capsys, data, "results")[1]["rows"]
    assert (row["study"], row["attempts"]) == (study, 2)
    # What was best when it was stopped may be on record, too; the turn counts the end alone.
    kept = store.runs_of_ticket("batch-1-1")
    assert row["run"] == kept[-1].run
    assert len({str(run.passport["vars"]) for run in kept}) == len(kept) <= 2


def test_one_runner_a_data_directory(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, *queue(data))
    with FileLock(data / "run" / "batch.lock"):
        status, found = ask(capsys, data, "run")
    assert (status, found["error"]["code"]) == (3, "batch.running")
    assert ask(capsys, data, "list")[1]["jobs"][0]["state"] == "waiting"


def test_a_schedule_is_kept_and_can_be_run_by_hand(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, added = call(capsys, *queue(data, "--at", "06:30", "--on", "mon,fri", "--zone", "UTC"))
    assert added["schedule"] == "06:30:00 mon,fri UTC"
    assert ask(capsys, data, "run")[1]["done"] == 0
    assert ask(capsys, data, "run", "1")[1]["done"] == 1
    (job,) = ask(capsys, data, "list")[1]["jobs"]
    assert (job["state"], job["turns"], job["due_ns"] > time.time_ns()) == ("waiting", 1, True)
    ask(capsys, data, "edit", "all", "--once", "--off")
    assert ask(capsys, data, "list")[1]["jobs"][0]["state"] == "off"


@pytest.mark.parametrize(
    ("more", "command", "code"),
    [
        ((), ("live", "--market", "upbit"), "batch.command"),
        ((), ("backtest", "--no-such"), "batch.refused"),
        ((), ("backtest", "--json"), "batch.own_option"),
        (("--vary", "latency"), None, "batch.vary"),
        (("--vary", MANY.replace("?", "latency"), "--vary", MANY.replace("?", "entry-levels")), None, "batch.too_many"),
        (("--on", "mon"), None, "batch.at_missing"),
        (("--at", "26:00"), None, "batch.at"),
    ],
)
def test_what_cannot_be_queued_is_refused_whole(
    data: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], command: tuple[str, ...] | None, code: str
) -> None:
    status = run_command(queue(data, *more, command=command))
    said = capsys.readouterr().out.splitlines()
    assert (status, json.loads(said[-1])["error"]["code"]) == (2, code)
    assert Batches(data / "library.db").all() == []


def test_words_are_varied_changed_and_dated() -> None:
    assert expand(["a"], ["x=1|2", "--y=p|q"]) == [
        ["a", "--x=1", "--y=p"],
        ["a", "--x=1", "--y=q"],
        ["a", "--x=2", "--y=p"],
        ["a", "--x=2", "--y=q"],
    ]
    words = ["backtest", "--set", "1=2", "--json-ish", "--set=3=4", "--market", "upbit"]
    assert with_option(words, "set=9=9") == ["backtest", "--json-ish", "--market", "upbit", "--set=9=9"]
    assert with_option(words, "market=") == ["backtest", "--set", "1=2", "--json-ish", "--set=3=4"]
    with pytest.raises(InputError):
        with_option(words, "set")
    evening = 1_795_276_800 * 10**9  # 2026-11-21T16:00Z: Sunday in Korea
    assert words_at(["data", "--from", "today"], evening)[-1] == "2026-11-22"
    assert words_at(["backtest", "--market", "upbit", "--from=today-1d"], evening)[-1] == "2026-11-20"


def test_every_word_of_the_queue_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for action in ("add", "list", "edit", "remove", "run", "results"):
        assert run_command(["batch", action, "--help", "--lang", "ko"]) == 0
        said = capsys.readouterr().out
        assert "--data-dir" in said


def test_what_variations_share_is_checked_once(data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, int] = {"build": 0, "choose_source": 0}

    def counted(owner: Any, name: str) -> None:
        whole = getattr(owner, name)

        def count(*args: Any, **kwargs: Any) -> Any:
            asked[name] += 1
            return whole(*args, **kwargs)

        monkeypatch.setattr(owner, name, count)

    counted(job_module, "build")
    counted(TickStore, "choose_source")
    assert call(capsys, *queue(data, "--vary", "betting=" + "|".join(map(str, range(100_000, 100_040)))))[1]["count"] == 40
    assert asked == {"build": 1, "choose_source": 1}
    assert ask(capsys, data, "edit", "all", "--change", "latency=1")[1]["changed"] == 40
    assert asked == {"build": 2, "choose_source": 2}  # a later command looks anew
    # A file that is changed between two commands is read as it stands.
    (data / "buy.txt").write_text("매수 = 없는이름 > 1\n", "utf-8")
    assert call(capsys, *queue(data))[1]["error"]["code"].startswith("strategy.")


def test_answers_are_shared_inside_the_block_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"

    def read() -> str:
        return read_text(path)

    path.write_text("one", "utf-8")
    with sharing():
        assert read() == "one"
        path.write_text("two", "utf-8")
        assert read() == "one"
        with pytest.raises(InputError):
            read_text(tmp_path / "gone.txt")
        (tmp_path / "gone.txt").write_text("here", "utf-8")
        assert read_text(tmp_path / "gone.txt") == "here"  # an error is no answer
    assert read() == "two"
    twice = shared(lambda *given: len(given[0]))
    with sharing():
        assert twice([1, 2]) == 2  # what cannot be hashed is answered anew
