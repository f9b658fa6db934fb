"""More stages: what the runtime adds to a micro-batch, and what jitter and a straggler leave of a pipeline's speed.

Emulated (bench/emulated.yaml, `paci`, a = 16, as many stages as processes): wall-clock of a micro-batch beyond forward
+ backward, with frames of 1 MiB and of 1 KiB, and of it what the stage loop takes outside compute and waits. Medians.
Needs a machine that does nothing else. Simulated (`pacictl plan`): share of the limit, which counts the straggler, with
a spread of 5 % of every duration, alone and with the middle stage 1.2 times slower.

usage: scaling.py [--json FILE] [--repeats R] [--no-emulated] [--no-simulated]; what is not run stays as it is in FILE
"""
import argparse
import itertools
import json
import pathlib
import subprocess

from cluster import BIN, ROOT, Cluster, cluster, machine, median, report, tokens_per_second
from emulated import BACKWARD, FORWARD, loop_microseconds

JOB_FILE = ROOT / "bench" / "emulated.yaml"
EMULATED_STAGES, EMULATED_A, MICRO_BATCHES = (2, 4, 8, 16), 16, 192
FRAMES: dict[str, dict[str, object]] = {
    "1 MiB": {"model.context": 256, "model.hidden": 256, "pipeline.micro_batch": 4},
    "1 KiB": {"model.context": 16, "model.hidden": 16, "pipeline.micro_batch": 1}}
SIMULATED_STAGES = (8, 16, 32, 64, 128, 256, 512, 1024)
JITTER, SLOWDOWN, FIXED_A = 0.05, 1.2, 16
ORDERS = ("strict", "drain_first")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--emulated", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--simulated", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    result = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    result["machine"] = machine()
    if options.simulated:
        result["jitter"], result["slowdown"] = JITTER, SLOWDOWN
        result["simulated"] = simulated()
        for has_straggler in (False, True):
            print(f"\njitter {JITTER:.0%}" + (f", stage N/2 {SLOWDOWN} times slower" if has_straggler else ""))
            report(result, simulated_rows(result["simulated"], has_straggler), [
                "stages", "paci strict", "paci drain_first", "1f1b a = 16", "1f1b a = N", "1f1b a = 4 N",
                "paci / 1f1b, a = N", "paci lag a = 16", "a = N"], options.json)
    if options.emulated:
        result["emulated"] = emulated(options.repeats)
        print()
        report(result, [list(entry.values()) for entry in result["emulated"]],
               ["frame", "stages", "share of limit", "us over the limit", "of it the stage loop"], options.json)


def simulated() -> list[dict]:
    return [{"stages": stages, "order": order, "has_straggler": has_straggler,
             **{key: choice[key] for key in ("schedule", "accumulation", "share_of_limit", "lag_max", "lag_mean")}}
            for stages, has_straggler, order in itertools.product(SIMULATED_STAGES, (False, True), ORDERS)
            for choice in plan(stages, order, has_straggler)]


def plan(stages: int, order: str, has_straggler: bool) -> list[dict]:
    """The model's units do not matter, but there have to be enough."""
    accumulations = dict.fromkeys((FIXED_A, stages, 4 * stages))
    straggler = ["--straggler", f"{stages // 2}={SLOWDOWN}"] if has_straggler else []
    done = subprocess.run(
        [BIN / "pacictl", "plan", JOB_FILE, "-o", "json", "--schedules", "paci,1f1b", "--stages", str(stages),
         "--accumulation", ",".join(map(str, accumulations)), "--jitter", str(JITTER), *straggler,
         "--set", f"pipeline.order={order}", "--set", f"model.layers={SIMULATED_STAGES[-1]}"],
        capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["choices"]


def simulated_rows(choices: list[dict], has_straggler: bool) -> list[list[object]]:
    found = {(c["stages"], c["order"], c["schedule"], c["accumulation"]): c for c in choices
             if c["has_straggler"] == has_straggler}

    def share(stages: int, order: str, schedule: str, accumulation: int) -> float:
        return found[stages, order, schedule, accumulation]["share_of_limit"]

    return [[n, *(share(n, order, "paci", n) for order in ORDERS),
             *(share(n, "strict", "1f1b", a) for a in (FIXED_A, n, 4 * n)),
             share(n, "strict", "paci", n) / share(n, "strict", "1f1b", n),
             *(found[n, "strict", "paci", a]["lag_max"] for a in (FIXED_A, n))] for n in SIMULATED_STAGES]


def emulated(repeats: int) -> list[dict]:
    runs: dict[tuple[str, int], list[dict]] = {}
    with cluster(max(EMULATED_STAGES)) as running:
        for _, frame, stages in itertools.product(range(repeats), FRAMES, EMULATED_STAGES):
            runs.setdefault((frame, stages), []).append(emulate(running, frame, stages))
    return [{"frame": frame, "stages": stages, **{key: median([run[key] for run in group]) for key in group[0]}}
            for (frame, stages), group in runs.items()]


def emulate(running: Cluster, frame: str, stages: int) -> dict:
    job = running.run_job(JOB_FILE, FRAMES[frame] | {
        "model.layers": max(EMULATED_STAGES), "model.heads": 1, "pipeline.stages": stages,
        "pipeline.accumulation": EMULATED_A, "train.updates": MICRO_BATCHES // EMULATED_A})
    spec = job["spec"]
    tokens = spec["pipeline"]["micro_batch"] * spec["model"]["context"]
    seconds = tokens / tokens_per_second(job, 2 * stages // EMULATED_A)
    return {"share_of_limit": (FORWARD + BACKWARD) / seconds,
            "microseconds_over_limit": 1e6 * (seconds - FORWARD - BACKWARD),
            "loop_microseconds": loop_microseconds(job)}


if __name__ == "__main__":
    main()
