"""The decoder against tables built byte by byte, and against dmidecode, which reads the same bytes its own way."""

import json
import re
import shutil
import subprocess

import pytest

from agent.firmware import names, smbios
from agent.firmware.structures import read_entry_point, walk
from agent.wire.facts import FACTS

DMIDECODE = shutil.which("dmidecode") or "/usr/sbin/dmidecode"
IVY_BRIDGE = bytes.fromhex("a9060300fffbebbf")
UUID = bytes.fromhex("33221100554477668899aabbccddeeff")


def full_table(make_table, version=(2, 7)):
    """One of everything that is decoded."""
    table = make_table(version).with_parts()
    table.add(0, bytes([1, 2, 0, 0xF0, 3, 0xFF]) + bytes(8), "Dell Inc.", "A14", "09/21/2013")
    table.add(
        1, bytes([1, 2, 3, 4]) + UUID + bytes([6, 5, 6]), "Dell Inc.", "OptiPlex 7010", "01", "ABC123", "SKU", "Fam"
    )
    table.add(2, bytes([1, 2, 3, 4, 5, 9, 6, 0, 0, 10, 0]), "Dell Inc.", "0GXM1W", "A01", "/ABC/CN1/", "tag", "slot")
    table.add(3, bytes([1, 0x83, 0, 2, 3]) + bytes(12), "Dell Inc.", "ABC123", "asset")
    table.add(4, processor_area(), "SOCKET 0", "Intel", "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz   ")
    table.add(11, bytes([3]), "Dell System", "1[0585]", "www.dell.com")
    table.add(17, memory_area(size=4096), "DIMM1", "Samsung", "M378B5173BH0-CH9  ")
    table.add(17, memory_area(size=0x7FFF, extended=32768), "DIMM2", "Kingston", "KF432")
    table.add(17, memory_area(size=0), "DIMM3")
    table.add(22, battery_area(text=5), "Rear", "SMP", "DELL X1", "01.00", "05/20/2012")
    table.add(22, battery_area(packed=(32 << 9) | (7 << 5) | 9), "Rear", "LGC", "DELL X2", "01.00", "LION")
    table.add(208, bytes([2, 0, 1, 0xFE, 0, 1, 1, 2, 0, 0, 0, 0]), "20121004", "20121101")
    return table.end()


def processor_area(signature=IVY_BRIDGE, family=0xCD, status=0x41, cores=4, threads=4):
    area = bytes([1, 3, family, 2]) + signature + bytes([3, 0x8A]) + (100).to_bytes(2, "little")
    area += (3200).to_bytes(2, "little") + (3200).to_bytes(2, "little") + bytes([status, 0x24]) + b"\xff" * 6
    return area + bytes([0, 0, 0, cores, cores, threads, 4, 0]) + family.to_bytes(2, "little")


def memory_area(size, extended=0, kind=0x18, speed=1600):
    area = b"\0\0\xfe\xff" + (64).to_bytes(2, "little") * 2 + size.to_bytes(2, "little") + bytes([9, 0, 1, 0, kind])
    area += b"\0\0" + speed.to_bytes(2, "little") + bytes([2, 0, 0, 3, 0])
    return area + extended.to_bytes(4, "little") + b"\0" * 8


def battery_area(text=0, packed=0):
    area = bytes([1, 2, text, 0, 3, 2 if packed else 6]) + (60).to_bytes(2, "little") + (11100).to_bytes(2, "little")
    return (
        area + bytes([4, 0]) + b"\x34\x12" + packed.to_bytes(2, "little") + bytes([5 if packed else 0, 10]) + bytes(4)
    )


