"""InfluxQL of the panels, made from the catalogue's metrics; the same text runs on InfluxDB 1, 2 and 3.

Grafana replaces `$timeFilter`, `$__interval` and `${variable:regex}` before it sends a query. A percentile always has a
count beside it: alone, version 3 loses every group of ten values and less. Retention policies are never named.
"""
# ruff: noqa: S608
# (names are the catalogue's own; what a viewer picks is put in by Grafana, escaped by its `regex` format)

from __future__ import annotations

from agent.wire.catalogue import METRICS, MetricSpec, measurement_labels

UNIT = "unit"
DEVICE = "device"
TARGET = "target"

# A variable's tag: terminals are chosen by what the store calls device_id.
TAG_OF_VARIABLE = {UNIT: "unit", DEVICE: "device_id", TARGET: "target"}


def metric(name: str) -> MetricSpec:
    """The catalogue's metric of this name.

    Raises:
        KeyError: there is none, so a renamed metric breaks the build and not a panel.
    """
    return METRICS[name]


def chosen(measurement: str) -> str:
    """Conditions for what the viewer picked, time included."""
    variables = [UNIT, DEVICE]
    if "target" in measurement_labels(measurement):
        variables.append(TARGET)
    tags = [f'"{TAG_OF_VARIABLE[name]}" =~ /^${{{name}:regex}}$/' for name in variables]
    return " AND ".join([*tags, "$timeFilter"])


def grouping(*names: str) -> str:
    """GROUP BY these tags."""
    return "GROUP BY " + ", ".join(f'"{name}"' for name in names)


def _by_time(*names: str) -> str:
    return ", ".join(["GROUP BY time($__interval)", *(f'"{name}"' for name in names)])


def percentile_by_time(spec: MetricSpec, percent: int, *tags: str) -> str:
    """One line a combination of `tags`: the percentile over all points of each interval, in the catalogue's unit."""
    outer = f" {grouping(*tags)}" if tags else ""
    return (
        f'SELECT "value"{_scaled(spec)} AS "value" FROM '
        f'(SELECT percentile("{spec.field}", {percent}) AS "value", count("{spec.field}") AS "points" '
        f'FROM "{spec.measurement}" WHERE {chosen(spec.measurement)} {_by_time(*tags)} fill(none)) '
        f"WHERE $timeFilter{outer}"
    )


def minimum_by_time(spec: MetricSpec) -> str:
    """One line: the lowest value of each interval. A low percentile would be empty for few points: p5 of nine is."""
    return (
        f'SELECT min("{spec.field}"){_scaled(spec)} AS "value" '
        f'FROM "{spec.measurement}" WHERE {chosen(spec.measurement)} {_by_time()} fill(none)'
    )


def percentile_now(spec: MetricSpec, percent: int) -> str:
    """One number: the percentile over all points of the panel's time."""
    return (
        f'SELECT "value"{_scaled(spec)} AS "value" FROM '
        f'(SELECT percentile("{spec.field}", {percent}) AS "value", count("{spec.field}") AS "points" '
        f'FROM "{spec.measurement}" WHERE {chosen(spec.measurement)}) WHERE $timeFilter'
    )


def _scaled(spec: MetricSpec) -> str:
    # Grafana has units for microseconds and kibibytes, but none for thousandths. A product, because Grafana 11 took
    # what stands between any two slashes for a regular expression (grafana pull request 100762).
    return f" * {1 / spec.scale:g}" if spec.unit == "ratio" else ""


def loss(sent: MetricSpec, received: MetricSpec, *tags: str) -> str:
    """Share of probes without an answer: over the panel's time, or by interval for each combination of `tags`."""
    end = f" {_by_time(*tags)} fill(none)" if tags else ""
    return (
        f'SELECT (sum("{sent.field}") - sum("{received.field}")) * 1.0 / sum("{sent.field}") AS "value" '
        f'FROM "{sent.measurement}" WHERE {chosen(sent.measurement)}{end}'
    )


def terminals_now(spec: MetricSpec) -> str:
    """How many terminals wrote `spec` in the panel's time; one that moved to another unit counts once."""
    return (
        f'SELECT count("value") AS "value" FROM (SELECT last("{spec.field}") AS "value" '
        f'FROM "{spec.measurement}" WHERE {chosen(spec.measurement)} GROUP BY "device_id") WHERE $timeFilter'
    )


def terminals_by_time(spec: MetricSpec) -> str:
    """How many terminals wrote `spec` in each interval."""
    return (
        f'SELECT count("value") AS "value" FROM (SELECT last("{spec.field}") AS "value" '
        f'FROM "{spec.measurement}" WHERE {chosen(spec.measurement)} {_by_time("device_id")} fill(none)) '
        "WHERE $timeFilter GROUP BY time($__interval) fill(0)"
    )


def sum_of_last_by_time(spec: MetricSpec) -> str:
    """Sum over terminals of the last value in each interval."""
    return _sum_by_time(spec, f'last("{spec.field}")')


def sum_of_growth_by_time(spec: MetricSpec) -> str:
    """Sum over terminals of how much a counter grew since the interval before; a counter that starts anew counts 0."""
    return _sum_by_time(spec, f'non_negative_difference(last("{spec.field}"))')


def _sum_by_time(spec: MetricSpec, expression: str) -> str:
    return (
        f'SELECT sum("value") AS "value" FROM (SELECT {expression} AS "value" '
        f'FROM "{spec.measurement}" WHERE {chosen(spec.measurement)} {_by_time("device_id")} fill(none)) '
        "WHERE $timeFilter GROUP BY time($__interval) fill(none)"
    )


def highest_percentiles(spec: MetricSpec, percent: int, count: int, *tags: str) -> str:
    """The `count` combinations of `tags` with the highest percentile, one row each with its tags as columns."""
    return (
        f'SELECT top("value", {_columns(*tags)}, {count}) AS "value" FROM '
        f'(SELECT percentile("{spec.field}", {percent}) AS "value", count("{spec.field}") AS "points" '
        f'FROM "{spec.measurement}" WHERE {chosen(spec.measurement)} {grouping(*tags)}) WHERE $timeFilter'
    )


def lowest_shares(part: MetricSpec, whole: MetricSpec, count: int, *tags: str) -> str:
    """The `count` combinations of `tags` where `part` is the smallest share of `whole`, by their last values."""
    return (
        f'SELECT bottom("value", {_columns(*tags)}, {count}) AS "value" FROM '
        f'(SELECT last("{part.field}") * 1.0 / last("{whole.field}") AS "value" '
        f'FROM "{part.measurement}" WHERE {chosen(part.measurement)} {grouping(*tags)}) WHERE $timeFilter'
    )


def _columns(*tags: str) -> str:
    return ", ".join(f'"{name}"' for name in tags)


def values_of(variable: str, measurement: str, *within: str) -> str:
    """Values a viewer may pick for `variable`, among those that the variables `within` leave.

    The time is spelled out because version 3 looks back one day without it.
    """
    conditions = [f'"{TAG_OF_VARIABLE[name]}" =~ /^${{{name}:regex}}$/' for name in within]
    where = " AND ".join([*conditions, "time > now() - 7d"])
    return f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{TAG_OF_VARIABLE[variable]}" WHERE {where}'
