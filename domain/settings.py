"""Every setting: type, default, bounds, unit and both titles.

The settings page, the command line, the JSON file and the documentation are made from these
structs. `extra` holds `ko` and `en` (titles), `unit`, `apply` ("now" or "restart"), `choices`, and `source`: what
the choices of a form are taken from when only the running program knows them ("venues", "strategies").
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

SETTINGS_VERSION = 1


def field(
    ko: str, en: str, *, unit: str = "", apply: str = "restart", choices: tuple[str, ...] = (), source: str = "", **bounds: Any
) -> Meta:
    """Return the Meta of one setting: titles in both languages, unit, bounds, when it applies, where its choices come from."""
    extra = {"ko": ko, "en": en, "unit": unit, "apply": apply, "choices": choices, "source": source}
    return Meta(title=en, extra=extra, **bounds)


CLOCK = "^(([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9])?$"
"""HHMMSS of a day that exists, or nothing."""
AMOUNT_MAX = 1e12
"""Largest amount of currency anybody may mean: a trillion won; a 1 with 300 zeros is a slip of the hand."""


class Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all groups: unknown keys are refused."""


class General(Group, frozen=True):
    language: Annotated[str, field("언어", "Language", choices=("ko", "en"), apply="now")] = "ko"
    theme: Annotated[str, field("테마", "Theme", choices=("dark", "light"), apply="now")] = "dark"
    up_colour: Annotated[str, field("상승 색", "Rising colour", choices=("red", "green"), apply="now")] = "red"
    font_px: Annotated[int, field("글자 크기", "Font size", unit="px", ge=10, le=20, apply="now")] = 13
    log_level: Annotated[str, field("로그 수준", "Log level", choices=("debug", "info", "warning", "error"))] = "info"


class Strategy(Group, frozen=True):
    name: Annotated[str, field("전략", "Strategy", apply="now", source="strategies")] = ""
    interval: Annotated[str, field("타임프레임", "Interval", choices=("1s", "1m"))] = "1s"
    betting: Annotated[
        float, field("종목당투자금 (0 = 시장 기본값)", "Amount per symbol (0 = market default)", unit="통화", ge=0, le=AMOUNT_MAX)
    ] = 0.0
    max_positions: Annotated[int, field("최대매수종목수", "Largest number of positions", ge=1, le=1000)] = 10
    stop_loss_pct: Annotated[float, field("손실중지 (0 = 없음)", "Loss stop (0 = none)", unit="%", ge=0, le=100)] = 0.0
    stop_gain_pct: Annotated[float, field("수익중지 (0 = 없음)", "Gain stop (0 = none)", unit="%", ge=0, le=1000)] = 0.0
    entry_levels: Annotated[int, field("매수시장가잔량범위", "Book levels an entry may use", ge=1, le=5)] = 3
    exit_levels: Annotated[int, field("매도시장가잔량범위", "Book levels an exit may use", ge=1, le=5)] = 5
    start_time: Annotated[str, field("전략시작시간", "Start of trading", pattern=CLOCK)] = ""
    end_time: Annotated[str, field("전략종료시간", "End of trading", pattern=CLOCK)] = ""


class MarketSettings(Group, frozen=True):
    venue: Annotated[str, field("거래소·증권사", "Venue", source="venues")] = ""
    symbols: Annotated[int, field("감시 종목 수", "Symbols watched", ge=1, le=300)] = 10
    strategy: Strategy = Strategy()


