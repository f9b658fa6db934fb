#!/usr/bin/python3
"""Brings the chart up to date with what it is made of: the table of values in its README with values.yaml, and the alert rules
and dashboards in helm/paci/files with those of deploy/, since a chart can only read what lies in it.

  scripts/chart.py            writes what is out of date
  scripts/chart.py --check    only names it; exit code 1 then

Either way it names values of values.schema.json that values.yaml does not show.
"""

import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHART = ROOT / "helm/paci"
COPIES = [("deploy/prometheus/rules", "*.yml", "rules"), ("deploy/grafana/dashboards", "*.json", "dashboards")]
BEGIN, END = "<!-- values: by scripts/chart.py -->\n", "<!-- end of values -->\n"


def read_comments(text):
    """The comment above each key, by path."""
    comments, path, pending = {}, [], []
    for line in text.splitlines():
        key = re.match(r"( *)([A-Za-z]+):", line)
        if line.lstrip().startswith("# "):
            pending.append(line.lstrip()[2:])
        elif key:
            path = path[: len(key[1]) // 2] + [key[2]]
            if pending:
                comments[tuple(path)] = " ".join(pending)
            pending = []
        else:
            pending = []
    return comments


def is_section(path, comments):
    return any(len(other) > len(path) and other[: len(path)] == path for other in comments)


def rows(values, comments, path=()):
    for key, value in values.items():
        here = path + (key,)
        if is_section(here, comments):
            yield from rows(value, comments, here)
        elif here not in comments:
            sys.exit(f"values.yaml: {'.'.join(here)} has no comment above it")
        else:
            yield f"| `{'.'.join(here)}` | `{json.dumps(value)}` | {comments[here]} |\n"


def table(text):
    values, comments = yaml.safe_load(text), read_comments(text)
    parts = []
    for key, value in values.items():
        heading = f"### {key}\n\n"
        if is_section((key,), comments):
            heading += comments[(key,)] + "\n\n" if (key,) in comments else ""
            lines = rows(value, comments, (key,))
        else:
            lines = rows({key: value}, comments)
        parts.append(heading + "| value | default | meaning |\n| --- | --- | --- |\n" + "".join(lines))
    return "\n".join(parts)


def keys_of_schema(schema, node, path=()):
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    for key, child in node.get("properties", {}).items():
        yield path + (key,)
        yield from keys_of_schema(schema, child, path + (key,))


def not_in_values(text):
    """What the schema knows and values.yaml does not show. (The other way round, helm lint refuses the default values.)"""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values, comments = yaml.safe_load(text), read_comments(text)
    for path in keys_of_schema(schema, schema):
        parent = values
        for key in path[:-1]:
            parent = parent.get(key, {})
        is_free = path[:-1] in comments and not is_section(path[:-1], comments)
        if path[-1] not in parent and not is_free:
            yield f"values.yaml does not have {'.'.join(path)}, which values.schema.json has"


def wanted_files(text):
    readme = (CHART / "README.md").read_text()
    head, tail = readme.split(BEGIN)[0], readme.split(END)[1]
    files = {CHART / "README.md": head + BEGIN + "\n" + table(text) + "\n" + END + tail}
    for source, pattern, name in COPIES:
        files.update({CHART / "files" / name / file.name: file.read_text() for file in (ROOT / source).glob(pattern)})
    return files


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    text = (CHART / "values.yaml").read_text()
    wanted = wanted_files(text)
    copied = {file for *_, name in COPIES for file in (CHART / "files" / name).glob("*")}
    stale = [file for file, content in wanted.items() if not file.exists() or file.read_text() != content]
    left_over = sorted(copied - set(wanted))
    problems = list(not_in_values(text))
    if check:
        problems += [f"{file.relative_to(ROOT)} is out of date: run scripts/chart.py" for file in stale + left_over]
    else:
        for file in stale:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[file])
        for file in left_over:
            file.unlink()
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
