"""Log records are sentences of the window's language on the Log tab; what has none stays as it was written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ui.models.log import COLUMNS, LogLine, LogModel
from ui.models.log_words import AREA, blanks, said
from ui.models.table import TableModel
from ui.text import Said, set_language, tr
from utility.alarm_words import write
from utility.text import catalogue, sentence

ROOT = Path(__file__).resolve().parents[2]
LAUNCHED = "event=launched process=upbit.strategy.a pid=4338 generation=1"


def test_events_and_alarms_are_sentences() -> None:
    assert said(LAUNCHED, "ko") == "전략 (upbit.strategy.a) 프로세스를 시작했습니다 (번호 4338, 1번째)."
    assert said(LAUNCHED, "en") == "Strategy (upbit.strategy.a) was started (pid 4338, generation 1)."
    alarm = write("trader.restricted", {"cause": "kill", "state": "halted", "reason": "flatten"})
    assert said(alarm, "ko") == "거래 상태 매매 중단: 킬 스위치 flatten"
    assert said("event=refused code=KRW-BTC rule=cash limit=1.0 observed=2.0", "ko").startswith(
        "KRW-BTC 주문을 리스크 한도가 막았습니다: 예수금 부족"
    )
    failed = f"event=failed code=store.unwritable fields={ {'path': '/data/a b', 'reason': 'Permission denied'}!r}"
    assert said(failed, "en") == sentence("store.unwritable", "en", path="/data/a b", reason="Permission denied")


@pytest.mark.parametrize(
    "text",
    [
        "event=refused link=upbit-public code=ws.refused",  # the name is known, with other fields
        "event=nobody_knows a=1",
        "event=failed code=nobody.knows fields={'a': 1}",
        "event=failed code=store.unwritable fields={'path': Path('/a')}",
        "event=failed code=store.unwritable fields={}",
        "alarm=nobody.knows a=1",
        "any other text",
        "",
    ],
)
def test_what_has_no_sentence_stays_as_it_was_written(text: str) -> None:
    assert said(text, "ko") == said(text, "en") == text


def test_every_sentence_is_of_an_event_that_is_logged_with_its_fields() -> None:
    logged: dict[str, list[set[str]]] = {}
    for folder in ("trading", "utility", "ui", "paper", "coin", "cli"):
        for path in (ROOT / folder).rglob("*.py"):
            for name, rest in re.findall(r'"event=(\w+)([^"]*)"', path.read_text("utf-8")):
                logged.setdefault(name, []).append(set(re.findall(r"(\w+)=", rest)))
    codes = [code for code in catalogue("ko") if code.startswith(f"{AREA}.")]
    assert len(codes) > 20
    for code in codes:
        asked = blanks(code, "ko")
        assert asked == blanks(code, "en"), code
        assert any(asked <= fields for fields in logged.get(code.rpartition(".")[2], [])), code


def test_the_log_follows_the_language_and_keeps_the_raw_text_in_the_tooltip(qapp: object) -> None:
    set_language("ko")
    model = LogModel()
    own = LogLine(2.0, 20, "window", "ui", tr("ui.research.busy"), Said(lambda: tr("ui.research.busy")))
    model.add([LogLine(1.0, 20, "main", "trading.market_run", LAUNCHED), own])
    shown, text = TableModel(model), next(i for i, column in enumerate(COLUMNS) if column.key == "text")
    assert "시작했습니다" in shown.index(0, text).data()
    set_language("en")
    try:
        assert [shown.index(row, text).data() for row in range(2)] == [said(LAUNCHED, "en"), sentence("ui.research.busy", "en")]
        tip = COLUMNS[text].tip
        assert tip is not None
        assert tip(model.records[0]) == LAUNCHED
    finally:
        set_language("ko")
