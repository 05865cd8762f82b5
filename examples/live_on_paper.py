"""Let a strategy trade a made market for twenty seconds through all processes, then read the ledger.

python examples/live_on_paper.py
"""

from common import data_dir, stom

with data_dir() as data:
    run = stom(data, "live", "--market", "upbit", "--strategy", "데모_돌파", "--duration", "20s", "--seed", "8")
    print(f"{run['ticks']:,} events, {run['rows']} rows, {run['signals']} signals, {run['orders']} orders, {run['fills']} fills")
    print(f"from a frame's last byte to the order's first: p50 {run['latency_us']['p50']:,.0f} µs; unexplained: {run['unexplained']}")
    for fill in stom(data, "fills")["fills"]:
        side = "bought" if fill["side"] > 0 else "sold"
        print(f"  {side} {fill['instrument_id']} at {fill['price']}, fee {fill['fee']} {fill['fee_asset']}")
    for one in stom(data, "positions")["positions"]:
        print(f"  held: {one['instrument_id']} {one['qty']} at {one['entry_price']}")
    print("the ledger agrees with itself:", stom(data, "verify")["ok"])
