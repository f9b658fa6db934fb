"""deploy/compose for real: images, four workers, a job that loses workers, Prometheus; nothing is left behind.

usage: compose_test.py [--tls], with the binaries in build/bin; `./run test deploy [--tls]` does both. It starts
dockerd, and stops it again, where none runs. --tls: with compose.tls.yaml, and certificates and tokens of its own.
"""
import contextlib
import csv
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROJECT = f"paci-test-{os.getpid()}"
# Of the sample job, made slow enough to be met in its middle.
UPDATES = 300
SETTINGS = ["model.hidden=128", "model.context=128", "pipeline.accumulation=8", "recovery.replacement_seconds=15s"]
IMAGES = ["coordinator", "worker-cpu", "prometheus", "sample-data"]
SERVICES = ["coordinator", "worker", "prometheus"]
# How long one thing, and all of it, may take, in seconds; nothing is expected to.
PATIENCE = 300
LIMIT = 2400
WITH_TLS = "--tls" in sys.argv[1:]
TLS = pathlib.Path(tempfile.mkdtemp(prefix="paci-deploy-")) if WITH_TLS else None
if WITH_TLS:
    SETTINGS.append("pipeline.data_tls=true")
ENVIRONMENT = {
    **os.environ,
    "COMPOSE_PROJECT_NAME": PROJECT,
    "PACI_TAG": "test",
    "PROMETHEUS_IMAGE": "paci-prometheus:test",
    "PACI_PORT": "0",
    "PROMETHEUS_PORT": "0",
    **({"COMPOSE_FILE": "compose.yaml:compose.tls.yaml", "PACI_TLS": str(TLS)} if WITH_TLS else {}),
}
START = time.monotonic()


def say(what):
    print(f"deploy: {time.monotonic() - START:4.0f} s: {what}", flush=True)


def run(*command, check=True):
    done = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT / "deploy/compose", capture_output=True, text=True,
                          timeout=PATIENCE)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def until(what, is_so):
    """The first value of `is_so` that is true."""
    deadline = min(time.monotonic() + PATIENCE, START + LIMIT)
    while not (value := is_so()):
        if time.monotonic() > deadline:
            raise AssertionError(f"this did not come in time: {what}")
        time.sleep(0.2)
    return value


def expect(what, actual, expected):
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected}, got {actual}")


def install():
    wanted = {"dockerd": ["docker.io", "iptables"], "debootstrap": ["debootstrap"]}
    missing = [package for program, packages in wanted.items() if not shutil.which(program) for package in packages]
    if not shutil.which("docker-compose") and run("docker", "compose", "version", check=False).returncode != 0:
        missing.append("docker-compose")
    if missing:
        subprocess.run([ROOT / "scripts/install.sh", *missing], check=True)


@contextlib.contextmanager
def docker_server():
    if run("docker", "info", check=False).returncode == 0:
        yield
        return
    log = ROOT / ".run/dockerd.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as out:
        server = subprocess.Popen(["dockerd"], stdout=out, stderr=out, start_new_session=True)
    try:
        until(f"dockerd answers ({log})",
              lambda: server.poll() is not None or run("docker", "info", check=False).returncode == 0)
        expect(f"dockerd's exit code ({log})", server.poll(), None)
        yield
    finally:
        server.terminate()
        server.wait(PATIENCE)


class Stack:
    """The compose project, and what a user does with it."""

    def __init__(self):
        has_plugin = run("docker", "compose", "version", check=False).returncode == 0
        self.compose_command = ["docker", "compose"] if has_plugin else ["docker-compose"]

    def up(self):
        self.compose("up", "-d", "--no-build", "--scale", "worker=4", *SERVICES)
        self.coordinator = self.address("coordinator", "7070")
        self.prometheus = self.address("prometheus", "9090")

    def compose(self, *args, **kwargs):
        return run(*self.compose_command, *args, **kwargs)

    def address(self, service, port):
        return self.compose("port", service, port).stdout.strip()

    def pacictl(self, *args):
        """From outside, as a user of the host does."""
        token = ["--tls-ca", TLS / "operator/ca.pem", "--token-file", TLS / "operator/token"] if WITH_TLS else []
        return run(ROOT / "build/bin/pacictl", "--coordinator", self.coordinator, *token, *args).stdout

    def job(self, job_id):
        return json.loads(self.pacictl("describe", job_id, "-o", "json"))

    def await_job(self, what, job_id, is_so):
        def look():
            job = self.job(job_id)
            if is_so(job):
                return job
            if job["state"] in ("JOB_STATE_COMPLETED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"):
                raise AssertionError(f"{what}? It is {job['state']}: {job['reason']}\n{self.pacictl('events', job_id)}")
            return None
        return until(what, look)

    def containers(self, service):
        return self.compose("ps", "-q", service).stdout.split()

    def health(self, service):
        return [inspect(c, ".State.Health.Status") for c in self.containers(service)]

    def ask_prometheus(self, path):
        with urllib.request.urlopen(f"http://{self.prometheus}/api/v1/{path}", timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, promql):
        """The value of an expression that gives one; None if it gives none."""
        result = self.ask_prometheus("query?" + urllib.parse.urlencode({"query": promql}))["result"]
        return float(result[0]["value"][1]) if len(result) == 1 else None

    def await_query(self, promql, value):
        until(f"{promql} == {value}", lambda: self.query(promql) == value)
        say(f"Prometheus has {promql} == {value}")


