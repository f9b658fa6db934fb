"""What the steps of the cluster's test are made of: helm, kubectl and pacictl against the one release."""

import csv
import io
import json
import pathlib
import subprocess
import time

import credentials

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = pathlib.Path(__file__).resolve().parent
NAMESPACE = "training"
ADDRESS = f"paci-coordinator.{NAMESPACE}.svc:7070"
UPDATES = 600  # of job.yaml
PATIENCE_SECONDS = 600


def run(*command, fails=False, stdin=None, environment=None):
    done = subprocess.run(list(map(str, command)), text=True, errors="replace", capture_output=True, input=stdin,
                          env=environment)
    if fails != bool(done.returncode):
        raise AssertionError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stderr if fails else done.stdout


def kubectl(*arguments, **options):
    return run("kubectl", "-n", NAMESPACE, *arguments, **options)


def helm(*arguments, **options):
    return run("helm", "-n", NAMESPACE, *arguments, **options)


def upgrade(*settings):
    helm("upgrade", "paci", ROOT / "helm/paci", "--reuse-values", "--wait", "--timeout", "10m",
         *(word for setting in settings for word in ("--set", setting)))


def pacictl(*arguments, environment=None, **options):
    """Through the Service; as credentials.user says unless another environment is given."""
    environment = {"PACI_COORDINATOR": ADDRESS, **(credentials.user if environment is None else environment)}
    return run(ROOT / "build/bin/pacictl", *arguments, environment=environment, **options)


def ask(*arguments):
    """pacictl's answer; while the coordinator is away, {}."""
    try:
        return json.loads(pacictl(*arguments, "-o", "json"))
    except AssertionError:
        return {}


def await_that(claim, holds):
    """Asks until it holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := holds()):
        if time.monotonic() > deadline:
            raise AssertionError(f"in {PATIENCE_SECONDS} s it did not become true that {claim}")
        time.sleep(0.1)
    return answer


def workers(state=None):
    """Names of the connected workers."""
    states = [state] if state else ["WORKER_STATE_IDLE", "WORKER_STATE_BUSY"]
    return sorted(worker["name"] for worker in ask("workers").get("workers", []) if worker["state"] in states)


def await_workers(count):
    await_that(f"{count} workers are connected", lambda: len(workers()) == count)


def newest(name):
    """The last job of that name, or {}."""
    return next((job for job in ask("list").get("jobs", []) if job["spec"]["name"] == name), {})


def submit():
    return json.loads(pacictl("submit", HERE / "job.yaml", "-o", "json"))["id"]


def await_updates(job, count):
    """Waits for a job to have done so many, in the middle of its run: it must be running then."""
    def progress():
        seen = ask("describe", job)
        if seen.get("state") in ("JOB_STATE_COMPLETED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"):
            raise AssertionError(f"{job} is {seen['state']} before it was seen running with {count} updates: {seen['reason']}")
        return seen if seen.get("state") == "JOB_STATE_RUNNING" and int(seen["progress"]["updates"]) >= count else None
    return await_that(f"{job} is running and has done {count} updates", progress)


def stage_workers(job):
    return [stage["worker_name"] for stage in ask("describe", job)["stages"]]


def curve(job):
    """(update, loss) for every update, losses as they are printed: all digits of them."""
    rows = csv.DictReader(io.StringIO(pacictl("metrics", job, "-o", "csv")))
    return [(int(row["update"]), row["loss"]) for row in rows]


def await_completed(job):
    done = await_that(f"{job} ends", lambda: (seen := ask("describe", job)).get("finished") and seen)
    assert done["state"] == "JOB_STATE_COMPLETED", f"{job} is {done['state']}: {done['reason']}"
    assert int(done["progress"]["updates"]) == UPDATES, done["progress"]
    assert int(done["checkpoints"][-1]["update"]) == UPDATES, done["checkpoints"]
    assert [update for update, _ in curve(job)] == list(range(1, UPDATES + 1)), "an update is missing in the curve, or twice"
    return done


def events(job):
    """Kinds of a job's events."""
    return [event["type"] for event in ask("events", job)["events"]]


def pod_ids():
    pods = json.loads(kubectl("get", "pods", "-o", "json"))["items"]
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}


def objects():
    """Everything in the namespace but events, as KIND/NAME."""
    kinds = run("kubectl", "api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
    kinds = [kind for kind in kinds if not kind.startswith("events")]
    return set(kubectl("get", ",".join(kinds), "-o", "name", "--ignore-not-found").split())
