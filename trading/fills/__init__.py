"""Fill models: each file one model, its assumptions in its docstring and in docs/fill-models.md.

The book sweep of a market order is `trading/matching.py`, a worse book by price steps `backtester/slippage.py`, a
delay by rows the engine's own. Everything here is a compiled pure function, so that any loop may ask it.
"""
