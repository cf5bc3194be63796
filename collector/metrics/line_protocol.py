r"""Points as InfluxDB's line protocol, and tag values back again: pure text work, integers only.

The protocol cannot say everything a tag value may hold. A line break ends the line, so it is refused. A backslash
before a comma, equals sign, space or the end of the value cannot be told from an escape, so Windows' drive name `C:\`
could not be written at all: such a backslash is followed by U+2060 (word joiner, no width), which `decode_tag_value`
removes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from collector.metrics.port import Point

GUARD = "\u2060"

_MEASUREMENT_ESCAPES = str.maketrans({",": "\\,", " ": "\\ "})
_KEY_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_UNGUARDED_BACKSLASH = re.compile(rf"\\(?=[,= {GUARD}]|$)")

_DROPPED = re.compile(r"\bdropped=(\d+)")


class LineProtocolError(ValueError):
    """A text that the line protocol cannot carry, or a value that is not an integer."""


class RefusedLinesError(Exception):
    """The server refused at least one of the lines for good.

    Args:
        reason: its own words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def refuses_all(self, line_count: int) -> bool:
        """Whether the server said that it dropped all `line_count` lines, so that halving them would tell nothing."""
        match = _DROPPED.search(self.reason)
        return match is not None and int(match.group(1)) == line_count


def escape_measurement(name: str) -> str:
    """A measurement's name as it starts a line.

    Raises:
        LineProtocolError: empty, or with a line break.
    """
    return _whole_line(name).translate(_MEASUREMENT_ESCAPES)


def escape_key(name: str) -> str:
    """A tag's or field's name.

    Raises:
        LineProtocolError: empty, or with a line break.
    """
    return _whole_line(name).translate(_KEY_ESCAPES)


def encode_tag_value(value: str) -> str:
    """The value as InfluxDB keeps it: the same text but for guards behind some backslashes."""
    return _UNGUARDED_BACKSLASH.sub(rf"\\{GUARD}", value) if "\\" in value else value


def decode_tag_value(stored: str) -> str:
    """The value that `encode_tag_value` was given."""
    return stored.replace(f"\\{GUARD}", "\\") if GUARD in stored else stored


def escape_tag_value(value: str) -> str:
    """A tag's value as it stands in a line.

    Raises:
        LineProtocolError: empty, or with a line break.
    """
    return encode_tag_value(_whole_line(value)).translate(_KEY_ESCAPES)


def _whole_line(text: str) -> str:
    if not text:
        raise LineProtocolError("an empty name or tag value cannot be written")
    if "\n" in text or "\r" in text:
        raise LineProtocolError(f"{text!r} holds a line break")
    return text


class LineFormatter:
    """Turns points into lines, remembering the escaped head of every series.

    Args:
        series_limit: how many heads are remembered before all are forgotten; ten thousand terminals have about 50,000.
    """

    def __init__(self, series_limit: int = 200_000) -> None:
        self._series_limit = series_limit
        self._heads: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
        self._field_keys: dict[str, str] = {}

    def line(self, point: Point) -> bytes:
        """The point as one line without its end, time in seconds.

        Raises:
            LineProtocolError: see `escape_tag_value`, or a field that is not an integer, or no field.
        """
        key = (point.measurement, tuple(point.tags.items()))
        head = self._heads.get(key)
        if head is None:
            head = self._remember(key, point.tags)
        return f"{head} {self._fields(point.fields)} {point.time_seconds:d}".encode()

    def _remember(self, key: tuple[str, tuple[tuple[str, str], ...]], tags: Mapping[str, str]) -> str:
        # InfluxDB wants tags sorted by name; it would sort them itself, at its own cost.
        parts = [escape_measurement(key[0])]
        parts += [f"{escape_key(name)}={escape_tag_value(tags[name])}" for name in sorted(tags)]
        head = ",".join(parts)
        if len(self._heads) >= self._series_limit:
            self._heads.clear()
        self._heads[key] = head
        return head

    def _fields(self, fields: Mapping[str, int]) -> str:
        parts = []
        for name, value in fields.items():
            if type(value) is not int:
                raise LineProtocolError(f"field {name} is {value!r}, which is not an integer")
            key = self._field_keys.get(name)
            if key is None:
                key = self._field_keys[name] = escape_key(name)
            parts.append(f"{key}={value}i")
        if not parts:
            raise LineProtocolError("a point without fields cannot be written")
        return ",".join(parts)
