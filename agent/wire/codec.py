"""Reports as bytes, JSON compressed with zlib, and the collector's answers. Standard library only.

Version 1 of an upload is here, version 2 in `agent.wire.columns`. The collector decodes with stricter and faster
readers of its own; both sides are held to the same golden vectors.
"""

from __future__ import annotations

import json
import zlib
from typing import Any, Dict, List, Sequence, Tuple

from agent.wire.exchange import ReportName, UploadAnswer
from agent.wire.record import asdict
from agent.wire.report import (
    ACCEPTED,
    REJECTED,
    RETRY,
    WIRE_VERSION,
    Fact,
    ProbeOutcome,
    Report,
    ReportResult,
    Sample,
)

CONTENT_ENCODING = "deflate"


class WireError(ValueError):
    """Bytes that are not a batch of this contract; the text says where and what was expected."""


def report_to_json(report: Report) -> bytes:
    """One report as compact JSON, as the spool keeps it."""
    return json.dumps(asdict(report), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def batch_from_json_reports(reports: Sequence[bytes]) -> bytes:
    """Reports already in JSON as the body of one upload, not compressed."""
    return b'{"wire_version":%d,"reports":[%s]}' % (WIRE_VERSION, b",".join(reports))


def compress(body: bytes) -> bytes:
    """The body in zlib's format, which HTTP calls `deflate`."""
    return zlib.compress(body, 6)


def decompress(body: bytes, limit_bytes: int) -> bytes:
    """The body of a compressed upload.

    Raises:
        WireError: it is not zlib, is cut short, or would grow beyond `limit_bytes`.
    """
    reader = zlib.decompressobj()
    try:
        plain = reader.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise WireError("body is not zlib data as Content-Encoding: deflate promises") from error
    if len(plain) > limit_bytes:
        raise WireError(f"body grows beyond {limit_bytes} bytes when decompressed")
    if not reader.eof:
        raise WireError("compressed body is cut short")
    return plain


def report_from_json(data: bytes) -> Report:
    """The report kept by `report_to_json`.

    Raises:
        WireError: not JSON, or a field is missing or unknown.
    """
    try:
        return _report(json.loads(data))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WireError(f"not a report of wire version {WIRE_VERSION}: {error}") from error


def _report(raw: Dict[str, Any]) -> Report:
    fields = dict(raw)
    fields["outcomes"] = tuple(ProbeOutcome(**item) for item in fields.get("outcomes", ()))
    fields["samples"] = tuple(Sample(**item) for item in fields.get("samples", ()))
    fields["facts"] = tuple(Fact(**item) for item in fields.get("facts", ()))
    return Report(**fields)


def answer_from_json(data: bytes, names: Sequence[ReportName]) -> UploadAnswer:
    """The collector's answer to an upload of either version.

    Args:
        data: the answer's body.
        names: the reports of the batch, in its order.

    Raises:
        WireError: the answer is not of this contract, or not to this batch.
    """
    try:
        return _answer(json.loads(data), names)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise WireError(f"not an answer of this contract: {error}") from error


def _answer(table: Dict[str, Any], names: Sequence[ReportName]) -> UploadAnswer:
    configuration, identity = table.get("configuration"), table.get("identity")
    if not isinstance(configuration, (dict, type(None))) or not isinstance(identity, (dict, type(None))):
        raise TypeError("configuration, identity: expected objects")
    return UploadAnswer(
        _listed(table["results"]) if "results" in table else _counted(table, names),
        float(table["server_time_seconds"]),
        configuration,
        table.get("has_acknowledged", True) is not False,
        identity,
    )


def _listed(results: List[Dict[str, Any]]) -> Tuple[ReportResult, ...]:
    """Version 1: every report by its name."""
    return tuple(
        ReportResult(str(item["boot_id"]), int(item["sequence"]), str(item["status"]), str(item.get("reason", "")))
        for item in results
    )


def _counted(table: Dict[str, Any], names: Sequence[ReportName]) -> Tuple[ReportResult, ...]:
    """Version 2: how many were accepted, and by its place each report of which there is more to say."""
    results = [ReportResult(name.boot_id, name.sequence, ACCEPTED) for name in names]
    for place, status, reason in table.get("exceptions", []):
        if status not in (ACCEPTED, REJECTED, RETRY) or not 0 <= place < len(names):
            raise ValueError("exceptions: expected places of this batch with a status")
        results[place] = ReportResult(names[place].boot_id, names[place].sequence, status, str(reason))
    accepted = sum(result.status == ACCEPTED for result in results)
    if table["accepted"] != accepted:
        raise ValueError(f"accepted: expected {accepted} of {len(names)} reports")
    return tuple(results)
