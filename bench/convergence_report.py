"""What the runs of convergence.py say: tables of final losses, and of the time to a loss.

The time of an update is the simulator's (`pacictl plan`, eight equal stages, a backward of two forwards, updates and
links that take no time), in units of the time in which a pipeline without bubbles passes all the data.
"""
import json
import math
import statistics
import subprocess
from typing import NamedTuple

from cluster import BIN, ROOT, report

STAGES = 8
TUNED_A = 8
FLUSH, PACI = "1f1b", "paci"
PACI_OWN = "paci, own lr"  # paci with the best of its own sweep
SYSTEMS = [FLUSH, PACI, PACI_OWN, "pipedream-2bw", "pipemare", "pipeoptim", "nesterov"]
TARGET_SHARES = (0.25, 0.5, 0.75, 1.0)  # of the data of the best flush

Curve = list[tuple[float, float]]  # share of the data, or time; validation loss


class Choice(NamedTuple):
    system: str
    accumulation: int


def scaled_lr(lr: float, accumulation: int) -> float:
    return lr * math.sqrt(accumulation / TUNED_A)


def sweep(runs: list[dict], system: str, micro_batches: int) -> dict[float, float]:
    """Final loss by learning rate."""
    return {run["lr"]: final_loss(run) for run in runs
            if (run["system"], run["accumulation"], run["seed"], run["micro_batches"])
            == (system, TUNED_A, 1, micro_batches)}


def best_lr(losses: dict[float, float]) -> float:
    return min(losses, key=losses.__getitem__)


def final_loss(run: dict) -> float:
    return loss_of(run["validation"][-1])


def loss_of(mark: list) -> float:
    """Infinite where it was no number."""
    return math.inf if mark[1] is None else mark[1]


class Matrix:
    """The runs at the flush's learning rate, and PACI's at its own, by system and accumulation, each with its seeds."""

    def __init__(self, runs: list[dict], micro_batches: int):
        self.micro_batches = micro_batches
        self.runs: dict[Choice, dict[int, dict]] = {}
        self._lr, self._own_lr = (best_lr(sweep(runs, system, micro_batches)) for system in (FLUSH, PACI))
        for run in runs:
            if run["micro_batches"] == micro_batches and (system := self._row_of(run)):
                self.runs.setdefault(Choice(system, run["accumulation"]), {})[run["seed"]] = run

    def _row_of(self, run: dict) -> str | None:
        if run["lr"] == scaled_lr(self._lr, run["accumulation"]):
            return run["system"]
        is_own = run["system"] == PACI and run["lr"] == scaled_lr(self._own_lr, run["accumulation"])
        return PACI_OWN if is_own else None

    def systems(self) -> list[str]:
        present = {choice.system for choice in self.runs}
        return [system for system in SYSTEMS if system in present]

    def accumulations(self) -> list[int]:
        return sorted({choice.accumulation for choice in self.runs})

    def choices(self) -> list[Choice]:
        every = (Choice(system, a) for system in self.systems() for a in self.accumulations())
        return [choice for choice in every if choice in self.runs]

    def finals(self, choice: Choice) -> list[float]:
        return [final_loss(run) for run in self.runs.get(choice, {}).values()]

    def gaps(self, choice: Choice) -> list[float]:
        """Final loss above that of the flush with the same seed and accumulation."""
        flush = self.runs.get(Choice(FLUSH, choice.accumulation), {})
        return [final_loss(run) - final_loss(flush[seed]) for seed, run in self.runs.get(choice, {}).items()
                if seed in flush]

    def mean_lag(self, choice: Choice) -> float:
        return statistics.fmean(statistics.fmean(run["lag_mean"]) for run in self.runs[choice].values())

    def max_lag(self, choice: Choice) -> int:
        return max(run["lag_max"] for run in self.runs[choice].values())

    def common_seeds(self) -> list[int]:
        """Those that every choice has, so that curves are of the same samples."""
        return sorted(set.intersection(*(set(group) for group in self.runs.values())))

    def curves(self, choice: Choice) -> list[list]:
        return [self.runs[choice][seed]["validation"] for seed in self.common_seeds()]

    def mean_curve(self, choice: Choice) -> Curve:
        """By the share of the data."""
        marks = zip(*self.curves(choice))
        return [(mark[0][0] / self.micro_batches, statistics.fmean(loss_of(point) for point in mark)) for mark in marks]

    def best(self, system: str) -> Choice:
        choices = [choice for choice in self.choices() if choice.system == system]
        return min(choices, key=lambda choice: self.mean_curve(choice)[-1][1])


def simulated_shares(matrix: Matrix) -> dict[Choice, float]:
    """Of the speed of a pipeline without bubbles."""
    schedules = [system for system in matrix.systems() if system != PACI_OWN]
    plan = json.loads(subprocess.run(
        [BIN / "pacictl", "plan", ROOT / "bench" / "emulated.yaml", "--stages", str(STAGES), "-o", "json",
         "--set", "pipeline.order=strict", "--schedules", ",".join(schedules),
         "--accumulation", ",".join(map(str, matrix.accumulations()))],
        capture_output=True, text=True, check=True).stdout)
    shares = {Choice(row["schedule"], row["accumulation"]): row["share_of_limit"] for row in plan["choices"]}
    return shares | {Choice(PACI_OWN, c.accumulation): share for c, share in shares.items() if c.system == PACI}


