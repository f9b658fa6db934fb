"""Stages on as many cores, one thread each: tokens/s and memory of `paci` and `1f1b`, beside one process with one
thread and beside the schedules of PyTorch's torch.distributed.pipelining (bench/peers).

All sides take turns, and every run has processes of its own, so that a peak of memory is that run's. The limit is what as
many processes of ours with one stage do at the same accumulation, times the balance of the partition: mean / max over the
stages of the seconds of forward and backward that they measured. Two stages share eight blocks, more have two each. Ratios
are taken within a turn; the medians of all turns are shown.

usage: pipeline.py [--json FILE] [--stages N] [--repeats R] [--accumulations A,A,...] [--updates U]
                   [--no-peers | --only-peers]
"""
import argparse
import collections
import pathlib
import signal
import sys

from cluster import ROOT, cluster, kjv, machine, median, report, resident_bytes, tokens_per_second
from peers.train_torch import MICRO_BATCH, MODEL, train

OURS = ("single", "paci", "1f1b")
PEERS = ("torch 1f1b", "torch interleaved-zb", "torch zbv")
MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--stages", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--accumulations", type=lambda text: [int(a) for a in text.split(",")],
                        default=[1, 2, 4, 8, 16])
    parser.add_argument("--updates", type=int, help="measured in each run; default: those of 16 micro-batches")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--only-peers", action="store_true", help="without our daemons; the limit is PyTorch's own")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a run that is ended leaves no process behind
    data, _ = kjv()
    model = model_of(options.stages)
    runs = []
    for turn in range(options.repeats):
        for accumulation in options.accumulations:
            measured = options.updates or max(1, 16 // accumulation)
            for side in sides(options, accumulation):
                run = measure(side, options.stages, data, accumulation, skip=max(1, 2 // accumulation), measured=measured)
                runs.append({"side": side, "accumulation": accumulation, "turn": turn, **run})
                print(f"turn {turn + 1}, a = {accumulation}, {side}: {outcome(run)}", flush=True)
    print()
    result = {"machine": machine(), "stages": options.stages, "model": model, "micro_batch": MICRO_BATCH, "runs": runs}
    result["summary"] = summary = summarise(runs, options.stages)
    report(result, [row(entry) for entry in summary], [
        "a", "side", "tokens/s", "share of limit", "paci / side", "peak MiB by stage", "above its start"], options.json)
    if ratios := [r["tokens_per_second"] / t["tokens_per_second"] for r, t in pairs(runs, "single", "torch single")]:
        print(f"\none process with one thread, ours / PyTorch: {median(ratios):.3f}")
    if balances := [run["balance"] for run in runs if run["side"] == "paci"]:
        print(f"balance of the partition: {median(balances):.3f}")


def sides(options: argparse.Namespace, accumulation: int) -> list[str]:
    """In the order in which they take turns. One process of PyTorch's is measured at one accumulation only."""
    names = [] if options.only_peers else list(OURS)
    if options.peers or options.only_peers:
        if accumulation == options.accumulations[len(options.accumulations) // 2] or options.only_peers:
            names.insert(min(1, len(names)), "torch single")
        names += PEERS
    return names


def model_of(stages: int) -> dict:
    return MODEL if stages == 2 else MODEL | {"layers": 2 * stages}


def measure(side: str, pipeline: int, data: pathlib.Path, accumulation: int, skip: int, measured: int) -> dict:
    model = model_of(pipeline)
    if side.startswith("torch "):
        run = train(side.removeprefix("torch "), data, accumulation, skip + measured, skip, model, ranks=pipeline)
        if "not_possible" in run:
            return {"not_possible": run["not_possible"]}
        memory = [{"start_bytes": m["imported_bytes"], **m} for m in run["memory"]]
        return {"tokens_per_second": run["tokens_per_second"], "loss": run["losses"][-1], "memory": memory}
    stages = 1 if side == "single" else pipeline
    settings = {f"model.{key}": value for key, value in model.items()}
    settings |= {"data.train": data, "pipeline.stages": stages, "pipeline.accumulation": accumulation,
                 "pipeline.schedule": "1f1b" if side == "1f1b" else "paci", "pipeline.micro_batch": MICRO_BATCH,
                 "train.updates": skip + measured}
    if stages > 1:
        # The cut of the peers: as many blocks a stage, the embedding in the first and the head in the last.
        blocks = model["layers"] // stages
        settings["pipeline.partition"] = str([blocks + 1] + (stages - 2) * [blocks] + [blocks + 1]).replace(" ", "")
    with cluster(stages) as running:
        start_bytes = {f"worker-{i}": resident_bytes(worker.pid) for i, worker in enumerate(running.processes[1:])}
        job = running.run_job(ROOT / "bench" / "pipeline.yaml", settings)
    return {"tokens_per_second": tokens_per_second(job, skip), "balance": balance(job),
            "loss": job["progress"]["loss"], "activity": [stage["activity"] for stage in job["stages"]],
            "memory": [{"start_bytes": start_bytes[stage["worker_name"]],
                        "peak_bytes": int(stage["peak_resident_bytes"])} for stage in job["stages"]]}


def balance(job: dict) -> float:
    costs = [(stage["activity"]["forward"] + stage["activity"]["backward"]) / int(stage["backwards"])
             for stage in job["stages"]]
    return sum(costs) / len(costs) / max(costs)


def outcome(run: dict) -> str:
    if "not_possible" in run:
        return f"not possible: {run['not_possible']}"
    return f"{run['tokens_per_second']:.0f} tokens/s"


def pairs(runs: list[dict], side: str, other: str) -> list[tuple[dict, dict]]:
    """The runs of two sides that took the same turn at the same accumulation."""
    found = {(r["side"], r["accumulation"], r["turn"]): r for r in runs if "not_possible" not in r}
    return [(run, found[other, a, turn]) for (name, a, turn), run in found.items()
            if name == side and (other, a, turn) in found]


def summarise(runs: list[dict], stages: int) -> list[dict]:
    """An entry for each accumulation and side, with medians over the turns."""
    groups: dict[tuple[int, str], list[dict]] = collections.defaultdict(list)
    for run in runs:
        groups[run["accumulation"], run["side"]].append(run)
    entries = []
    for (accumulation, side), group in groups.items():
        entry: dict = {"accumulation": accumulation, "side": side}
        refused = next((run["not_possible"] for run in group if "not_possible" in run), None)
        if refused:
            entry["not_possible"] = refused
        else:
            entry |= medians(side, stages, group, [run for run in runs if run["accumulation"] == accumulation])
        entries.append(entry)
    return entries


def medians(side: str, pipeline: int, group: list[dict], all_sides: list[dict]) -> dict:
    """Of the runs of one side, beside those of all sides at the same accumulation."""
    single = "single" if any(run["side"] == "single" for run in all_sides) else "torch single"
    balances = {run["turn"]: run["balance"] for run in all_sides if run["side"] == "paci"}
    stages = list(zip(*(run["memory"] for run in group)))
    entry = {"tokens_per_second": median([run["tokens_per_second"] for run in group]),
             "peak_bytes": [median([m["peak_bytes"] for m in stage]) for stage in stages],
             "above_start_bytes": [median([m["peak_bytes"] - m["start_bytes"] for m in stage]) for stage in stages]}
    if side in ("single", "torch single"):
        return entry
    shares = [run["tokens_per_second"] / (pipeline * alone["tokens_per_second"] * balances.get(run["turn"], 1.0))
              for run, alone in pairs(all_sides, side, single)]
    leads = [paci["tokens_per_second"] / run["tokens_per_second"] for paci, run in pairs(all_sides, "paci", side)]
    if shares:
        entry["share_of_limit"] = median(shares)
    if leads and side != "paci":
        entry["paci_over_this"] = median(leads)
    return entry


def row(entry: dict) -> list[object]:
    if "not_possible" in entry:
        return [entry["accumulation"], entry["side"], "not possible", "", "", "", ""]
    peak, above = (" + ".join(f"{value / MIB:.0f}" for value in entry[key])
                   for key in ("peak_bytes", "above_start_bytes"))
    return [entry["accumulation"], entry["side"], round(entry["tokens_per_second"]), entry.get("share_of_limit", ""),
            entry.get("paci_over_this", ""), peak, above]


if __name__ == "__main__":
    main()
