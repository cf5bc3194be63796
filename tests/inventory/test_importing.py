"""Every row ends in exactly one place, and the same file again changes nothing."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from inventory.assets import AssetValues, RegisteredAsset
from inventory.register.importing import plan_import
from inventory.register.rows import AssetRow, Origin


def row(number, sheet="", **values):
    known = {"unit_code": "16681", "name": "Máy tính", "kind": "desktop"} | values
    return AssetRow(Origin(sheet, number, (), ()), AssetValues(**known))


def applied(plan, existing):
    """The register after the plan, as the database would hold it."""
    assets = {asset.id: asset for asset in existing}
    for change in plan.updated:
        assets[change.asset.id] = RegisteredAsset(change.asset.id, change.asset.register_key, change.values, 2)
    number = max(assets, default=0)
    for creation in plan.created:
        number += 1
        assets[number] = RegisteredAsset(number, creation.register_key, creation.values, 1)
    keys = [(asset.values.unit_code, asset.register_key) for asset in assets.values()]
    assert len(set(keys)) == len(keys)
    return list(assets.values())


def counts(plan):
    return len(plan.created), len(plan.updated), len(plan.unchanged), len(plan.rejected)


def reason(plan):
    return plan.rejected[0].errors[0].found.render()


def test_a_serial_stands_once_in_a_file():
    plan = plan_import([row(2, serial="ABC-1234"), row(3, "S2", unit_code="17827", serial="abc 1234")], [])
    assert counts(plan) == (1, 0, 0, 1)
    assert plan.rejected[0].origin.number == 3
    assert reason(plan) == "serial abc 1234 already stands in row 2"


def test_an_asset_code_without_serial_stands_once_in_its_unit():
    rows = [
        row(2, asset_code="TS01"),
        row(3, asset_code="ts 01"),
        row(4, unit_code="17827", asset_code="TS01"),
        row(5, asset_code="TS01", serial="ABC1234"),
    ]
    plan = plan_import(rows, [])
    assert counts(plan) == (2, 0, 0, 2)
    assert [rejected.origin.number for rejected in plan.rejected] == [3, 5]


def test_one_code_for_several_serials_is_told_but_not_refused():
    plan = plan_import([row(2, asset_code="TS01", serial="AAA1111"), row(3, asset_code="TS01", serial="BBB2222")], [])
    assert counts(plan) == (2, 0, 0, 0)
    assert [notice.render() for notice in plan.notices] == ["row 3: asset code TS01 stands on several serials"]
    register = applied(plan, [])
    later = plan_import([row(2, asset_code="TS01", note="chỉ có mã")], register)
    assert counts(later) == (0, 0, 0, 1)
    assert reason(later) == "asset code TS01 is registered on several serials: AAA1111, BBB2222"


def test_placeholder_serials_are_no_keys():
    rows = [row(number, serial="To be filled by O.E.M.") for number in (2, 3)]
    plan = plan_import(rows, [])
    assert counts(plan) == (2, 0, 0, 0)
    assert [creation.register_key[:8] for creation in plan.created] == ["content:", "content:"]


def test_rows_alike_without_numbers_are_counted_and_may_change_places():
    rows = [row(n, name="Máy in") for n in (2, 3, 4)] + [row(5, name="Máy quét")]
    register = applied(plan_import(rows, []), [])
    assert len(register) == 4
    shuffled = [row(2, name="Máy quét"), *(row(n, name="Máy in") for n in (3, 4, 5, 6))]
    assert counts(plan_import(shuffled, register)) == (1, 0, 4, 0)


def test_a_moved_machine_is_updated_not_created():
    register = applied(plan_import([row(2, serial="ABC1234")], []), [])
    plan = plan_import([row(2, serial="ABC1234", unit_code="17827")], register)
    assert counts(plan) == (0, 1, 0, 0)
    assert plan.updated[0].changed_fields == ("unit_code",)


def test_a_blank_cell_forgets_nothing_and_an_unknown_kind_neither():
    full = row(2, serial="ABC1234", year_put_into_use=2015, put_into_use_on="2015-03-15", note="tầng 2", quantity=1)
    register = applied(plan_import([full], []), [])
    blank = row(2, serial="ABC1234", kind="other", year_put_into_use=2015)
    assert counts(plan_import([blank], register)) == (0, 0, 1, 0)


def test_another_year_takes_the_day_with_it():
    full = row(2, serial="ABC1234", year_put_into_use=2015, put_into_use_on="2015-03-15")
    register = applied(plan_import([full], []), [])
    plan = plan_import([row(2, serial="ABC1234", year_put_into_use=2016)], register)
    assert (plan.updated[0].values.year_put_into_use, plan.updated[0].values.put_into_use_on) == (2016, None)


def test_a_number_given_later_goes_to_the_asset_that_had_none():
    register = applied(plan_import([row(2, name="Máy in"), row(3, name="Máy in")], []), [])
    plan = plan_import([row(2, name="Máy in", serial="AAA1111"), row(3, name="Máy in")], register)
    assert counts(plan) == (0, 1, 1, 0)
    assert len(plan.notices) == 1
    after = applied(plan, register)
    assert counts(plan_import([row(2, name="Máy in"), row(3, name="Máy in")], after)) == (0, 0, 2, 0)


def test_a_serial_given_later_goes_to_the_asset_with_the_code():
    register = applied(plan_import([row(2, asset_code="TS01")], []), [])
    plan = plan_import([row(2, asset_code="TS01", serial="AAA1111")], register)
    assert counts(plan) == (0, 1, 0, 0)
    after = applied(plan, register)
    other = plan_import([row(2, asset_code="TS01", serial="BBB2222")], after)
    assert counts(other) == (1, 0, 0, 0)
    assert len(applied(other, after)) == 2


asset_rows = st.builds(
    dict,
    unit_code=st.sampled_from(["16681", "17827"]),
    name=st.sampled_from(["Máy tính", "Máy in"]),
    serial=st.sampled_from([None, "None", "AAA1111", "aaa-1111", "BBB2222", "CCC3333"]),
    asset_code=st.sampled_from([None, "TS1", "TS2", "không có"]),
    year_put_into_use=st.sampled_from([None, 2015, 2020]),
    note=st.sampled_from([None, "a", "b"]),
)
files = st.lists(asset_rows, max_size=12)


@given(files, files)
def test_counts_add_up_and_imports_are_idempotent(first, second):
    register = []
    for file in (first, second, first):
        rows = [row(number, **values) for number, values in enumerate(file, 2)]
        plan = plan_import(rows, register)
        assert plan.rows == sum(counts(plan)) == len(rows)
        origins = [
            o.origin.number for part in (plan.created, plan.updated, plan.unchanged, plan.rejected) for o in part
        ]
        assert sorted(origins) == [r.origin.number for r in rows]
        assert all(rejected.errors for rejected in plan.rejected)
        register = applied(plan, register)
        again = plan_import(rows, register)
        assert (len(again.created), len(again.updated)) == (0, 0)
        assert len(again.rejected) == len(plan.rejected)


@given(files, st.randoms())
def test_the_order_of_clean_rows_does_not_matter(file, chance: random.Random):
    serials, clean = set(), []
    for values in file:
        if values["serial"] not in serials and values["serial"] in ("AAA1111", "BBB2222", "CCC3333"):
            serials.add(values["serial"])
            clean.append(values | {"asset_code": None})
    register = applied(plan_import([row(n, **v) for n, v in enumerate(clean)], []), [])
    chance.shuffle(clean)
    again = plan_import([row(n, **v) for n, v in enumerate(clean)], register)
    assert counts(again) == (0, 0, len(clean), 0)
