"""What failures cost: how long a killed worker stops a job, what is left of its speed under a kill every 15 s, and what
being ready for failures takes while there are none.

restarts   from SIGKILL to the next finished update, by the coordinator's events and the points of the curve: detect
           (the loss is known), decide (to restart), place (a worker for every stage), prepare (load, connect), refill
           (the first update, with its compute). With a warm standby, and with a process that is started at the
           moment of the kill; the first, middle and last of three stages. Work lost in micro-batches.
goodput    updates done in a minute with a kill every 15 s / in an undisturbed one, taking turns; and the same of a job
           of the same size under PyTorch's torchrun (bench/goodput.py).
overhead   the same job with checkpoints, reports and leases, and with as little of them as there can be, taking turns.

usage: recovery.py [--json FILE] [--parts restarts,goodput,overhead] [--repeats R] [--turns T] [--no-peer] ...
What is not run stays as it is in FILE.
"""
import argparse
import contextlib
import datetime
import itertools
import json
import os
import pathlib
import random
import signal
import sys
import time

from cluster import ROOT, Cluster, cluster, kjv, machine, median, report, tokens_per_second
from goodput import goodput

JOB_FILE = ROOT / "bench" / "recovery.yaml"
POSITIONS = {"first": 0, "middle": 1, "last": 2}
STAGES = len(POSITIONS)
PARTS = ("detect", "decide", "place", "prepare", "refill")
OVERHEAD_UPDATES, OVERHEAD_SKIP, OVERHEAD_EVERY = 160, 10, 50


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--parts", type=lambda text: text.split(","), default=["restarts", "goodput", "overhead"])
    parser.add_argument("--repeats", type=int, default=5, help="kills of each kind; pairs of runs of the overhead")
    parser.add_argument("--turns", type=int, default=3, help="of goodput, a minute a side each")
    parser.add_argument("--window", type=float, default=60, help="seconds of a side of goodput")
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--checkpoint-every", type=int, default=10, help="updates; of restarts and goodput, all sides")
    parser.add_argument("--seed", type=int, default=1, help="which stages are killed")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    # A load of more than 1 before anything runs here says that the machine was busy.
    result |= {"machine": machine(), "load_before": os.getloadavg()[0],
               "checkpoint_every": options.checkpoint_every}
    print(f"load before: {result['load_before']:.2f}\n")
    if "restarts" in options.parts:
        result["restarts"] = [entry for has_standby in (True, False)
                              for entry in restarts(has_standby, options.repeats, options.checkpoint_every)]
        report(result, restart_rows(result["restarts"]), [
            "standby", "position", *PARTS, "all", "update", "lost micro-batches", "kills"], options.json)
    if "goodput" in options.parts:
        result["goodput"] = goodput(JOB_FILE, options.turns, options.window, options.checkpoint_every, options.peer,
                                    random.Random(options.seed))
        print()
        report(result, [[side["side"], side["undisturbed_updates"], side["updates"], side["goodput"], side["kills"]]
                        for side in result["goodput"]],
               ["side", "updates undisturbed", "under kills", "goodput", "kills"], options.json)
    if "overhead" in options.parts:
        result["overhead"] = entry = overhead(options.repeats)
        print()
        report(result, [[entry["on_tokens_per_second"], entry["off_tokens_per_second"], entry["share"]]],
               ["tokens/s with all", "with the least", "median of ratios"], options.json)


# ------------------------------------------------------------------------------------------------------------ restarts

def restarts(has_standby: bool, repeats: int, checkpoint_every: int) -> list[dict]:
    """An entry a kill. Positions take turns."""
    entries = []
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(cluster(STAGES + (1 if has_standby else 0)))
        job = stack.enter_context(running.endless_job(JOB_FILE, {
            "data.train": kjv()[0], "pipeline.stages": STAGES, "checkpoint.dir": running.folder / "checkpoints",
            "checkpoint.every": checkpoint_every}))
        for turn, position in itertools.product(range(repeats), POSITIONS):
            entry = restart(running, job, POSITIONS[position], has_standby, f"replacement-{len(entries)}")
            entries.append({"has_standby": has_standby, "position": position, "turn": turn, **entry})
            which = "standby" if has_standby else "restarted process"
            print(f"{which}, {position}: {entry['seconds']:.2f} s", flush=True)
    return entries


