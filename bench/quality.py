"""Recipes against lag: optimizers, corrections and a flushed start, PACI beside a flush with the same optimizer.

bench/convergence.yaml: the King James text by bytes, one block a stage, order `strict`. A recipe is an optimizer, a
correction for lag and its strength, a share of the updates that are flushed at first, Muon's momentum, and `split`: so many
times the micro-batches an update, each so many times smaller, which changes nothing of a flush. Its peer is 1f1b with the
same optimizer and the same correction, which there takes steps as if it lagged (`lag_correction_always`), so that what is
only a better optimizer counts on both sides. Each side of each recipe has the best learning rate of its own sweep at the
first accumulation and the first number of stages, seed 1, and for other accumulations that times sqrt(a / first a). Warm-up
over a tenth of the data, cosine to a tenth.

Each run is written to the file of results when it is finished, and one that is there is not repeated. Short form, a few
minutes: --micro-batches 800 --seeds 1 --recipes adamw,muon. Long form, hours: the defaults with --accumulation
8,16,4,2,1 --stages 8,4,16.

usage: quality.py [--json FILE] [--recipes R,R] [--stages N,N] [--accumulation A,A] [--seeds K] [--micro-batches M]
                  [--rates R,R] [--report-only]
"""
import argparse
import itertools
import math
import pathlib
import statistics
import time
from typing import NamedTuple

from cluster import ROOT, Cluster, cluster, kjv, mean_lag, report
from convergence import JOB_FILE, MARKS, Results, length_settings, rounded
from convergence_report import final_loss, with_spread

FLUSH, PACI = "1f1b", "paci"
START = 0.25  # of the updates, flushed
LEAST_BETWEEN = 4  # updates between two validations, each of which drains the pipeline
MICRO_BATCH, EVAL_BATCHES = 2, 128  # of the job file, before they are split


class Recipe(NamedTuple):
    optimizer: str
    correction: str = "none"
    start: float = 0.0
    lag_lr: float = 0.0
    momentum: float = 0.95
    split: int = 1
    strength: float = 1.0


RECIPES = {
    "adamw": Recipe("adamw"),
    "adamw, extrapolate": Recipe("adamw", "extrapolate"),
    "adamw, feedback": Recipe("adamw", "error_feedback"),
    "adamw, lag lr": Recipe("adamw", lag_lr=0.5),
    "adamw, extrapolate, start": Recipe("adamw", "extrapolate", START),
    "muon": Recipe("muon"),
    "muon, extrapolate": Recipe("muon", "extrapolate"),
    "muon, feedback": Recipe("muon", "error_feedback"),
    "muon, start": Recipe("muon", start=START),
    "muon, extrapolate, start": Recipe("muon", "extrapolate", START),
    "muon, extrapolate, momentum": Recipe("muon", "extrapolate", momentum=0.9),
    "muon, extrapolate, split": Recipe("muon", "extrapolate", split=2),
    "muon, extrapolate, momentum, split": Recipe("muon", "extrapolate", momentum=0.9, split=2),
    "muon, extrapolate, momentum, split, start": Recipe("muon", "extrapolate", START, momentum=0.9, split=2),
    "muon, momentum": Recipe("muon", momentum=0.9),
    "muon, look ahead": Recipe("muon", "look_ahead", momentum=0.9),
    "muon, look ahead, split": Recipe("muon", "look_ahead", momentum=0.9, split=2),
    "muon, look ahead, stronger, split": Recipe("muon", "look_ahead", momentum=0.9, split=2, strength=1.5),
    "muon, look ahead, split, start": Recipe("muon", "look_ahead", START, momentum=0.9, split=2),
    "muon, look ahead, less momentum": Recipe("muon", "look_ahead", momentum=0.85),
    "muon, look ahead, less momentum, split": Recipe("muon", "look_ahead", momentum=0.85, split=2),
    "muon, less momentum": Recipe("muon", momentum=0.85),
    "soap": Recipe("soap"),
    "soap, extrapolate": Recipe("soap", "extrapolate"),
    "soap, extrapolate, split": Recipe("soap", "extrapolate", split=2),
    "lion": Recipe("lion"),
    "lion, extrapolate": Recipe("lion", "extrapolate"),
}
USUAL = [name for name, recipe in RECIPES.items() if recipe.optimizer != "lion"]
SWEEPS = {"adamw": [1.5e-3, 3e-3, 6e-3, 1.2e-2], "muon": [3e-3, 6e-3, 1.2e-2, 2.4e-2, 4.8e-2, 9.6e-2],
          "soap": [3e-3, 6e-3, 1.2e-2, 2.4e-2], "lion": [1.5e-4, 3e-4, 6e-4, 1.2e-3]}


