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

from cli.main import add_common
from domain.errors import InputError
from domain.process_config import ExchangeOptions
from trading.venues import VENUES
from utility.paths import DataDir


def add_parsers(subparsers: Any) -> None:
    """Add the `exchange` command."""
    parser = subparsers.add_parser("exchange", help="the paper exchange alone; `exchange truth` prints its own record")
    parser.add_argument("action", nargs="?", choices=("serve", "truth"), default="serve")
    parser.add_argument("--venue", choices=sorted(VENUES), default=next(iter(VENUES)))
    parser.add_argument("--port", type=_port, default=0, help="0 = chosen by the system")
    parser.add_argument(
        "--replay", metavar="PATH", default=None, help="recorded files or a folder of them, or a source of the store (recorded, made, runN)"
    )
    parser.add_argument("--speed", type=_speed, default=1.0, help="N, or max")
    parser.add_argument("--faults", metavar="FILE", default=None, help="JSON list of fault rules")
    parser.add_argument("--seed", type=int, default=0, help="of the made market; 0 = random")
    parser.add_argument("--symbols", type=int, default=10, help="made instruments")
    parser.add_argument("--key", default="", help=argparse.SUPPRESS)
    parser.add_argument("--secret", default="", help=argparse.SUPPRESS)
    parser.add_argument("--run", type=int, default=0, dest="run_number", help="of `truth`: number of the run (default: the newest)")
    add_common(parser)
    parser.set_defaults(run=run, show=_show)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError("0 to 65535")
    return port


def _speed(text: str) -> float:
    if text == "max":
        return 0.0
    speed = float(text)
    if not 0.0 < speed <= 100_000.0:
        raise argparse.ArgumentTypeError("a number above 0, or max")
    return speed


def run(args: argparse.Namespace) -> dict[str, Any] | int:
    """Serve until interrupted, or print the truth record."""
    data = DataDir(args.data_dir)
    if args.action == "truth":
        return _truth(data, args)
    if not 1 <= args.symbols <= 100:
        raise InputError("exchange.symbols", value=args.symbols, least=1, most=100)
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
