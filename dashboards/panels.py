"""Builders that every dashboard shares: data source, variables, panels with their unit, description and place."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboard_builders
from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.cog import builder as cog_builder
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import common, dashboard, units

from agent.wire.catalogue import MetricSpec

DATASOURCE_VARIABLE = "datasource"
DATASOURCE_TYPE = "influxdb"
# What dashboards/provisioning/datasources makes.
DATASOURCE_UID = "fleet_raw"
ALL = ".*"
NO_VALUE = "Không có số liệu"
GRID_COLUMNS = 24

Thresholds = Sequence[tuple[float | None, str]]


def datasource() -> common.DataSourceRef:
    """The data source the viewer picked."""
    return common.DataSourceRef(DATASOURCE_TYPE, f"${{{DATASOURCE_VARIABLE}}}")


def grafana_unit(spec: MetricSpec) -> str:
    """Grafana's unit for a metric as it is stored.

    Raises:
        KeyError: the catalogue has a new kind of unit; add it here.
    """
    return {
        ("seconds", 1e6): units.Microseconds,
        ("seconds", 1.0): units.Seconds,
        ("bytes", 1 / 1024): units.Kibibytes,
        ("ratio", 1000.0): units.PercentUnit,
        ("", 1.0): units.NoUnit,
    }[spec.unit, spec.scale]


class InfluxQuery(variants.Dataquery, cog_builder.Builder["InfluxQuery"]):
    """One InfluxQL query of a panel; the SDK has no class for InfluxDB.

    Args:
        statement: InfluxQL with Grafana's macros.
        alias: name of each line; `$tag_x` is replaced by tag x.
        result_format: time_series or table.
    """

    def __init__(self, statement: str, *, alias: str = "", result_format: str = "time_series") -> None:
        self._statement = statement
        self._alias = alias
        self._result_format = result_format
        self.reference = "A"

    def build(self) -> InfluxQuery:
        """Itself: it is what it builds."""
        return self

    def to_json(self) -> dict[str, object]:
        """What Grafana's InfluxDB plugin reads."""
        return {
            "alias": self._alias,
            "datasource": datasource(),
            "query": self._statement,
            "rawQuery": True,
            "refId": self.reference,
            "resultFormat": self._result_format,
        }


@dataclass(frozen=True)
class Panel:
    """What every panel must have.

    Args:
        title: short, Vietnamese.
        description: what is shown, from where, and how to read it; Vietnamese.
        unit: Grafana's, see `grafana_unit`.
        queries: at least one.
        width: of the grid's 24 columns.
        height: in rows of the grid.
    """

    title: str
    description: str
    unit: str
    queries: Sequence[InfluxQuery]
    width: int
    height: int = 8


