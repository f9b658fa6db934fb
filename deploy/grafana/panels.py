"""Dashboards of Grafana from a few words each: panels as plain values, and a board that puts them in rows."""
import dataclasses

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24  # of Grafana's grid

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "#8e8e8e"


@dataclasses.dataclass(frozen=True)
class Query:
    expr: str
    legend: str = ""
    format: str = "time_series"
    # Dashed in a graph: a limit that others are to be seen against.
    is_limit: bool = False


def thresholds(base: str, *steps: tuple[float, str]) -> dict:
    """Colours from values on: the first below every step."""
    return {"mode": "absolute", "steps": [{"color": base, "value": None},
                                          *({"color": color, "value": value} for value, color in steps)]}


def mapping(texts: dict[str, tuple[str, str]]) -> list[dict]:
    """Of values to (text, colour)."""
    return [{"type": "value", "options": {value: {"text": text, "color": color, "index": index}
                                          for index, (value, (text, color)) in enumerate(texts.items())}}]


def override(name: str, **properties) -> dict:
    """Of the field of that name. Properties are those of Grafana with "__" for ".": custom__hideFrom."""
    return {"matcher": {"id": "byName", "options": name},
            "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]}


def color(name: str) -> dict:
    return {"mode": "fixed", "fixedColor": name}


def targets(queries: list[Query], is_instant: bool) -> list[dict]:
    return [{"refId": chr(ord("A") + index), "datasource": DATASOURCE, "editorMode": "code", "expr": query.expr,
             "legendFormat": query.legend or "__auto", "format": query.format,
             "instant": is_instant, "range": not is_instant}
            for index, query in enumerate(queries)]


def panel(kind: str, title: str, description: str, unit: str, queries: list[Query], *, options: dict,
          is_instant: bool = False, custom: dict | None = None, overrides: tuple[dict, ...] = (),
          transformations: tuple[dict, ...] = (), repeat: str = "", **defaults) -> dict:
    """`defaults` are those of its fields: min, max, decimals, thresholds, mappings, noValue, color."""
    made = {
        "type": kind, "title": title, "description": description, "datasource": DATASOURCE,
        "targets": targets(queries, is_instant),
        "fieldConfig": {"defaults": {"unit": unit, "custom": custom or {}, **defaults}, "overrides": list(overrides)},
        "options": options,
    }
    if transformations:
        made["transformations"] = list(transformations)
    if repeat:
        made |= {"repeat": repeat, "repeatDirection": "h", "maxPerRow": 4}
    return made


def graph(title: str, description: str, unit: str, queries: list[Query], *, is_stacked: bool = False,
          is_points: bool = False, show_thresholds: bool = False, has_legend: bool = True,
          overrides: tuple[dict, ...] = (), **rest) -> dict:
    """Values over time."""
    limits = tuple({"matcher": {"id": "byFrameRefID", "options": chr(ord("A") + index)}, "properties": [
        {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [6, 6]}},
        {"id": "custom.fillOpacity", "value": 0}]} for index, query in enumerate(queries) if query.is_limit)
    custom = {"drawStyle": "points" if is_points else "line", "lineWidth": 0 if is_stacked else 1,
              "pointSize": 6 if is_points else 4, "showPoints": "always" if is_points else "never",
              "fillOpacity": 75 if is_stacked else 0, "spanNulls": False,
              "stacking": {"mode": "normal" if is_stacked else "none", "group": "A"},
              "thresholdsStyle": {"mode": "dashed" if show_thresholds else "off"}}
    options = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": has_legend, "calcs": []},
               "tooltip": {"mode": "multi", "sort": "none"}}
    return panel("timeseries", title, description, unit, queries, options=options, custom=custom,
                 overrides=(*limits, *overrides), **rest)


def stat(title: str, description: str, unit: str, queries: list[Query], *, text: str = "auto", **rest) -> dict:
    """One number, or as many as the query has series. `text`: value, name or value_and_name."""
    options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "textMode": text,
               "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto"}
    return panel("stat", title, description, unit, queries, options=options, is_instant=True, **rest)


def gauge(title: str, description: str, unit: str, queries: list[Query], **rest) -> dict:
    """One number between two ends."""
    options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
               "orientation": "auto", "showThresholdLabels": False, "showThresholdMarkers": True}
    return panel("gauge", title, description, unit, queries, options=options, is_instant=True, **rest)


def table(title: str, description: str, unit: str, queries: list[Query], **rest) -> dict:
    options = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"], "fields": ""}}
    queries = [dataclasses.replace(query, format="table") for query in queries]
    return panel("table", title, description, unit, queries, options=options, is_instant=True, **rest)