class Risk(Group, frozen=True):
    max_order_pct: Annotated[float, field("주문 한도 (자산 대비)", "Largest order (of equity)", unit="%", gt=0, le=100)] = 2.0
    max_order_krw: Annotated[float, field("주문 한도", "Largest order", unit="KRW", gt=0, le=AMOUNT_MAX)] = 5_000_000.0
    max_order_usdt: Annotated[float, field("주문 한도", "Largest order", unit="USDT", gt=0, le=AMOUNT_MAX)] = 3_000.0
    max_position_pct: Annotated[float, field("종목 한도 (자산 대비)", "Largest position (of equity)", unit="%", gt=0, le=100)] = 10.0
    max_gross_pct: Annotated[float, field("총 노출 한도", "Largest gross exposure", unit="%", gt=0, le=1000)] = 80.0
    max_open_orders: Annotated[int, field("미체결 한도", "Open orders", ge=1, le=200)] = 20
    orders_per_s: Annotated[float, field("초당 주문", "Orders a second", gt=0, le=1000)] = 5.0
    orders_per_min: Annotated[float, field("분당 주문", "Orders a minute", gt=0, le=60000)] = 200.0
    intents_per_s: Annotated[float, field("전략당 초당 신호", "Intents a second per strategy", gt=0, le=1000)] = 2.0
    intents_per_min: Annotated[float, field("전략당 분당 신호", "Intents a minute per strategy", gt=0, le=60000)] = 60.0
    entries_per_day: Annotated[int, field("하루 진입 수", "Entries a day", ge=1, le=1_000_000)] = 200
    collar_pct: Annotated[float, field("가격 범위 (0 = 시장 기본값)", "Price collar (0 = market default)", unit="%", ge=0, le=30)] = 0.0
    max_depth_pct: Annotated[float, field("호가잔량 대비 주문 한도", "Order of shown depth", unit="%", gt=0, le=100)] = 20.0
    day_loss_reduce_pct: Annotated[float, field("하루 손실: 진입 중지", "Day loss: entries stop", unit="%", gt=0, le=100)] = 2.0
    day_loss_halt_pct: Annotated[float, field("하루 손실: 중단", "Day loss: halt", unit="%", gt=0, le=100)] = 3.0
    rejects_per_min: Annotated[int, field("분당 거부: 중단", "Rejects a minute: halt", ge=1, le=10000)] = 10
    max_quote_age_s: Annotated[
        float, field("시세 최대 나이 (0 = 시장 기본값)", "Oldest quote (0 = market default)", unit="s", ge=0, le=60)
    ] = 0.0


class Data(Group, frozen=True):
    record: Annotated[bool, field("시세 저장", "Record market data")] = True
    sync_s: Annotated[float, field("디스크 동기화 간격", "Sync to disk every", unit="s", gt=0, le=60)] = 5.0
    segment_rows: Annotated[int, field("파일당 행", "Rows a segment", ge=10_000, le=10_000_000)] = 1_000_000


class Paper(Group, frozen=True):
    seed: Annotated[int, field("시장 시드 (0 = 임의)", "Market seed (0 = random)", ge=0, le=2**31 - 1)] = 0
    symbols: Annotated[int, field("가상 종목 수", "Made symbols", ge=1, le=100)] = 10
    speed: Annotated[float, field("가상 시장 속도", "Speed of the made market", unit="×", gt=0, le=1000)] = 1.0


class Processes(Group, frozen=True):
    heartbeat_ms: Annotated[int, field("심박 간격", "Heartbeat", unit="ms", ge=50, le=5000)] = 250
    missed_s: Annotated[float, field("응답 없음 판정", "Missed heartbeat after", unit="s", gt=0.5, le=60)] = 2.0
    restarts_per_10min: Annotated[int, field("10분 재시작 한도", "Restarts in ten minutes", ge=0, le=100_000)] = 3
    spare: Annotated[bool, field("빠른 재시작 준비", "Keep a spare process loaded")] = True
    unadopted_s: Annotated[float, field("모의 프로세스 대기", "Paper processes wait for a window", unit="s", gt=0.5, le=3600)] = 60.0
    compile_timeout_s: Annotated[int, field("컴파일 제한", "Compile limit", unit="s", ge=5, le=300)] = 30


