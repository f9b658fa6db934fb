"""What a stranger at the doors costs: a job of four emulated stages (10 ms forward, 20 ms backward, frames of 1 MiB),
left alone and with 10,000 connections, half of them to the coordinator's port and half to the data ports of the workers,
that prove nothing, say a byte every second, and are dialled again when they are closed (bench/attacker.py, at --rate a
second).

Stages that sleep leave the processor to the attacker, who is on the same machine; its share of a core is measured. The
sides take turns, in alternating order, each with daemons of its own; ratios are taken within a turn. Also: what
coordinator and workers grow by.

usage: attack.py [--json FILE] [--turns T] [--updates U] [--size N] [--rate R]
"""
import argparse
import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Iterator

from cluster import ROOT, Cluster, cluster, machine, median, report, resident_bytes, tokens_per_second

STAGES = 4
SKIP = 4  # updates: the first fill


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--updates", type=int, default=80, help="of 8 micro-batches")
    parser.add_argument("--size", type=int, default=10_000, help="connections at once")
    parser.add_argument("--rate", type=float, default=1000, help="connections a second")
    options = parser.parse_args()
    turns = []
    for turn in range(options.turns):
        order = ("undisturbed", "attacked") if turn % 2 == 0 else ("attacked", "undisturbed")
        turns.append({side: measure(side == "attacked", options) for side in order})
        attacked = turns[-1]["attacked"]
        print(f"turn {turn + 1}: {share(turns[-1]):.3f} of the undisturbed speed; {attacked['dialled']} connections, "
              f"{attacked['attacker_cores']:.2f} cores of the attacker", flush=True)
    result = {"machine": machine(), **{k: v for k, v in vars(options).items() if k != "json"}, "stages": STAGES,
              "runs": turns, "share": median([share(turn) for turn in turns])}
    rows = [[side, *(median([turn[side][key] for turn in turns]) for key in
                     ("tokens_per_second", "coordinator_growth_mib", "worker_growth_mib"))]
            for side in ("undisturbed", "attacked")]
    report(result, rows, ["side", "tokens/s", "coordinator grows by, MiB", "a worker grows by, MiB"], options.json)
    print(f"\nattacked / undisturbed: {result['share']:.3f} (median of {options.turns})")


def share(turn: dict) -> float:
    return turn["attacked"]["tokens_per_second"] / turn["undisturbed"]["tokens_per_second"]


def measure(is_attacked: bool, options: argparse.Namespace) -> dict:
    with cluster(STAGES) as running:
        before = memory(running)
        found: dict = {}
        with attacker(running, options, found) if is_attacked else contextlib.nullcontext():
            job = running.run_job(ROOT / "bench" / "emulated.yaml", {
                "pipeline.stages": STAGES, "train.updates": options.updates})
            after = memory(running)
        growth = [(b - a) / (1 << 20) for a, b in zip(before, after)]
    return {"tokens_per_second": tokens_per_second(job, SKIP), "coordinator_growth_mib": growth[0],
            "worker_growth_mib": max(growth[1:]), **found}


def memory(running: Cluster) -> list[int]:
    """Resident bytes of the coordinator, then of the workers."""
    return [resident_bytes(process.pid) for process in running.processes]


@contextlib.contextmanager
def attacker(running: Cluster, options: argparse.Namespace, found: dict) -> Iterator[None]:
    """At the doors from before the job to its end."""
    data = [worker["info"]["data_address"] for worker in running.ctl("workers")["workers"]]
    doors = [door for address in data for door in (running.address, address)]
    process = subprocess.Popen([sys.executable, ROOT / "bench" / "attacker.py", "--size", str(options.size), "--rate",
                                str(options.rate), *doors], stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout.readline() != "there\n":
            raise RuntimeError("the attacker did not come")
        yield
    finally:
        process.terminate()
        dialled, held, cores = process.communicate(timeout=20)[0].split() or (0, 0, 0)
        found |= {"dialled": int(dialled), "held": int(held), "attacker_cores": float(cores)}


if __name__ == "__main__":
    main()
