"""Loss of every system at equal data: real text, 8 stages, every accumulation, several seeds.

Every run has the same number of micro-batches, so it makes micro_batches / a updates, and for one seed the same weights
and samples in the same order. Order `strict`: a run gives the same bits whatever else the machine does. The learning
rate is lr(a) = lr(8) * sqrt(a / 8) for all systems alike, lr(8) the best of a sweep for the flush at a = 8, seed 1; the
warm-up is a tenth of the data. PACI with a >= N - 1 runs once more with the best of its own sweep. Naive asynchronous
1F1B (the schedule `async`) is `paci` at a = 1 and runs once, as that.

Each run is written to the file of results when it is finished, and one that is there is not repeated: a bench that was
interrupted goes on where it was. What comes of it: convergence_report.py, here and with --report-only.

usage: convergence.py [--json FILE] [--systems S,S] [--accumulation A,A] [--seeds K] [--micro-batches M] [--report-only]
"""
import argparse
import json
import math
import os
import pathlib
import time
from typing import NamedTuple

from cluster import ROOT, Cluster, cluster, kjv, machine, mean_lag
from convergence_report import FLUSH, PACI, PACI_OWN, STAGES, SYSTEMS, TUNED_A, best_lr, scaled_lr, show, sweep

JOB_FILE = ROOT / "bench" / "convergence.yaml"
ACCUMULATIONS = [1, 2, 4, 8, 16]
SWEEP = [7.5e-4, 1.5e-3, 3e-3, 6e-3, 1.2e-2, 2.4e-2]
MARKS = 10  # validations after the first update, evenly over the data


def length_settings(micro_batches: int, accumulation: int) -> dict[str, object]:
    """The settings of a run over so many micro-batches: warm-up over a tenth of them, MARKS validations."""
    updates = micro_batches // accumulation
    return {"pipeline.accumulation": accumulation, "optimizer.warmup_updates": updates // 10, "train.updates": updates,
            "train.eval_every": updates // MARKS}


class Run(NamedTuple):
    """What makes two runs the same."""
    system: str
    accumulation: int
    seed: int
    lr: float
    micro_batches: int

    def settings(self) -> dict[str, object]:
        return length_settings(self.micro_batches, self.accumulation) | {
            "pipeline.schedule": self.system, "train.seed": self.seed, "optimizer.lr": self.lr}


class Results:
    """The finished runs, in a file that is replaced whole."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        job_file = job_file_lines()
        self.content = {"machine": machine(), "job_file": job_file, "runs": []}
        if path.exists():
            self.content = json.loads(path.read_text())
            if self.content.get("job_file") != job_file:
                raise SystemExit(f"{path} holds runs of another convergence.yaml; give another --json")

    def runs(self) -> list[dict]:
        return self.content["runs"]

    def find(self, run: Run) -> dict | None:
        return next((r for r in self.runs() if all(r[key] == value for key, value in run._asdict().items())), None)

    def add(self, entry: dict) -> None:
        self.runs().append(entry)
        *head, _ = self.content.items()
        lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head]
        runs = ",\n".join("  " + json.dumps(run) for run in self.runs())
        fresh = self.path.with_name(self.path.name + ".part")
        fresh.write_text("\n".join(["{", *lines, ' "runs": [', runs, " ]", "}"]) + "\n")
        os.replace(fresh, self.path)


def job_file_lines() -> list[str]:
    return [line for line in JOB_FILE.read_text().splitlines() if not line.startswith("#")]


def main() -> None:
    options = parse()
    results = Results(options.json)
    if not options.report_only:
        with cluster(STAGES) as running:
            Bench(running, results).run_all(options)
    show(results.runs(), options.micro_batches)


def parse() -> argparse.Namespace:
    def words(text: str) -> list[str]:
        return text.split(",")

    def numbers(text: str) -> list[int]:
        return [int(word) for word in text.split(",")]

    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=pathlib.Path, default=ROOT / ".run" / "convergence.json")
    parser.add_argument("--systems", type=words,
                        default=[system for system in SYSTEMS if system != PACI_OWN])
    parser.add_argument("--accumulation", type=numbers, default=ACCUMULATIONS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--micro-batches", type=int, default=6400)
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    step = MARKS * math.lcm(*options.accumulation, TUNED_A)
    if options.micro_batches < step or options.micro_batches % step != 0:
        parser.error(f"--micro-batches is a multiple of {step}: {MARKS} validations, each after a whole update")
    return options


class Bench:
    def __init__(self, running: Cluster, results: Results):
        self.running = running
        self.results = results
        self.train, self.validation = kjv()
        self.seconds: list[float] = []  # of the runs that were made, not found

    def run_all(self, options: argparse.Namespace) -> None:
        for system in (FLUSH, PACI):
            self.run_each([Run(system, TUNED_A, 1, lr, options.micro_batches) for lr in SWEEP])
        lr, own_lr = (best_lr(sweep(self.results.runs(), s, options.micro_batches)) for s in (FLUSH, PACI))
        wanted = []
        for seed in range(1, options.seeds + 1):
            wanted += [(system, a, seed, scaled_lr(lr, a)) for a in options.accumulation for system in options.systems]
            wanted += [(PACI, a, seed, scaled_lr(own_lr, a)) for a in options.accumulation if a >= STAGES - 1]
        self.run_each([Run(*run, options.micro_batches) for run in wanted])

    def run_each(self, runs: list[Run]) -> None:
        missing = [run for run in dict.fromkeys(runs) if self.results.find(run) is None]
        for i, run in enumerate(missing):
            start = time.monotonic()
            entry = self.measure(run)
            self.results.add(entry)
            self.seconds.append(time.monotonic() - start)
            left = (len(missing) - i - 1) * sum(self.seconds) / len(self.seconds)
            print(f"{i + 1}/{len(missing)} {run.system} a = {run.accumulation}, seed {run.seed}, lr {run.lr:.3g}: "
                  f"{entry['validation'][-1][1]}, {self.seconds[-1]:.0f} s; {left / 60:.0f} min left", flush=True)

    def measure(self, run: Run) -> dict:
        job = self.running.run_job(JOB_FILE, run.settings() | {
            "data.train": self.train, "data.validation": self.validation})
        lags = [stage["lag"]["counts"] for stage in job["stages"]]
        return run._asdict() | {
            "validation": [[int(p["update"]) * run.accumulation, rounded(p["validation_loss"])]
                           for p in job["points"] if "validation_loss" in p],
            "lag_max": max(len(counts) - 1 for counts in lags),
            "lag_mean": [round(mean_lag(counts), 4) for counts in lags]}


def rounded(loss: float | str) -> float | None:
    """None for what JSON has no number for."""
    return round(float(loss), 6) if math.isfinite(float(loss)) else None


if __name__ == "__main__":
    main()
