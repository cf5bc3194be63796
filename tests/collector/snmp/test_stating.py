"""What people state of network equipment: lists, single devices, and the file of credentials."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from collector.db.network import network_devices, put_device, remove_device
from collector.db.network_tables import network_import
from collector.db.registry import open_registry
from collector.db.tables import site_line, survey_import
from collector.errors import SettingsError
from collector.snmp.credentials import Community, User, load_credentials
from collector.snmp.specification import import_devices, read_spec
from inventory.register.errors import UnreadableFileError

GOOD = {
    "name": "CPE Vinh Hưng",
    "unit": "16681",
    "address": "10.40.1.1",
    "version": "2c",
    "credentials": "xa",
    "interface": "ether1",
}
NOW = 1_800_000_000.0


@pytest.fixture
def registry(tmp_path):
    engine = open_registry(tmp_path / "registry.sqlite")
    yield engine
    engine.dispose()


def test_what_is_not_stated_has_a_default_but_capacity_has_none():
    spec, faults = read_spec(GOOD)
    assert faults == ()
    assert (spec.kind, spec.site, spec.port, spec.received_is_down) == ("cpe", "main", 161, True)
    assert (spec.capacity_down_kbit_s, spec.capacity_up_kbit_s, spec.expected_speed_kbit_s) == (None, None, None)
    spec, _ = read_spec({**GOOD, "to_site": "transmitted", "address": "2001:DB8::1", "capacity_up_kbit_s": "200000"})
    assert (spec.received_is_down, spec.address, spec.capacity_up_kbit_s) == (False, "2001:db8::1", 200_000)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "text of 1 to 64 characters"),
        ("unit", "Xã Không Có", "code or name of a commune or ward"),
        ("site", "Trụ sở", "a-z, 0-9"),
        ("kind", "modem", "one of cpe, printer, other"),
        ("address", "router.local", "an IPv4 or IPv6 address"),
        ("address", "224.0.0.1", "an IPv4 or IPv6 address"),
        ("port", "0", "a whole number from 1 to 65535"),
        ("port", "１６１", "a whole number"),
        ("version", "1", "one of 2c, 3"),
        ("credentials", "a b", "name of an entry"),
        ("interface", "", "name or number of the port"),
        ("to_site", "in", "one of received, transmitted"),
        ("capacity_down_kbit_s", "200 Mbps", "a whole number from 1 to"),
        ("port_speed_kbit_s", "-1", "a whole number from 1 to"),
    ],
)
def test_each_fault_is_named_with_what_was_expected(field, value, words):
    spec, faults = read_spec({**GOOD, field: value})
    assert spec is None
    (fault,) = faults
    assert fault.field == field
    assert words in fault.message.render()
    assert f"{field}: found" in fault.message.render()


def test_a_list_is_taken_row_by_row_and_bad_rows_are_kept_whole(registry):
    text = (
        "name;unit;kind;address;version;credentials;interface\n"
        "CPE A;16681;cpe;10.40.1.1;2c;xa;1\n"
        "CPE A;16681;cpe;10.40.1.2;2c;xa;1\n"
        "CPE B;99999;cpe;10.40.1.300;2c;xa;\n"
        "May in;Phường Vinh Hưng;printer;10.40.1.9;3;v3;\n"
    )
    with registry.begin() as connection:
        done = import_devices(connection, text.encode(), "ds.csv", NOW)
        assert (done.rows, done.created, done.updated, done.unchanged) == (4, 2, 0, 0)
        assert [row.row for row in done.rejected] == [3, 4]
        assert [fault.field for fault in done.rejected[1].faults] == ["unit", "address", "interface"]
        (kept,) = connection.execute(select(network_import)).all()
        assert kept.rejected[1]["cells"][3] == "10.40.1.300"
        assert kept.rejected[0]["faults"][0]["pattern"].startswith("{field}: found")
        again = import_devices(connection, text.replace("10.40.1.9", "10.40.1.8").encode(), "ds.csv", NOW)
        assert (again.created, again.updated, again.unchanged, again.number) == (0, 1, 1, done.number + 1)
        assert [one.name for one in network_devices(connection)] == ["CPE A", "May in"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,unit\nA,16681\n", "the column address is missing"),
        ("name,unit,address,version,credentials,community\n", "the column community is not known"),
        ("", "empty"),
    ],
)
def test_a_list_without_its_columns_is_refused_as_a_whole(registry, text, words):
    with registry.begin() as connection, pytest.raises(UnreadableFileError, match=words):
        import_devices(connection, text.encode(), "ds.csv", NOW)


def test_capacity_comes_from_the_survey_of_lines_where_the_device_states_none(registry):
    with registry.begin() as connection:
        connection.execute(
            insert(survey_import).values(
                file_name="x",
                file_sha256="x",
                imported_at=0,
                rows=1,
                created=1,
                updated=0,
                unchanged=0,
                rejected=[],
                before=[],
            )
        )
        line = {"unit_code": "16681", "as_of": "2026-01-01", "import_id": 1, "updated_at": 0}
        connection.execute(
            insert(site_line).values(site="main", up_kbit_per_second=50_000, down_kbit_per_second=200_000, **line)
        )
        connection.execute(insert(site_line).values(site="dang-uy", down_kbit_per_second=20_000, **line))
        for name, changes in {
            "a": {},
            "b": {"capacity_up_kbit_s": "70000"},
            "c": {"capacity_up_kbit_s": "1", "capacity_down_kbit_s": "2"},
            "d": {"site": "dang-uy"},
            "e": {"site": "ubnd"},
        }.items():
            spec, _ = read_spec({**GOOD, "name": name, **changes})
            put_device(connection, spec, NOW)
        found = {
            one.name: (one.capacity_down_kbit_s, one.capacity_up_kbit_s, one.capacity_source)
            for one in network_devices(connection)
        }
    assert found == {
        "a": (200_000, 50_000, "survey"),
        "b": (200_000, 70_000, "survey"),
        "c": (2, 1, "device"),
        "d": (20_000, None, ""),
        "e": (None, None, ""),
    }


def test_a_removed_device_comes_back_as_itself(registry):
    spec, _ = read_spec(GOOD)
    with registry.begin() as connection:
        assert put_device(connection, spec, NOW) == "created"
        assert put_device(connection, spec, NOW) == "unchanged"
        (before,) = network_devices(connection)
        assert remove_device(connection, spec.name, NOW)
        assert not remove_device(connection, spec.name, NOW)
        assert network_devices(connection) == []
        assert put_device(connection, spec, NOW) == "created"
        assert network_devices(connection) == [before]


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


def test_credentials_are_read_and_never_shown(tmp_path, credentials_text):
    found = load_credentials(write(tmp_path / "c.toml", credentials_text))
    assert isinstance(found["xa"], Community)
    assert isinstance(found["v3"], User)
    shown = f"{found} {found['v3']!s}"
    assert not any(secret in shown for secret in ("bi-mat", "matkhau", "giam-sat"))
    assert load_credentials(tmp_path / "none.toml") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[a]\ncommunity = "bi-mat"\nport = 1', "a: Object contains unknown field `port`"),
        ('[a]\nuser = "bi-mat"', "a: .*authentication_password"),
        (
            '[a]\nuser = "u"\nauthentication_password = "bi-mat"\nprivacy_password = "bi-mat123"',
            "at least 8 characters",
        ),
        (
            '[a]\nuser = "u"\nauthentication_password = "bi-mat12"\nprivacy_password = "bi-mat12"\nprivacy = "bi-mat"',
            "privacy: expected one of des",
        ),
        ('a = "bi-mat"', "expected a table"),
        ('[a]\ncommunity = "bi-mat', "is not TOML"),
    ],
)
def test_a_bad_credential_is_named_without_its_value(tmp_path, text, words):
    path = write(tmp_path / "c.toml", text)
    with pytest.raises(SettingsError, match=words) as caught:
        load_credentials(path)
    assert str(path) in str(caught.value)
    assert "bi-mat" not in str(caught.value)


def test_a_file_that_others_may_read_is_refused(tmp_path):
    path = write(tmp_path / "c.toml", '[a]\ncommunity = "x"', 0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        load_credentials(path)
