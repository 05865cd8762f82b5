"""The book that a run fills against: the recorded one, or one that a setting made worse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backtester.pointer import endless
from backtester.slippage import LEVELS, endless_book, worse_book
from backtester.slippage_models import SPREAD, model_book, model_of
from domain.errors import InputError
from domain.instruments import Market

if TYPE_CHECKING:
    from backtester.options import Options

Book = tuple[NDArray[np.float64], ...]
FILLS = ("sweep", "best", "queue", "partial", "last")
"""Ways in which orders of a run fill; with `queue` market orders sweep."""


def is_moved(options: Options) -> bool:
    """Tell whether the settings move the book; then 현재가, where fills are at it, is a level of the moved book, too."""
    return bool(options.slippage or options.slippage_model)


def check_fill(options: Options) -> None:
    """See to it that the way of filling has what it needs.

    Raises
    ------
    InputError
        ``backtest.slippage_no_book``: a share of the spread where fills are at 현재가;
        ``backtest.queue_orders``: a queue without limit orders;
        ``backtest.level_share``, ``backtest.level_share_without``: a share out of its bounds, or without partial fills.
    """
    if options.slippage_model and model_of(options.slippage_model).kind == SPREAD and options.fill == "last":
        raise InputError("backtest.slippage_no_book", text=options.slippage_model)
    if options.fill == "queue" and (options.orders is None or "limit" not in (options.orders.entry.order, options.orders.exit.order)):
        raise InputError("backtest.queue_orders")
    if options.fill != "partial" and options.level_share:
        raise InputError("backtest.level_share_without")
    if options.fill == "partial" and not 0.0 < options.level_share <= 1.0:
        raise InputError("backtest.level_share", value=options.level_share)


def levels(options: Options) -> tuple[int, int]:
    """Return the levels that an entry and an exit of the plain loop may use."""
    return (1, 1) if options.fill == "best" else (options.entry_levels, options.exit_levels)


def best_book(book: Book) -> Book:
    """Return a book whose first level holds any quantity on both sides; what a rule reads of the book stays the recorded one.

    A side without a price fills nothing, as in a sweep. The fifth sizes stay, because they tell auctions.
    """
    out = list(book)
    for first in (0, 2 * LEVELS):
        out[first + LEVELS] = endless(len(book[first]))
    return tuple(out)


def moved_book(
    book: Book,
    last: NDArray[np.float64],
    rows: Any,
    blocks: NDArray[np.int64],
    symbols: NDArray[np.int64],
    days: NDArray[np.int64],
    steps: NDArray[np.float64],
    market: Market,
    options: Options,
) -> Book:
    """Return the twenty columns of the book as the settings want it; the book itself where they want nothing.

    Parameters
    ----------
    rows : RowSet
        Read where a model of slippage is set.
    blocks : ndarray of int64
        First row and row after the last of spans within a day, then other fields.
    symbols, days, steps : ndarray
        Symbol, day YYYYMMDD and own price step of each span.
    """
    book = best_book(book) if options.fill == "best" else book
    if not is_moved(options):
        return book
    book, depth = (endless_book(book, last), 1) if options.fill == "last" else (book, LEVELS)
    if options.slippage_model:
        model = model_of(options.slippage_model)
        book = model_book(book, rows, blocks, symbols, days, model, options.betting, market.value_unit, depth)
    if options.slippage:
        book = worse_book(book, blocks, days, steps, market, options.slippage, depth)
    return book
