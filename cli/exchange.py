"""`stom.py exchange`: the paper exchange alone, and its own record of the truth."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

from cli.parser import add_common
from cli.values import SEED_MAX, speed, whole
from domain.errors import InputError
from domain.process_config import ExchangeOptions
from trading.venues import VENUES
from utility.paths import DataDir


def add_parsers(subparsers: Any) -> None:
    """Add the `exchange` command."""
    parser = subparsers.add_parser("exchange")
    parser.add_argument("action", nargs="?", choices=("serve", "truth"), default="serve")
    parser.add_argument("--venue", choices=sorted(VENUES), default=next(iter(VENUES)))
    parser.add_argument("--port", type=whole(0, 65_535), default=0)
    parser.add_argument("--replay", metavar="PATH", default=None)
    parser.add_argument("--speed", type=speed, default=1.0)
    parser.add_argument("--faults", metavar="FILE", default=None)
    parser.add_argument("--seed", type=whole(0, SEED_MAX), default=0)
    parser.add_argument("--symbols", type=whole(1, 100), default=10)
    parser.add_argument("--key", default="", help=argparse.SUPPRESS)
    parser.add_argument("--secret", default="", help=argparse.SUPPRESS)
    parser.add_argument("--run", type=whole(0, 10**9), default=0, dest="run_number")
    add_common(parser)
    parser.set_defaults(run=run, show=_show)


def run(args: argparse.Namespace) -> dict[str, Any] | int:
    """Serve until interrupted, or print the truth record."""
    data = DataDir(args.data_dir)
    if args.action == "truth":
        return _truth(data, args)
    return asyncio.run(_serve(data, args))


def _truth(data: DataDir, args: argparse.Namespace) -> dict[str, Any]:
    from paper.truth import read_truth, summarise

    number = args.run_number
    if not number:
        found = [int(path.parent.name) for path in data.exchange.glob("*/*/truth.jsonl") if path.parent.name.isdigit()]
        if not found:
            raise InputError("exchange.no_truth", path=str(data.exchange))
        number = max(found)
    paths = sorted(data.exchange.glob(f"*/{number}/truth.jsonl"))
    if not paths:
        raise InputError("exchange.no_truth", path=str(data.exchange / "*" / str(number)))
    path = data.truth(args.venue, number)
    if path not in paths:
        path = paths[0]
    return {"run": number, "path": str(path), **summarise(read_truth(path))}


def _show(args: argparse.Namespace, result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"run {result['run']} · {result['path']}")
    table = Table("#", "client id", "code", "side", "qty", "filled", "status", "reason")
    for order in result["orders"]:
        side = "BUY" if order["side"] > 0 else "SELL"
        words = (order["client_id"], order["code"], side, order["qty"], order.get("cum_qty", "0"), order["status"], order.get("reason", ""))
        table.add_row(str(order["number"]), *words)
    console.print(table)
    console.print(f"fills {len(result['fills'])} · refused {len(result['refused'])}")
    for asset, amounts in sorted(result["balances"].items()):
        console.print(f"{asset}: {amounts['free']} + {amounts['locked']}")


async def _serve(data: DataDir, args: argparse.Namespace) -> int:
    from paper.assembly import PREROLL_NS, House, made_market, open_recording
    from paper.faults import read_rules
    from paper.pace import run_made, run_recording
    from trading.venues import market, venue

    rules = read_rules(Path(args.faults)) if args.faults else []
    rulebook = market(venue(args.venue).market)
    number = data.new_run()
    options = ExchangeOptions(
        port=args.port,
        key=args.key,
        secret=args.secret,
        symbols=args.symbols,
        seed=args.seed,
        speed=args.speed,
        faults=tuple(msgspec.to_builtins(rule) for rule in rules),
        truth_path=str(data.truth(args.venue, number)),
    )
    recording = open_recording(rulebook, data, args.replay) if args.replay else None
    made = made_market(rulebook, options) if recording is None else None
    source = made if made is not None else recording
    assert source is not None
    house = House(args.venue, source.instruments, options)
    port = await house.server.start(args.port)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(name, stop.set)

    def announce() -> None:
        _announce(house, port, number, {"seed": made.seed} if made is not None else {"replay": args.replay})

    if made is not None:
        work = asyncio.create_task(run_made(house.server, made, args.speed or 1.0, PREROLL_NS, announce))
    else:
        assert recording is not None
        announce()
        work = asyncio.create_task(run_recording(house.server, recording, args.speed))
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if work.done() and not work.cancelled():
        work.result()  # a recording has ended: stay, so that what happened can still be asked
        if not args.quiet:
            sys.stderr.write("replay over\n")
        await waiting
    for task in (work, waiting):
        task.cancel()
    await house.server.close()
    house.core.truth.close()
    return 0


def _announce(house: Any, port: int, number: int, more: dict[str, Any]) -> None:
    """Print the first line: where it is, and the keys of the paper account."""
    addresses = house.addresses(port)
    line = {
        "rest": addresses["rest"],
        "websocket": {"public": addresses["ws_public"], "private": addresses["ws_private"]},
        "key": house.key,
        "secret": house.secret,
        "control": f"http://127.0.0.1:{port}/_paper/",
        "control_token": house.token,
        "venue": house.venue.code,
        "run": number,
        "symbols": [instrument.code for instrument in house.core.instruments],
        **more,
    }
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()
