"""Reports as bytes: JSON, compressed with zlib. Standard library only.

The collector decodes with a stricter and faster reader of its own; both are held to the same golden vectors.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict
from typing import Any, Dict, List, Sequence

from agent.wire.report import WIRE_VERSION, Fact, ProbeOutcome, Report, ReportResult, Sample

CONTENT_TYPE = "application/json"
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


def results_from_json(data: bytes) -> List[ReportResult]:
    """The collector's answer to a batch, one result a report.

    Raises:
        WireError: the answer is not of this contract.
    """
    try:
        return [
            ReportResult(str(item["boot_id"]), int(item["sequence"]), str(item["status"]), str(item.get("reason", "")))
            for item in json.loads(data)["results"]
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WireError(f"not an answer of wire version {WIRE_VERSION}: {error}") from error
