"""One pipeline stage on a GPU: the shapes of GPT-2 Medium, sequence 1024, and what eight such stages would do.

Every part of the model that one of 8 stages has is trained alone, as a job of one stage, on device 0: seconds of a forward, a
backward and an update by the device's own events, memory, and the share of the device's BFloat16 matrix product that
the model's arithmetic reaches (MFU: 6 parameters and 12 layers hidden context a token). The pipeline of 8 is then the
simulator's, with these seconds. Beside it the paper's claims. Needs what `paci-worker --probe` asks for.

usage: gpu.py [--json FILE] [--micro-batch M] [--updates U]
"""
import argparse
import subprocess
import sys

from cluster import BIN, ROOT, cluster, machine, report

MEDIUM = {"model.layers": 24, "model.hidden": 1024, "model.heads": 16, "model.context": 1024, "model.vocabulary": 50304}
STAGES, LAYERS = 8, 3
ACCUMULATIONS = (8, 16)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--micro-batch", type=int, default=16)
    parser.add_argument("--updates", type=int, default=10)
    options = parser.parse_args()
    probe = subprocess.run([BIN / "paci-worker", "--probe"], capture_output=True, text=True)
    if probe.returncode:
        sys.exit(f"bench gpu: this machine lacks a part of what it takes; paci-worker --probe says:\n{probe.stdout}")
    result: dict = {"machine": machine(), "probe": probe.stdout, "micro_batch": options.micro_batch}
    with cluster(1, worker_flags=("--device", "cuda:0")) as running:
        result["flops_limit"] = running.ctl("workers")["workers"][0]["info"]["matmul_flops"]
        # Three blocks with embedding and head: the ends of the model cost one stage more than the others.
        job = running.run_job(ROOT / "bench" / "pipeline.yaml", MEDIUM | {
            "model.layers": LAYERS, "pipeline.stages": 1, "pipeline.micro_batch": options.micro_batch,
            "train.device": "cuda", "train.updates": options.updates, "data.train": synthetic(running),
            "data.tokenizer": "uint16"})
        result["stage"] = stage_of(job, options, result["flops_limit"])
        seconds = result["stage"]["forward_seconds"] + result["stage"]["backward_seconds"]
        result["pipeline"] = [plan(running, result["stage"], a, schedule) | {"accumulation": a}
                              for a in ACCUMULATIONS for schedule in ("paci", "1f1b")]
    print(f"a stage of {LAYERS} blocks: {1e3 * seconds:.2f} ms a micro-batch of {options.micro_batch} x 1024 tokens, "
          f"MFU {result['stage']['mfu']:.3f}, peak {result['stage']['peak_device_bytes'] / 2**30:.1f} GiB\n")
    report(result, [[p["schedule"], p["accumulation"], p["share_of_limit"]] for p in result["pipeline"]],
           ["schedule", "a", "share of the no-bubble limit, 8 stages, simulated"], options.json)
    print("\nthe paper, 8 GPUs: against flush with the same number of micro-batches up to 2.04 times as fast")


def synthetic(running) -> str:
    path = running.folder / "tokens.bin"
    path.write_bytes(b"".join((i * 7919 % 50257).to_bytes(2, "little") for i in range(1 << 20)))
    return str(path)


def stage_of(job: dict, options: argparse.Namespace, flops_limit: float) -> dict:
    stage = job["stages"][0]
    activity, micro_batches = stage["activity"], int(stage["backwards"])
    forward, backward = activity["forward"] / micro_batches, activity["backward"] / micro_batches
    tokens = options.micro_batch * MEDIUM["model.context"]
    flops = tokens * (6 * int(stage["parameters"]) + 12 * LAYERS * MEDIUM["model.hidden"] * MEDIUM["model.context"])
    return {"forward_seconds": forward, "backward_seconds": backward,
            "update_seconds": activity["update"] / options.updates, "mfu": flops / (forward + backward) / flops_limit,
            "peak_device_bytes": int(stage["peak_device_bytes"])}


def plan(running, stage: dict, accumulation: int, schedule: str) -> dict:
    emulated = {"pipeline.stages": STAGES, "pipeline.accumulation": accumulation, "model.layers": 2 * STAGES,
                "emulation.forward_seconds": f"{stage['forward_seconds']}s",
                "emulation.backward_seconds": f"{stage['backward_seconds']}s",
                "emulation.update_seconds": f"{stage['update_seconds']}s"}
    words = [word for key, value in emulated.items() for word in ("--set", f"{key}={value}")]
    choice = running.ctl("plan", str(ROOT / "bench" / "emulated.yaml"), *words, "--schedules", schedule)["choices"][0]
    return {"schedule": schedule, "share_of_limit": choice["share_of_limit"]}


if __name__ == "__main__":
    main()
