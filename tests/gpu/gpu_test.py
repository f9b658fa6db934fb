"""./run test gpu: what only a GPU can show. The tests of one stage's arithmetic (device_test), then real daemons: two stages on
one device through memory of the host, and over NCCL, each as a host of its own (NCCL_HOSTID); a stage killed in the
middle of both; and with two devices NCCL between them. Skips with a plain message where `paci-worker --probe` finds that
something is missing.

usage: gpu_test.py BUILD
"""
import contextlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

BUILD = pathlib.Path(sys.argv[1]).resolve()
os.environ["PACI_BIN"] = str(BUILD / "bin")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
from cluster import ROOT, Cluster, gpu_cluster, kjv, sets  # noqa: E402

JOB = ROOT / "bench" / "pipeline.yaml"


def settings(**more: object) -> dict[str, object]:
    return {"data.train": kjv()[0], "train.device": "cuda", "pipeline.partition": "[5,5]"} | {
        key.replace("__", "."): value for key, value in more.items()}


def devices() -> int:
    probe = subprocess.run([BUILD / "bin" / "paci-worker", "--probe"], capture_output=True, text=True)
    print(probe.stdout, end="", flush=True)
    return 0 if probe.returncode else sum(line.startswith("device cuda:") for line in probe.stdout.splitlines())


def losses(job: dict) -> list[float]:
    return [point["loss"] for point in job["points"] if "loss" in point]


def two_stages(ends: list[tuple[int, str]], what: str, **more: object) -> list[float]:
    """The losses of a job over two workers, each (device, host as NCCL sees it)."""
    with gpu_cluster(ends) as running:
        job = running.run_job(JOB, settings(train__updates=20, **more))
    assert job["state"] == "JOB_STATE_COMPLETED", job["reason"]
    assert all(int(stage["peak_device_bytes"]) > 0 for stage in job["stages"]), job["stages"]
    found = losses(job)
    assert found[-1] < found[0] - 0.5, found
    print(f"ok: {what}: loss {found[0]:.3f} to {found[-1]:.3f} in {len(found)} updates", flush=True)
    return found


@contextlib.contextmanager
def job_with_a_standby(ends: list[tuple[int, str]], **more: object) -> Iterator[tuple[Cluster, str]]:
    """A job that has written its first checkpoint, and the cluster that trains it."""
    with gpu_cluster(ends) as running:
        folder = running.folder / "checkpoints"
        asked = settings(train__updates=200, checkpoint__dir=folder, checkpoint__every=20, pipeline__order="strict", **more)
        job = running.ctl("submit", str(JOB), *sets(asked))["id"]
        running.wait_for(lambda: running.ctl("describe", job).get("checkpoints"), "a checkpoint", 120)
        yield running, job


def finished(running: Cluster, job: str) -> list[float]:
    state = lambda: running.ctl("describe", job)["state"]  # noqa: E731
    running.wait_for(lambda: state() in ("JOB_STATE_COMPLETED", "JOB_STATE_FAILED"), "the end", 300)
    assert state() == "JOB_STATE_COMPLETED", running.ctl("describe", job)["reason"]
    return [point["loss"] for point in running.ctl("metrics", job)["points"] if "loss" in point]


def killed_stage(ends: list[tuple[int, str]], what: str, **more: object) -> None:
    """Its replacement ends with the losses of the run that nobody disturbed."""
    with job_with_a_standby(ends, **more) as (running, job):
        undisturbed = finished(running, job)
    with job_with_a_standby(ends, **more) as (running, job):
        running.kill_worker(running.ctl("describe", job)["stages"][1]["worker_name"])
        assert finished(running, job) == undisturbed
    print(f"ok: {what}: a stage that was killed was replaced, and the job completed with the same losses", flush=True)


def main() -> None:
    count = devices()
    if count == 0:
        print("test gpu: skipped: this machine lacks what is said above; nothing of the GPU's code has run")
        return
    subprocess.run([BUILD / "tests" / "gpu" / "device_test"], check=True)
    exact = {"pipeline__order": "strict"}
    staged = two_stages([(0, "one"), (0, "one")], "two stages on one GPU, through memory of the host", **exact)
    joined = two_stages([(0, "one"), (0, "other")], "two stages on one GPU, over NCCL as two hosts", **exact)
    assert joined == staged, "the bits of a frame depend on the way that it took"
    killed_stage([(0, "one")] * 3, "through memory of the host")
    killed_stage([(0, "one"), (0, "other"), (0, "third")], "over NCCL")
    if count > 1:
        assert two_stages([(0, ""), (1, "")], "two stages on two GPUs, over NCCL", **exact) == staged
    else:
        print("test gpu: one device only: NCCL between two devices has not run")


if __name__ == "__main__":
    main()
