"""Draws docs/results/plots/*.svg from docs/results/*.json. The same figures give the same bytes."""
import argparse
import itertools
import json
import statistics
from collections.abc import Iterable

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

import quality
import scaling
from cluster import ROOT
from convergence_report import FLUSH, PACI, PACI_OWN, STAGES, TUNED_A, Choice, Curve, Matrix, loss_at, loss_of, \
    simulated_shares, timed

RESULTS = ROOT / "docs" / "results"
PLOTS = RESULTS / "plots"
# Okabe and Ito's colours, which colour-blind readers can tell apart.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE, GREY = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#888888")
LOOKS: dict[str, dict] = {  # each with a colour and a marker of its own
    FLUSH: {"color": BLACK, "marker": "s"},
    PACI: {"color": VERMILLION, "marker": "o"},
    PACI_OWN: {"color": VERMILLION, "marker": "o", "linestyle": "--", "markerfacecolor": "white"},
    "pipedream-2bw": {"color": BLUE, "marker": "^"},
    "pipemare": {"color": GREEN, "marker": "v"},
    "pipeoptim": {"color": PURPLE, "marker": "D"},
    "nesterov": {"color": ORANGE, "marker": "P"},
    "torch 1f1b": {"color": GREY, "marker": "x"},
    "torch interleaved-zb": {"color": SKY, "marker": "<"},
    "torch zbv": {"color": BLUE, "marker": ">"},
}
# Of quality.json: schedule and recipe.
RECIPES: dict[tuple[str, str], dict] = {
    (FLUSH, "adamw"): {"color": BLACK, "marker": "s"},
    (PACI, "adamw"): {"color": VERMILLION, "marker": "o"},
    (PACI, "adamw, extrapolate, start"): {"color": ORANGE, "marker": "P"},
    (FLUSH, "muon"): {"color": GREY, "marker": "s", "linestyle": "--"},
    (PACI, "muon"): {"color": BLUE, "marker": "^"},
    (PACI, "muon, extrapolate"): {"color": GREEN, "marker": "D"},
    (FLUSH, "muon, look ahead"): {"color": GREY, "marker": "x", "linestyle": ":"},
    (PACI, "muon, look ahead"): {"color": PURPLE, "marker": "v"},
    (PACI, "muon, look ahead, split"): {"color": SKY, "marker": "<"},
    (PACI, "muon, look ahead, split, start"): {"color": BLACK, "marker": "P", "linestyle": "--"},
}
RECIPES_LENGTH = 1600  # micro-batches
LAG_RECIPES = ("adamw", "muon, look ahead", "muon, look ahead, split", "muon, look ahead, split, start")
LONGEST_TIME = 3.5  # of the plot; the flush at a = 1 goes on to 8


def main() -> None:
    plt.rcParams.update({
        "svg.hashsalt": "paci", "font.size": 9, "axes.titlesize": 10, "axes.spines.top": False,
        "axes.spines.right": False, "axes.grid": True, "grid.color": "#dddddd", "grid.linewidth": 0.6,
        "lines.linewidth": 1.6, "lines.markersize": 4.5, "legend.frameon": False, "axes.axisbelow": True})
    PLOTS.mkdir(exist_ok=True)
    draw_convergence()
    draw_throughput(load("pipeline"), load("emulated"))
    draw_memory(load("schedules_real")["real"])
    draw_scaling(load("scaling"))
    recipes = load("quality")["runs"]
    draw_recipes(recipes)
    draw_lag(recipes)


def load(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text())


def save(figure: Figure, name: str) -> None:
    figure.savefig(PLOTS / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)
    print(PLOTS.relative_to(ROOT) / f"{name}.svg")


def panel(title: str, subtitle: str) -> tuple[Figure, Axes]:
    figure, axes = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
    axes.set_title(f"{title}\n{subtitle}")
    return figure, axes


