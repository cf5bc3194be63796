"""`dataclass` without the 1.3 MiB of `inspect` and the parser behind it that the library's own brings along.

Type checkers see the library's. What is made here behaves as its namesake does for what the agent uses of it, and tells
its fields in the library's way (`dataclasses.fields`, `replace`, `asdict`, msgspec), which is loaded when somebody asks
for them: on collectors, not on terminals.
"""

# Checkers see the library's types below, and what is here has none of its own.
# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN202, ANN204, RUF063

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import asdict, dataclass, field, replace
else:
    _NOTHING = object()
    _set = object.__setattr__

    class _Field:
        """What `field` was told."""

        __slots__ = ("compare", "default", "default_factory", "repr")

        def __init__(self, default, default_factory, repr, compare):  # noqa: A002  # the library's word
            self.default = default
            self.default_factory = default_factory
            self.repr = repr
            self.compare = compare

    def field(
        *,
        default=_NOTHING,
        default_factory=_NOTHING,
        repr=True,  # noqa: A002  # the library's word
        compare=True,
    ):
        """A field with a default made anew for every record, or one that is not shown, or not compared."""
        return _Field(default, default_factory, repr, compare)

    def dataclass(cls=None, *, frozen=False):
        """Gives a class its fields' initialiser, comparison, representation and, frozen, its hash."""
        return _made(cls, frozen) if cls is not None else lambda later: _made(later, frozen)

    def replace(record, **changes):
        """A copy with other values in some fields."""
        for name in record.__record_fields__:
            changes.setdefault(name, getattr(record, name))
        return type(record)(**changes)

    def asdict(record):
        """The record as a dictionary, and records, lists, tuples and dictionaries in it likewise."""
        return {name: _plain(getattr(record, name)) for name in record.__record_fields__}

    def _plain(value):
        if hasattr(type(value), "__record_fields__"):
            return asdict(value)
        if isinstance(value, (list, tuple)):
            return type(value)(map(_plain, value))
        if isinstance(value, dict):
            return {_plain(key): _plain(item) for key, item in value.items()}
        return value

    def _annotations(cls):
        """The class's own: before Python 3.10 the attribute may be that of a base."""
        if sys.version_info >= (3, 10):
            return getattr(cls, "__annotations__", {})
        return cls.__dict__.get("__annotations__", {})

    def _made(cls, frozen):
        fields = dict(getattr(cls, "__record_fields__", ()))
        for name in _annotations(cls):
            given = cls.__dict__.get(name, _NOTHING)
            if isinstance(given, _Field):
                if given.default is _NOTHING:
                    delattr(cls, name)
                else:
                    setattr(cls, name, given.default)
            else:
                given = _Field(given, _NOTHING, True, True)  # noqa: FBT003  # shown and compared
            fields[name] = given
        cls.__record_fields__ = fields
        cls.__match_args__ = tuple(fields)
        made = {"__init__": _initialiser(fields), "__repr__": _representation, "__eq__": _equality}
        made["__hash__"] = _hash if frozen else None
        if frozen:
            made.update(__setattr__=_refuse, __delattr__=_refuse)
        for name, method in made.items():
            if name not in cls.__dict__ or (name == "__hash__" and cls.__dict__[name] is None):
                setattr(cls, name, method)
        cls.__dataclass_fields__ = _Told("__dataclass_fields__", frozen)
        cls.__dataclass_params__ = _Told("__dataclass_params__", frozen)
        return cls

    def _initialiser(fields):
        names = tuple(fields)
        count = len(names)
        defaults = {name: one.default for name, one in fields.items() if one.default is not _NOTHING}
        factories = {name: one.default_factory for name, one in fields.items() if one.default_factory is not _NOTHING}

        def initialise(self, *values, **named):
            if len(values) > count:
                raise TypeError(f"{type(self).__name__} takes {count} fields, not {len(values)}")
            for name, value in zip(names, values):
                _set(self, name, value)
            for name in names[len(values) :]:
                if name in named:
                    _set(self, name, named.pop(name))
                elif name in defaults:
                    _set(self, name, defaults[name])
                elif name in factories:
                    _set(self, name, factories[name]())
                else:
                    raise TypeError(f"{type(self).__name__} lacks its field {name}")
            if named:
                raise TypeError(
                    f"{type(self).__name__} was given {', '.join(sorted(named))} twice, or has no such field"
                )

        return initialise

    def _values(record):
        return tuple([getattr(record, name) for name, one in record.__record_fields__.items() if one.compare])

    def _representation(self):
        shown = [f"{name}={getattr(self, name)!r}" for name, one in self.__record_fields__.items() if one.repr]
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _equality(self, other):
        return _values(self) == _values(other) if type(other) is type(self) else NotImplemented

    def _hash(self):
        return hash(_values(self))

    def _refuse(self, name, *_value):
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be changed")

    class _Told:
        """What the library's functions ask a class for, made when they do."""

        def __init__(self, name, frozen):
            self._name = name
            self._frozen = frozen

        def __get__(self, _record, cls):
            import dataclasses  # noqa: PLC0415  # its weight is what this module is there to save

            rows = []
            for name, one in cls.__record_fields__.items():
                options = {"repr": one.repr, "compare": one.compare}
                if one.default is not _NOTHING:
                    options["default"] = one.default
                if one.default_factory is not _NOTHING:
                    options["default_factory"] = one.default_factory
                rows.append((name, "object", dataclasses.field(**options)))
            twin = dataclasses.make_dataclass(cls.__name__, rows, frozen=self._frozen)
            annotations = {}
            for base in reversed(cls.__mro__):
                annotations.update(_annotations(base))
            for name, told in twin.__dataclass_fields__.items():
                told.type = annotations[name]
            cls.__dataclass_fields__, cls.__dataclass_params__ = twin.__dataclass_fields__, twin.__dataclass_params__
            return getattr(cls, self._name)


__all__ = ["asdict", "dataclass", "field", "replace"]
