"""The memory of the row builder: one record per instrument, the order of a row's values, the counters.

Everything is a flat numpy array, so that the compiled machine of `trading/row_machine.py` can be handed
all of it in one call and nothing is hidden from it.
"""

from __future__ import annotations

import numpy as np

from domain.records import RowSchema

STATE_DTYPE = np.dtype(
    [
        # session
        ("day", "<i8"),  # days since 1970 on the market's clock; −1 before the first event
        ("day_label", "<i8"),  # YYYYMMDD
        ("first_ns", "<i8"),  # venue clock of the session's first event
        ("traded", "<i8"),
        ("row_second", "<i8"),  # second of the last emitted row
        ("minute", "<i8"),  # open minute; −1 none
        ("bar_traded", "<i8"),
        ("gap", "<i8"),  # a gap since the last row
        ("gaps", "<i8"),
        ("had_book", "<i8"),
        # trades
        ("last_trade_id", "<i8"),
        ("last_trade_ns", "<i8"),
        ("max_trade_ns", "<i8"),
        ("single", "<i8"),  # single trades were seen: aggregates are ignored
        ("last_side", "<i8"),
        ("buy_qty", "<i8"),  # units of 1e-8, this session
        ("sell_qty", "<i8"),
        ("bar_buy_qty", "<i8"),
        ("bar_sell_qty", "<i8"),
        # book
        ("max_book_ns", "<i8"),
        ("book_ns", "<i8"),  # of the last row event (rule 9)
        ("valid", "<i8"),
        ("last_u", "<i8"),
        ("joined", "<i8"),  # a chained delta has joined the snapshot
        ("mode", "<i8"),  # what is being done with the current message
        ("drop_why", "<i8"),  # counter of a message that is dropped
        ("n_ask", "<i8"),
        ("n_bid", "<i8"),
        ("has_total", "<i8"),
        ("corrected", "<i8"),  # the last row's book was corrected and no book event came since
        # universe
        ("in_universe", "<i8"),
        ("code_rank", "<i8"),
        # prices and money; amounts are unrounded running sums in quote currency
        ("price_step", "<f8"),
        ("last_price", "<f8"),
        ("before_price", "<f8"),  # last trade price before the session
        ("tick_price", "<f8"),  # previous trade's price, for the tick rule
        ("day_open", "<f8"),
        ("day_high", "<f8"),
        ("day_low", "<f8"),
        ("reference", "<f8"),
        ("coming_close", "<f8"),  # previous close of a session that has not begun
        ("coming_day", "<i8"),
        ("bar_open", "<f8"),
        ("bar_high", "<f8"),
        ("bar_low", "<f8"),
        ("amount", "<f8"),
        ("row_value", "<f8"),  # rounded 당일거래대금 of the last row
        ("bar_buy_amount", "<f8"),
        ("bar_sell_amount", "<f8"),
        ("buy_amount", "<f8"),
        ("sell_amount", "<f8"),
        ("peak_buy", "<f8"),
        ("peak_buy_price", "<f8"),
        ("peak_sell", "<f8"),
        ("peak_sell_price", "<f8"),
        ("ask_total", "<f8"),
        ("bid_total", "<f8"),
        # the venue's own day, where a run began in the middle of it (trading/row_day.py)
        ("day_known", "<i8"),  # rows may leave: the session is whole, or the venue told what came before
        ("told_day", "<i8"),  # of the figures below; −1 none
        ("told_ns", "<i8"),  # clock and id (0 = not told) of the last trade in them
        ("told_id", "<i8"),
        ("told_open", "<f8"),  # 0 = nothing traded
        ("told_high", "<f8"),
        ("told_low", "<f8"),
        ("told_value", "<f8"),
        ("seeded", "<f8"),  # of `amount`: what came from the venue's figures and not from trades
        # facts of a stock; 0 = not known
        ("listed_shares", "<f8"),
        ("prev_day_volume", "<f8"),
        ("prev_day_value", "<f8"),
    ]
)

PEAK_DTYPE = np.dtype([("price", "<f8"), ("amount", "<f8"), ("owner", "<i4"), ("day", "<i4")])
"""A slot of the table behind 최고매수가격: `owner` = 2·instrument + side, −1 empty."""

