"""What checkpoints cost a real job over two stages (the model and cut of bench/pipeline.yaml, one thread a stage).

Without checkpoints, and with one every EVERY updates, drained and running, in turns; medians. Of each: tokens/s between
two updates with as many checkpoints between them as there are, and of it the cost of one checkpoint in updates. From the
workers' logs: how long a checkpoint held its stage up (the write before, and the copy), and how long its write took.

usage: checkpoints.py [--json FILE] [--repeats R] [--every E] [--updates U] [--micro-batch M]
"""
import argparse
import re

from cluster import ROOT, Cluster, cluster, kjv, machine, median, report, tokens_per_second

STAGES = 2
VARIANTS: dict[str, dict[str, object]] = {
    "none": {},
    "drained": {"checkpoint.cut": "drained"},
    "running": {"checkpoint.cut": "running"},
}
FIELD = re.compile(r"\b(bytes|wait_seconds|copy_seconds|write_seconds)=([0-9.e+-]+)")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--updates", type=int, default=16)
    parser.add_argument("--micro-batch", type=int, default=4)
    options = parser.parse_args()
    runs: dict[str, list[dict]] = {name: [] for name in VARIANTS}
    parts: list[dict] = []
    for _ in range(options.repeats):
        for name, settings in VARIANTS.items():
            with cluster(STAGES, worker_flags=("--log-level", "info")) as running:
                runs[name].append(train(running, settings, options))
                parts += written(running)
    # Between the points of updates `every` and the last lie those of the first and up to the last but one.
    checkpoints = options.updates // options.every - 1
    update_seconds = median([run["update_seconds"] for run in runs["none"]])
    result: dict = {"machine": machine(), "stages": STAGES, "every": options.every, "updates": options.updates,
                    "micro_batch": options.micro_batch, "repeats": options.repeats, "update_seconds": update_seconds,
                    "part": {key: median([part[key] for part in parts]) for key in parts[0]}, "runs": {}}
    for name, group in runs.items():
        # Against the run without of the same turn.
        costs = [(run["update_seconds"] / none["update_seconds"] - 1) * (options.updates - options.every) / checkpoints
                 for run, none in zip(group, runs["none"])]
        result["runs"][name] = {"tokens_per_second": median([run["tokens_per_second"] for run in group]),
                                "updates_per_checkpoint": median(costs)}
    part = result["part"]
    print(f"an update: {update_seconds:.3f} s; a stage's part: {part['bytes'] / 2**20:.1f} MiB, "
          f"wait {part['wait_seconds']:.4f} s, copy {part['copy_seconds']:.4f} s "
          f"({part['copy_seconds'] / update_seconds:.4f} of an update), write {part['write_seconds']:.3f} s\n")
    report(result, [[name, run["tokens_per_second"], run["updates_per_checkpoint"]]
                    for name, run in result["runs"].items()],
           ["checkpoints", "tokens/s", "cost of one, in updates"], options.json)


def train(running: Cluster, settings: dict[str, object], options: argparse.Namespace) -> dict:
    if settings:
        settings = settings | {"checkpoint.dir": running.folder / "checkpoints", "checkpoint.every": options.every,
                               "checkpoint.keep": 1}
    data, _ = kjv()
    job = running.run_job(ROOT / "bench" / "pipeline.yaml", settings | {
        "data.train": data, "pipeline.stages": STAGES, "pipeline.partition": "[5,5]",
        "pipeline.micro_batch": options.micro_batch, "train.updates": options.updates})
    speed = tokens_per_second(job, options.every)
    spec = job["spec"]
    tokens = spec["pipeline"]["accumulation"] * spec["pipeline"]["micro_batch"] * spec["model"]["context"]
    return {"tokens_per_second": speed, "update_seconds": tokens / speed}


def written(running: Cluster) -> list[dict]:
    """Of every part that the workers wrote."""
    lines = [line for log in sorted(running.folder.glob("worker-*.log")) for line in log.read_text().splitlines()]
    return [{key: float(value) for key, value in FIELD.findall(line)}
            for line in lines if "wrote a part of a checkpoint" in line]


if __name__ == "__main__":
    main()
