"""Trains the bench's GPT in PyTorch (bench/peers/setup.sh installs it), one thread a process, and prints figures.

usage: train_torch.py --schedule {single,1f1b,interleaved-zb,zbv} --data FILE [--accumulation A] [--updates U]
       train_torch.py --check --data FILE     each schedule's losses against those of one process
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = HERE.parent.parent / ".deps" / "peers" / "bin" / "python"
SCHEDULES = ("single", "1f1b", "interleaved-zb", "zbv")
MODEL = {"layers": 8, "hidden": 256, "heads": 8, "context": 256, "vocabulary": 256}
MICRO_BATCH = 4
RANKS = 2
# Gloo's connections stay on this machine; MKL and OpenMP start no thread that set_num_threads would have to undo.
ENVIRONMENT = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}


def train(schedule: str, data: pathlib.Path, accumulation: int, updates: int, skip: int, model: dict = MODEL,
          micro_batch: int = MICRO_BATCH, seed: int = 1, timeout_seconds: float = 300, ranks: int = RANKS) -> dict:
    """A run's figures, or {"not_possible": why} if PyTorch refuses, fails or hangs."""
    with tempfile.TemporaryDirectory(prefix="paci-peers-") as name:
        folder = pathlib.Path(name)
        ranks = 1 if schedule == "single" else ranks
        (folder / "spec").write_text(json.dumps({
            "schedule": schedule, "data": str(data), "accumulation": accumulation, "updates": updates, "model": model,
            "micro_batch": micro_batch, "seed": seed, "ranks": ranks, "rendezvous": f"file://{folder / 'rendezvous'}"}))
        error = run_ranks(folder, ranks, timeout_seconds)
        if error:
            return {"schedule": schedule, "accumulation": accumulation, "not_possible": error}
        results = [json.loads((folder / f"result-{i}").read_text()) for i in range(ranks)]
    refused = next((r["not_possible"] for r in results if "not_possible" in r), None)
    if refused:
        return {"schedule": schedule, "accumulation": accumulation, "not_possible": refused}
    ends = results[0]["ends"][skip:]  # [k]: when k updates were done
    periods = [end - begin for begin, end in zip(ends, ends[1:])]
    tokens = accumulation * micro_batch * model["context"]
    return {"schedule": schedule, "accumulation": accumulation, "updates": updates, "measured_updates": len(periods),
            "tokens_per_second": tokens / statistics.fmean(periods) if periods else None,
            "tokens_per_second_median_update": tokens / statistics.median(periods) if periods else None,
            "losses": next(r["losses"] for r in reversed(results) if r["losses"][0] is not None),
            "memory": [r["memory"] for r in results]}


def run_ranks(folder: pathlib.Path, ranks: int, timeout_seconds: float) -> str | None:
    """Runs the ranks to their end. Returns what went wrong, if something did; nothing is left running."""
    logs = [folder / f"log-{i}" for i in range(ranks)]
    processes = []
    try:
        for i, log in enumerate(logs):
            with open(log, "w") as output:
                processes.append(subprocess.Popen(
                    [PYTHON, HERE / "rank.py", folder / "spec", folder / f"result-{i}", str(i)],
                    env=ENVIRONMENT, stdout=output, stderr=output))
        end = time.monotonic() + timeout_seconds
        while any(p.poll() is None for p in processes):
            failed = next((i for i, p in enumerate(processes) if p.poll()), None)
            if failed is not None:
                break
            if time.monotonic() > end:
                return f"no end after {timeout_seconds:.0f} s"
            time.sleep(0.05)
        failed = next((i for i, p in enumerate(processes) if p.returncode), None)
        return None if failed is None else f"rank {failed} failed: {last_line(logs[failed])}"
    finally:
        for process in processes:
            process.kill()
            process.wait()


def last_line(log: pathlib.Path) -> str:
    return ([line for line in log.read_text().splitlines() if line.strip()] or ["(no output)"])[-1]


def check(data: pathlib.Path) -> bool:
    """A flush schedule computes what one process computes, but for the order of float additions."""
    good, small = True, {**MODEL, "hidden": 64, "context": 64}
    for accumulation in (1, 2, 3, 4, 8):
        alone = train("single", data, accumulation, updates=8, skip=0, model=small)
        for schedule in SCHEDULES[1:]:
            piped = train(schedule, data, accumulation, updates=8, skip=0, model=small)
            if "not_possible" in piped:
                print(f"a = {accumulation}, {schedule}: not possible: {piped['not_possible']}", flush=True)
                continue
            error = max(abs(a - b) / b for a, b in zip(piped["losses"], alone["losses"]))
            good = good and error < 1e-5
            print(f"a = {accumulation}, {schedule}: {'same' if error < 1e-5 else 'OTHER'} losses, {error:.1e} apart "
                  f"at most, the last one {piped['losses'][-1]:.6f}", flush=True)
    return good


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--schedule", choices=SCHEDULES, default="single")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--accumulation", type=int, default=4)
    parser.add_argument("--updates", type=int, default=6)
    parser.add_argument("--skip", type=int, default=2, help="updates before the first one measured")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.check:
        sys.exit(0 if check(options.data) else 1)
    print(json.dumps(train(options.schedule, options.data, options.accumulation, options.updates, options.skip,
                           seed=options.seed), indent=1))


if __name__ == "__main__":
    main()
