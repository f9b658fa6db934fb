"""What recovery.mode fast does to the loss, and what it saves: the same job under the same kills, with every stage going
back (exact), with only the killed stage going back to the checkpoint (fast), and with the killed stage going on from its
neighbour's copy (fast, copies); beside the job that nobody disturbs.

A stage chosen at random is killed every so many updates that have been done, and a warm standby takes its place. Per
side and seed: final validation loss; updates done again, summed over the kills; seconds of the run. And what copies cost
while nothing fails: speed without them, with one at each update and with one at each tenth, taking turns.

usage: fast_recovery.py [--json FILE] [--seeds S] [--updates U] [--kill-every K] [--checkpoint-every C] [--turns T]
"""
import argparse
import json
import pathlib
import random
import time

from cluster import ROOT, Cluster, cluster, kjv, machine, median, report, sets, tokens_per_second

JOB_FILE = ROOT / "bench" / "convergence.yaml"
STAGES = 4
SIDES = {
    "undisturbed": None,
    "exact": {"recovery.mode": "exact"},
    "fast": {"recovery.mode": "fast"},
    "fast, copies": {"recovery.mode": "fast", "recovery.replicate": "neighbour"},
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=3, help="0: only the cost of copies; runs in the file stay")
    parser.add_argument("--updates", type=int, default=400)
    parser.add_argument("--kill-every", type=int, default=25, help="updates")
    parser.add_argument("--checkpoint-every", type=int, default=20, help="updates")
    parser.add_argument("--turns", type=int, default=5, help="pairs of runs of the cost of copies")
    options = parser.parse_args()
    before = {}
    if options.seeds == 0 and options.json and options.json.exists():
        before = json.loads(options.json.read_text())
    runs = before.get("runs", [])
    for seed in range(1, options.seeds + 1):
        for side, settings in SIDES.items():
            runs.append({"side": side, "seed": seed, **run(settings, seed, options)})
            print(f"seed {seed}, {side}: {runs[-1]['validation_loss']:.4f}, {runs[-1]['kills']} kills, "
                  f"{runs[-1]['updates_again']} updates again, {runs[-1]['seconds']:.0f} s", flush=True)
    cost = cost_of_copies(options.turns)
    result = {"machine": machine(), **{k: v for k, v in vars(options).items() if k != "json"}, "stages": STAGES,
              "runs": runs} | before | {"turns": options.turns, "cost_of_copies": cost}
    rows = []
    for side in SIDES if runs else ():
        of_side = [r for r in runs if r["side"] == side]
        rows.append([side, *(sum(r[key] for r in of_side) / len(of_side) for key in
                             ("validation_loss", "loss_above", "kills", "updates_again", "seconds"))])
    report(result, rows, ["side", "validation loss", "above undisturbed", "kills", "updates again", "seconds"],
           options.json)
    print(f"\nspeed with copies / without: {cost['each update']:.3f} at each update, {cost['each tenth']:.3f} at each "
          f"tenth; {cost['state_bytes'] / 1e6:.1f} MB of state in all")


def run(settings: dict | None, seed: int, options: argparse.Namespace) -> dict:
    choices = random.Random(seed)
    begin = time.monotonic()
    with cluster(STAGES + 1) as running:
        train, validation = kjv()
        job = running.ctl("submit", str(JOB_FILE), *sets({
            "data.train": train, "data.validation": validation, "pipeline.stages": STAGES,
            "train.updates": options.updates, "train.eval_every": options.updates, "train.seed": seed,
            "checkpoint.dir": running.folder / "checkpoints", "checkpoint.every": options.checkpoint_every,
            "checkpoint.cut": "running", "recovery.max_restarts": 1000, **(settings or {})}))["id"]
        again = kills = 0
        at = options.kill_every
        while settings is not None and at < options.updates:
            running.wait_for(lambda: updates_of(running, job) >= at, f"update {at}", 600)
            shown = running.ctl("describe", job)
            running.kill_worker(choices.choice(shown["stages"])["worker_name"])
            running.start_worker(f"standby-{kills}")
            again += await_restart(running, job, int(shown["generation"]))
            kills += 1
            at += options.kill_every
        running.wait_for(lambda: running.ctl("describe", job)["state"] == "JOB_STATE_COMPLETED", "the end", 1200)
        loss = running.ctl("describe", job)["progress"]["last_validation_loss"]
    undisturbed = run.undisturbed.setdefault(seed, loss)
    return {"validation_loss": loss, "loss_above": loss - undisturbed, "kills": kills, "updates_again": again,
            "seconds": time.monotonic() - begin}


run.undisturbed = {}  # validation loss by seed


def updates_of(running: Cluster, job: str) -> int:
    return int(running.ctl("describe", job)["progress"].get("updates", 0))


def await_restart(running: Cluster, job: str, generation: int) -> int:
    """The updates that are done again, as the last stage's first loss after it shows."""
    last_before = max((int(p["update"]) for p in points(running, job)), default=0)
    running.wait_for(lambda: int(running.ctl("describe", job)["generation"]) > generation, "the restart", 120)

    def has_begun() -> bool:
        return all(int(s.get("first_update", 0)) > 0 and s["state"] == "STAGE_STATE_RUNNING"
                   for s in running.ctl("describe", job)["stages"])
    running.wait_for(has_begun, "every stage runs", 120)
    return max(0, last_before - int(running.ctl("describe", job)["stages"][0]["first_update"]))


def points(running: Cluster, job: str) -> list[dict]:
    return [p for p in running.ctl("metrics", job).get("points", []) if "learning_rate" in p]


def cost_of_copies(turns: int) -> dict:
    """Two stages on two cores, in an order that goes round."""
    sides = {"none": SIDES["fast"], "each update": SIDES["fast, copies"],
             "each tenth": SIDES["fast, copies"] | {"recovery.replicate_every": 10}}
    speeds = []
    for turn in range(turns):
        speeds.append({})
        names = list(sides)
        for side in names[turn % len(names):] + names[:turn % len(names)]:
            with cluster(2) as running:
                done = running.run_job(JOB_FILE, {
                    "data.train": kjv()[0], "pipeline.stages": 2, "train.updates": 120, "train.eval_every": 0,
                    "checkpoint.dir": running.folder / "checkpoints", **sides[side]})
            speeds[-1][side] = tokens_per_second(done, 10)
        print(f"copies, turn {turn + 1}: {share(speeds[-1], 'each update'):.3f}, "
              f"{share(speeds[-1], 'each tenth'):.3f}", flush=True)
    # Weights and two moments, 4 bytes each.
    state = 12 * sum(int(stage["parameters"]) for stage in done["stages"])
    return {"speeds": speeds, "state_bytes": state,
            **{side: median([share(turn, side) for turn in speeds]) for side in ("each update", "each tenth")}}


def share(speeds: dict, side: str) -> float:
    return speeds[side] / speeds["none"]


if __name__ == "__main__":
    main()