def test_everything_of_a_full_table(make_table):
    decoded = smbios.decode_dump(full_table(make_table).dump)

    assert decoded.complete
    assert decoded.version == "2.7"
    facts = decoded.facts
    assert {"vendor": "Dell Inc.", "version": "A14", "release_date": "09/21/2013"}.items() <= facts["bios"][0].items()
    assert facts["system"][0]["uuid"] == "00112233-4455-6677-8899-aabbccddeeff"
    assert facts["system"][0]["sku"] == "SKU"
    assert facts["chassis"][0]["type"] == "Desktop"
    processor = facts["processor"][0]
    assert (processor["family"], processor["model"], processor["stepping"]) == (6, 58, 9)
    assert processor["signature"] == "a9060300fffbebbf"
    assert processor["version"] == "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz"
    assert (processor["core_count"], processor["thread_count"], processor["max_speed_mhz"]) == (4, 4, 3200)
    assert processor["populated"] is True
    assert [row["text"] for row in facts["oem_string"]] == ["Dell System", "1[0585]", "www.dell.com"]
    assert [row["size_bytes"] for row in facts["memory_device"]] == [4096 << 20, 32768 << 20, 0]
    assert facts["memory_device"][0]["type"] == "DDR3"
    assert facts["memory_device"][0]["speed_mts"] == 1600
    assert facts["battery"][0]["manufacture_date"] == "05/20/2012"
    assert facts["battery"][0]["sbds_manufacture_date"] is None
    assert facts["battery"][0]["chemistry"] == "Lithium Ion"
    assert facts["battery"][1]["sbds_manufacture_date"] == "2012-07-09"
    assert facts["battery"][1]["chemistry"] == "LION"
    assert facts["dell_revisions"] == [{"manufacture_date": "20121004", "first_power_on_date": "20121101"}]


def test_columns_are_those_of_the_catalogue(make_table):
    for name, rows in smbios.decode_dump(full_table(make_table).dump).facts.items():
        assert rows
        for row in rows:
            assert tuple(row) == FACTS[name].columns


def test_windows_hands_out_the_same(make_table):
    table = full_table(make_table)
    assert smbios.decode_windows(table.rsmb).facts == smbios.decode_dump(table.dump).facts
    assert smbios.decode_windows(table.rsmb).version == "2.7"
    assert smbios.decode_windows(b"\0\2").facts == {}


def dmidecode(tmp_path, dump):
    file = tmp_path / "dump.bin"
    file.write_bytes(dump)
    command = [DMIDECODE, "--from-dump", str(file)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=20)
    structures = []
    for line in done.stdout.decode("ascii", "replace").splitlines():
        header = re.match(r"Handle 0x\w+, DMI type (\d+), \d+ bytes", line)
        if header:
            structures.append((int(header[1]), {}))
        elif re.match(r"\t[^\t]", line) and structures:
            label, _, value = line.strip().partition(": ")
            structures[-1][1].setdefault(label, value.strip())
    return structures


def of_kind(structures, kind):
    return [values for number, values in structures if number == kind]


@pytest.mark.skipif(shutil.which(DMIDECODE) is None, reason="dmidecode is not installed")
@pytest.mark.parametrize("version", [(2, 4), (2, 7), (3, 1)])
def test_dmidecode_reads_the_same(make_table, tmp_path, version):
    table = full_table(make_table, version)
    theirs = dmidecode(tmp_path, table.dump)
    ours = smbios.decode_dump(table.dump).facts

    def agree(kind, fact, columns):
        said = of_kind(theirs, kind)
        assert len(said) == len(ours[fact])
        for row, values in zip(ours[fact], said):
            for column, label in columns.items():
                expected = values.get(label)
                assert (row[column] or "Not Specified") == expected, (fact, column)

    agree(0, "bios", {"vendor": "Vendor", "version": "Version", "release_date": "Release Date"})
    product = {
        "manufacturer": "Manufacturer",
        "product": "Product Name",
        "version": "Version",
        "serial": "Serial Number",
    }
    agree(1, "system", dict(product, uuid="UUID", sku="SKU Number", family="Family"))
    agree(2, "baseboard", dict(product, asset_tag="Asset Tag"))
    chassis = {"manufacturer": "Manufacturer", "type": "Type", "version": "Version"}
    agree(3, "chassis", dict(chassis, serial="Serial Number", asset_tag="Asset Tag"))
    agree(4, "processor", {"manufacturer": "Manufacturer", "version": "Version"})
    agree(17, "memory_device", {"locator": "Locator"})
    signature = of_kind(theirs, 4)[0]["Signature"]
    row = ours["processor"][0]
    assert signature == "Type 0, Family {family}, Model {model}, Stepping {stepping}".format(**row)
    assert of_kind(theirs, 4)[0]["ID"].replace(" ", "").lower() == row["signature"]
    batteries = of_kind(theirs, 22)
    assert batteries[0]["Manufacture Date"] == ours["battery"][0]["manufacture_date"]
    assert batteries[1]["SBDS Manufacture Date"] == ours["battery"][1]["sbds_manufacture_date"]
    assert batteries[1]["SBDS Chemistry"] == ours["battery"][1]["chemistry"]
    sizes = [values["Size"] for values in of_kind(theirs, 17)]
    assert sizes == ["4 GB", "32 GB", "No Module Installed"]
    assert of_kind(theirs, 17)[0]["Type"] == ours["memory_device"][0]["type"]