def columns(names: dict[str, str]) -> tuple[dict, dict]:
    """Keeps these fields of a table, in this order, under these names."""
    pattern = "^(" + "|".join(names) + ")$"
    return ({"id": "filterFieldsByName", "options": {"include": {"pattern": pattern}}},
            {"id": "organize", "options": {"indexByName": {name: index for index, name in enumerate(names)},
                                           "renameByName": names, "excludeByName": {}}})


def stacked_bars(title: str, description: str, unit: str, query: Query, *, row: str, column: str,
                 order: list[str], **rest) -> dict:
    """A bar for each value of the label `row`, made of a part for each value of `column`, in this order."""
    corner = f"{row}\\{column}"
    options = {"orientation": "horizontal", "xField": corner, "stacking": "normal", "showValue": "never",
               "groupWidth": 0.8, "barWidth": 0.97, "fullHighlight": False,
               "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
               "tooltip": {"mode": "multi", "sort": "none"}}
    transformations = (
        {"id": "groupingToMatrix", "options": {"rowField": row, "columnField": column, "valueField": "Value"}},
        {"id": "organize", "options": {"indexByName": {name: i for i, name in enumerate([corner, *order])},
                                       "renameByName": {}, "excludeByName": {}}})
    return panel("barchart", title, description, unit, [dataclasses.replace(query, format="table")], options=options,
                 is_instant=True, custom={"fillOpacity": 80, "lineWidth": 0}, transformations=transformations, **rest)


def heatmap(title: str, description: str, unit: str, query: Query, **rest) -> dict:
    """The buckets of a histogram over time."""
    options = {"calculate": False, "cellGap": 1, "cellValues": {"unit": unit}, "showValue": "never",
               "color": {"mode": "scheme", "scheme": "Oranges", "scale": "exponential", "exponent": 0.5, "steps": 64,
                         "reverse": False, "fill": "dark-orange"},
               "filterValues": {"le": 1e-9}, "rowsFrame": {"layout": "auto"}, "legend": {"show": False},
               "yAxis": {"axisPlacement": "left", "unit": "short"}, "exemplars": {"color": "rgba(255,0,255,0.7)"},
               "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False}}
    custom = {"scaleDistribution": {"type": "linear"}}
    return panel("heatmap", title, description, unit, [dataclasses.replace(query, format="heatmap")],
                 options=options, custom=custom, **rest)


def variable(name: str, label: str, query: str, *, is_multi: bool = False) -> dict:
    """Its values are asked for whenever the time range changes."""
    made = {"name": name, "label": label, "type": "query", "datasource": DATASOURCE, "definition": query,
            "query": {"query": query, "refId": f"variable-{name}"}, "refresh": 2, "sort": 3 if is_multi else 2,
            "multi": is_multi, "includeAll": is_multi, "hide": 0, "regex": "", "options": [], "current": {}}
    if is_multi:
        made["current"] = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return made


def annotation(name: str, expr: str, line_color: str, text: str, *, is_on: bool = True) -> dict:
    return {"name": name, "datasource": DATASOURCE, "enable": is_on, "hide": False, "iconColor": line_color,
            "expr": expr, "step": "15s", "titleFormat": name, "textFormat": text, "tagKeys": ""}


class Board:
    """Panels from left to right, line by line, under headings."""

    def __init__(self, uid: str, title: str, description: str, *, variables: tuple[dict, ...] = (),
                 annotations: tuple[dict, ...] = (), links: tuple[dict, ...] = ()):
        datasource = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
                      "refresh": 1, "hide": 0, "regex": "", "multi": False, "includeAll": False, "options": [],
                      "current": {}}
        self.document = {
            "uid": uid, "title": title, "description": description, "tags": ["paci"], "schemaVersion": 39, "version": 1,
            "editable": True, "graphTooltip": 1, "refresh": "10s", "time": {"from": "now-1h", "to": "now"},
            "timezone": "browser", "templating": {"list": [datasource, *variables]},
            "annotations": {"list": list(annotations)}, "links": list(links), "panels": []}
        self._x = self._y = self._line = 0

    def row(self, title: str) -> None:
        self._next_line()
        self._put({"type": "row", "title": title, "collapsed": False, "panels": []}, COLUMNS, 1)

    def add(self, width: int, height: int, made: dict) -> None:
        self._put(made, width, height)

    def add_repeated(self, height: int, made: dict) -> None:
        """A panel for each value of its variable: Grafana gives them whole lines."""
        self._next_line()
        self._put(made, COLUMNS, height)

    def _put(self, made: dict, width: int, height: int) -> None:
        if self._x + width > COLUMNS:
            self._next_line()
        panels = self.document["panels"]
        panels.append({"id": len(panels) + 1, "gridPos": {"x": self._x, "y": self._y, "w": width, "h": height}, **made})
        self._x += width
        self._line = max(self._line, height)

    def _next_line(self) -> None:
        self._y += self._line
        self._x = self._line = 0