def inspect(container, field):
    return run("docker", "inspect", "-f", "{{%s}}" % field, container).stdout.strip()


def image_size(name):
    return int(inspect(name, ".Size"))


def check_images():
    base = next(line.split("=")[1] for line in (ROOT / "docker/Dockerfile").read_text().splitlines()
                if line.startswith("ARG BASE="))
    above = image_size("paci-coordinator:test") - image_size(base)
    say(f"coordinator: {above / 1e6:.0f} MB above the base of {image_size(base) / 1e6:.0f} MB; "
        f"worker-cpu: {image_size('paci-worker-cpu:test') / 1e6:.0f} MB")
    if above > 99e6:
        raise AssertionError("the coordinator's image is no longer small")
    for image, binaries in (("coordinator", ["paci-coordinator", "pacictl"]),
                            ("worker-cpu", ["paci-worker", "pacictl"])):
        for binary in binaries:
            version = run("docker", "run", "--rm", "--read-only", "--network", "none", "--entrypoint", binary,
                          f"paci-{image}:test", *(["version"] if binary == "pacictl" else ["--version"]))
            assert binary in version.stdout, version.stdout
    torch = run("docker", "run", "--rm", "--entrypoint", "find", "paci-coordinator:test", "/usr", "-name", "libtorch*")
    expect("LibTorch in the coordinator's image", torch.stdout, "")


def check_hardening(stack):
    for service in ("coordinator", "worker"):
        for container in stack.containers(service):
            expect(f"user of {service}", inspect(container, ".Config.User"), "10001:10001")
            expect(f"read-only {service}", inspect(container, ".HostConfig.ReadonlyRootfs"), "true")
            expect(f"processes of {service} that are root's",
                   run("docker", "exec", container, "find", "/proc", "-maxdepth", "1", "-uid", "0", "-regex",
                       "/proc/[0-9]+").stdout, "")


def holder(stack, job_id, stage):
    """The container of the worker that holds a stage: it is called as the container's host is."""
    worker = next(s["worker_name"] for s in stack.job(job_id)["stages"] if s["index"] == stage)
    return next(c for c in stack.containers("worker") if c.startswith(worker))


def lose_workers(stack, job_id):
    stack.await_job("the job is on its way", job_id, lambda job: int(job["progress"]["updates"]) >= 25)
    crashed = holder(stack, job_id, 1)
    # As in a crash: every process but the first, which ends with them. (docker kill is a stop by hand to Docker, after
    # which it does not restart a container.)
    run("docker", "exec", crashed, "sh", "-c", "kill -KILL -1")
    until("the container is restarted", lambda: inspect(crashed, ".RestartCount") == "1")
    job = stack.await_job("the job goes on", job_id,
                          lambda job: job["state"] == "JOB_STATE_RUNNING" and int(job["generation"]) >= 2)
    expect("stages after a crash", len(job["stages"]), 4)
    say(f"a worker crashed, its container came back, generation {job['generation']} runs")

    killed = holder(stack, job_id, 2)
    run("docker", "kill", killed)
    job = stack.await_job("the job goes on over fewer stages", job_id,
                          lambda job: job["state"] == "JOB_STATE_RUNNING" and len(job["stages"]) == 3)
    say(f"a worker's container was killed for good, generation {job['generation']} runs over 3 stages")
    stack.up()