SLOTS = (
    "last_price",
    "day_open",
    "day_high",
    "day_low",
    "change_pct",
    "day_value",
    "trade_strength",
    "value_change_prev_day",
    "volume_ratio_prev_day",
    "turnover_rate",
    "volume_ratio_same_time",
    "market_cap",
    "near_round_figure",
    "buy_volume",
    "sell_volume",
    "vi_release_time",
    "vi_price",
    "vi_tick_size",
    "bar_open",
    "bar_high",
    "bar_low",
    "value",
    "mid_range_change_pct",
    "ask_total_size",
    "bid_total_size",
    "ask1",
    "ask2",
    "ask3",
    "ask4",
    "ask5",
    "bid1",
    "bid2",
    "bid3",
    "bid4",
    "bid5",
    "ask_size1",
    "ask_size2",
    "ask_size3",
    "ask_size4",
    "ask_size5",
    "bid_size1",
    "bid_size2",
    "bid_size3",
    "bid_size4",
    "bid_size5",
    "book5_size",
    "in_universe",
    "range_pct",
    "buy_value",
    "sell_value",
    "day_buy_value",
    "peak_buy_value",
    "peak_buy_price",
    "day_sell_value",
    "peak_sell_value",
    "peak_sell_price",
    "net_buy_value",
)
"""Names of the values the machine computes, without the interval's ending; a column takes the one it is named after."""

(
    S_LAST,
    S_OPEN,
    S_HIGH,
    S_LOW,
    S_CHANGE,
    S_DAY_VALUE,
    S_STRENGTH,
    S_VALUE_CHANGE,
    S_VOLUME_RATIO,
    S_TURNOVER,
    S_SAME_TIME,
    S_MARKET_CAP,
    S_ROUND,
    S_BUY_VOLUME,
    S_SELL_VOLUME,
    S_VI_TIME,
    S_VI_PRICE,
    S_VI_STEP,
    S_BAR_OPEN,
    S_BAR_HIGH,
    S_BAR_LOW,
    S_VALUE,
    S_MID_RANGE,
    S_ASK_TOTAL,
    S_BID_TOTAL,
    S_ASK,
) = range(26)
S_BID, S_ASK_SIZE, S_BID_SIZE, S_BOOK5 = S_ASK + 5, S_ASK + 10, S_ASK + 15, S_ASK + 20
(
    S_UNIVERSE,
    S_RANGE,
    S_BUY_VALUE,
    S_SELL_VALUE,
    S_DAY_BUY,
    S_PEAK_BUY,
    S_PEAK_BUY_PRICE,
    S_DAY_SELL,
    S_PEAK_SELL,
    S_PEAK_SELL_PRICE,
    S_NET_BUY,
) = range(S_BOOK5 + 1, S_BOOK5 + 12)
assert (len(SLOTS), SLOTS[S_ASK], SLOTS[S_UNIVERSE]) == (S_NET_BUY + 1, "ask1", "in_universe")

# integer configuration and running numbers, one array
(
    C_INTERVAL,
    C_OFFSET_S,
    C_STOCK,
    C_UNIVERSE,
    C_TOTAL_LEVELS,
    C_PENDING,
    C_PEAKS,
    C_LIST_NS,
    C_LIST_DAY,
    C_SEQ,
    C_AWAIT_DAY,
    C_COUNTERS,
) = range(12)

COUNTERS = (
    "events",
    "trades",
    "book_events",
    "rows",
    "duplicates",
    "gaps",
    "aggregate_ignored",
    "old_updates",
    "rejected_price",
    "rejected_qty",
    "rejected_off_step",
    "rejected_unknown_instrument",
    "rejected_time_back",
    "rejected_old_day",
    "rejected_malformed",
)
(
    N_EVENTS,
    N_TRADES,
    N_BOOKS,
    N_ROWS,
    N_DUPLICATES,
    N_GAPS,
    N_AGGREGATE,
    N_OLD,
    N_PRICE,
    N_QTY,
    N_OFF_STEP,
    N_UNKNOWN,
    N_BACK,
    N_OLD_DAY,
    N_MALFORMED,
) = range(C_COUNTERS, C_COUNTERS + len(COUNTERS))
C_SIZE = C_COUNTERS + len(COUNTERS)

# what the machine may stop for
DONE, MORE_ROWS, MORE_LEVELS, MORE_PENDING, MORE_PEAKS = range(5)

PENDING_LIMIT = 1 << 20
"""Records of deltas kept while their books wait for a snapshot; beyond it the oldest books' deltas go."""


def column_map(schema: RowSchema) -> np.ndarray:
    """Return per column of `schema` the slot that holds its value, int64."""
    where = {name: i for i, name in enumerate(SLOTS)}
    return np.array([where[key.removesuffix("_1s").removesuffix("_1m")] for key in schema.keys], np.int64)


def empty_state(count: int) -> np.ndarray:
    """Return fresh records for `count` instruments."""
    state = np.zeros(count, STATE_DTYPE)
    for name in ("day", "minute", "row_second", "coming_day", "told_day"):
        state[name] = -1
    state["in_universe"] = 1
    return state
