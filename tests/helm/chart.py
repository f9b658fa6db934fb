"""What the tests of the chart share: rendering it, once for the same values, and asking what is in it."""

import functools
import pathlib
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "helm/paci"
BIN = ROOT / ".deps/go/bin"
HERE = pathlib.Path(__file__).resolve().parent
OLDEST, NEWEST = (ROOT / ".deps/schemas/versions").read_text().split()


def helm(*arguments):
    return subprocess.run([BIN / "helm", *map(str, arguments)], text=True, capture_output=True)


@functools.lru_cache(maxsize=None)
def template(values, version=NEWEST, chart=CHART, release="paci"):
    return helm("template", release, chart, "--namespace", "training", "--kube-version", version, "--values", values)


def render(values, chart=CHART, release="paci"):
    """The objects, as dictionaries."""
    done = template(values, chart=chart, release=release)
    if done.returncode:
        raise AssertionError(done.stderr)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def value_files():
    return sorted((HERE / "values").glob("*.yaml"))


def of_kind(objects, *kinds):
    return [item for item in objects if item["kind"] in kinds]


def named(objects, kind, suffix):
    (found,) = [item for item in of_kind(objects, kind) if item["metadata"]["name"].endswith(suffix)]
    return found


def pods(objects):
    """(labels, spec) of every pod that the objects describe."""
    for item in objects:
        if item["kind"] == "Pod":
            yield item["metadata"]["labels"], item["spec"]
        elif item["kind"] in ("StatefulSet", "Job"):
            yield item["spec"]["template"]["metadata"]["labels"], item["spec"]["template"]["spec"]


def selects(selector, labels):
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())