def timed(curve: Curve, share: float) -> Curve:
    return [(data / share, loss) for data, loss in curve]


def loss_at(curve: Curve, place: float) -> float:
    """Between two marks on the straight line."""
    after = next(i for i, (x, _) in enumerate(curve) if x >= place)
    if curve[after][0] == place:
        return curve[after][1]
    (x0, y0), (x1, y1) = curve[after - 1:after + 1]
    return y0 + (y1 - y0) * (place - x0) / (x1 - x0)


def time_to(curve: Curve, loss: float) -> float | None:
    """When the curve first has that loss, between two marks on the straight line."""
    for (x0, y0), (x1, y1) in zip(curve, curve[1:]):
        if y1 <= loss:
            return x0 + (x1 - x0) * max(0.0, y0 - loss) / (y0 - y1) if y0 > y1 else x1
    return None


class Reach(NamedTuple):
    time: float
    accumulation: int


def fastest(matrix: Matrix, shares: dict[Choice, float], system: str, loss: float) -> Reach | None:
    """Over the accumulations, by the mean curves."""
    reached = []
    for choice in matrix.choices():
        if choice.system == system:
            time = time_to(timed(matrix.mean_curve(choice), shares[choice]), loss)
            if time is not None:
                reached.append(Reach(time, choice.accumulation))
    return min(reached, default=None)


def targets(matrix: Matrix) -> dict[float, float]:
    """Share of the data -> what the best flush has then."""
    curve = matrix.mean_curve(matrix.best(FLUSH))
    return {share: loss_at(curve, share) for share in TARGET_SHARES}


def show(runs: list[dict], micro_batches: int) -> None:
    matrix = Matrix(runs, micro_batches)
    shares = simulated_shares(matrix)
    print(f"{micro_batches} micro-batches a run; seeds that every choice has: {matrix.common_seeds()}")
    show_sweeps(runs, micro_batches)
    show_finals(matrix)
    show_lags(matrix)
    show_shares(matrix, shares)
    show_times(matrix, shares)


def table(title: str, rows: list[list[object]], header: list[str]) -> None:
    print(f"\n{title}\n")
    report({}, rows, header, None)


def with_spread(values: list[float]) -> str:
    if not values:
        return "-"
    if not all(map(math.isfinite, values)):
        return "not finite"
    mean = f"{statistics.fmean(values):.3f}"
    return f"{mean} +- {statistics.stdev(values):.3f} ({len(values)})" if len(values) > 1 else f"{mean} (1)"


def show_sweeps(runs: list[dict], micro_batches: int) -> None:
    sweeps = {system: sweep(runs, system, micro_batches) for system in (FLUSH, PACI)}
    rows = [[f"{lr:g}", *(losses.get(lr, "-") for losses in sweeps.values())] for lr in sorted(sweeps[FLUSH])]
    table(f"Final validation loss by lr at a = {TUNED_A}, seed 1", rows, ["lr", *sweeps])


def by_accumulation(matrix: Matrix, cell) -> list[list[object]]:
    return [[system, *(cell(Choice(system, a)) for a in matrix.accumulations())] for system in matrix.systems()]


def header(matrix: Matrix) -> list[str]:
    return ["system", *(f"a = {a}" for a in matrix.accumulations())]


def show_finals(matrix: Matrix) -> None:
    table("Final validation loss, mean and standard deviation over so many seeds (paci at a = 1: naive)",
          by_accumulation(matrix, lambda choice: with_spread(matrix.finals(choice))), header(matrix))
    table("The same above the flush with the same seed and a",
          by_accumulation(matrix, lambda choice: with_spread(matrix.gaps(choice))), header(matrix))


def show_lags(matrix: Matrix) -> None:
    rows = [[choice.accumulation, matrix.max_lag(choice), matrix.mean_lag(choice), with_spread(matrix.gaps(choice))]
            for choice in matrix.choices() if choice.system == PACI]
    table("Lag of paci: most, mean over stages and micro-batches; loss above the flush", rows,
          ["a", "most", "mean", "above the flush"])


def show_shares(matrix: Matrix, shares: dict[Choice, float]) -> None:
    table("Simulated share of the limit",
          by_accumulation(matrix, lambda choice: shares.get(choice, "-")), header(matrix))


def show_times(matrix: Matrix, shares: dict[Choice, float]) -> None:
    rows = []
    for share, loss in targets(matrix).items():
        flush = fastest(matrix, shares, FLUSH, loss)
        for system in matrix.systems():
            reach = fastest(matrix, shares, system, loss)
            rows.append([f"{share:.0%}", loss, system, *(
                ["not reached", "-", "-"] if reach is None else
                [reach.time, reach.accumulation, flush.time / reach.time if flush else "-"])])
    best = matrix.best(FLUSH)
    table(f"Simulated time to what {FLUSH}, a = {best.accumulation}, has after a share of its data; those seeds' mean",
          rows, ["after", "loss", "system", "time", "at a", "fastest flush / this"])
