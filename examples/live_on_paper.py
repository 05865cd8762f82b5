"""Write two rules, let them trade a made market for half a minute through all processes, then read the ledger.

python examples/live_on_paper.py
"""

from common import data_dir, stom

BUY = """매수 = False
if 초당매수금액 > 초당매도금액 > 0:
    매수 = True
"""
SELL = """if 보유시간 >= self.vars[1]:
    매도 = True
"""

with data_dir() as data:
    (data / "buy.txt").write_text(BUY, "utf-8")
    (data / "sell.txt").write_text(SELL, "utf-8")
    rules = ["--buy", str(data / "buy.txt"), "--sell", str(data / "sell.txt"), "--set", "0=2", "--set", "1=3"]
    run = stom(data, "live", "--market", "upbit", *rules, "--duration", "30s", "--seed", "8")
    print(f"{run['ticks']:,} events, {run['rows']} rows, {run['signals']} signals, {run['orders']} orders, {run['fills']} fills")
    print(f"from a frame's last byte to the order's first: p50 {run['latency_us']['p50']:,.0f} µs; unexplained: {run['unexplained']}")
    for fill in stom(data, "fills")["fills"]:
        side = "bought" if fill["side"] > 0 else "sold"
        print(f"  {side} {fill['instrument_id']} at {fill['price']}, fee {fill['fee']} {fill['fee_asset']}")
    for one in stom(data, "positions")["positions"]:
        print(f"  held: {one['instrument_id']} {one['qty']} at {one['entry_price']}")
    print("the ledger agrees with itself:", stom(data, "verify")["ok"])
    if not run["fills"]:
        raise SystemExit("nothing was filled in half a minute")