class Run(NamedTuple):
    """What makes two runs the same."""
    schedule: str
    optimizer: str
    correction: str
    start: float
    lag_lr: float
    stages: int
    accumulation: int
    seed: int
    lr: float
    micro_batches: int
    momentum: float
    split: int
    strength: float

    def settings(self) -> dict[str, object]:
        updates = self.micro_batches // self.accumulation
        return length_settings(self.micro_batches, self.accumulation) | {
            "pipeline.accumulation": self.accumulation * self.split, "pipeline.micro_batch": MICRO_BATCH // self.split,
            "train.eval_batches": EVAL_BATCHES * self.split, "optimizer.momentum": self.momentum,
            "pipeline.schedule": self.schedule, "pipeline.stages": self.stages, "model.layers": max(8, self.stages),
            "pipeline.flush_first": round(self.start * updates), "optimizer.name": self.optimizer,
            "optimizer.lr": self.lr, "optimizer.lag_correction": self.correction, "optimizer.lag_lr": self.lag_lr,
            "optimizer.lag_correction_strength": self.strength,
            "optimizer.lag_correction_always": str(self.schedule == FLUSH).lower(), "train.seed": self.seed}


def main() -> None:
    options = parse()
    results = Results(options.json)
    if not options.report_only:
        with cluster(max(options.stages)) as running:
            Bench(running, results, options).run_all()
    Report(results.runs(), options).show()


def parse() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(word) for word in text.split(",")]

    def rates(text: str) -> list[float]:
        return [float(word) for word in text.split(",")]

    def recipes(text: str) -> list[str]:
        """By optimizer, or by a whole name with + for ", "; adamw+none is the optimizer alone."""
        wanted = [word.replace("+", ", ") for word in text.split(",")]
        return [name for name, recipe in RECIPES.items()
                if name in wanted or recipe.optimizer in wanted or f"{name}, none" in wanted]

    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=pathlib.Path, default=ROOT / ".run" / "quality.json")
    parser.add_argument("--recipes", type=recipes, default=USUAL)
    parser.add_argument("--stages", type=numbers, default=[8])
    parser.add_argument("--accumulation", type=numbers, default=[8])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--micro-batches", type=int, default=6400)
    parser.add_argument("--rates", type=rates, default=None, help="of the sweeps, only these")
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    step = math.lcm(*options.accumulation)
    least = LEAST_BETWEEN * MARKS * step
    if options.micro_batches < least or options.micro_batches % step != 0:
        parser.error(f"--micro-batches is a multiple of {step}, at least {least}: {MARKS} validations or more, "
                     f"{LEAST_BETWEEN} updates between two or more, since weights do not lag where a pipeline was drained")
    return options


def run_of(recipe: Recipe, schedule: str, stages: int, accumulation: int, seed: int, lr: float, length: int) -> Run:
    """A flush has no start of its own, and no lag to learn slower or to split micro-batches by."""
    if schedule == FLUSH:
        recipe = recipe._replace(start=0.0, lag_lr=0.0, split=1)
    return Run(schedule=schedule, stages=stages, accumulation=accumulation, seed=seed, lr=lr, micro_batches=length,
               **recipe._asdict())


