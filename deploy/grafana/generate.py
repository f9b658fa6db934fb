#!/usr/bin/env python3
"""Writes deploy/grafana/dashboards/*.json from cluster.py and job.py.

usage: generate.py [--check], which writes nothing and fails if a file is not what would be written, or is not as it should
be (lint.py).
"""
import json
import pathlib
import sys

from cluster import cluster
from job import job
from lint import complaints

DASHBOARDS = pathlib.Path(__file__).resolve().parent / "dashboards"


def main() -> int:
    is_check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not is_check:
        sys.exit(__doc__)
    found: list[str] = []
    made = {"cluster.json": cluster(), "job.json": job()}
    for name, document in made.items():
        text = json.dumps(document, indent=1) + "\n"
        file = DASHBOARDS / name
        if not is_check:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            found.append(f"{file.name} is not what generate.py makes; run deploy/grafana/generate.py")
        found += complaints(document)
    if is_check:
        found += [f"{file.name} is made by nothing" for file in DASHBOARDS.iterdir() if file.name not in made]
    for complaint in found:
        print(f"dashboards: {complaint}", file=sys.stderr)
    if not found:
        panels = sum(len(document["panels"]) for document in made.values())
        print(f"dashboards: {len(made)} with {panels} panels are what they should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
