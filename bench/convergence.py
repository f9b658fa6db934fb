"""Loss of `paci` beside `1f1b` at equal data and at equal time: real text, several seeds, the same model and order of
samples. Order `strict`, so each run can be repeated bit for bit.

usage: convergence.py [--json FILE] [--updates U] [--seeds K] [--stages N] [--accumulation A]
"""
import argparse
import statistics

from cluster import ROOT, cluster, kjv, machine, report

SCHEDULES = ("1f1b", "paci")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--stages", type=int, default=4)
    parser.add_argument("--accumulation", type=int, default=8)
    options = parser.parse_args()
    train, validation = kjv()
    marks = [u for u in (250, 500, 1000) if u <= options.updates] or [options.updates]
    curves: dict[str, list[dict]] = {schedule: [] for schedule in SCHEDULES}
    with cluster(options.stages) as running:
        for seed in range(1, options.seeds + 1):
            for schedule in SCHEDULES:
                job = running.run_job(ROOT / "bench" / "convergence.yaml", {
                    "data.train": train, "data.validation": validation, "model.layers": options.stages,
                    "pipeline.stages": options.stages, "pipeline.schedule": schedule,
                    "pipeline.accumulation": options.accumulation, "train.updates": options.updates,
                    "train.eval_every": 250 if options.updates >= 250 else options.updates,
                    "optimizer.warmup_updates": options.updates // 10, "train.seed": seed})
                curves[schedule].append(summary(job))
                print(f"seed {seed} {schedule}: {curves[schedule][-1]['validation']}", flush=True)

    rows = []
    for mark in marks:
        flush, paci = ([c["validation"][mark] for c in curves[s]] for s in SCHEDULES)
        rows.append([mark, mean(flush), spread(flush), mean(paci), spread(paci), mean(paci) / mean(flush)])
    result = {"machine": machine(), "stages": options.stages, "accumulation": options.accumulation, "curves": curves}
    report(result, rows, ["update", "1f1b", "+-", "paci", "+-", "paci / 1f1b"], options.json)
    print()
    report(result, wall_clock_rows(curves), ["1f1b at share of its time", "1f1b loss", "paci reaches it in share",
                                             "speed-up"], None)


def summary(job: dict) -> dict:
    points = job["points"]
    return {
        "validation": {int(p["update"]): p["validation_loss"] for p in points if "validation_loss" in p},
        "training": [(int(p["update"]), p["elapsed_seconds"], p["loss"]) for p in points if "loss" in p],
    }


def wall_clock_rows(curves: dict[str, list[dict]]) -> list[list[object]]:
    """Smoothed training loss of the flush run at a share of its time, and when PACI of the same seed has it."""
    rows = []
    for share in (0.25, 0.5, 0.75, 1.0):
        losses, ratios = [], []
        for flush, paci in zip(curves["1f1b"], curves["paci"]):
            smooth_flush, smooth_paci = smooth(flush["training"]), smooth(paci["training"])
            end = smooth_flush[-1][0]
            loss = min(value for seconds, value in smooth_flush if seconds <= share * end)
            reached = next((seconds for seconds, value in smooth_paci if value <= loss), None)
            losses.append(loss)
            if reached is not None:
                ratios.append(share * end / reached)
        reached_all = len(ratios) == len(losses)
        rows.append([share, mean(losses), share / mean(ratios) if reached_all else "not reached",
                     mean(ratios) if reached_all else f"{len(ratios)} of {len(losses)} seeds"])
    return rows


def smooth(training: list[tuple[int, float, float]], width: int = 20) -> list[tuple[float, float]]:
    values = [loss for _, _, loss in training]
    return [(training[i][1], statistics.fmean(values[i - width + 1:i + 1])) for i in range(width - 1, len(values))]


def mean(values: list[float]) -> float:
    return statistics.fmean(values)


def spread(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


if __name__ == "__main__":
    main()
