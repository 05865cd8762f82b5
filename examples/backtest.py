"""Make a quarter of an hour of Upbit data and back-test a strategy of the library on it.

python examples/backtest.py
"""

from common import data_dir, stom

with data_dir() as data:
    made = stom(data, "data", "make", "--market", "upbit", "--symbols", "5", "--hours", "0.25", "--seed", "7")
    print(f"made {made['rows_1s']:,} one-second rows of {', '.join(made['symbols'])}")

    found = stom(data, "backtest", "--market", "upbit", "--strategy", "데모_돌파", "--betting", "1000000")
    print(f"{found['trades']} trades in {found['engine_seconds'] * 1e3:.2f} ms of compiled loop, {found['rows']:,} rows")
    for name in ("거래횟수", "승률", "평균수익률", "수익률합계", "수익금합계"):
        print(f"  {name}: {found['metrics'][name]:,}")
    print(f"hash of the trades: {found['trades_sha256']}")
