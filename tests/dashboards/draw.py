"""Draws the dashboards as PNGs, from their own JSON and the data of a Prometheus: what Grafana would be asked to show.

usage: draw.py PROMETHEUS JOB BEGIN END FOLDER, with the matplotlib of bench/plotting.
"""
import json
import math
import pathlib
import sys

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "deploy/grafana"))

from draw_panels import DRAWN, Asked, Span
from panels import COLUMNS
from prometheus import SCRAPE_SECONDS, Prometheus
from promql import as_grafana

POINTS = 200  # in a curve, about
INCHES_A_COLUMN, INCHES_A_LINE = 0.62, 0.36
MOST_IN_A_LINE = 4  # of a repeated panel


class Questions:
    """What a panel asks, answered."""

    def __init__(self, server: Prometheus, job: str, begin: float, end: float):
        self.server, self.job, self.begin, self.end = server, job, begin, end
        self.step = max(SCRAPE_SECONDS, math.ceil((end - begin) / POINTS))
        selector = f'paci_in_flight{{job="{job}"}}'
        self.stages = sorted(server.get("label/stage/values", **{"match[]": selector}), key=int)

    def answer(self, panel: dict, stage: str) -> list[Asked]:
        return [Asked(target["legendFormat"], target["refId"], self.values(target, stage))
                for target in panel.get("targets", [])]

    def values(self, target: dict, stage: str) -> list:
        expr = as_grafana(target["expr"], self.job, [stage] if stage else self.stages, self.end - self.begin, self.step)
        if target["instant"]:
            result = self.server.get("query", query=expr, time=self.end)["result"]
            return [(series["metric"], [(self.end, float(series["value"][1]))]) for series in result]
        return self.server.over(expr, self.begin, self.end, self.step)

    def annotations(self, document: dict) -> list[float]:
        """Moments, in seconds after the beginning, of those that are on."""
        moments = []
        for annotation in document["annotations"]["list"]:
            if annotation["enable"]:
                expr = as_grafana(annotation["expr"], self.job, self.stages, self.end - self.begin, self.step)
                # Grafana makes one region of a series that goes on.
                moments += [points[0][0] for _, points in self.server.over(expr, self.begin, self.end, self.step)]
        return moments


def placed(document: dict, stages: list[str]) -> list[tuple[dict, str, dict]]:
    """(panel, its stage if it is repeated, its place), as Grafana expands them."""
    result, down = [], 0
    for panel in document["panels"]:
        at = dict(panel["gridPos"])
        at["y"] += down
        if not panel.get("repeat"):
            result.append((panel, "", at))
            continue
        width = COLUMNS // min(len(stages), MOST_IN_A_LINE)
        for index, stage in enumerate(stages):
            line, column = divmod(index, MOST_IN_A_LINE)
            result.append((panel, stage, at | {"w": width, "x": column * width, "y": at["y"] + line * at["h"]}))
        down += (math.ceil(len(stages) / MOST_IN_A_LINE) - 1) * at["h"]
    return result


def draw(document: dict, questions: Questions, file: pathlib.Path) -> None:
    panels = placed(document, questions.stages)
    lines = max(at["y"] + at["h"] for _, _, at in panels) + 1
    width, height = COLUMNS * INCHES_A_COLUMN, lines * INCHES_A_LINE
    figure = plt.figure(figsize=(width, height))
    span = Span(questions.begin, questions.end, questions.annotations(document))
    for panel, stage, at in panels:
        # The title has a line of its own above the axes, the legend one below.
        left, right = at["x"] * INCHES_A_COLUMN + 0.55, (at["x"] + at["w"]) * INCHES_A_COLUMN - 0.15
        top, bottom = at["y"] * INCHES_A_LINE + 0.34, (at["y"] + at["h"]) * INCHES_A_LINE - 0.48
        if panel["type"] == "row":
            figure.text(0.1 / width, 1 - (at["y"] + 0.6) * INCHES_A_LINE / height, panel["title"], fontsize=12,
                        fontweight="bold", va="center")
            continue
        axes = figure.add_axes((left / width, 1 - bottom / height, (right - left) / width, (bottom - top) / height))
        axes.set_title(panel["title"].replace("$stage", stage), fontsize=9, loc="left")
        DRAWN[panel["type"]](axes, panel, questions.answer(panel, stage), span)
    figure.savefig(file, dpi=80)
    plt.close(figure)
    with Image.open(file) as image:  # a third of the bytes
        image.convert("RGB").quantize(128, Image.Quantize.MAXCOVERAGE).save(file, optimize=True)
    print(f"{file}: {file.stat().st_size // 1024} KiB")


def main() -> None:
    address, job, begin, end, folder = sys.argv[1:]
    plt.rcParams.update({"font.size": 8, "axes.grid": True, "grid.color": "#e4e4e4", "axes.spines.top": False,
                         "axes.spines.right": False, "axes.axisbelow": True, "lines.linewidth": 1.2})
    questions = Questions(Prometheus(address), job, float(begin), float(end))
    for file in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json")):
        draw(json.loads(file.read_text()), questions, pathlib.Path(folder) / f"dashboard-{file.stem}.png")


if __name__ == "__main__":
    main()
