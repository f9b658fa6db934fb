"""The runtime without arithmetic: 8 stages whose forwards and backwards are sleeps, real frames between them.

Measures tokens/s of `paci` and `1f1b` as a share of the no-bubble limit (one micro-batch every forward + backward), and
what the stage loop costs beside compute. With `paci` and a = 8 also with optimizer steps of a fifth of an update's
forwards and backwards, as large as those of Muon with few tokens: a pipeline can at best be as much slower as a stage
by itself. usage: emulated.py [--json FILE] [--stages N] [--repeats R]
"""
import argparse
import itertools

from cluster import ROOT, cluster, machine, median, report, tokens_per_second

FORWARD, BACKWARD = 0.010, 0.020
UPDATE = 0.048
CASES = [(schedule, accumulation, 0.0) for accumulation in (2, 4, 8, 16) for schedule in ("paci", "1f1b")]
CASES.append(("paci", 8, UPDATE))


def theory(schedule: str, accumulation: int, update: float, stages: int) -> float:
    passes = accumulation + stages - 1 if schedule == "1f1b" else accumulation
    return accumulation * (FORWARD + BACKWARD) / (passes * (FORWARD + BACKWARD) + update)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--stages", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    runs: dict[tuple[str, int, float], list[dict]] = {}
    with cluster(options.stages) as running:
        for _, case in itertools.product(range(options.repeats), CASES):
            schedule, accumulation, update = case
            job = running.run_job(ROOT / "bench" / "emulated.yaml", {
                "pipeline.stages": options.stages, "pipeline.schedule": schedule, "pipeline.accumulation": accumulation,
                "train.updates": max(8, 160 // accumulation), "emulation.update_seconds": f"{update}s"})
            runs.setdefault(case, []).append(job)

    rows, result = [], {"machine": machine(), "stages": options.stages, "forward_seconds": FORWARD,
                        "backward_seconds": BACKWARD, "runs": []}
    for (schedule, accumulation, update), jobs in sorted(runs.items()):
        spec = jobs[0]["spec"]
        limit = spec["pipeline"]["micro_batch"] * spec["model"]["context"] / (FORWARD + BACKWARD)
        # Past the first fill: as many updates as a micro-batch needs to pass all stages.
        skip = options.stages // accumulation + 1
        share = median([tokens_per_second(job, skip) / limit for job in jobs])
        loop = median([loop_microseconds(job) for job in jobs])
        expected = theory(schedule, accumulation, update, options.stages)
        rows.append([schedule, accumulation, 1000 * update, share, expected, share / expected, loop])
        result["runs"].append({"schedule": schedule, "accumulation": accumulation, "update_seconds": update,
                               "share_of_limit": share, "theory": expected,
                               "loop_microseconds_per_micro_batch": loop, "repeats": len(jobs)})
    report(result, rows, ["schedule", "a", "update ms", "share of limit", "theory", "measured / theory",
                          "loop us / micro-batch"], options.json)


def loop_microseconds(job: dict) -> float:
    """Wall-clock of the stage loop outside compute and waits, per micro-batch, mean over the stages."""
    costs = [stage["activity"].get("other", 0.0) / int(stage["backwards"]) for stage in job["stages"]]
    return 1e6 * sum(costs) / len(costs)


if __name__ == "__main__":
    main()
