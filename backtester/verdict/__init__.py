"""How far a result may be believed: splits, statistics, stress, and one plain sentence (docs/research.md).

A position never crosses a day's cut (architecture 3.4), so the trades of a parameter set on some days are the
same whether the other days are run beside them or not. Everything here leans on that: a set is evaluated
once over all days, and every split, fold, path and resampling is a choice of its days.
"""
