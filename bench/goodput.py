"""Updates under a kill every 15 s, as a share of those of an undisturbed run of the same length: ours with a warm
standby, ours with a process started anew, and PyTorch's torchrun, which starts all processes of a job anew. Every job
has two stages of one thread each, the same model and data, and checkpoints equally often."""
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator

from cluster import ROOT, cluster, kjv
from peers.train_torch import ENVIRONMENT, PYTHON, RANKS

KILL_EVERY = 15.0
MODEL = {"layers": 4, "hidden": 128, "heads": 4, "context": 128, "vocabulary": 256}  # of recovery.yaml
ACCUMULATION, MICRO_BATCH = 4, 4
WARM_UP_UPDATES = 10


@dataclasses.dataclass
class Side:
    """A job that runs."""
    updates: Callable[[], int]  # that it has done and not lost again
    kill: Callable[[random.Random], None]  # one of its processes


def goodput(job_file: pathlib.Path, turns: int, window_seconds: float, checkpoint_every: int, has_peer: bool,
            choices: random.Random) -> list[dict]:
    sides = {"paci, warm standby": lambda: ours(job_file, checkpoint_every, 1),
             "paci, restarted process": lambda: ours(job_file, checkpoint_every, 0)}
    if has_peer:
        sides["torchrun"] = lambda: torchrun(checkpoint_every)
    entries = {side: {"side": side, "undisturbed_updates": 0, "updates": 0, "kills": 0, "turns": []} for side in sides}
    for turn in range(turns):
        for side, start in sides.items():
            entry = entries[side]
            undisturbed, _ = run(start, window_seconds, None)
            updates, kills = run(start, window_seconds, choices)
            entry["turns"].append({"undisturbed_updates": undisturbed, "updates": updates, "kills": kills})
            for key in ("undisturbed_updates", "updates", "kills"):
                entry[key] += entry["turns"][-1][key]
            print(f"goodput, turn {turn + 1}, {side}: {updates} of {undisturbed} updates, {kills} kills", flush=True)
    for entry in entries.values():
        entry |= {"window_seconds": window_seconds, "kill_every_seconds": KILL_EVERY,
                  "goodput": entry["updates"] / entry["undisturbed_updates"]}
    return list(entries.values())


def run(start, window_seconds: float, choices: random.Random | None) -> tuple[int, int]:
    """The updates done within the window, and the kills; without `choices` there are none."""
    kills = 0
    with start() as side:
        wait_until(lambda: side.updates() >= WARM_UP_UPDATES)
        first, begin = side.updates(), time.monotonic()
        end, kill_at = begin + window_seconds, begin + KILL_EVERY / 2
        while choices is not None and kill_at < end:
            time.sleep(max(0.0, kill_at - time.monotonic()))
            side.kill(choices)
            kills, kill_at = kills + 1, kill_at + KILL_EVERY
        time.sleep(max(0.0, end - time.monotonic()))
        return side.updates() - first, kills


def wait_until(is_so: Callable[[], bool], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise RuntimeError(f"no {WARM_UP_UPDATES} updates within {seconds:.0f} s")
        time.sleep(0.2)


@contextlib.contextmanager
def ours(job_file: pathlib.Path, checkpoint_every: int, standbys: int) -> Iterator[Side]:
    # Reports every 0.2 s, so that what is counted at the end of a window is what was done by then.
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(cluster(RANKS + standbys, "--report-interval-seconds", "0.2"))
        job = stack.enter_context(running.endless_job(job_file, {
            "data.train": kjv()[0], "pipeline.stages": RANKS, "checkpoint.dir": running.folder / "checkpoints",
            "checkpoint.every": checkpoint_every}))
        started = 0

        def kill(choices: random.Random) -> None:
            nonlocal started
            placed = [stage["worker_name"] for stage in running.ctl("describe", job)["stages"]]
            running.kill_worker(choices.choice([name for name in placed if name in running.workers]))
            running.start_worker(f"restarted-{started}")
            started += 1

        yield Side(lambda: int(running.ctl("describe", job)["progress"]["updates"]), kill)


@contextlib.contextmanager
def torchrun(checkpoint_every: int) -> Iterator[Side]:
    with tempfile.TemporaryDirectory(prefix="paci-torchrun-") as name:
        folder = pathlib.Path(name)
        (folder / "spec").write_text(json.dumps({
            "schedule": "1f1b", "data": str(kjv()[0]), "accumulation": ACCUMULATION, "micro_batch": MICRO_BATCH,
            "model": MODEL, "seed": 1, "ranks": RANKS, "rendezvous": "env://", "folder": name,
            "checkpoint_every": checkpoint_every}))
        with open(folder / "log", "w") as log:
            launcher = subprocess.Popen(
                [PYTHON, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(RANKS),
                 "--max-restarts", "100000", ROOT / "bench" / "peers" / "elastic_rank.py", folder / "spec"],
                env=ENVIRONMENT, stdout=log, stderr=log)

        def updates() -> int:
            if launcher.poll() is not None:
                raise RuntimeError(f"torchrun ended:\n{(folder / 'log').read_text()[-4000:]}")
            done = folder / "updates"
            return int(done.read_text() or 0) if done.exists() else 0

        try:
            yield Side(updates, lambda choices: kill_rank(folder, choices.randrange(RANKS)))
        finally:
            launcher.terminate()  # it ends its ranks
            try:
                launcher.wait(40)
            except subprocess.TimeoutExpired:
                launcher.kill()
                launcher.wait()
                for rank in range(RANKS):
                    kill_rank(folder, rank)


def kill_rank(folder: pathlib.Path, rank: int) -> None:
    """Unless it is just being started again: its number may be another process's by now."""
    pid = int((folder / f"pid-{rank}").read_text())
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        if str(folder).encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
