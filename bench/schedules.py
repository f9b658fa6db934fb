"""Every schedule as a real job: four and eight emulated stages, and two stages that compute.

Emulated (bench/emulated.yaml, halves of the backward of 10 ms each): tokens/s as a share of the no-bubble limit, one
micro-batch every forward + backward, beside what `pacictl plan` predicts when a frame is TRANSIT under way and times vary by JITTER. Real (the
model and cut of bench/pipeline.yaml, one thread a stage): tokens/s as a share of twice one process with one thread, and
the peak memory of both processes beside `1f1b`. All sides take turns; medians. `paci` is shown with one micro-batch more in flight and with recomputation, too.

usage: schedules.py [--json FILE] [--repeats R] [--no-emulated] [--no-real]
"""
import argparse

from cluster import (ROOT, Cluster, cluster, kjv, machine, mean_lag, median, report, resident_bytes, sets,
                     tokens_per_second)

SYSTEMS = ["paci", "1f1b", "gpipe", "interleaved", "zb-h1", "zb-2p", "async", "pipedream", "pipedream-2bw",
           "pipemare", "pipeoptim", "spectrain", "nesterov"]
VARIANTS: dict[str, dict[str, object]] = {name: {"pipeline.schedule": name} for name in SYSTEMS}
VARIANTS["paci, extra_in_flight 1"] = {"pipeline.schedule": "paci", "pipeline.extra_in_flight": 1}
RECOMPUTING = {f"paci, recompute {mode}": {"pipeline.schedule": "paci", "pipeline.recompute": mode}
               for mode in ("selective", "full")}
EMULATED_STAGES, EMULATED_A = (4, 8), 16
TRANSIT = "440us"  # of a frame of 1 MiB between two stages of this machine (docs/results.md)
JITTER = "0.005"  # of a sleep: what zb-2p, whose order answers arrivals, depends on
REAL_A = 4
MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--emulated", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--real", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    result: dict = {"machine": machine()}
    if options.emulated:
        result |= {"transit": TRANSIT, "jitter": JITTER}
        result["emulated"] = emulated(options.repeats)
        report(result, [[e["stages"], e["schedule"], e["share_of_limit"], e["predicted"],
                         e["share_of_limit"] / e["predicted"], e["lag_max"], e["lag_mean"]] for e in result["emulated"]],
               ["stages", "schedule", "share of limit", "predicted", "measured / predicted", "lag, most",
                "lag, mean at stage 0"], options.json)
        print()
    if options.real:
        result["real"] = real(options.repeats)
        base = result["real"]["1f1b"]["above_start_bytes"]
        report(result, [[name, e["share_of_limit"], e["above_start_bytes"] / MIB, e["above_start_bytes"] / base,
                         e["policy_bytes"] / MIB] for name, e in result["real"].items()],
               ["schedule", "share of limit", "peak above start, MiB", "/ 1f1b", "weight copies, MiB"], options.json)


def accumulation_of(settings: dict, usual: int) -> int:
    return 1 if settings["pipeline.schedule"] == "async" else usual


def emulated(repeats: int) -> list[dict]:
    runs: dict[tuple[int, str], list[dict]] = {}
    with cluster(max(EMULATED_STAGES)) as running:
        for _ in range(repeats):
            for stages in EMULATED_STAGES:
                for name, settings in VARIANTS.items():
                    runs.setdefault((stages, name), []).append(emulate(running, stages, settings))
    return [{"stages": stages, "schedule": name, **{key: median([run[key] for run in group]) for key in group[0]}}
            for (stages, name), group in runs.items()]


def emulate(running: Cluster, stages: int, settings: dict[str, object]) -> dict:
    a = accumulation_of(settings, EMULATED_A)
    # Enough units for two chunks of every stage.
    settings = settings | {"model.layers": 2 * stages, "pipeline.stages": stages, "pipeline.accumulation": a,
                           "train.updates": 160 // a}
    job = running.run_job(ROOT / "bench" / "emulated.yaml", settings)
    spec = job["spec"]
    limit = (spec["pipeline"]["micro_batch"] * spec["model"]["context"]
             / (spec["emulation"]["forward_seconds"] + spec["emulation"]["backward_seconds"]))
    lags = [stage["lag"]["counts"] for stage in job["stages"]]
    plan = running.ctl("plan", str(ROOT / "bench" / "emulated.yaml"), *sets(settings), "--schedules",
                       str(settings["pipeline.schedule"]), "--link-latency", TRANSIT, "--jitter", JITTER)
    return {"share_of_limit": tokens_per_second(job, max(1, 2 * stages // a)) / limit,
            "predicted": plan["choices"][0]["share_of_limit"], "lag_max": max(len(counts) - 1 for counts in lags),
            "lag_mean": mean_lag(lags[0])}


def partition_of(settings: dict, stages: int) -> str:
    """The same five units a stage for all."""
    if settings["pipeline.schedule"] == "interleaved":
        return "[3,2,2,3]"
    return "[5,5]" if stages == 2 else "[10]"


def real(repeats: int) -> dict:
    data, _ = kjv()
    variants = {"single": {"pipeline.schedule": "1f1b"}} | VARIANTS | RECOMPUTING
    runs: dict[str, list[dict]] = {}
    for _ in range(repeats):
        single = 0.0
        for name, settings in variants.items():
            stages = 1 if name == "single" else 2
            a = accumulation_of(settings, REAL_A)
            updates = 24 // a
            with cluster(stages) as running:
                start = sum(resident_bytes(worker.pid) for worker in running.processes[1:])
                job = running.run_job(ROOT / "bench" / "pipeline.yaml", settings | {
                    "data.train": data, "pipeline.stages": stages, "pipeline.accumulation": a,
                    "pipeline.partition": partition_of(settings, stages), "train.updates": updates})
            speed = tokens_per_second(job, max(1, 4 // a))
            if name == "single":
                single = speed
                continue
            peak = sum(int(stage["peak_resident_bytes"]) for stage in job["stages"])
            runs.setdefault(name, []).append({
                "share_of_limit": speed / (2 * single), "peak_bytes": peak, "above_start_bytes": peak - start,
                "policy_bytes": sum(int(stage.get("policy_bytes", 0)) for stage in job["stages"])})
    return {name: {key: median([run[key] for run in group]) for key in group[0]} for name, group in runs.items()}


if __name__ == "__main__":
    main()
