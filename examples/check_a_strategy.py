"""Check the text of a strategy and read what is wrong with it, in Korean and in English.

python examples/check_a_strategy.py
"""

from common import data_dir, stom

GOOD = """if 등락율 > 1 and 체결강도 > 체결강도평균(30):
    매수 = True
"""
BAD = """import os
if 등락률 > 1 and trade_strength > 체결강도평균(30, 1, 2):
    매수 = True
"""

with data_dir() as data:
    for name, text in (("good", GOOD), ("bad", BAD)):
        file = data / f"{name}.txt"
        file.write_text(text, "utf-8")
        for language in ("ko", "en"):
            found = stom(data, "strategy", "check", str(file), "--side", "buy", "--market", "upbit", "--lang", language, statuses=(0, 2))
            if found["ok"]:
                print(f"{name} [{language}]: ok, reads {', '.join(found['names'])}, looks back {found['lookback']} rows")
            for error in found["errors"]:
                print(f"{name} [{language}] line {error['line']}, column {error['column']}: {error['message']}")
                if error["hint"]:
                    print(f"    {error['hint']}")
