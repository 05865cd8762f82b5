"""A Ray cluster of two nodes on this machine, one of them killed in mid-study: the study must end as a local one does.

python -m tools.rigs.ray_cluster [--data DIR] [--trials 12000] [--blind] [--shards 0] [--contract]

Needs the extra: an environment with requirements/lock.txt and requirements/ray.txt. Starts two raylets (one core each) on
this machine, runs one study on local threads and the same on the cluster, kills the second node once a quarter of the sets is
there, and compares best set, score, figures, trials and the trades' hash. ``--contract`` also leads the executors' contract past
the cluster. Prints one JSON object; the exit status is 1 where anything differs. Kept out of `make test`: Ray is an extra.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tools import environment  # noqa: E402

environment.prepare()
os.environ["PYTHONPATH"] = str(ROOT)  # of the workers that the raylets start
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


from backtester.executors import LocalExecutor  # noqa: E402
from backtester.executors.nodes import NodesExecutor  # noqa: E402
from backtester.executors.ray_cluster import FOLDER_VARIABLE, RayCluster  # noqa: E402
from backtester.job import load, run_one  # noqa: E402
from tests.contract import executor_kit as kit  # noqa: E402
from tests.research_cli import make_data  # noqa: E402
from utility.paths import DataDir  # noqa: E402

STORE_BYTES = 300 * 2**20


def start_cluster(nodes: int) -> tuple[Any, list[Any]]:
    """Return a cluster of raylets with one core each, and the nodes past the head."""
    from ray.cluster_utils import Cluster

    common = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={**common, "include_dashboard": False})
    return cluster, [cluster.add_node(**common) for _ in range(nodes - 1)]


def study(executor: Any, rig: kit.Rig, folder: Path, trials: int, at: int, then: Any) -> dict[str, Any]:
    """Run a random search and its best set; call `then` once `at` sets are there."""
    loaded = load(rig.loaded.job, DataDir(rig.root), executor)
    options = {"trials": trials, "seed": 7}
    search, store, name = kit.search_of(loaded, folder, "random", options, kit.WIDE)
    done = []

    def watch(progress: Any) -> None:
        if progress.done >= at and not done:
            done.append(progress.done)
            then()

    started = time.perf_counter()
    outcome = search.run(lambda: False, watch)
    seconds = time.perf_counter() - started
    kept = store.trials(name)
    digest = hashlib.sha256(kept.vectors.tobytes() + kept.scores.tobytes() + kept.metrics.tobytes()).hexdigest()
    return {
        "state": outcome.state,
        "sets": outcome.evaluations,
        "best_number": outcome.best_number,
        "best_score": outcome.best_score,
        "best_vars": outcome.best_vector.tolist(),
        "trials_sha256": digest,
        "trades_sha256": run_one(loaded, outcome.best_vector).sha256,
        "seconds": seconds,
        "killed_after_sets": done[0] if done else None,
    }


def overhead(executor: Any, rig: kit.Rig) -> dict[str, float]:
    """Return what a question costs beyond its work: milliseconds for one set, with figures and with trades."""
    ground, one = kit.ground_of(rig.loaded), rig.vectors[:1]
    out = {}
    for name, trades in (("figures_ms", False), ("trades_ms", True)):
        times = []
        for _ in range(30):
            started = time.perf_counter()
            executor.evaluate(ground, one, trades)
            times.append(time.perf_counter() - started)
        out[name] = statistics.median(times) * 1e3
    return out


def main() -> int:
    """Measure, compare and print; 1 when the cluster says anything else than the threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=12_000)
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--shards", type=int, default=0)
    parser.add_argument("--blind", action="store_true", help="the columns go through the object store")
    parser.add_argument("--contract", action="store_true")
    parser.add_argument("--no-kill", action="store_true")
    args = parser.parse_args()
    result: dict[str, Any] = {"load_average": os.getloadavg()[0], "nodes": args.nodes, "shards": args.shards, "blind": args.blind}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ[FOLDER_VARIABLE] = str(folder / "node")
        rig = kit.Rig.of(make_data(folder / "data", days=args.days))
        local = LocalExecutor(0)
        wanted = study(local, rig, folder / "local", args.trials, 0, lambda: None)
        local_overhead = overhead(local, rig)
        started = time.perf_counter()
        cluster, others = start_cluster(args.nodes)
        result["cluster_start_s"] = time.perf_counter() - started
        os.environ["RAY_ADDRESS"] = cluster.address
        try:
            executor = NodesExecutor(RayCluster("ray://auto"), 1, args.shards)
            if args.blind:
                blind(executor)
            started = time.perf_counter()
            first = executor.evaluate(kit.ground_of(rig.loaded), rig.vectors, True)
            result["first_question_s"] = time.perf_counter() - started
            kit.same(first, rig.plain())
            result["overhead_local"], result["overhead_ray"] = local_overhead, overhead(executor, rig)
            if args.contract:
                kit.gives_the_same(executor, rig)
                kit.tells_a_cause(executor, rig)
                kit.stops(executor, rig, folder / "stops")
                kit.does_not_grow(executor, rig)
                result["contract"] = "kept"

            def kill() -> None:
                if not args.no_kill:  # a moment later, so that it is in the middle of a batch
                    threading.Timer(0.3, cluster.remove_node, (others[0],), {"allow_graceful": False}).start()

            found = study(executor, rig, folder / "ray", args.trials, args.trials // 4, kill)
            result["nodes_lost"] = executor.lost
            executor.close()
        finally:
            cluster.shutdown()
        result |= {"local": wanted, "ray": found}
        keys = ("state", "sets", "best_number", "best_score", "best_vars", "trials_sha256", "trades_sha256")
        result["identical"] = {key: wanted[key] == found[key] for key in keys}
        result["node_folder"] = sorted({path.relative_to(folder / "node").parts[0] for path in (folder / "node").rglob("*")})
    print(json.dumps(result, indent=1))
    killed_one = args.no_kill or result["nodes_lost"] == 1
    return 0 if all(result["identical"].values()) and killed_one else 1


def blind(executor: NodesExecutor) -> None:
    """Let the nodes believe that they cannot see the data directory."""
    meet = executor._meet

    def met() -> None:
        meet()
        for node in executor.nodes:
            node.blind = True

    executor._meet = met  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main())
