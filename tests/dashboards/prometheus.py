"""A Prometheus of the test's own, on a free port of loopback, and what it is asked."""
import contextlib
import json
import math
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator

# How long anything may take, in seconds; nothing is expected to.
PATIENCE = 120
SCRAPE_SECONDS = 1


def until(what: str, is_there: Callable):
    """The first value of `is_there` that is true."""
    deadline = time.monotonic() + PATIENCE
    while not (value := is_there()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.1)
    return value


class Prometheus:
    def __init__(self, address: str):
        self.address = address

    def get(self, path: str, **parameters: object):
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error).get("error", str(error))) from None

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def instant(self, expr: str) -> list[tuple[dict, float]]:
        """(labels, value), now."""
        return [(series["metric"], float(series["value"][1])) for series in self.get("query", query=expr)["result"]]

    def over(self, expr: str, start: float, end: float, step: float) -> list[tuple[dict, list[tuple[float, float]]]]:
        """(labels, (time, value)...)."""
        result = self.get("query_range", query=expr, start=start, end=end, step=step)["result"]
        return [(series["metric"], [(at, float(value)) for at, value in series["values"]]) for series in result]

    def is_so(self, expr: str) -> bool:
        return any(math.isfinite(value) for _, value in self.instant(expr))

    def alerts(self) -> list[dict]:
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"] if rule["type"] == "alerting"]

    def is_pending(self, alert: str) -> bool:
        return self.is_so(f'ALERTS{{alertname="{alert}"}}')


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configuration(coordinator: str, rules: pathlib.Path) -> dict:
    """As deploy/prometheus/prometheus.yml, but for the addresses and the interval."""
    seconds = f"{SCRAPE_SECONDS}s"
    return {"global": {"scrape_interval": seconds, "evaluation_interval": seconds}, "rule_files": [f"{rules}/*.yml"],
            "scrape_configs": [{"job_name": "paci-coordinator", "honor_labels": True,
                                "static_configs": [{"targets": [coordinator]}]}]}


@contextlib.contextmanager
def prometheus(folder: pathlib.Path, coordinator: str, rules: pathlib.Path) -> Iterator[Prometheus]:
    config = folder / "prometheus.json"  # JSON is YAML
    config.write_text(json.dumps(configuration(coordinator, rules)))
    running = Prometheus(f"127.0.0.1:{free_port()}")
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/prometheus",
                                    f"--web.listen-address={running.address}"], stderr=log)
    try:
        until("Prometheus is ready", lambda: process.poll() is not None or running.is_ready())
        if process.poll() is not None:
            raise AssertionError((folder / "prometheus.log").read_text())
        yield running
    finally:
        process.terminate()
        process.wait()
