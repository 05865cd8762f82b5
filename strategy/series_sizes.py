"""Numbers that the series and the table of them share; apart, because the table is read where Numba is not loaded."""

SMA, EMA, WMA, DEMA, TEMA, TRIMA, KAMA, MAMA, T3 = range(9)
AVERAGES = (SMA, EMA, WMA, DEMA, TEMA, TRIMA, KAMA, T3)
"""TA-Lib's kinds of average that are built; MAMA (7) and the later ones are not."""
SPARE = 6
"""Rows of `extremes` that the widest average keeps for itself."""
QUEUE = 3
"""Rows that a monotonic queue (`oscillators.best_row`) takes."""
SPREAD_ROWS = 5
"""Rows of `runs.fill_spread`: two for each sum, one for the length of the run of equal values."""
