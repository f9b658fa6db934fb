"""What Grafana makes of a query before it asks, and what an alert is without its condition."""
import re

from lint import substitute

COMPARISON = re.compile(r"(==|!=|<=|>=|<|>)(?!~)")
SELECTOR = re.compile(r"\b(?:paci_\w+|job_stage:[\w:]+|up|ALERTS)\b(?:\{[^}]*\})?")


def as_grafana(expr: str, job: str, stages: list[str], seconds: float, scrape_seconds: float) -> str:
    """With the chosen variables, for a time range of so long."""
    return substitute(expr, {
        "job": job, "stage": "|".join(stages), "__interval": f"{scrape_seconds}s",
        # Grafana: max($__interval + scrape interval, 4 * scrape interval).
        "__rate_interval": f"{4 * scrape_seconds}s", "__range": f"{int(seconds) + 1}s"})


def without_condition(expr: str) -> str:
    """Its comparisons give 0 or 1 in place of leaving out what they are not true for."""
    parts = re.split(r"(\{[^}]*\})", expr)
    return "".join(part if part.startswith("{") else COMPARISON.sub(r"\1 bool", part) for part in parts)


def selectors(expr: str) -> set[str]:
    return set(SELECTOR.findall(expr))


def label_values(query: str) -> tuple[str, str]:
    """(series, label) of a variable's label_values(series, label)."""
    series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
    return series, label
