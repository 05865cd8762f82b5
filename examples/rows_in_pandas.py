"""Read stored rows as memory-mapped columns, and put what is wanted into a pandas frame.

python examples/rows_in_pandas.py
"""

from common import data_dir, stom

# isort: split
import pandas as pd

from storage.columns import open_rows
from storage.ticks import TickStore

with data_dir() as data:
    stom(data, "data", "make", "--market", "upbit", "--symbols", "3", "--hours", "0.2", "--seed", "7")
    rows = open_rows(TickStore(data), "upbit", 1, source="made", keys=("last_price", "value_1s", "trade_strength", "ask1", "bid1"))
    frames = []
    for block in rows.blocks:  # one symbol's day each
        part = slice(block["lo"], block["hi"])
        frame = pd.DataFrame({key: column[part] for key, column in rows.columns.items()})
        frame.insert(0, "code", rows.codes[block["symbol"]])
        frame.insert(1, "time", pd.to_datetime(rows.row_time[part].astype(str), format="%Y%m%d%H%M%S"))
        frames.append(frame)
    table = pd.concat(frames, ignore_index=True)
    print(table.tail(3).to_string(index=False))
    table["spread_bp"] = (table["ask1"] - table["bid1"]) / table["last_price"] * 1e4
    print(table.groupby("code")[["spread_bp", "value_1s", "trade_strength"]].mean().round(2).to_string())