def two_panels(title: str, left: str, right: str) -> tuple[Figure, Axes, Axes]:
    figure, (first, second) = plt.subplots(1, 2, figsize=(7.2, 3.8), layout="constrained")
    figure.suptitle(title, fontsize=10)
    first.set_title(left)
    second.set_title(right)
    return figure, first, second


def legend(figure: Figure, axes: Axes, columns: int = 4) -> None:
    """Below the panels, where no data is."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=columns)


def show_accumulations(axes: Axes, accumulations: Iterable[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(accumulations), map(str, accumulations))
    axes.minorticks_off()
    axes.set_xlabel("accumulation a, micro-batches an update")


def draw_convergence() -> None:
    runs = load("convergence")["runs"]
    matrix = Matrix(runs, max(run["micro_batches"] for run in runs))
    draw_loss_curves(matrix)
    draw_final_loss(matrix)
    draw_loss_by_time(matrix, simulated_shares(matrix))


def draw_loss_curves(matrix: Matrix) -> None:
    figure, axes = panel(f"Validation loss at equal data, {STAGES} stages, a = {TUNED_A}",
                         "mean of the seeds; bands from the lowest to the highest")
    for choice in (c for c in matrix.choices() if c.accumulation == TUNED_A):
        x, y = zip(*((share * matrix.micro_batches, loss) for share, loss in matrix.mean_curve(choice)))
        axes.plot(x, y, label=choice.system, **LOOKS[choice.system])
        marks = list(zip(*(map(loss_of, curve) for curve in matrix.curves(choice))))
        axes.fill_between(x, [min(m) for m in marks], [max(m) for m in marks], linewidth=0,
                          color=LOOKS[choice.system]["color"], alpha=0.15)
    axes.set_ylim(top=3.2)
    axes.set_xlabel("micro-batches")
    axes.set_ylabel("validation loss, nats a byte")
    legend(figure, axes)
    save(figure, "loss_curves")


def draw_final_loss(matrix: Matrix) -> None:
    figure, axes = panel(f"Final validation loss at equal data, {STAGES} stages",
                         "mean and standard deviation of the seeds; paci at a = 1 is naive")
    for system in matrix.systems():
        accumulations = [a for a in matrix.accumulations() if matrix.finals(Choice(system, a))]
        finals = [matrix.finals(Choice(system, a)) for a in accumulations]
        axes.errorbar(accumulations, [statistics.fmean(f) for f in finals],
                      [statistics.stdev(f) if len(f) > 1 else 0 for f in finals], label=system, capsize=2,
                      **LOOKS[system])
    show_accumulations(axes, matrix.accumulations())
    axes.set_ylabel("validation loss, nats a byte")
    legend(figure, axes)
    save(figure, "final_loss")


def draw_loss_by_time(matrix: Matrix, shares: dict[Choice, float]) -> None:
    figure, axes = panel(f"Loss against simulated wall-clock, {STAGES} stages",
                         "the lowest that a system has at any a; mean of the seeds")
    for system in matrix.systems():
        curves = [timed(matrix.mean_curve(choice), shares[choice])
                  for choice in matrix.choices() if choice.system == system]
        x, y = zip(*lowest(curves))
        axes.plot(x, y, label=system, **LOOKS[system] | {"marker": None})
    axes.set_xlim(0, LONGEST_TIME)
    axes.set_ylim(top=3.2)
    axes.set_xlabel("time; 1: a pipeline without bubbles has passed all the data")
    axes.set_ylabel("validation loss, nats a byte")
    legend(figure, axes)
    save(figure, "loss_by_time")


def lowest(curves: list[Curve]) -> Curve:
    """Of all curves at every time up to the longest; one that has ended keeps its last loss."""
    steps = 350
    times = [LONGEST_TIME * i / steps for i in range(steps + 1)]
    return [(t, min(loss_at(curve, min(t, curve[-1][0])) for curve in curves)) for t in times]


def draw_throughput(pipeline: dict, emulated: dict) -> None:
    figure, computing, sleeping = two_panels("Throughput by accumulation", "two stages that compute, on two cores",
                                             f"{emulated['stages']} emulated stages")
    sides = [side for side in LOOKS if any(entry["side"] == side for entry in pipeline["summary"])]
    for side in sides:
        points = [(entry["accumulation"], entry["share_of_limit"]) for entry in pipeline["summary"]
                  if entry["side"] == side and "share_of_limit" in entry]
        computing.plot(*zip(*points), label=side, **LOOKS[side])
    for schedule in (FLUSH, PACI):
        points = [(run["accumulation"], run["share_of_limit"]) for run in emulated["runs"]
                  if run["schedule"] == schedule and run["update_seconds"] == 0]
        sleeping.plot(*zip(*points), **LOOKS[schedule])
    computing.set_ylabel("share of a pipeline without bubbles")
    for axes, accumulations in ((computing, (1, 2, 4, 8, 16)), (sleeping, (2, 4, 8, 16))):
        show_accumulations(axes, accumulations)
        show_share(axes)
    legend(figure, computing, columns=5)
    save(figure, "throughput")


def show_share(axes: Axes) -> None:
    axes.set_ylim(0, 1.05)
    axes.yaxis.set_major_formatter(PercentFormatter(1))


def draw_memory(schedules: dict[str, dict]) -> None:
    figure, axes = panel("Peak memory by schedule, two stages, a = 4",
                         "above what the processes had when they were ready to begin")
    base = schedules[FLUSH]["above_start_bytes"]
    names = list(reversed(schedules))
    values = [schedules[name]["above_start_bytes"] / base for name in names]
    bars = axes.barh(names, values, color=[LOOKS.get(name.split(",")[0], {"color": GREY})["color"] for name in names],
                     height=0.7)
    axes.bar_label(bars, [f"{value:.2f}" for value in values], padding=3)
    axes.axvline(1, color=BLACK, linewidth=0.8, linestyle=":")
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("peak memory, 1f1b = 1")
    save(figure, "memory")


def draw_recipes(runs: list[dict]) -> None:
    """Of the first seed of 8 stages and a = 8: each recipe over learning rates, and at its best one over time."""
    figure, rates, times = two_panels("Recipes against lag, 8 stages, a = 8, 200 updates, one seed", "by learning rate",
                                      "over simulated time, each at its best rate")
    runs = [run for run in runs if (run["stages"], run["accumulation"], run["micro_batches"]) == (8, 8, RECIPES_LENGTH)]
    for (schedule, name), look in RECIPES.items():
        of_recipe = sorted((run for run in runs if is_of(run, schedule, name)), key=lambda run: run["lr"])
        if not of_recipe:
            continue
        rates.plot([run["lr"] for run in of_recipe], [run["validation"][-1][1] for run in of_recipe],
                   label=f"{schedule}: {name}", **look)
        best = min(of_recipe, key=lambda run: run["validation"][-1][1])
        times.plot(*zip(*over_time(best)), **look)
    rates.set_xscale("log", base=2)
    ticks = sorted({run["lr"] for run in runs})
    rates.set_xticks(ticks, [f"{tick:g}" for tick in ticks], rotation=45)
    rates.minorticks_off()
    rates.set_xlabel("learning rate")
    rates.set_ylabel("validation loss, nats a byte")
    times.set_ylim(top=3.2)
    times.set_xlabel("time; 1: without bubbles")
    legend(figure, rates, columns=2)
    save(figure, "recipes")


def draw_lag(runs: list[dict]) -> None:
    """How far above a flush with the same optimizer each recipe ends, by the lag of the first stage."""
    options = argparse.Namespace(stages=[8], accumulation=[8], micro_batches=RECIPES_LENGTH, rates=None, seeds=3)
    found = quality.Report(runs, options)
    figure, axes = panel("paci above its flush by lag, 1,600 micro-batches", "4, 8 and 16 stages, a from 1 to 16")
    for name in LAG_RECIPES:
        points = [point for stages, accumulation in itertools.product((4, 8, 16), (1, 2, 4, 8, 16))
                  if (point := above_flush(found, quality.RECIPES[name], stages, accumulation))]
        lags, means, deviations = zip(*sorted(points))
        axes.errorbar(lags, means, deviations, label=name, capsize=2, **(RECIPES[PACI, name] | {"linestyle": "none"}))
    axes.axhline(0, color=BLACK, linewidth=0.8, linestyle=":")
    axes.set_xscale("log", base=2)
    ticks = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("mean version lag of the first stage")
    axes.set_ylabel("above the same flush, %")
    legend(figure, axes, columns=2)
    save(figure, "lag")


def above_flush(found: quality.Report, recipe: quality.Recipe, stages: int,
                accumulation: int) -> tuple[float, float, float] | None:
    """Mean lag; mean of the seeds in percent, and their standard deviation (0 of one)."""
    percent = quality.percent_above(*(found.finals(recipe, schedule, stages, accumulation) for schedule in (PACI, FLUSH)))
    if not percent:
        return None
    deviation = statistics.stdev(percent) if len(percent) > 1 else 0.0
    return quality.full_lag(stages, accumulation, recipe.split), statistics.fmean(percent), deviation


def is_of(run: dict, schedule: str, name: str) -> bool:
    wanted = quality.run_of(quality.RECIPES[name], schedule, 8, 8, 1, run["lr"], run["micro_batches"])
    return all(run[key] == value for key, value in wanted._asdict().items())


def over_time(run: dict) -> list[tuple[float, float]]:
    """A flushed update takes (a + N - 1) / a of the time of one without bubbles."""
    flushed_until = run["micro_batches"] if run["schedule"] == FLUSH else run["start"] * run["micro_batches"]
    bubble = quality.full_lag(run["stages"], run["accumulation"], run["split"])
    return [((done + bubble * min(done, flushed_until)) / run["micro_batches"], loss) for done, loss in run["validation"]]


def draw_scaling(result: dict) -> None:
    figure, *both = two_panels(f"Simulated throughput by stages, jitter {result['jitter']:.0%}", "equal stages",
                               f"stage N/2 {result['slowdown']} times slower")
    for axes, has_straggler in zip(both, (False, True)):
        draw_scaling_panel(axes, [c for c in result["simulated"] if c["has_straggler"] == has_straggler])
    both[0].set_ylabel("share of what the slowest stage could do")
    legend(figure, both[0], columns=3)
    save(figure, "scaling")


def draw_scaling_panel(axes: Axes, choices: list[dict]) -> None:
    lines = [(PACI, order, "N", {"linestyle": style})
             for order, style in zip(scaling.ORDERS, ("-", "--"))]
    lines += [(FLUSH, "strict", "4 N", {"linestyle": "--"}), (FLUSH, "strict", "N", {}),
              (FLUSH, "strict", str(scaling.FIXED_A), {"linestyle": ":"})]
    for schedule, order, accumulation, look in lines:
        points = [(c["stages"], c["share_of_limit"]) for c in choices
                  if (c["schedule"], c["order"]) == (schedule, order)
                  and c["accumulation"] == accumulation_of(accumulation, c["stages"])]
        label = f"{schedule}, {order}" if schedule == PACI else f"{schedule}, a = {accumulation}"
        axes.plot(*zip(*points), label=label, **LOOKS[schedule] | look)
    axes.set_xscale("log", base=2)
    axes.set_xticks(scaling.SIMULATED_STAGES, map(str, scaling.SIMULATED_STAGES))
    axes.minorticks_off()
    axes.set_xlabel("stages N")
    show_share(axes)


def accumulation_of(text: str, stages: int) -> int:
    return {"N": stages, "4 N": 4 * stages}.get(text) or int(text)


if __name__ == "__main__":
    main()
