"""What a point may hold and what may be read, by the catalogue; both stores refuse the same things."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from agent.wire.catalogue import MEASUREMENTS, measurement_fields, measurement_labels
from collector.metrics.port import DEVICE_TAGS, Point

INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1
# InfluxDB keeps nanoseconds in 64 bits, which end in the year 2262.
TIME_MAX_SECONDS = INTEGER_MAX // 10**9
# InfluxDB's whole series key may have 65,535 bytes; no code, target or drive name comes near this.
TAG_MAX_BYTES = 1024


@dataclass(frozen=True, slots=True)
class MeasurementSchema:
    """Tags (all of them in every point) and fields (any of them) of one measurement."""

    name: str
    tags: tuple[str, ...]
    fields: tuple[str, ...]


Schema = Mapping[str, MeasurementSchema]


def catalogue_schema() -> Schema:
    """The schema that `agent.wire.catalogue` describes."""
    return {
        name: MeasurementSchema(
            name,
            DEVICE_TAGS + measurement_labels(name),
            tuple(dict.fromkeys(spec.field for spec in measurement_fields(name))),
        )
        for name in MEASUREMENTS
    }


def refusal(point: Point, schema: Schema) -> str | None:
    """Why no store will ever take this point, or None if it may be written."""
    measurement = schema.get(point.measurement)
    if measurement is None:
        return f"unknown measurement {point.measurement!r}; allowed: {', '.join(schema)}"
    if point.tags.keys() != set(measurement.tags):
        return (
            f"tags of {measurement.name} are {', '.join(sorted(point.tags))}; required: {', '.join(measurement.tags)}"
        )
    for name, value in point.tags.items():
        problem = _tag_problem(value)
        if problem:
            return f"tag {name} {problem}"
    problem = _fields_problem(point.fields, measurement)
    if problem:
        return problem
    if type(point.time_seconds) is not int or not 0 <= point.time_seconds <= TIME_MAX_SECONDS:
        return f"time_seconds is {point.time_seconds!r}; expected an integer from 0 to {TIME_MAX_SECONDS}"
    return None


def _fields_problem(fields: Mapping[str, int], measurement: MeasurementSchema) -> str | None:
    if not fields:
        return f"no field; allowed for {measurement.name}: {', '.join(measurement.fields)}"
    for name, number in fields.items():
        if name not in measurement.fields:
            return f"unknown field {name!r} of {measurement.name}; allowed: {', '.join(measurement.fields)}"
        if type(number) is not int:
            return f"field {name} is {number!r}, which is not an integer"
        if not INTEGER_MIN <= number <= INTEGER_MAX:
            return f"field {name} is {number}, which does not fit 64 bits"
    return None


@lru_cache(maxsize=100_000)
def _tag_problem(value: object) -> str | None:
    if not isinstance(value, str) or not value:
        return f"is {value!r}; expected a text that is not empty"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return f"is {value!r}, which is not valid Unicode"
    if size > TAG_MAX_BYTES:
        return f"has {size} bytes; at most {TAG_MAX_BYTES} are allowed"
    if any(unicodedata.category(letter) == "Cc" for letter in value):
        return f"is {value!r}, which holds a line break or another control character"
    return None


def require_readable(
    measurement: str, fields: Sequence[str], tags: Mapping[str, str] | None, schema: Schema
) -> MeasurementSchema:
    """The schema of `measurement`, after checking that it has all of `fields` and `tags`.

    Raises:
        KeyError: one of them is unknown, or no field is asked for; the text names what is allowed.
    """
    found = schema.get(measurement)
    if found is None:
        raise KeyError(f"unknown measurement {measurement!r}; allowed: {', '.join(schema)}")
    unknown = [name for name in fields if name not in found.fields]
    if unknown or not fields:
        raise KeyError(f"unknown or no fields {unknown} of {measurement}; allowed: {', '.join(found.fields)}")
    unknown = [name for name in tags or () if name not in found.tags]
    if unknown:
        raise KeyError(f"unknown tags {unknown} of {measurement}; allowed: {', '.join(found.tags)}")
    return found