@pytest.mark.skipif(shutil.which(DMIDECODE) is None, reason="dmidecode is not installed")
def test_dmidecode_names_every_case_and_memory_alike(make_table, tmp_path):
    table = make_table((3, 4))
    for number in range(1, 40):
        table.add(3, bytes([0, number]) + bytes(15))
    for number in range(1, 0x24):
        table.add(17, memory_area(1024, kind=number))
    for number in range(1, 9):
        table.add(22, bytes([0, 0, 0, 0, 0, number]) + bytes(16))
    theirs = dmidecode(tmp_path, table.end().dump)

    known = [values["Type"] for values in of_kind(theirs, 3)]
    assert len(known) == 39
    for number, name in enumerate(known, 1):
        assert names.chassis_type(number) == (None if "OUT OF SPEC" in name else name)
    memory = [values["Type"] for values in of_kind(theirs, 17)]
    for number, name in enumerate(memory, 1):
        # Reserved numbers are told apart by neither.
        assert (names.memory_type(number) or "<OUT OF SPEC>") == name.replace("Reserved", "<OUT OF SPEC>")
    for number, values in enumerate(of_kind(theirs, 22), 1):
        assert names.battery_chemistry(number) == values.get("Chemistry", names.battery_chemistry(number))


@pytest.mark.skipif(shutil.which(DMIDECODE) is None, reason="dmidecode is not installed")
@pytest.mark.parametrize(
    ("signature", "family"),
    [
        ("7a060100fffbebbf", 0xCE),
        ("430f1000fffb8b17", 0x83),
        ("100f8000fffb8b17", 0x6B),
        ("610f0000fffb8b17", 0x18),
        ("a7060a00fffbebbf", 0xC6),
    ],
)
def test_dmidecode_reads_the_same_signature(make_table, tmp_path, signature, family):
    area = processor_area(bytes.fromhex(signature), family)
    table = make_table().add(4, area, "S", "M", "V").end()
    theirs = of_kind(dmidecode(tmp_path, table.dump), 4)[0]["Signature"]
    row = smbios.decode_dump(table.dump).facts["processor"][0]
    numbers = re.search(r"Family (\d+), Model (\d+), Stepping (\d+)", theirs)
    assert (row["family"], row["model"], row["stepping"]) == tuple(int(number) for number in numbers.groups())


@pytest.mark.skipif(shutil.which(DMIDECODE) is None, reason="dmidecode is not installed")
def test_every_family_that_dmidecode_takes_for_x86_is_decoded(make_table, tmp_path):
    table = make_table((3, 0))
    for family in range(0xFE):
        table.add(4, processor_area(family=family))
    theirs = of_kind(dmidecode(tmp_path, table.end().dump), 4)
    ours = smbios.decode_dump(table.dump).facts["processor"]
    assert len(ours) == len(theirs) == 0xFE
    taken = [number for number, values in enumerate(theirs) if "Family 6, Model 58" in values.get("Signature", "")]
    assert len(taken) > 60
    assert [number for number in taken if ours[number]["model"] != 58] == []