class Sweeps:
    """The best learning rates of the runs that are there."""

    def __init__(self, runs: list[dict], options: argparse.Namespace):
        self.runs = {tuple(run[field] for field in Run._fields): run for run in runs}
        self.accumulation, self.stages = options.accumulation[0], options.stages[0]
        self.length, self.rates = options.micro_batches, options.rates

    def runs_of(self, recipe: Recipe, schedule: str) -> list[Run]:
        return [run_of(recipe, schedule, self.stages, self.accumulation, 1, lr, self.length)
                for lr in SWEEPS[recipe.optimizer] if self.rates is None or lr in self.rates]

    def losses(self, recipe: Recipe, schedule: str) -> dict[float, float]:
        return {run.lr: final_loss(self.runs[run]) for run in self.runs_of(recipe, schedule) if run in self.runs}

    def run_at_best(self, recipe: Recipe, schedule: str, stages: int, accumulation: int, seed: int) -> Run:
        losses = self.losses(recipe, schedule)
        lr = min(losses, key=losses.__getitem__) * math.sqrt(accumulation / self.accumulation)
        return run_of(recipe, schedule, stages, accumulation, seed, lr, self.length)


class Bench:
    def __init__(self, running: Cluster, results: Results, options: argparse.Namespace):
        self.running = running
        self.results = results
        self.options = options
        self.train, self.validation = kjv()

    def run_all(self) -> None:
        recipes = [RECIPES[name] for name in self.options.recipes]
        sides = list(itertools.product(recipes, (FLUSH, PACI)))
        sweeps = Sweeps([], self.options)
        self.run_each([run for recipe, schedule in sides for run in sweeps.runs_of(recipe, schedule)])
        sweeps = Sweeps(self.results.runs(), self.options)
        self.run_each([sweeps.run_at_best(recipe, schedule, stages, a, seed)
                       for seed, stages, a in itertools.product(range(1, self.options.seeds + 1), self.options.stages,
                                                                self.options.accumulation)
                       for recipe, schedule in sides])

    def run_each(self, runs: list[Run]) -> None:
        missing = [run for run in dict.fromkeys(runs) if self.results.find(run) is None]
        began = time.monotonic()
        for i, run in enumerate(missing):
            entry = self.measure(run)
            self.results.add(entry)
            left = (time.monotonic() - began) / (i + 1) * (len(missing) - i - 1)
            print(f"{i + 1}/{len(missing)} {' '.join(map(str, run))}: {entry['validation'][-1][1]}; "
                  f"{left / 60:.0f} min left", flush=True)

    def measure(self, run: Run) -> dict:
        job = self.running.run_job(JOB_FILE, run.settings() | {
            "data.train": self.train, "data.validation": self.validation})
        return run._asdict() | {
            "validation": [[int(p["update"]) * run.accumulation, rounded(p["validation_loss"])]
                           for p in job["points"] if "validation_loss" in p],
            "lag_mean": [round(mean_lag(stage["lag"]["counts"]), 4) for stage in job["stages"]],
            "update_share": round(statistics.fmean(map(update_share, job["stages"])), 4)}


def update_share(stage: dict) -> float:
    """Of a stage's time that is not waiting."""
    activity = stage["activity"]
    busy = sum(activity.get(kind, 0.0) for kind in ("forward", "backward", "update"))
    return activity.get("update", 0.0) / busy


COMPARED = ["flush", "paci", "above the same flush, %", "above flush with adamw, %", "time", "update's share"]


