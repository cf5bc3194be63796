"""Records stand in for the library's dataclasses: the same to whoever makes, compares or describes them."""

from __future__ import annotations

import dataclasses
import sys

import pytest

from agent.wire import record


def made(module):
    @module.dataclass(frozen=True)
    class Base:
        name: str
        size: int | None = None

    @module.dataclass(frozen=True)
    class Item(Base):
        labels: dict[str, str] = module.field(default_factory=dict)
        secret: str = module.field(default="s", repr=False)
        note: int = module.field(default=0, compare=False)

    @module.dataclass
    class Open:
        items: list[Item] = module.field(default_factory=list)

    return Base, Item, Open


@pytest.fixture(params=[record, dataclasses], ids=["record", "library"])
def module(request):
    return request.param


def test_what_holds_for_both(module):
    base, item, opened = made(module)
    one = item("a", 5, {"x": "y"}, note=1)
    assert (one.name, one.size, one.labels, one.secret, one.note) == ("a", 5, {"x": "y"}, "s", 1)
    assert one == item("a", 5, {"x": "y"}, note=2)
    assert one != item("a", 6, {"x": "y"})
    assert item("a") != base("a")
    assert repr(one).endswith("Item(name='a', size=5, labels={'x': 'y'}, note=1)")
    assert hash(base("a", 1)) == hash(base("a", 1))
    assert item("a").labels is not item("a").labels
    with pytest.raises(AttributeError):
        one.name = "b"
    with pytest.raises(AttributeError):
        del one.name
    with pytest.raises(TypeError):
        hash(opened())
    both = opened([one])
    both.items.append(one)
    assert len(both.items) == 2
    assert module.replace(one, size=7) == item("a", 7, {"x": "y"})
    assert module.asdict(both)["items"][0] == {
        "name": "a",
        "size": 5,
        "labels": {"x": "y"},
        "secret": "s",
        "note": 1,
    }


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), (("a", 1, {}, "s", 0, 9), {}), (("a",), {"colour": 1}), (("a",), {"name": "b"})],
    ids=["lacking", "too many", "unknown", "twice"],
)
def test_wrong_fields_are_refused_by_both(module, values, named):
    with pytest.raises(TypeError):
        made(module)[1](*values, **named)


def test_the_library_s_own_functions_understand_a_record():
    _base, item, opened = made(record)
    one = item("a", 5)
    assert dataclasses.is_dataclass(item)
    assert [(field.name, field.repr, field.compare) for field in dataclasses.fields(one)] == [
        ("name", True, True),
        ("size", True, True),
        ("labels", True, True),
        ("secret", False, True),
        ("note", True, False),
    ]
    assert dataclasses.replace(one, size=6).size == 6
    assert dataclasses.asdict(opened([one]))["items"][0]["size"] == 5

    @dataclasses.dataclass(frozen=True)
    class Wider(item):
        colour: str = "red"

    assert Wider("a", 1, {}, "s", 0, "blue").colour == "blue"


@pytest.mark.skipif(sys.version_info < (3, 9), reason="msgspec is the collector's, which needs Python 3.11")
def test_msgspec_decodes_into_records():
    msgspec = pytest.importorskip("msgspec")
    from agent.wire.report import Sample

    assert msgspec.json.decode(b'{"metric": "uptime_seconds", "value": 1.5}', type=Sample) == Sample(
        "uptime_seconds", 1.5
    )
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"metric": 5, "value": 1.5}', type=Sample)
