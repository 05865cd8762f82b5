"""Search the numbers of a strategy with a genetic algorithm; the same seed finds the same numbers.

python examples/genetic_search.py
"""

from common import data_dir, stom

RANGES = """
# self.vars[i] = [[the values that are tried], the one it starts from]
self.vars[0] = [[5, 10, 20, 30], 10]
self.vars[1] = [[1.5, 2, 3, 4, 6], 3]
self.vars[3] = [[0.3, 0.6, 1.0, 1.5], 1.0]
self.vars[4] = [[-0.3, -0.6, -1.0], -0.6]
self.vars[5] = [[30, 60, 120, 240], 120]
"""

with data_dir() as data:
    stom(data, "data", "make", "--market", "binance", "--symbols", "5", "--hours", "0.25", "--seed", "7")
    ranges = data / "ranges.txt"
    ranges.write_text(RANGES, "utf-8")
    job = ["--market", "binance", "--strategy", "데모_돌파", "--ranges", str(ranges), "--objective", "TG"]
    found = stom(data, "optimise", *job, "--method", "ga", "--population", "40", "--generations", "5", "--seed", "1")
    best = found["best"]
    print(f"study {found['study']}: {found['evaluations']} sets, {found['row_evaluations_per_second']:,.0f} row evaluations a second")
    print(f"best score {best['score']:,.2f} with self.vars = {best['vars']}")
