"""A coordinator and workers on this machine, for benches: the real daemons, driven by the real pacictl."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("PACI_BIN", ROOT / "build" / "bin"))


class Cluster:
    def __init__(self, workers: int, folder: pathlib.Path, coordinator_flags: tuple[str, ...] = (),
                 worker_flags: tuple[str, ...] = ()):
        self.folder = folder
        self.coordinator_flags = coordinator_flags
        self.worker_flags = worker_flags
        self.processes: list[subprocess.Popen] = []
        self.workers: dict[str, subprocess.Popen] = {}  # by name
        try:
            self._start_all(workers)
        except BaseException:
            self.stop()
            raise

    def _start_all(self, workers: int) -> None:
        ports = self.folder / "ports"
        self._start("coordinator", "paci-coordinator", "--insecure", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
                    "--store", str(self.folder / "paci.db"), "--port-file", str(ports), *self.coordinator_flags)
        self.wait_for(ports.exists, "the coordinator's port file")
        lines = dict(line.split("=", 1) for line in ports.read_text().split())
        self.address = lines["rpc"]
        self.metrics_address = lines["metrics"]
        for i in range(workers):
            self.start_worker(f"worker-{i}")
        self.wait_for(lambda: len(self.ctl("workers").get("workers", [])) == workers, f"{workers} workers")

    def _start(self, name: str, program: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen:
        log = open(self.folder / f"{name}.log", "w")
        self.processes.append(subprocess.Popen([BIN / program, *arguments], stderr=log, cwd=ROOT,
                                               env=os.environ | (environment or {})))
        return self.processes[-1]

    def start_worker(self, name: str, environment: dict[str, str] | None = None) -> None:
        self.workers[name] = self._start(name, "paci-worker", "--coordinator", self.address, "--name", name,
                                         *self.worker_flags, environment=environment)

    def kill_worker(self, name: str) -> float:
        """SIGKILL. Returns when, in seconds of Unix time."""
        return self._kill(self.workers.pop(name))

    def kill_coordinator(self) -> float:
        return self._kill(self.processes[0])

    def _kill(self, process: subprocess.Popen) -> float:
        self.processes.remove(process)
        when = time.time()
        process.kill()
        process.wait()
        return when

    def wait_for(self, is_there, what: str, seconds: float = 30) -> None:
        """Fails, with the logs, if it takes longer or a process ended that nobody killed."""
        end = time.monotonic() + seconds
        while not is_there():
            if time.monotonic() > end or any(p.poll() is not None for p in self.processes):
                logs = "".join(log.read_text() for log in self.folder.glob("*.log"))
                raise RuntimeError(f"waited in vain for {what}:\n{logs}")
            time.sleep(0.02)

    def _pacictl(self, *arguments: str) -> str:
        done = subprocess.run([BIN / "pacictl", "--coordinator", self.address, "-o", "json", *arguments],
                              capture_output=True, text=True, cwd=ROOT)
        if done.returncode != 0:
            raise RuntimeError(f"pacictl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def ctl(self, *arguments: str) -> dict:
        return json.loads(self._pacictl(*arguments))

    def run_job(self, job_file: pathlib.Path, settings: dict[str, object]) -> dict:
        """Trains a job to its end. Returns it as pacictl shows it, with its curve under "points"."""
        # One stream, a document a line: what watches takes no core from what is measured.
        job = json.loads(self._pacictl("submit", str(job_file), *sets(settings), "--watch").splitlines()[-1])
        job["points"] = self.ctl("metrics", job["id"]).get("points", [])
        return job

    @contextlib.contextmanager
    def endless_job(self, job_file: pathlib.Path, settings: dict[str, object]) -> Iterator[str]:
        """The id of a job that is cancelled in the end, because a worker does not leave its stage at once."""
        job = self.ctl("submit", str(job_file), *sets(settings))["id"]
        try:
            yield job
        finally:
            with contextlib.suppress(RuntimeError):
                self.ctl("cancel", job)

    def stop(self) -> None:
        """Workers first, so that they can take their leave."""
        workers = list(self.workers.values())
        for group in (workers, [process for process in self.processes if process not in workers]):
            for process in group:
                process.terminate()
            for process in group:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def sets(settings: dict[str, object]) -> list[str]:
    """As arguments of pacictl."""
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


@contextlib.contextmanager
def cluster(workers: int, *coordinator_flags: str, worker_flags: tuple[str, ...] = ()) -> Iterator[Cluster]:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="paci-bench-"))
    running = None
    try:
        running = Cluster(workers, folder, coordinator_flags, worker_flags)
        yield running
    finally:
        if running is not None:
            running.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def gpu_cluster(ends: list[tuple[int, str]]) -> Iterator[Cluster]:
    """A worker for each (device, host as which NCCL counts it; empty: this one). NCCL joins two stages on one device
    if they count as two hosts."""
    with cluster(0) as running:
        for i, (device, host) in enumerate(ends):
            running.worker_flags = ("--device", f"cuda:{device}")
            running.start_worker(f"worker-{i}", {"NCCL_HOSTID": host, "NCCL_SOCKET_IFNAME": "lo"} if host else {})
        running.wait_for(lambda: len(running.ctl("workers").get("workers", [])) == len(ends), "the workers", 120)
        yield running


def tokens_per_second(job: dict, skip_updates: int) -> float:
    """Of the updates after the first `skip_updates`, by the clock of the last stage."""
    times = {int(p["update"]): p["elapsed_seconds"] for p in job["points"] if "learning_rate" in p}
    first, last = max(1, skip_updates), max(times)
    spec = job["spec"]
    tokens = spec["pipeline"]["accumulation"] * spec["pipeline"]["micro_batch"] * spec["model"]["context"]
    return tokens * (last - first) / (times[last] - times[first])


def kjv() -> tuple[pathlib.Path, pathlib.Path]:
    """The King James text of Debian's bible-kjv, as training and validation file (9 : 1, by lines)."""
    folder = ROOT / ".run" / "kjv"
    train, validation = folder / "train.txt", folder / "validation.txt"
    if not validation.exists():
        folder.mkdir(parents=True, exist_ok=True)
        text = subprocess.run(["bible", "-f", "gen1:1-rev22:21"], capture_output=True, check=True).stdout
        lines = text.splitlines(keepends=True)
        cut = len(lines) * 9 // 10
        train.write_bytes(b"".join(lines[:cut]))
        validation.write_bytes(b"".join(lines[cut:]))
    return train, validation


def mean_lag(counts: list) -> float:
    """Of a stage's histogram: how many micro-batches had lag 0, 1, ..."""
    counts = [int(count) for count in counts]
    return sum(lag * count for lag, count in enumerate(counts)) / max(1, sum(counts))


def resident_bytes(pid: int) -> int:
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def median(values: list[float]) -> float:
    return statistics.median(values)


def report(result: dict, rows: list[list[object]], header: list[str], json_file: str | None) -> None:
    """Prints a Markdown table and, if asked, writes all figures as JSON."""
    print("| " + " | ".join(header) + " |")
    print("| " + " | ".join("---" for _ in header) + " |")
    for row in rows:
        print("| " + " | ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row) + " |")
    if json_file:
        pathlib.Path(json_file).write_text(json.dumps(result, indent=1) + "\n")
        print(f"\nall figures: {json_file}")


def machine() -> dict:
    return {"cores": os.cpu_count(), "cpu": next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                                                 if line.startswith("model name")), "?")}
