"""What a dashboard must be, beside what its generator makes of itself: a list of complaints."""
import json
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Iterator

from panels import COLUMNS

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SUFFIXES = ("_bucket", "_sum", "_count")  # of a histogram's series


def known_series() -> set[str]:
    """All that docs/metrics.md lists; a test compares it with the code."""
    names = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    return names | {name + suffix for name in names for suffix in SUFFIXES}


def panels_of(document: dict) -> list[dict]:
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def expressions(document: dict) -> Iterator[tuple[str, str]]:
    """(where, expression), of panels and annotations."""
    for panel in panels_of(document):
        for target in panel["targets"]:
            yield f"panel \"{panel['title']}\" {target['refId']}", target["expr"]
    for annotation in document["annotations"]["list"]:
        yield f"annotation \"{annotation['name']}\"", annotation["expr"]


def substitute(expr: str, values: dict[str, str]) -> str:
    """As Grafana does: $name and ${name}; the longest name first."""
    for name in sorted(values, key=len, reverse=True):
        expr = expr.replace("${" + name + "}", values[name]).replace("$" + name, values[name])
    return expr


def complaints(document: dict) -> list[str]:
    found = [*panel_complaints(document), *layout_complaints(document)]
    series = known_series()
    is_of_job = any(variable["name"] == "job" for variable in document["templating"]["list"])
    for where, expr in expressions(document):
        for name in re.findall(r"\bpaci_\w+", expr):
            if name not in series:
                found.append(f"{where}: docs/metrics.md has no {name}")
        for name in re.findall(r"\bpaci_\w+\b(?!\{)", expr) if is_of_job else []:
            found.append(f"{where}: {name} of every job; expected a selector with job=\"$job\"")
        for selector in re.findall(r"\bpaci_\w+\{([^}]*)\}", expr) if is_of_job else []:
            if 'job="$job"' not in selector:
                found.append(f"{where}: {{{selector}}} is not only of $job")
    return [f"{document['uid']}: {complaint}" for complaint in [*found, *promtool_complaints(document)]]


def panel_complaints(document: dict) -> Iterator[str]:
    titles = [panel["title"] for panel in document["panels"]]
    ids = [panel["id"] for panel in document["panels"]]
    if len(set(ids)) != len(ids):
        yield "two panels have the same id"
    for title in sorted({title for title in titles if titles.count(title) > 1}):
        yield f"two panels are called \"{title}\""
    for panel in panels_of(document):
        where = f"panel \"{panel['title']}\""
        if not panel["title"] or not panel["description"].endswith("."):
            yield f"{where}: expected a title, and a description that ends with a full stop"
        if not panel["fieldConfig"]["defaults"].get("unit"):
            yield f"{where}: it has no unit"
        if not panel["targets"]:
            yield f"{where}: it asks for nothing"
        for target in panel["targets"]:
            if target["datasource"]["uid"] != "${datasource}":
                yield f"{where}: its data source is not the one that is chosen"


def layout_complaints(document: dict) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in document["panels"]:
        at = panel["gridPos"]
        if panel.get("repeat") and (at["x"], at["w"]) != (0, COLUMNS):
            yield f"panel \"{panel['title']}\" is repeated, and has no line for itself"
        if at["x"] + at["w"] > COLUMNS:
            yield f"panel \"{panel['title']}\" is outside of the grid"
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            if cell in taken:
                yield f"panel \"{panel['title']}\" lies over \"{taken[cell]}\""
                break
            taken[cell] = panel["title"]


def promtool_complaints(document: dict) -> Iterator[str]:
    """Whether every expression parses, where promtool is installed: as recording rules of a file of its own."""
    values = {"job": "a-1", "stage": "0", "__rate_interval": "1m", "__interval": "15s", "__range": "1h"}
    rules = [{"record": f"expression:{index}", "expr": substitute(expr, values), "labels": {"where": where}}
             for index, (where, expr) in enumerate(expressions(document))]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump({"groups": [{"name": "expressions", "rules": rules}]}, file)  # JSON is YAML
        file.flush()
        try:
            done = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True)
        except FileNotFoundError:
            return
    if done.returncode != 0:
        yield done.stderr.strip()
