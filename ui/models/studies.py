"""Studies of the library, as a table shows them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from PyQt5.QtCore import QObject

from ui import format as fmt
from ui.models.records import Records
from ui.models.runs import fair_score, score_text
from ui.models.table import CENTRE, LEFT, Column
from ui.text import tr, word

TONES = {"running": "accent", "stopped": "warn", "ended": "warn", "done": "ok", "failed": "danger"} | {
    "waiting": "muted",
    "off": "faint",
    "missed": "warn",
}
"""Token of each state of a study or a queued job."""


@dataclass(slots=True)
class StudyRecord:
    """One stored search."""

    study: str
    method: str
    strategy: str
    market: str
    objective: str
    state: str
    evaluations: int
    score: float
    created: str

    @classmethod
    def of(cls, study: Any, trials: int) -> StudyRecord:
        """Return the record of a study of the store (`storage.studies.Study`) with its number of trials, those of a resumed one all."""
        passport, result = study.passport, study.result
        score = (result.get("best") or {}).get("score")
        return cls(
            study.study,
            study.method,
            str(passport.get("strategy", "")),
            str(passport.get("market", "")),
            str(passport["plan"].get("objective", "")),
            study.state,
            trials,
            float(score) if isinstance(score, int | float) else float("nan"),
            moment(study.created_ns),
        )


def moment(ns: int) -> str:
    """Return a time as day and clock, KST."""
    return f"{dt.datetime.fromtimestamp(ns / 1e9, fmt.KST):%Y-%m-%d %H:%M}" if ns else fmt.DASH


STUDY_COLUMNS = (
    Column("study", "ui.col.study", LEFT, lambda v, r: v, width=9),
    Column("created", "ui.col.created", CENTRE, lambda v, r: v, tone=lambda r: "muted", width=15),
    Column("method", "ui.col.method", LEFT, lambda v, r: word("method", v), width=18),
    Column("strategy", "ui.col.strategy", LEFT, lambda v, r: v, width=0),
    Column("market", "ui.col.market", CENTRE, lambda v, r: word("ui.market", v), width=11),
    Column("objective", "ui.col.objective", CENTRE, lambda v, r: v, tip=lambda r: word("ui.objective", r.objective), width=7),
    Column(
        "state",
        "ui.col.status",
        CENTRE,
        lambda v, r: word("ui.runstate", v),
        tone=lambda r: TONES.get(r.state, "text"),
        tip=lambda r: tr("studies.ended", count=r.evaluations) if r.state == "ended" else "",
        width=7,
    ),
    Column("evaluations", "ui.col.evaluations", format=lambda v, r: fmt.integer(v), width=9),
    Column("score", "ui.col.score", format=lambda v, r: score_text(v), sign=fair_score, width=13),
)


class StudyModel(Records):
    """Studies, newest first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(STUDY_COLUMNS, parent)
