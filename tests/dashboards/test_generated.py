"""The JSON that is checked in: up to date, and of the shape that every dashboard must have."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from agent.wire.catalogue import MEASUREMENTS, METRICS, measurement_labels
from dashboards.__main__ import main
from dashboards.build import DASHBOARDS, GENERATED, dashboard_json
from dashboards.panels import DATASOURCE_UID

DATASOURCE = {"type": "influxdb", "uid": "${datasource}"}
DEVICE_TAGS = {"province", "unit", "site", "device_id"}
# Names that queries give to their own columns.
COLUMNS = {"value", "points"}
# Grafana 9.4 has schema 37 and reads what follows as long as nothing newer than it is used.
CLASSIC_PANELS = {"stat", "timeseries", "table"}


@pytest.fixture(params=sorted(DASHBOARDS))
def dashboard(request):
    return json.loads((GENERATED / request.param).read_text(encoding="utf-8"))


def test_generated_files_are_up_to_date():
    ended = subprocess.run([sys.executable, "-m", "dashboards", "--check"], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_check_tells_every_difference_and_changes_nothing(tmp_path, capsys):
    assert main(["--check", "--output", str(tmp_path)]) == 1
    assert "overview.json is missing" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert main(["--output", str(tmp_path)]) == 0
    assert main(["--check", "--output", str(tmp_path)]) == 0
    file = tmp_path / "overview.json"
    file.write_text(file.read_text(encoding="utf-8").replace("Toàn cảnh", "Khác"), encoding="utf-8")
    (tmp_path / "old.json").write_text("{}")
    capsys.readouterr()
    assert main(["--check", "--output", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "overview.json is not what the code builds" in told
    assert "old.json belongs to no dashboard" in told
    assert main(["--output", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["overview.json"]


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_the_sdk_reads_its_own_json_back(name):
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    text = dashboard_json(DASHBOARDS[name])
    again = json.dumps(Dashboard.from_json(json.loads(text)), cls=JSONEncoder, sort_keys=True, indent=2)
    assert json.loads(again) == json.loads(text)


def test_it_is_a_classic_dashboard(dashboard):
    assert dashboard["schemaVersion"] == 42
    assert 8 <= len(dashboard["uid"]) <= 40
    assert "apiVersion" not in dashboard
    assert {panel["type"] for panel in dashboard["panels"]} <= CLASSIC_PANELS
    assert len(dashboard["panels"]) <= 12


def test_every_panel_says_what_it_shows_and_in_what_unit(dashboard):
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in dashboard["panels"]]
    assert len(set(titles)) == len(titles)
    for panel in dashboard["panels"]:
        assert panel["title"]
        assert len(panel["description"]) > 30, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["noValue"] == "Không có số liệu"


def test_everything_reads_from_the_chosen_data_source(dashboard):
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "influxdb"
    assert variables["datasource"]["current"]["value"] == DATASOURCE_UID
    for panel in dashboard["panels"]:
        assert panel["datasource"] == DATASOURCE
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["datasource"] == DATASOURCE
            assert target["rawQuery"] is True
        references = [target["refId"] for target in panel["targets"]]
        assert references == sorted(set(references))
    for name in ("unit", "device", "target"):
        assert variables[name]["datasource"] == DATASOURCE
        assert (variables[name]["multi"], variables[name]["includeAll"], variables[name]["allValue"]) == (
            True,
            True,
            ".*",
        )


def test_panels_fill_the_grid_without_overlap(dashboard):
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len(taken) == 24 * (1 + max(y for _, y in taken))


def _statements(dashboard):
    for panel in dashboard["panels"]:
        yield from (target["query"] for target in panel["targets"])
    yield from (one["query"] for one in dashboard["templating"]["list"] if one["type"] == "query")


def test_queries_use_names_of_the_catalogue_only(dashboard):
    allowed = DEVICE_TAGS | COLUMNS | set(MEASUREMENTS) | {spec.field for spec in METRICS.values()}
    allowed |= {label for name in MEASUREMENTS for label in measurement_labels(name)}
    for statement in _statements(dashboard):
        assert set(re.findall(r'"([^"]+)"', statement)) <= allowed, statement


def test_queries_keep_clear_of_what_some_version_lacks(dashboard):
    for statement in _statements(dashboard):
        assert "autogen" not in statement
        assert '"."' not in statement, "a retention policy or database is named"
        assert ";" not in statement, "version 3 takes one statement a request"
        if "percentile(" in statement:
            assert "count(" in statement, "version 3 loses small groups of a lone percentile"
        if statement.startswith("SHOW"):
            assert "time > now() - 7d" in statement, "version 3 looks back one day otherwise"
        else:
            assert "$timeFilter" in statement


def test_no_macro_stands_between_slashes(dashboard):
    """Grafana 11.4 and 11.5 took that for a regular expression and put backslashes into the macro."""
    for statement in _statements(dashboard):
        for macro in ("$__interval", "$timeFilter"):
            assert macro not in statement[: statement.rfind("/")], statement


def test_no_chart_has_a_line_a_terminal(dashboard):
    """Grafana cuts a panel at a thousand series by default; ten thousand terminals would be cut in silence."""
    for panel in dashboard["panels"]:
        if panel["type"] == "timeseries":
            for target in panel["targets"]:
                outermost = re.sub(r"\([^()]*\)", "", re.sub(r"\(SELECT.*\)(?= WHERE)", "", target["query"]))
                assert set(re.findall(r'"(\w+)"', outermost.partition("GROUP BY")[2])) <= {"target"}, target["query"]


def test_provisioning_holds_no_secret_and_names_the_same_things():
    folder = GENERATED.parent / "provisioning"
    source = (folder / "datasources" / "thongmang.yaml").read_text(encoding="utf-8")
    assert f"uid: {DATASOURCE_UID}\n" in source
    assert "basicAuthPassword: $THONGMANG_GRAFANA_PASSWORD\n" in source
    assert "url: $THONGMANG_INFLUX_URL\n" in source
    assert re.search(r"^\s+timeInterval: 1m$", source, re.MULTILINE)
    documentation = (GENERATED.parents[1] / "docs" / "influxdb.md").read_text(encoding="utf-8")
    variables = set(re.findall(r"\$(THONGMANG_\w+)", source))
    assert variables == {"THONGMANG_INFLUX_URL", "THONGMANG_GRAFANA_USER", "THONGMANG_GRAFANA_PASSWORD"}
    assert all(name in documentation for name in variables)
    provider = (folder / "dashboards" / "thongmang.yaml").read_text(encoding="utf-8")
    (path,) = re.findall(r"^\s+path: (\S+)$", provider, re.MULTILINE)
    assert path in documentation
