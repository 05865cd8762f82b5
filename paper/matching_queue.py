"""Queue position of a resting order against a flow that does not know of it; `advance` of trading/fills/queue.py eats the queue.

Assumptions, stated once (docs/venues/paper.md repeats them for users):

1. On arrival everything displayed at our price stands before us. A touch of our price is no fill.
2. A trade at our price against our side eats the queue first; what is left of it fills us.
3. A trade beyond our price (a seller who went through our bid) reached us first: it fills us up to
   its own quantity, and nothing stands before us afterwards.
4. When a level shrinks by more than traded there since its last statement, the rest was cancelled,
   in proportion before and behind us: `ahead` shrinks by the same factor as the level.
5. Should the trade behind such a shrinkage arrive after the book message, the part of it that was
   taken for cancels from before us is not counted again.
6. Growth of a level stands behind us. `ahead` is never more than what the level displays.
7. When the other side's quotes come to or through our price, whoever shows them would have met us:
   they fill us up to their size, each statement of a level once.

Quantities are int, units of 1e-8.
"""

from __future__ import annotations


class QueueLevel:
    """One price level of one side, as far as queues need it: what traded, what shrank unexplained."""

    __slots__ = ("cancelled", "size", "traded")

    def __init__(self, size: int) -> None:
        self.size = size
        self.traded = 0
        self.cancelled = 0
        """Shrinkage of the last statement that no trade explained yet."""

    def restate(self, size: int) -> float:
        """Note the level's new size; return the factor by which every queue in it shrinks."""
        standing = self.size - self.traded
        self.traded = 0
        self.cancelled = 0
        self.size = size
        if standing <= 0 or size >= standing:
            return 1.0
        self.cancelled = standing - size
        return size / standing

    def trade(self, qty: int) -> int:
        """Note a trade at the level; return how much of it comes off the queues now."""
        late = min(qty, self.cancelled)
        self.cancelled -= late
        fresh = qty - late
        self.traded += fresh
        return fresh