class Research(Group, frozen=True):
    workers: Annotated[int, field("작업 스레드 (0 = 코어 수)", "Worker threads (0 = cores)", ge=0, le=256)] = 0
    memory_mb: Annotated[
        int, field("행 메모리 (0 = 남은 메모리의 절반)", "Memory for rows (0 = half of what is free)", unit="MB", ge=0, le=16_777_216)
    ] = 0
    population: Annotated[int, field("GA 개체 수", "GA population", ge=4, le=100_000)] = 100
    generations: Annotated[int, field("GA 세대 수", "GA generations", ge=1, le=100_000)] = 20
    seed: Annotated[int, field("난수 시드", "Random seed", ge=0, le=2**31 - 1)] = 1


class Verdict(Group, frozen=True):
    """What a result has to show before it may be believed, and how much work is put into asking (docs/research.md)."""

    min_trades: Annotated[int, field("최소 거래 수", "Fewest trades", ge=1, le=1_000_000, apply="now")] = 30
    min_days: Annotated[int, field("최소 일수", "Fewest days", unit="일", ge=2, le=10_000, apply="now")] = 20
    pbo_max: Annotated[float, field("과최적화 확률 한도", "Largest probability of over-fitting", ge=0, le=1, apply="now")] = 0.5
    dsr_min: Annotated[float, field("보정 샤프 확률 하한", "Least deflated Sharpe ratio", ge=0, le=1, apply="now")] = 0.95
    robustness_min: Annotated[float, field("이웃 견고성 하한", "Least robustness of neighbours", ge=0, le=1, apply="now")] = 0.5
    paths_min: Annotated[float, field("이익 경로 비율 하한", "Least share of profitable paths", ge=0, le=1, apply="now")] = 0.5
    efficiency_min: Annotated[float, field("전진분석 효율 하한", "Least walk-forward efficiency", ge=-10, le=10, apply="now")] = 0.5
    best_day_max: Annotated[float, field("최고일 이익 비중 한도", "Largest share of the best day", ge=0, le=1, apply="now")] = 0.5
    ruin_pct: Annotated[float, field("파산으로 보는 손실", "Loss that is ruin", unit="%", gt=0, le=100, apply="now")] = 30.0
    ruin_max: Annotated[float, field("파산 확률 한도", "Largest risk of ruin", ge=0, le=1, apply="now")] = 0.05
    sets: Annotated[int, field("날짜별로 다시 계산할 조합 수", "Sets evaluated by day", ge=16, le=100_000, apply="now")] = 256
    blocks: Annotated[int, field("CSCV 블록 수", "Blocks of CSCV", ge=4, le=18, apply="now")] = 16
    groups: Annotated[int, field("조합 교차검증 묶음 수", "Groups of combinatorial validation", ge=3, le=12, apply="now")] = 6
    embargo_days: Annotated[int, field("엠바고", "Embargo", unit="일", ge=0, le=60, apply="now")] = 1
    shuffles: Annotated[int, field("거래 순서 섞기 횟수", "Shuffles of the trades", ge=100, le=100_000, apply="now")] = 1_000
    resamples: Annotated[int, field("날짜 재표본 횟수", "Resamples of the days", ge=100, le=1_000_000, apply="now")] = 10_000
    random_sets: Annotated[int, field("무작위 이웃 수", "Random neighbours", ge=0, le=10_000, apply="now")] = 200
    band_pct: Annotated[float, field("무작위 이웃 범위", "Band of the random neighbours", unit="%", gt=0, le=90, apply="now")] = 20.0


class Settings(Group, frozen=True):
    """The whole of `settings.json`."""

    version: int = SETTINGS_VERSION
    general: General = General()
    upbit: MarketSettings = MarketSettings(venue="upbit")
    binance: MarketSettings = MarketSettings(venue="binance")
    binance_futures: MarketSettings = MarketSettings(venue="binance-futures")
    krx: MarketSettings = MarketSettings(venue="kis")
    risk: Risk = Risk()
    data: Data = Data()
    paper: Paper = Paper()
    processes: Processes = Processes()
    research: Research = Research()
    verdict: Verdict = Verdict()

    def market(self, code: str) -> MarketSettings:
        """Return the settings of a market by its code."""
        group: MarketSettings = getattr(self, code.replace("-", "_"))
        return group
