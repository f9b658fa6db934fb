"""Every PromQL expression of every panel and alert against a real Prometheus that scrapes a real job: each has data.

usage: dashboards_test.py [--pictures FOLDER [--seconds N]]: also draws the dashboards, once the job is N seconds old.
`./run test dashboards` starts it.
"""
import argparse
import json
import math
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path += [str(ROOT / "bench"), str(ROOT / "deploy/grafana")]

from cluster import Cluster, cluster, kjv  # noqa: E402
from lint import panels_of  # noqa: E402
from prometheus import SCRAPE_SECONDS, Prometheus, prometheus, until  # noqa: E402
from promql import as_grafana, label_values, selectors, without_condition  # noqa: E402

STAGES = 3
SEVERITIES = ("critical", "warning")
START = time.monotonic()


def say(what: str) -> None:
    print(f"dashboards: {time.monotonic() - START:4.0f} s: {what}", flush=True)


class Checks:
    """Complaints, rather than the first of them."""

    def __init__(self, server: Prometheus, job: str, begin: float):
        self.server, self.job, self.begin = server, job, begin
        self.stages = [str(stage) for stage in range(STAGES)]
        self.complaints: list[str] = []
        self.count = 0

    def has_data(self, where: str, expr: str, is_instant: bool = True) -> None:
        self.count += 1
        try:
            until(f"data for {expr}", lambda: self.ask(expr, is_instant))
        except (AssertionError, ValueError) as problem:
            self.complaints.append(f"{where}: {problem}")

    def ask(self, expr: str, is_instant: bool) -> bool:
        now = time.time()
        asked = as_grafana(expr, self.job, self.stages, now - self.begin, SCRAPE_SECONDS)
        if is_instant:
            return self.server.is_so(asked)
        return any(math.isfinite(value) for _, points in self.server.over(asked, self.begin, now, SCRAPE_SECONDS)
                   for _, value in points)

    def dashboard(self, document: dict) -> None:
        for variable in document["templating"]["list"]:
            if variable["type"] != "query":
                continue
            series, label = label_values(as_grafana(variable["query"]["query"], self.job, self.stages, 1, 1))
            self.count += 1
            if not self.server.get(f"label/{label}/values", **{"match[]": series}):
                self.complaints.append(f"{document['uid']}: variable {variable['name']} has no values")
        for annotation in document["annotations"]["list"]:
            self.has_data(f"{document['uid']}: annotation {annotation['name']}", annotation["expr"], is_instant=False)
        for panel in panels_of(document):
            for target in panel["targets"]:
                where = f"{document['uid']}: {panel['title']} {target['refId']}"
                chosen = self.stages if panel.get("repeat") == "stage" else [""]
                for stage in chosen:
                    expr = target["expr"].replace("$stage", stage) if stage else target["expr"]
                    self.has_data(where, expr, target["instant"])

    def alerts(self) -> None:
        runbook = (ROOT / "docs/operations.md").read_text() + (ROOT / "docs/observability.md").read_text()
        tests = "".join(file.read_text() for file in (ROOT / "deploy/prometheus/tests").glob("*.yml"))
        for rule in self.server.alerts():
            name = rule["name"]
            until(f"{name} is evaluated", lambda: self.health(name) != "unknown")
            if self.health(name) != "ok":
                self.complaints.append(f"alert {name}: {rule.get('lastError')}")
            self.has_data(f"alert {name}", without_condition(rule["query"]))
            for selector in selectors(rule["query"]):
                self.has_data(f"alert {name}", selector)
            self.complaints += [f"alert {name}: {problem}" for problem in problems_of(rule, runbook, tests)]

    def health(self, alert: str) -> str:
        return next(rule["health"] for rule in self.server.alerts() if rule["name"] == alert)


