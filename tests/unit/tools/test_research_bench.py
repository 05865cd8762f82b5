"""The benchmark of research: what it calls missed, what it says of other trades, and that every part it names is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import research
from benchmarks.bench_peers import PEERS, why
from benchmarks.research import MEASURES, TRADES_DIFFER, Measure, judged, words

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("answer", "at_most", "met", "reason"),
    [
        ({"a": {"b": 0.95}, "same": True}, False, True, ""),
        ({"a": {"b": 0.85}, "same": True}, False, False, ""),
        ({"a": {"b": 0.85}, "same": True}, True, True, ""),
        ({"a": {"b": 0.95}, "same": True}, True, False, ""),
        ({"a": {"b": 0.95}, "same": False}, False, False, TRADES_DIFFER),
        ({"a": {"b": 0.95}}, False, False, TRADES_DIFFER),
        ({"a": {}}, False, False, "no a.b in the answer"),
        ({"error": "it broke"}, False, False, "it broke"),
    ],
)
def test_a_bar_is_met_only_by_an_answer_with_equal_trades(answer: dict[str, object], at_most: bool, met: bool, reason: str) -> None:
    line = judged(Measure("x", "what", "step", "a.b", 0.9, at_most=at_most, must=("same",)), answer)
    assert (line["met"], line["why"]) == (met, reason)


def test_a_difference_of_trades_is_told_by_what_the_entries_show() -> None:
    ours = [[10, 20], [30, 31], [50, 50]]
    assert why(ours, ours) == ""
    assert why(ours, [[11, 21], [31, 32], [51, 51]]) == "3 of 3 entries 1 row(s) later; 3 exits 1 row(s) later"
    assert why(ours, ours[:2]).startswith("1 bought on a day's last row")
    assert why(ours, [[10, 20], [33, 34], [50, 50], [60, 61]]) == (
        "1 entries are only ours (first: row 30); 2 entries are only theirs (first: row 33)"
    )


def test_everything_that_is_named_is_there() -> None:
    for measure in MEASURES:
        assert (ROOT / "benchmarks" / f"bench_{measure.program}.py").exists()
        assert words(measure.program, [measure], 2_000, True, "")
    for name in PEERS:
        assert (ROOT / "benchmarks" / "peers" / f"{name}_py.py").exists()
        pinned = (ROOT / "requirements" / "peers" / f"{name}.txt").read_text("utf-8").splitlines()
        wanted = [line for line in pinned if line and not line.startswith((" ", "#"))]
        assert wanted
        assert all("==" in line for line in wanted)
        assert sum("--hash=sha256:" in line for line in pinned) >= len(wanted)


def test_a_name_that_is_no_measure_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["research", "--only", "best,r9"])
    with pytest.raises(SystemExit):
        research.main()
    assert "r9" in capsys.readouterr().err
