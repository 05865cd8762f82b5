"""Trade on the paper exchange with pyupbit, which believes that it talks to Upbit.

The paper exchange speaks Upbit's own protocol, so a client library works as it is: only the address
changes. Nothing here leaves this machine.

python examples/pyupbit_on_paper.py
"""

import json
import signal
import subprocess
import sys
import time

from common import ROOT, data_dir


class Redirected:
    """The module `requests` as pyupbit sees it, with another address."""

    def __init__(self, rest: str) -> None:
        import requests

        self.rest, self.session = rest, requests.Session()
        self.session.trust_env = False

    def __getattr__(self, method: str):
        return lambda url, **more: getattr(self.session, method)(url.replace("https://api.upbit.com/v1", self.rest), timeout=10, **more)


def main(data) -> None:
    command = [
        sys.executable,
        str(ROOT / "stom.py"),
        "exchange",
        "--venue",
        "upbit",
        "--symbols",
        "3",
        "--seed",
        "7",
        "--data-dir",
        str(data),
    ]
    exchange = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        first = json.loads(exchange.stdout.readline())  # addresses and the keys of a paper account
        import pyupbit
        from pyupbit import request_api

        request_api.requests = Redirected(first["rest"])
        client = pyupbit.Upbit(first["key"], first["secret"])
        print("KRW-BTC:", f"{pyupbit.get_current_price('KRW-BTC'):,.0f}", "· cash:", f"{client.get_balance('KRW'):,.0f} KRW")
        order = client.buy_market_order("KRW-BTC", 1_000_000)
        for _ in range(50):
            state = client.get_order(order["uuid"])
            if state["state"] != "wait":
                break
            time.sleep(0.1)
        print("bought:", state["executed_volume"], "BTC, fee", state["paid_fee"], "KRW, state", state["state"])
        print("held:", client.get_balance("KRW-BTC"), "BTC · cash:", f"{client.get_balance('KRW'):,.0f} KRW")
    finally:
        exchange.send_signal(signal.SIGINT)
        exchange.wait(10)


with data_dir() as data:
    main(data)
