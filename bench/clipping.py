"""What clipping by the norm that each stage knows costs against clipping by the norm of the whole model, and against
clipping each stage by itself: bench/convergence.yaml on the King James text as it is, and with a window's worth of
random bytes in every 4 KiB of it, on which gradients jump.

Sides: one stage, whose own norm is the whole model's (exact, no pipeline); eight stages under 1f1b (no lag of weights)
and under paci, clipping by stage and by pipeline. The same weights at the start, the same data. Final validation loss on
text without noise, the age of the oldest part of a norm, and the share of updates whose training loss jumps by more
than 0.5 over the mean of the four before.

usage: clipping.py [--json FILE] [--micro-batches M] [--lr LR] [--clip-norm C] [--seeds K]
"""
import argparse
import pathlib
import random
import statistics

from cluster import ROOT, cluster, kjv, machine, report
from convergence import JOB_FILE, length_settings

STAGES, ACCUMULATION = 8, 8
SIDES = {  # stages, schedule, scope
    "exact": (1, "1f1b", "stage"),
    "1f1b, by stage": (STAGES, "1f1b", "stage"),
    "1f1b, by pipeline": (STAGES, "1f1b", "pipeline"),
    "paci, by stage": (STAGES, "paci", "stage"),
    "paci, by pipeline": (STAGES, "paci", "pipeline"),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--micro-batches", type=int, default=1600)
    parser.add_argument("--lr", type=float, default=6e-3)
    parser.add_argument("--clip-norm", type=float, default=0.5)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    clean, validation = kjv()
    texts = {"as it is": clean, "with noise": noisy(clean)}
    runs = []
    with cluster(STAGES) as running:
        for seed in range(1, options.seeds + 1):
            for text, path in texts.items():
                for side, (stages, schedule, scope) in SIDES.items():
                    job = running.run_job(JOB_FILE, length_settings(options.micro_batches, ACCUMULATION) | {
                        "pipeline.stages": stages, "pipeline.schedule": schedule, "optimizer.clip_scope": scope,
                        "optimizer.clip_norm": options.clip_norm, "optimizer.lr": options.lr, "train.seed": seed,
                        "data.train": path, "data.validation": validation})
                    runs.append({"text": text, "side": side, "seed": seed, **found(job)})
                    print(runs[-1], flush=True)
    result = {"machine": machine(), **{k: v for k, v in vars(options).items() if k != "json"}, "stages": STAGES,
              "accumulation": ACCUMULATION, "runs": runs}
    rows = [[text, side, *(statistics.fmean(run[key] for run in runs if run["text"] == text and run["side"] == side)
                           for key in ("validation_loss", "jumps", "age"))] for text in texts for side in SIDES]
    report(result, rows, ["text", "side", "validation loss", "jumps", "age"], options.json)


def found(job: dict) -> dict:
    losses = [p["loss"] for p in job["points"] if "loss" in p]
    jumps = [loss > statistics.fmean(losses[i:i + 4]) + 0.5 for i, loss in enumerate(losses[4:])]
    return {"validation_loss": [p["validation_loss"] for p in job["points"] if "validation_loss" in p][-1],
            "jumps": sum(jumps) / len(jumps),
            "age": max(int(stage.get("pipeline_norm_age", 0)) for stage in job["stages"])}


def noisy(clean: pathlib.Path) -> pathlib.Path:
    """64 bytes, a window of the model, in every 4096."""
    path = ROOT / ".run" / "kjv" / "noisy.txt"
    text, noise = bytearray(clean.read_bytes()), random.Random(1)
    for at in range(0, len(text) - 64, 4096):
        text[at:at + 64] = noise.randbytes(64)
    path.write_bytes(text)
    return path


if __name__ == "__main__":
    main()
