"""An independent reference of the backtest: plain Python, written from the specification alone.

Nothing here imports the engine, the language, the matching or the sizing of the product, and whoever works on it reads the
specification, never those. A difference is a question to the specification, not a reason to copy.
"""
