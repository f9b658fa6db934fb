"""./run test gpu: what only a GPU can show. The tests of one stage's arithmetic (device_test), then real daemons: two workers
on one device, a stage killed in the middle; and with two devices NCCL between them. Skips with a plain message where
`paci-worker --probe` finds that something is missing.

usage: gpu_test.py BUILD
"""
import os
import pathlib
import subprocess
import sys

BUILD = pathlib.Path(sys.argv[1]).resolve()
os.environ["PACI_BIN"] = str(BUILD / "bin")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
from cluster import ROOT, Cluster, cluster, kjv  # noqa: E402

JOB = ROOT / "bench" / "pipeline.yaml"


def settings(**more: object) -> dict[str, object]:
    return {"data.train": kjv()[0], "train.device": "cuda", "pipeline.partition": "[5,5]"} | {
        key.replace("__", "."): value for key, value in more.items()}


def devices() -> int:
    probe = subprocess.run([BUILD / "bin" / "paci-worker", "--probe"], capture_output=True, text=True)
    print(probe.stdout, end="")
    return 0 if probe.returncode else sum(line.startswith("device cuda:") for line in probe.stdout.splitlines())


def start_on(running: Cluster, name: str, device: int) -> None:
    running.worker_flags = ("--device", f"cuda:{device}")
    running.start_worker(name)


def train(running: Cluster, **more: object) -> dict:
    job = running.run_job(JOB, settings(train__updates=20, **more))
    assert job["state"] == "JOB_STATE_COMPLETED", job["reason"]
    assert all(int(stage["peak_device_bytes"]) > 0 for stage in job["stages"]), job["stages"]
    return job


def two_stages(first: int, second: int, what: str) -> None:
    with cluster(0) as running:
        start_on(running, "a", first)
        start_on(running, "b", second)
        running.wait_for(lambda: len(running.ctl("workers").get("workers", [])) == 2, "two workers")
        job = train(running)
        losses = [point["loss"] for point in job["points"] if "loss" in point]
        assert losses[-1] < losses[0] - 0.5, losses
        print(f"ok: {what}: loss {losses[0]:.3f} to {losses[-1]:.3f} in {len(losses)} updates")


def killed_stage(device: int) -> None:
    with cluster(0) as running:
        for name in ("a", "b", "standby"):
            start_on(running, name, device)
        running.wait_for(lambda: len(running.ctl("workers").get("workers", [])) == 3, "three workers")
        folder = running.folder / "checkpoints"
        more = settings(train__updates=200, checkpoint__dir=folder, checkpoint__every=10)
        job = running.ctl("submit", str(JOB), *[word for key, value in more.items() for word in ("--set", f"{key}={value}")])
        running.wait_for(lambda: running.ctl("job", job["id"]).get("checkpoints"), "a checkpoint", 120)
        running.kill_worker(running.ctl("job", job["id"])["stages"][1]["worker_name"])
        state = lambda: running.ctl("job", job["id"])["state"]  # noqa: E731
        running.wait_for(lambda: state() in ("JOB_STATE_COMPLETED", "JOB_STATE_FAILED"), "the end", 300)
        assert state() == "JOB_STATE_COMPLETED", running.ctl("job", job["id"])["reason"]
        print("ok: a stage that was killed was replaced, and the job completed")


def main() -> None:
    count = devices()
    if count == 0:
        print("test gpu: skipped: this machine lacks what is said above; nothing of the GPU's code has run")
        return
    subprocess.run([BUILD / "tests" / "gpu" / "device_test"], check=True)
    two_stages(0, 0, "two stages on one GPU, through memory of the host")
    killed_stage(0)
    if count > 1:
        two_stages(0, 1, "two stages on two GPUs, over NCCL")
    else:
        print("test gpu: one device only: NCCL between two processes has not run")


if __name__ == "__main__":
    main()
