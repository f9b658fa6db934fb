"""One function for each kind of panel: its axes, its JSON, its data, and the time that is shown."""
import collections
import dataclasses
import math
import re

from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, MaxNLocator

NAMED = {"green": "#37872D", "yellow": "#E0B400", "orange": "#FA6400", "red": "#C4162A", "blue": "#1F60C4"}
PALETTE = ["#7EB26D", "#EAB839", "#6ED0E0", "#EF843C", "#E24D42", "#1F78C1", "#BA43A9", "#705DA0"]


@dataclasses.dataclass
class Span:
    begin: float
    end: float
    marks: list[float]  # moments of annotations

    def show(self, axes: Axes) -> None:
        """Seconds after the beginning."""
        for moment in self.marks:
            axes.axvline(moment - self.begin, color=NAMED["red"], linestyle=(0, (2, 2)), linewidth=0.8)
        axes.set_xlim(0, self.end - self.begin)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} s"))


@dataclasses.dataclass
class Asked:
    legend: str
    ref: str
    series: list[tuple[dict, list[tuple[float, float]]]]

    def name(self, labels: dict, fallback: str) -> str:
        if self.legend != "__auto":
            return re.sub(r"{{(\w+)}}", lambda match: labels.get(match[1], ""), self.legend)
        return ", ".join(value for key, value in labels.items() if key not in ("__name__", "instance")) or fallback


def text_of(value: float, unit: str, decimals: int | None = None) -> str:
    """In a unit of Grafana."""
    if not math.isfinite(value):
        return "-"
    if unit == "percentunit":
        return f"{100 * value:.{3 if 0 < abs(value) < 0.01 else decimals or 0}f} %"
    if unit in ("bytes", "Bps"):
        power = min(4, int(math.log(max(abs(value), 1), 1024)))
        return f"{value / 1024 ** power:.3g} {['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}{'/s' if unit == 'Bps' else ''}"
    if unit == "sci":
        return f"{value:.0e}" if value else "0"
    suffix = " s" if unit == "s" else ""
    if decimals is not None:
        return f"{value:.{decimals}f}{suffix}"
    if abs(value) >= 1000:
        return f"{value / 1000:.3g} k{suffix}"
    return f"{value:.3g}{suffix}"


def overrides_of(panel: dict, name: str, ref: str) -> dict:
    found = {}
    for override in panel["fieldConfig"]["overrides"]:
        matcher = override["matcher"]
        if matcher["options"] == (name if matcher["id"] == "byName" else ref):
            found |= {entry["id"]: entry["value"] for entry in override["properties"]}
    return found


def fixed_color(properties: dict) -> str | None:
    name = properties.get("color", {}).get("fixedColor")
    return NAMED.get(name, name)


def color_at(value: float, thresholds: dict | None) -> str:
    steps = (thresholds or {"steps": [{"color": "black", "value": None}]})["steps"]
    name = [step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]
    return NAMED.get(name, name)


def show_range(axes: Axes, defaults: dict) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text_of(value, defaults["unit"])))
    low, high = axes.get_ylim()
    has_any = any(line.get_ydata().any() for line in axes.get_lines()) or axes.collections
    axes.set_ylim(defaults.get("min", low), defaults.get("max", high if has_any else 1))


def draw_graph(axes: Axes, panel: dict, asked: list[Asked], span: Span) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    curves = [(query.name(labels, panel["title"]), query.ref, points) for query in asked for labels, points in query.series]
    colors: dict[str, str] = {}
    if custom["stacking"]["mode"] == "normal":
        draw_stack(axes, panel, curves, span.begin)
    for name, ref, points in [] if custom["stacking"]["mode"] == "normal" else curves:
        properties = overrides_of(panel, name, ref)
        is_dashed = "custom.lineStyle" in properties
        owner = re.sub(r"^(bound|most) of ", "", name)  # a limit has the colour of what it limits
        color = fixed_color(properties) or colors.setdefault(owner, PALETTE[len(colors) % len(PALETTE)])
        style = {"linestyle": "none", "marker": "o", "markersize": 4} if custom["drawStyle"] == "points" else {
            "linestyle": (0, (4, 3)) if is_dashed else "-"}
        axes.plot([at - span.begin for at, _ in points], [value for _, value in points], color=color,
                  label=None if is_dashed and owner != name else name, **style)
    if custom["thresholdsStyle"]["mode"] != "off":
        for step in defaults["thresholds"]["steps"][1:]:
            axes.axhline(step["value"], color=NAMED[step["color"]], linestyle=":", linewidth=1)
    show_range(axes, defaults)
    span.show(axes)
    names = axes.get_legend_handles_labels()
    if names[0] and panel["options"]["legend"]["showLegend"]:
        axes.legend(*names, loc="upper left", bbox_to_anchor=(0, -0.1), ncols=4, frameon=False, fontsize=7,
                    borderpad=0, handlelength=1, columnspacing=0.8)