def problems_of(rule: dict, runbook: str, tests: str) -> list[str]:
    """Of what an alert says, and whether it is tested both ways."""
    annotations = rule["annotations"]
    cases = re.findall(rf"alertname: {rule['name']}\n\s+eval_time: .*\n\s+exp_alerts:(.*)\n", tests)
    rules = {
        "no severity of critical or warning": rule["labels"].get("severity") in SEVERITIES,
        "no time for which it must hold": rule["duration"] > 0,
        "no summary": bool(annotations.get("summary")),
        "its description has no value": "$value" in annotations.get("description", ""),
        "its runbook is not its section of docs/operations.md":
            annotations.get("runbook_url") == f"docs/operations.md#{rule['name'].lower()}",
        "docs/operations.md has no section for it": f"\n### {rule['name']}\n" in runbook,
        "docs/observability.md has no line for it, or another severity":
            f"\n| `{rule['name']}` | {rule['labels'].get('severity')} |" in runbook,
        "no test in which it fires": any("[]" not in case for case in cases),
        "no test in which it does not": any("[]" in case for case in cases)}
    return [problem for problem, is_well in rules.items() if not is_well]


def submit(running: Cluster) -> str:
    train, validation = kjv()
    settings = {"data.train": train, "data.validation": validation, "checkpoint.dir": running.folder / "checkpoints"}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return running.ctl("submit", str(ROOT / "tests/dashboards/job.yaml"), *words)["id"]


def lose_a_worker(running: Cluster, server: Prometheus, job: str) -> None:
    """A restart, for which the job has to wait, so that the alert about it is seen to be real."""
    until("a checkpoint is scraped", lambda: server.is_so(f'paci_job_checkpoint_update{{job="{job}"}} > 0'))
    running.kill_worker("worker-1")
    until("the job waits for a worker", lambda: server.is_pending("PaciWorkerNotReplaced"))
    running.start_worker("worker-new")
    until("the job has recovered", lambda: server.is_so(f'paci_job_recoveries_total{{job="{job}"}} == 1'))
    until("the alert is over", lambda: not server.is_pending("PaciWorkerNotReplaced"))
    until("every stage has stepped again", lambda: server.is_so(
        f'(min(paci_updates_total{{job="{job}"}}) > 0) and on () (paci_job_state{{job="{job}",state="running"}} == 1)'))


def counters_begin_at_zero(server: Prometheus, job: str) -> bool:
    """What a generation did not do itself is not in its counters, or rate() would see it all at once."""
    return all(server.is_so(f'max({series}{{job="{job}"}}) < on () max(paci_job_updates{{job="{job}"}})')
               for series in ("paci_updates_total", "paci_forwards_total", "paci_backwards_total"))


def let_it_run(begin: float, seconds: float) -> None:
    """For curves that have something to show."""
    time.sleep(max(0.0, begin + seconds - time.time()))


def draw(server: Prometheus, checks: Checks, folder: str) -> None:
    subprocess.run([ROOT / ".run/plotting/bin/python", ROOT / "tests/dashboards/draw.py", server.address, checks.job,
                    str(checks.begin), str(time.time()), folder], check=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures")
    parser.add_argument("--seconds", type=float, default=300)
    arguments = parser.parse_args()
    with cluster(STAGES) as running, \
            prometheus(running.folder, running.metrics_address, ROOT / "deploy/prometheus/rules") as server:
        until("the coordinator is scraped", lambda: server.is_so("paci_coordinator_info"))
        begin = time.time()
        job = submit(running)
        say(f"job {job} is submitted, Prometheus scrapes its coordinator every {SCRAPE_SECONDS} s")
        if arguments.pictures:
            let_it_run(begin, arguments.seconds / 3)
        lose_a_worker(running, server, job)
        say("a worker was killed, the alert about it was pending until another took its place")
        checks = Checks(server, job, begin)
        if not counters_begin_at_zero(server, job):
            checks.complaints.append("after a restart from a checkpoint, a counter of a stage does not begin at 0")
        for file in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json")):
            checks.dashboard(json.loads(file.read_text()))
        checks.alerts()
        say(f"{checks.count} queries of panels, annotations, variables and alerts")
        if arguments.pictures and not checks.complaints:
            let_it_run(begin, arguments.seconds)
            draw(server, checks, arguments.pictures)
        running.ctl("cancel", job)
        running.kill_coordinator()
        until("the alert about the coordinator is pending", lambda: server.is_pending("PaciCoordinatorDown"))
        say("the coordinator was killed, the alert about it is pending")
    for complaint in checks.complaints:
        print(f"dashboards: {complaint}", file=sys.stderr)
    if not checks.complaints:
        say("every one of them has data")
    return 1 if checks.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