class Page:
    """A dashboard that places panels from left to right, top to bottom, and numbers them."""

    def __init__(self, *, uid: str, title: str, description: str, tags: Sequence[str]) -> None:
        self._dashboard = (
            dashboard_builders.Dashboard(title)
            .uid(uid)
            .description(description)
            .tags(list(tags))
            .time("now-24h", "now")
            .refresh("5m")
            .timezone("browser")
            .week_start("monday")
            .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
            .editable()
        )
        self._ids = itertools.count(1)
        self._column = 0
        self._row = 0
        self._row_height = 0
        self._add_datasource_variable()

    def _add_datasource_variable(self) -> None:
        self._dashboard.with_variable(
            dashboard_builders.DatasourceVariable(DATASOURCE_VARIABLE)
            .label("Nguồn dữ liệu")
            .description("Nguồn dữ liệu InfluxDB (ngôn ngữ InfluxQL) chứa số đo gốc.")
            .type(DATASOURCE_TYPE)
            .current(dashboard.VariableOption(selected=True, text=DATASOURCE_UID, value=DATASOURCE_UID))
        )

    def with_choice(self, name: str, *, label: str, description: str, statement: str) -> None:
        """Adds a variable of several values, all of them at first."""
        self._dashboard.with_variable(
            dashboard_builders.QueryVariable(name)
            .label(label)
            .description(description)
            .datasource(datasource())
            .query(statement)
            .definition(statement)
            .refresh(dashboard.VariableRefresh.ON_DASHBOARD_LOAD)
            .sort(dashboard.VariableSort.NATURAL_ASC)
            .multi(multi=True)
            .include_all(include_all=True)
            .all_value(ALL)
            .current(dashboard.VariableOption(selected=True, text=["All"], value=["$__all"]))
        )

    def with_number(self, panel: Panel, *, span: str, thresholds: Thresholds = ()) -> None:
        """Adds one large number over the last `span`, whatever time the dashboard shows."""
        builder = (
            stat.Panel()
            .time_from(span)
            .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(values=False))
            .graph_mode(common.BigValueGraphMode.NONE)
            .color_mode(common.BigValueColorMode.VALUE)
            .thresholds(_thresholds(thresholds))
        )
        self._place(builder, panel)

    def with_lines(self, panel: Panel, *, interval: str, minimum: float | None = 0) -> None:
        """Adds a chart over time whose points are at least `interval` apart."""
        builder = (
            timeseries.Panel()
            .interval(interval)
            .fill_opacity(0)
            .show_points(common.VisibilityMode.AUTO)
            .legend(
                common_builders.VizLegendOptions()
                .display_mode(common.LegendDisplayMode.TABLE)
                .placement(common.LegendPlacement.BOTTOM)
                .show_legend(show_legend=True)
                .calcs(["lastNotNull", "max"])
            )
            .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
        )
        if minimum is not None:
            builder.min(minimum)
        self._place(builder, panel)

    def with_ranking(
        self,
        panel: Panel,
        *,
        span: str,
        columns: Mapping[str, str],
        descending: bool,
        links: Mapping[str, str] | None = None,
        thresholds: Thresholds = (),
    ) -> None:
        """Adds a table of the last `span`.

        Args:
            panel: its query's result has a column for each key of `columns`, `value` being the number.
            span: how far it looks back, whatever time the dashboard shows.
            columns: name in the result -> heading, in order from the left.
            descending: the largest value comes first.
            links: column -> variable of this dashboard that a click on a cell sets.
            thresholds: colours of the number.
        """
        order = {name: place for place, name in enumerate(columns)}
        arranged = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": dict(columns)}
        builder = (
            table.Panel()
            .time_from(span)
            .with_transformation(dashboard.DataTransformerConfig(id_val="organize", options=arranged))
            .sort_by([common_builders.TableSortByFieldState().display_name(columns["value"]).desc(descending)])
            .thresholds(_thresholds(thresholds))
        )
        for column, variable in (links or {}).items():
            url = (
                f"/d/${{__dashboard.uid}}?${{__url_time_range}}"
                f"&var-{DATASOURCE_VARIABLE}=${{{DATASOURCE_VARIABLE}}}&var-{variable}=${{__value.raw}}"
            )
            properties = [
                dashboard.DynamicConfigValue(
                    "links", [{"title": f"Chỉ xem {columns[column].lower()} này", "url": url, "targetBlank": False}]
                )
            ]
            builder.override_by_name(columns[column], properties)
        self._place(builder, panel)

    def _place(self, builder: stat.Panel | timeseries.Panel | table.Panel, panel: Panel) -> None:
        if self._column + panel.width > GRID_COLUMNS:
            self._column = 0
            self._row += self._row_height
            self._row_height = 0
        place = dashboard.GridPos(x=self._column, y=self._row, w=panel.width, h=panel.height)
        self._column += panel.width
        self._row_height = max(self._row_height, panel.height)
        for reference, query in zip("ABCDEFGH", panel.queries, strict=False):
            query.reference = reference
            builder.with_target(query)
        (
            builder.id(next(self._ids))
            .title(panel.title)
            .description(panel.description)
            .datasource(datasource())
            .unit(panel.unit)
            .no_value(NO_VALUE)
            .grid_pos(place)
        )
        # The builder would place a panel at (0, 0) anew, which is where only the first one is.
        self._dashboard.with_panel(builder)

    def build(self) -> dashboard.Dashboard:
        """The dashboard in Grafana's classic form."""
        return self._dashboard.build()


def _thresholds(steps: Thresholds) -> dashboard_builders.ThresholdsConfig:
    found = [dashboard.Threshold(value=value, color=color) for value, color in steps or ((None, "text"),)]
    return dashboard_builders.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(found)