def draw_stack(axes: Axes, panel: dict, curves: list, begin: float) -> None:
    times = sorted({at for _, _, points in curves for at, _ in points})
    order = [override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]]
    curves = sorted(curves, key=lambda curve: order.index(curve[0]) if curve[0] in order else -1)
    below = [0.0] * len(times)
    for index, (name, ref, points) in enumerate(curves):
        values = dict(points)
        above = [low + (values[at] if math.isfinite(values.get(at, math.nan)) else 0) for low, at in zip(below, times)]
        color = fixed_color(overrides_of(panel, name, ref)) or PALETTE[index % len(PALETTE)]
        axes.fill_between([at - begin for at in times], below, above, color=color, label=name, linewidth=0, alpha=0.85,
                          step="post")
        below = above


def draw_stat(axes: Axes, panel: dict, asked: list[Asked], span: Span) -> None:
    axes.axis("off")
    defaults = panel["fieldConfig"]["defaults"]
    texts = {value: shown["text"] for mapping in defaults.get("mappings", []) for value, shown in mapping["options"].items()}
    shown = [(query.name(labels, ""), points[-1][1]) for query in asked for labels, points in query.series]
    for index, (name, value) in enumerate(shown):
        text = texts.get(f"{value:.0f}", text_of(value, defaults["unit"], defaults.get("decimals")))
        at = (index + 0.5) / len(shown)
        has_name = panel["options"].get("textMode") == "value_and_name"
        axes.text(at, 0.5, name if panel["options"].get("textMode") == "name" else text, ha="center", va="center",
                  fontsize=15 if len(shown) == 1 else 12, color=color_at(value, defaults.get("thresholds")))
        if has_name:
            axes.text(at, 0, name, ha="center", va="top", fontsize=8, color="#666666")


def draw_gauge(axes: Axes, panel: dict, asked: list[Asked], span: Span) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    value = asked[0].series[0][1][-1][1]
    axes.barh([0], [defaults["max"]], color="#eeeeee", height=0.5)
    axes.barh([0], [value], color=color_at(value, defaults.get("thresholds")), height=0.5)
    axes.set_xlim(0, defaults["max"])
    axes.set_ylim(-0.5, 1)
    axes.axis("off")
    axes.text(defaults["max"] / 2, 0.75, text_of(value, defaults["unit"]), ha="center", va="center", fontsize=13)


def rows_of(panel: dict, asked: list[Asked]) -> tuple[list[str], list[dict]]:
    """Of a table: its queries joined by the labels that they share, and the columns that it keeps."""
    names = panel["transformations"][-1]["options"]["renameByName"]
    key = next(iter(names))
    rows: dict[str, dict] = collections.defaultdict(dict)
    for query in asked:
        for labels, points in query.series:
            rows[labels[key]] |= {**labels, f"Value #{query.ref}": points[-1][1]}
    return list(names), [rows[name] for name in sorted(rows)]


def draw_table(axes: Axes, panel: dict, asked: list[Asked], span: Span) -> None:
    axes.axis("off")
    fields, rows = rows_of(panel, asked)
    names = panel["transformations"][-1]["options"]["renameByName"]

    def cell(row: dict, field: str) -> str:
        value = row.get(field, "")
        properties = overrides_of(panel, names[field], "")
        return value if isinstance(value, str) else text_of(value, properties.get("unit", "short"), properties.get("decimals"))

    if rows:
        made = axes.table([[cell(row, field) for field in fields] for row in rows], colLabels=[names[f] for f in fields],
                          loc="upper left", cellLoc="left", colLoc="left", edges="horizontal")
        made.auto_set_font_size(False)
        made.scale(1, 1.4)


def draw_bars(axes: Axes, panel: dict, asked: list[Asked], span: Span) -> None:
    matrix = panel["transformations"][0]["options"]
    order = list(panel["transformations"][1]["options"]["indexByName"])[1:]
    bars = {(labels[matrix["rowField"]], labels[matrix["columnField"]]): points[-1][1] for labels, points in asked[0].series}
    rows = sorted({row for row, _ in bars}, key=int)
    left = [0.0] * len(rows)
    for part in order:
        widths = [bars.get((row, part), 0) for row in rows]
        if any(widths):
            axes.barh([f"stage {row}" for row in rows], widths, left=left, label=part,
                      color=fixed_color(overrides_of(panel, part, "")))
        left = [a + b for a, b in zip(left, widths)]
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: text_of(value, "percentunit")))
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.1), ncols=9, frameon=False, fontsize=7, borderpad=0, handlelength=1)


def draw_heatmap(axes: Axes, panel: dict, asked: list[Asked], span: Span) -> None:
    """Buckets count what is up to them; a row shows what is between two."""
    buckets = sorted(asked[0].series, key=lambda series: float(series[0]["le"]))
    times = sorted({at for _, points in buckets for at, _ in points})
    below = dict.fromkeys(times, 0.0)
    lines = []
    for _, points in buckets:
        values = dict(points)
        lines.append([max(values.get(at, math.nan) - below[at], 0) or math.nan for at in times])
        below = {at: values.get(at, below[at]) for at in times}
    axes.pcolormesh([at - span.begin for at in times], range(len(buckets)), lines, cmap="Oranges", shading="nearest",
                    norm=LogNorm(vmin=0.5))
    axes.set_yticks(range(len(buckets)), [labels["le"] for labels, _ in buckets])
    span.show(axes)


DRAWN = {"timeseries": draw_graph, "stat": draw_stat, "gauge": draw_gauge, "table": draw_table, "barchart": draw_bars,
         "heatmap": draw_heatmap}