def train(stack):
    settings = [f"--set={setting}" for setting in [f"train.updates={UPDATES}", *SETTINGS]]
    submitted = stack.pacictl("submit", ROOT / "deploy/compose/job.yaml", *settings, "-o", "json")
    job_id = json.loads(submitted)["id"]
    lose_workers(stack, job_id)
    job = stack.await_job("the job completes", job_id, lambda job: job["state"] == "JOB_STATE_COMPLETED")
    expect("updates", int(job["progress"]["updates"]), UPDATES)
    curve = csv.DictReader(stack.pacictl("metrics", job_id, "-o", "csv").splitlines())
    updates = [int(point["update"]) for point in curve if point["loss"]]
    expect("the updates that have a training loss are each of them once", updates == list(range(1, UPDATES + 1)), True)
    say(f"job {job_id} completed {UPDATES} updates in {job['generation']} generations")
    return job_id


def check_prometheus(stack, job_id):
    stack.await_query("count(up == 1)", 6)  # the coordinator, four workers, Prometheus
    stack.await_query("count(paci_worker_info)", 4)
    stack.await_query(f'paci_job_updates{{job="{job_id}"}}', UPDATES)
    stack.await_query(f'paci_job_state{{job="{job_id}",state="completed"}}', 1)
    stack.await_query(f'count(count by (stage) (max_over_time(paci_updates_total{{job="{job_id}"}}[1h])))', 4)
    stack.await_query(f'max_over_time(paci_job_generation{{job="{job_id}"}}[1h]) >= bool 3', 1)

    def rules():
        return [rule for group in stack.ask_prometheus("rules")["groups"] for rule in group["rules"]]
    until("every rule was evaluated", lambda: rules() and all(rule["health"] == "ok" for rule in rules()))
    say(f"Prometheus evaluates {len(rules())} rules")


def check_locks(stack):
    """Who has no token is not served, neither from outside nor by a neighbour in the network of the project."""
    stranger = run(ROOT / "build/bin/pacictl", "--coordinator", stack.coordinator, "--tls-ca", TLS / "operator/ca.pem",
                   "list", check=False)
    expect("a stranger's exit code", stranger.returncode != 0 and "neither a token" in stranger.stderr, True)
    listed = stack.compose("run", "--rm", "-T", "pacictl", "list").stdout
    expect("the operator's container lists the job", "sample-1" in listed, True)
    for service, folder in (("coordinator", "coordinator"), ("worker", "worker")):
        files = run("docker", "exec", stack.containers(service)[0], "ls", "/tls").stdout.split()
        expect(f"what {service} has of the authority", "ca.key" in files, False)
        expect(f"what {service} has", set(files), {path.name for path in (TLS / folder).iterdir()})
    say("strangers are refused, and no container has a key that is not its own")


def check_end(stack):
    containers = [c for service in ("worker", "coordinator") for c in stack.containers(service)]
    stack.compose("stop", "-t", "60", "worker")
    stack.compose("stop", "-t", "60", "coordinator")
    expect("exit codes after SIGTERM", [inspect(c, ".State.ExitCode") for c in containers], ["0"] * len(containers))
    say("coordinator and workers ended in order")


def leftovers():
    kinds = (["ps", "-aq"], ["volume", "ls", "-q"], ["network", "ls", "-q"])
    return [run("docker", *kind, "--filter", f"label=com.docker.compose.project={PROJECT}").stdout for kind in kinds]


def main():
    # A test that is told to end takes down what it put up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    install()
    if WITH_TLS:
        run(ROOT / "deploy/compose/make_tls.sh", TLS)
    with docker_server(), contextlib.ExitStack() as last:
        if WITH_TLS:
            last.callback(shutil.rmtree, TLS)
        subprocess.run([ROOT / "docker/build.sh", "--gathered", *IMAGES], env=ENVIRONMENT, check=True, timeout=LIMIT)
        say("the images are built")
        check_images()
        stack = Stack()
        try:
            stack.compose("run", "--rm", "sample-data")
            stack.up()
            until("all are healthy", lambda: stack.health("coordinator") == ["healthy"]
                  and stack.health("worker") == ["healthy"] * 4)
            say("coordinator and four workers are healthy")
            check_hardening(stack)
            check_prometheus(stack, train(stack))
            if WITH_TLS:
                check_locks(stack)
            check_end(stack)
        except BaseException:
            print(stack.compose("logs", "--no-color", "--tail", "40", check=False).stdout, file=sys.stderr)
            raise
        finally:
            stack.compose("down", "-v", "--remove-orphans", "-t", "5")
        expect("containers, volumes and networks left behind", leftovers(), ["", "", ""])
    say("nothing is left behind")


if __name__ == "__main__":
    main()
