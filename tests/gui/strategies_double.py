"""A strategy library in memory, for tests of the window."""

from __future__ import annotations

from dataclasses import replace

from domain.errors import InputError
from ui.user_library import LibraryEntry, StrategyDoc

BUY = """# 거래대금이 터지고 체결강도가 오르는 돌파
n = self.vars[0]
if not (self.vars[1] <= 등락율 <= self.vars[2]):
    매수 = False
elif 체결강도 < 체결강도평균(n) + self.vars[3]:
    매수 = False
elif 초당매수금액 < self.vars[4] * 초당거래대금평균(n):
    매수 = False
elif 현재가 < 최고현재가(n):
    매수 = False
elif 매도총잔량 > 매수총잔량 * 3:
    매수 = False
"""
SELL = """n = self.vars[0]
if 수익률 >= self.vars[5] or 수익률 <= self.vars[6]:
    매도 = True
elif 보유시간 >= self.vars[7]:
    매도 = True
elif 체결강도 < 체결강도평균(n) - self.vars[8]:
    매도 = True
"""
VARIABLES = (30.0, 1.0, 20.0, 5.0, 2.0, 2.0, -1.0, 300.0, 10.0)
SAVED_NS = 1_795_000_000_000_000_000


class LibraryDouble:
    """The four calls of ui.user_library.Library."""

    def __init__(self) -> None:
        self.docs: dict[str, list[StrategyDoc]] = {}
        for name, interval in (("데모_돌파", "1s"), ("기본_R1", "1s"), ("되돌림", "1s"), ("분봉_교차", "1m")):
            buy, sell = (
                (BUY, SELL) if interval == "1s" else ("if 현재가 < 이동평균(20):\n    매수 = False\n", "if 수익률 > 1:\n    매도 = True\n")
            )
            self.docs[name] = [StrategyDoc(name, 1, buy, sell, VARIABLES if interval == "1s" else (), interval)]

    def entries(self) -> list[LibraryEntry]:
        return [
            LibraryEntry(name, docs[-1].interval, tuple((doc.version, SAVED_NS + doc.version * 10**12, "") for doc in reversed(docs)))
            for name, docs in self.docs.items()
        ]

    def load(self, name: str, version: int = 0) -> StrategyDoc:
        docs = self.docs.get(name)
        if not docs:
            raise InputError("ui.research.no_strategy", name=name)
        return docs[version - 1] if version else docs[-1]

    def save(self, doc: StrategyDoc) -> StrategyDoc:
        docs = self.docs.setdefault(doc.name, [])
        saved = replace(doc, version=len(docs) + 1)
        docs.append(saved)
        return saved

    def rename(self, old: str, new: str) -> None:
        if new in self.docs:
            raise InputError("ui.research.no_strategy", name=new)
        self.docs[new] = [replace(doc, name=new) for doc in self.docs.pop(old)]