class Report:
    def __init__(self, runs: list[dict], options: argparse.Namespace):
        self.options = options
        self.sweeps = Sweeps(runs, options)

    def show(self) -> None:
        self.show_sweeps()
        for stages, accumulation in itertools.product(self.options.stages, self.options.accumulation):
            self.show_finals(stages, accumulation)
        self.show_best()

    def show_sweeps(self) -> None:
        print(f"\nN = {self.sweeps.stages}, a = {self.sweeps.accumulation}, seed 1: final validation loss by learning rate\n")
        rates = sorted({lr for name in self.options.recipes for lr in SWEEPS[RECIPES[name].optimizer]})
        rows = []
        for name in self.options.recipes:
            for schedule in (FLUSH, PACI):
                losses = self.sweeps.losses(RECIPES[name], schedule)
                rows.append([name, schedule, *(losses.get(lr, "-") for lr in rates)])
        report({}, rows, ["recipe", "schedule", *(f"{lr:g}" for lr in rates)], None)

    def finals(self, recipe: Recipe, schedule: str, stages: int, accumulation: int) -> dict[int, dict]:
        """By seed."""
        if not self.sweeps.losses(recipe, schedule):
            return {}
        runs = {seed: self.sweeps.run_at_best(recipe, schedule, stages, accumulation, seed)
                for seed in range(1, self.options.seeds + 1)}
        return {seed: self.sweeps.runs[run] for seed, run in runs.items() if run in self.sweeps.runs}

    def show_finals(self, stages: int, accumulation: int) -> None:
        print(f"\nN = {stages}, a = {accumulation}: final validation loss, each side at its own learning rate\n")
        rows = [[name, *self.compared(name, stages, accumulation)] for name in self.options.recipes]
        report({}, rows, ["recipe", *COMPARED], None)

    def show_best(self) -> None:
        """Of the recipes with every seed."""
        print("\nThe best recipe by stages and accumulation\n")
        rows = []
        for stages, accumulation in itertools.product(self.options.stages, self.options.accumulation):
            found = {name: self.finals(RECIPES[name], PACI, stages, accumulation) for name in self.options.recipes}
            means = {name: statistics.fmean(map(final_loss, runs.values())) for name, runs in found.items()
                     if len(runs) == self.options.seeds}
            if means:
                best = min(means, key=means.__getitem__)
                rows.append([stages, accumulation, best, *self.compared(best, stages, accumulation),
                             1 + full_lag(stages, accumulation, RECIPES[best].split)])
        report({}, rows, ["N", "a", "recipe", *COMPARED, "the flush's time"], None)

    def compared(self, name: str, stages: int, accumulation: int) -> list[object]:
        """A recipe's columns COMPARED."""
        recipe = RECIPES[name]
        flush, paci = (self.finals(recipe, schedule, stages, accumulation) for schedule in (FLUSH, PACI))
        base = self.finals(RECIPES["adamw"], FLUSH, stages, accumulation)
        return [losses_of(flush), losses_of(paci), with_spread(percent_above(paci, flush)),
                with_spread(percent_above(paci, base)), time_of(recipe, stages, accumulation), mean_share(paci)]


def losses_of(runs: dict[int, dict]) -> str:
    return with_spread([final_loss(run) for run in runs.values()])


def percent_above(runs: dict[int, dict], others: dict[int, dict]) -> list[float]:
    """Seed by seed."""
    return [100 * (final_loss(runs[seed]) / final_loss(others[seed]) - 1) for seed in runs if seed in others]


def mean_share(runs: dict[int, dict]) -> float | str:
    return statistics.fmean(run["update_share"] for run in runs.values()) if runs else "-"


def time_of(recipe: Recipe, stages: int, accumulation: int) -> float:
    """Of PACI's run, in that of a pipeline without bubbles: a flush takes (a + N - 1) / a."""
    return 1 + recipe.start * full_lag(stages, accumulation, recipe.split)


def full_lag(stages: int, accumulation: int, split: int) -> float:
    """The first stage's mean lag, and what bubbles add to a flushed update: (N - 1) / a."""
    return (stages - 1) / (accumulation * split)


if __name__ == "__main__":
    main()