def test_words_in_the_wrong_order_are_sent_as_they_are(make_table):
    swapped = bytes.fromhex("fffb8b17" + "100f6300")
    row = smbios.decode_dump(make_table().add(4, processor_area(swapped)).end().dump).facts["processor"][0]
    assert row["signature"] == "fffb8b17100f6300"


def test_other_architectures_have_no_family(make_table):
    table = make_table().add(4, processor_area(bytes.fromhex("83f00f4100000000"), 0xFE)[:-2] + b"\x01\x01").end()
    row = smbios.decode_dump(table.dump).facts["processor"][0]
    assert row["family"] is None
    assert row["signature"] == "83f00f4100000000"


def test_empty_socket(make_table):
    empty = processor_area(bytes(8), status=0, cores=0, threads=0)
    row = smbios.decode_dump(make_table().add(4, empty, "CPU2").end().dump).facts["processor"][0]
    assert row["populated"] is False
    assert row["signature"] is None
    assert row["core_count"] is None


def test_counts_beyond_a_byte(make_table):
    area = bytearray(processor_area(cores=0xFF, threads=0xFF))
    area += (256).to_bytes(2, "little") * 2 + (512).to_bytes(2, "little")
    row = smbios.decode_dump(make_table((3, 0)).add(4, bytes(area)).end().dump).facts["processor"][0]
    assert (row["core_count"], row["thread_count"]) == (256, 512)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"CPU @ 3.10GHz       ", "CPU @ 3.10GHz"),
        ("Máy tính Việt".encode(), "Máy tính Việt"),
        (b"Caf\xe9", "Café"),
        (b"a\x01\x1bb", "a  b"),
        (b"   ", None),
    ],
)
def test_strings_are_cleaned(make_table, raw, text):
    table = make_table().add(0, bytes([1, 0, 0, 0, 0, 0]), raw).end()
    assert smbios.decode_dump(table.dump).facts["bios"][0]["vendor"] == text


def test_index_without_a_string(make_table):
    table = make_table().add(0, bytes([7, 2, 0, 0, 0, 0]), "only one").end()
    (row,) = smbios.decode_dump(table.dump).facts["bios"]
    assert (row["vendor"], row["version"], row["release_date"]) == (None, None, None)


def test_kinds_that_are_missing_are_empty_only_in_a_whole_table(make_table):
    whole = make_table().add(0, bytes([1, 0, 0, 0, 0, 0]), "V").end()
    assert smbios.decode_dump(whole.dump).facts["battery"] == []
    cut = smbios.decode(whole.table[:-6], whole.entry_point)
    assert cut.facts["bios"][0]["vendor"] == "V"
    assert not cut.complete
    assert "battery" not in cut.facts


def test_second_structures_are_kept(make_table):
    table = make_table()
    table.add(0, bytes([1, 0, 0, 0, 0, 1]), "first").add(0, bytes([1, 0, 0, 0, 0, 1]), "second", handle=0).end()
    assert [row["vendor"] for row in smbios.decode_dump(table.dump).facts["bios"]] == ["first", "second"]


def test_old_tables_go_on_behind_an_end_marker(make_table):
    table = make_table((2, 5)).add(0, bytes([1, 0, 0, 0, 0, 0]), "V").end().add(11, b"\x01", "behind")
    assert smbios.decode_dump(table.dump).facts["oem_string"] == [{"text": "behind"}]
    table.version = (3, 0)
    assert smbios.decode_dump(table.dump).facts["oem_string"] == []


def test_lengths_that_cannot_be(make_table):
    table = make_table().add(0, bytes([1, 0, 0, 0, 0, 0]), "V").add(1, b"", length=0).add(2, bytes(4), "after").end()
    decoded = smbios.decode(table.table)
    assert [row["vendor"] for row in decoded.facts["bios"]] == ["V"]
    assert not decoded.complete
    too_long = make_table().add(0, bytes([1, 0, 0, 0, 0, 0]), "V").add(4, bytes(3), length=250)
    assert "processor" not in smbios.decode(too_long.table).facts