def restart(running: Cluster, job: str, stage: int, has_standby: bool, replacement: str) -> dict:
    before = await_checkpoint(running, job)
    victim = before["stages"][stage]["worker_name"]
    seen = int(running.ctl("events", job)["events"][-1]["sequence"])
    points = running.ctl("metrics", job)["points"]
    killed = running.kill_worker(victim)
    if not has_standby:
        running.start_worker(replacement)
    running.wait_for(lambda: has_gone_on(running, job, int(before["generation"])), "the job goes on", 120)
    events = [e for e in running.ctl("events", job)["events"] if int(e["sequence"]) > seen]
    times = [killed, *(moment(next(e for e in events if e["type"] in types)) for types in
                       (("StageLost", "StageFailed"), ("Recovering",), ("Preparing",), ("Running",)))]
    done = [p for p in running.ctl("metrics", job)["points"] if "learning_rate" in p and moment(p) > times[-1]]
    times.append(moment(done[0]))
    if has_standby:
        running.start_worker(replacement)
        running.wait_for(lambda: any(w["name"] == replacement and w["state"] == "WORKER_STATE_IDLE"
                                     for w in running.ctl("workers")["workers"]), "the next standby")
    period = update_seconds(points)
    at_kill = int(points[-1]["update"]) + (killed - moment(points[-1])) / period
    lost = (at_kill - (int(done[0]["update"]) - 1)) * before["spec"]["pipeline"]["accumulation"]
    return {"seconds": times[-1] - killed, **{part: end - begin for part, begin, end in zip(PARTS, times, times[1:])},
            "update_seconds": period, "lost_micro_batches": max(0.0, lost)}


def await_checkpoint(running: Cluster, job: str) -> dict:
    """The job a few updates into its generation, with a checkpoint of that to go back to."""
    def is_there() -> bool:
        nonlocal shown
        shown = running.ctl("describe", job)
        return shown["state"] == "JOB_STATE_RUNNING" and any(
            c["generation"] == shown["generation"] for c in shown.get("checkpoints", []))
    shown: dict = {}
    running.wait_for(is_there, "a checkpoint", 120)
    time.sleep(1.5)  # into the updates after it, by more than a report
    return running.ctl("describe", job)


def has_gone_on(running: Cluster, job: str, generation: int) -> bool:
    shown = running.ctl("describe", job)
    first = max(int(stage.get("first_update", 0)) for stage in shown["stages"])
    return int(shown["generation"]) > generation and int(shown["progress"]["updates"]) > first > 0


def moment(entry: dict) -> float:
    """Of an event or a point, in seconds of Unix time."""
    return datetime.datetime.fromisoformat(entry["time"]).timestamp()


def update_seconds(points: list[dict]) -> float:
    """Median over the last updates."""
    times = [moment(p) for p in points if "learning_rate" in p][-11:]
    return median([end - begin for begin, end in zip(times, times[1:])])


def restart_rows(entries: list[dict]) -> list[list[object]]:
    rows = []
    for has_standby, position in itertools.product((True, False), POSITIONS):
        group = [e for e in entries if (e["has_standby"], e["position"]) == (has_standby, position)]
        keys = (*PARTS, "seconds", "update_seconds", "lost_micro_batches")
        rows.append(["warm" if has_standby else "none", position, *(median([e[key] for e in group]) for key in keys),
                     len(group)])
    return rows


# ------------------------------------------------------------------------------------------------------------ overhead

def overhead(repeats: int) -> dict:
    """Of two stages on two cores. The pair that is compared was run one after the other, in alternating order."""
    pairs = []
    for turn in range(repeats):
        pair = {}
        for is_on in (True, False) if turn % 2 == 0 else (False, True):
            pair["on" if is_on else "off"] = speed(is_on)
        pairs.append(pair)
        print(f"overhead, turn {turn + 1}: {pair['on'] / pair['off']:.3f}", flush=True)
    return {"pairs": pairs, "checkpoint_every": OVERHEAD_EVERY, "updates": OVERHEAD_UPDATES,
            "on_tokens_per_second": median([pair["on"] for pair in pairs]),
            "off_tokens_per_second": median([pair["off"] for pair in pairs]),
            "share": median([pair["on"] / pair["off"] for pair in pairs])}


def speed(is_on: bool) -> float:
    """Tokens per second."""
    flags = () if is_on else ("--lease-seconds", "3600", "--report-interval-seconds", "600")
    with cluster(2, *flags) as running:
        settings = {"data.train": kjv()[0], "pipeline.stages": 2, "train.updates": OVERHEAD_UPDATES}
        if is_on:
            settings |= {"checkpoint.dir": running.folder / "checkpoints", "checkpoint.every": OVERHEAD_EVERY}
        return tokens_per_second(running.run_job(JOB_FILE, settings), OVERHEAD_SKIP)


if __name__ == "__main__":
    main()
