"""GPT-2 Medium on a GPU, sequence 1024, alone and as two stages, and what eight such devices would do.

The whole model is trained as a job of one stage on device 0, with weights in BFloat16 and with autocast: tokens a second,
memory, and the share of the device's BFloat16 matrix product that the model's arithmetic reaches (MFU: a token takes
6 operations a weight of a matrix product and 12 layers hidden context). All sides take turns, among them the same model in
PyTorch (peers/gpu_model.py) where this machine's python3 has it. The pipeline of 8 is the simulator's, with the seconds
that the job measured. `links` are real pipelines of two stages of six blocks that share device 0, through memory of the
host and over NCCL, as a ratio to one stage with all of them. Needs what `paci-worker --probe` asks for.

usage: gpu.py [--json FILE] [--micro-batch M] [--updates U] [--turns T]
"""
import argparse
import json
import subprocess
import sys

from cluster import BIN, ROOT, Cluster, gpu_cluster, machine, median, report, sets, tokens_per_second

SHAPE = {"hidden": 1024, "heads": 16, "context": 1024, "vocabulary": 50304}
STAGES, LAYERS, LINK_LAYERS = 8, 24, 6
ACCUMULATIONS = (8, 16)
PRECISIONS = ("bf16", "bf16_autocast")
JOB = ROOT / "bench" / "pipeline.yaml"
ONE, TWO = [(0, "one")], [(0, "one"), (0, "other")]
LINKS = {"one stage": (ONE, {"pipeline.stages": 1}),
         "host": (TWO, {"pipeline.gpu_transport": "host", "pipeline.partition": "[4,4]"}),
         "nccl": (TWO, {"pipeline.gpu_transport": "nccl", "pipeline.partition": "[4,4]"})}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--micro-batch", type=int, default=16)
    parser.add_argument("--updates", type=int, default=12)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    probe = subprocess.run([BIN / "paci-worker", "--probe"], capture_output=True, text=True)
    if probe.returncode:
        sys.exit(f"bench gpu: this machine lacks a part of what it takes; paci-worker --probe says:\n{probe.stdout}")
    result: dict = {"machine": machine(), "probe": probe.stdout, "micro_batch": options.micro_batch}
    with gpu_cluster(ONE) as running:
        result["flops_limit"] = running.ctl("workers")["workers"][0]["info"]["matmul_flops"]
        result["model"] = whole_model(running, options, result["flops_limit"])
        result["pipeline"] = planned(running, options)
    report({}, [[name, round(s["tokens_per_second"]), s["mfu"], s["peak_device_bytes"] / 2**30, s.get("over_torch", "-")]
                for name, s in result["model"].items()], ["precision", "tokens/s", "MFU", "peak, GiB", "/ PyTorch"], None)
    print(flush=True)
    result["links"] = links(options)
    report({}, [[name, r] for name, r in result["links"]["ratio"].items()], ["two stages on one device", "of one stage"], None)
    print()
    report(result, [[p["schedule"], p["accumulation"], p["share_of_limit"]] for p in result["pipeline"]],
           ["schedule", "a", f"share of the no-bubble limit, {STAGES} stages, simulated"], options.json)
    print("\nthe paper, 8 GPUs: against flush with the same number of micro-batches up to 2.04 times as fast")


def settings(running: Cluster, options: argparse.Namespace, **more: object) -> dict[str, object]:
    return {f"model.{key}": value for key, value in SHAPE.items()} | {
        "model.layers": LAYERS, "pipeline.stages": 1, "pipeline.micro_batch": options.micro_batch, "train.device": "cuda",
        "train.updates": options.updates, "data.train": synthetic(running), "data.tokenizer": "uint16"} | more


def synthetic(running: Cluster) -> str:
    path = running.folder / "tokens.bin"
    if not path.exists():
        path.write_bytes(b"".join((i * 7919 % 50257).to_bytes(2, "little") for i in range(1 << 20)))
    return str(path)


def whole_model(running: Cluster, options: argparse.Namespace, flops_limit: float) -> dict:
    """Of each side the medians of its turns, after one that warms up."""
    turns: dict = {side: [] for precision in PRECISIONS for side in (precision, f"PyTorch, {precision}")}
    for _ in range(options.turns + 1):
        for precision in PRECISIONS:
            job = running.run_job(JOB, settings(running, options, **{"train.precision": precision}))
            turns[precision].append({"tokens_per_second": tokens_per_second(job, options.updates // 2),
                                     "peak_device_bytes": int(job["stages"][0]["peak_device_bytes"])})
            turns[f"PyTorch, {precision}"] += torch_model(options, precision)
    found = {side: {key: median([t[key] for t in these[1:]]) for key in ("tokens_per_second", "peak_device_bytes")}
             for side, these in turns.items() if these}
    matrices = LAYERS * 12 * SHAPE["hidden"] ** 2 + SHAPE["vocabulary"] * SHAPE["hidden"]
    flops = 6 * matrices + 12 * LAYERS * SHAPE["hidden"] * SHAPE["context"]
    for side, these in found.items():
        these["mfu"] = flops * these["tokens_per_second"] / flops_limit
        these["turns"] = turns[side][1:]
        if peers := turns.get(f"PyTorch, {side}"):
            these["over_torch"] = median([ours["tokens_per_second"] / theirs["tokens_per_second"]
                                          for ours, theirs in zip(turns[side][1:], peers[1:])])
    return found


def torch_model(options: argparse.Namespace, precision: str) -> list[dict]:
    """One run; none where there is no PyTorch for the device."""
    spec = {"model": SHAPE | {"layers": LAYERS}, "micro_batch": options.micro_batch, "accumulation": 4,
            "updates": options.updates, "precision": precision}
    done = subprocess.run(["python3", ROOT / "bench" / "peers" / "gpu_model.py", json.dumps(spec)],
                          capture_output=True, text=True)
    if done.returncode == 3:
        print("this machine's python3 has no PyTorch with CUDA: the peer was not measured", file=sys.stderr)
        return []
    if done.returncode:
        sys.exit(f"bench gpu: the peer: {done.stderr}")
    return [json.loads(done.stdout)]


def links(options: argparse.Namespace) -> dict:
    """Tokens a second of each way, which take turns, and the medians of their ratios to one stage."""
    speeds: dict = {name: [] for name in LINKS}
    for _ in range(options.turns):
        for name, (ends, how) in LINKS.items():
            with gpu_cluster(ends) as running:
                job = running.run_job(JOB, settings(running, options, **{"model.layers": LINK_LAYERS, "pipeline.stages": 2} | how))
                speeds[name].append(tokens_per_second(job, options.updates // 2))
    ratio = {name: median([a / b for a, b in zip(speeds[name], speeds["one stage"])]) for name in LINKS if name != "one stage"}
    return {"tokens_per_second": speeds, "ratio": ratio}


def planned(running: Cluster, options: argparse.Namespace) -> list[dict]:
    """The planner's choices for stages that cost what one run of the whole model measured."""
    asked = settings(running, options, **{"train.precision": "bf16"})
    job = running.run_job(JOB, asked)
    choices = running.ctl("plan", str(JOB), *sets(asked), "--measured-by", job["id"], "--stages", str(STAGES), "--schedules",
                          "paci,1f1b", "--accumulation", ",".join(map(str, ACCUMULATIONS)))["choices"]
    return [{key: choice[key] for key in ("schedule", "accumulation", "share_of_limit", "tokens_per_second")}
            for choice in choices]


if __name__ == "__main__":
    main()