@pytest.mark.parametrize("cut", range(0, 420, 7))
def test_every_cut_gives_what_is_whole(make_table, cut):
    table = full_table(make_table)
    whole = smbios.decode(table.table, table.entry_point).facts
    decoded = smbios.decode(table.table[:cut], table.entry_point)
    for name, rows in decoded.facts.items():
        # The last structure may have lost strings; all before it are as in the whole table.
        assert rows[:-1] == whole[name][: max(len(rows) - 1, 0)]


def test_type_208_of_another_maker_is_something_else(make_table):
    table = make_table().add(1, bytes([1, 0, 0, 0]) + bytes(16), "LENOVO")
    table.add(208, bytes([0, 0, 0, 0, 0, 0, 1, 2, 0]), "20121004", "20121101").end()
    assert smbios.decode_dump(table.dump).facts["dell_revisions"] == []


@pytest.mark.parametrize(("indexes", "kept"), [((0, 0), False), ((1, 0), True), ((9, 9), False)])
def test_dell_strings_by_their_indexes(make_table, indexes, kept):
    table = make_table().add(1, bytes([1, 0, 0, 0]) + bytes(16), "Dell Inc.")
    table.add(208, bytes([0, 0, 0, 0, 0, 0, *indexes]), "yyyymmdd").end()
    rows = smbios.decode_dump(table.dump).facts["dell_revisions"]
    assert rows == ([{"manufacture_date": "yyyymmdd", "first_power_on_date": None}] if kept else [])


@pytest.mark.parametrize("raw", [b"\xff" * 16, bytes(16)])
def test_no_uuid(make_table, raw):
    table = make_table().add(1, bytes(4) + raw).end()
    assert smbios.decode_dump(table.dump).facts["system"][0]["uuid"] is None


@pytest.mark.parametrize(
    ("raw", "version"),
    [
        (b"_SM3_\0\x18\x03\x02", (3, 2)),
        (b"_SM_\0\x1f\x02\x1f".ljust(32, b"\0"), (2, 3)),
        (b"_SM_\0\x1f\x02\x33".ljust(32, b"\0"), (2, 6)),
        (b"_DMI_\0" + bytes(8) + b"\x24", (2, 4)),
        (b"_SM_\0", None),
        (b"", None),
    ],
)
def test_entry_points(raw, version):
    assert read_entry_point(raw).version == version


def test_rubbish_has_a_bound(make_table):
    table = make_table()
    table.structures = [b"\x00\x04\0\0\0\0"] * 5000
    assert len(smbios.decode(table.table).facts["bios"]) == smbios.ROWS_LIMIT


def test_any_bytes_end_without_an_exception(make_table):
    hypothesis = pytest.importorskip("hypothesis")
    strategies = pytest.importorskip("hypothesis.strategies")
    whole = full_table(make_table).dump
    bent = strategies.lists(
        strategies.tuples(strategies.integers(0, len(whole) - 1), strategies.integers(0, 255)),
        max_size=12,
    )

    @hypothesis.settings(max_examples=300, deadline=1000)
    @hypothesis.given(strategies.binary(max_size=600), bent, strategies.integers(0, len(whole)))
    def check(rubbish, changes, length):
        changed = bytearray(whole)
        for offset, value in changes:
            changed[offset] = value
        for raw in (rubbish, bytes(changed[:length]), bytes(changed[:length]) + rubbish):
            for decoded in (smbios.decode(raw), smbios.decode_dump(raw), smbios.decode_windows(raw)):
                json.dumps(decoded.facts, allow_nan=False).encode()
                for name, rows in decoded.facts.items():
                    assert len(rows) <= smbios.ROWS_LIMIT
                    assert all(set(row) == set(FACTS[name].columns) for row in rows)
            structures, _ = walk(raw, read_entry_point(raw))
            assert sum(len(structure.data) for structure in structures) <= len(raw)

    check()
