"""Uploads of version 2, there and back, for the tests of this room."""

import json
import sys
from dataclasses import asdict

import pytest

from agent.wire.catalogue import METRICS
from agent.wire.codec import report_to_json
from agent.wire.columns import COLUMNS_ENCODING, compress_columns, encode_batch
from agent.wire.exchange import UploadHead


def body_of(reports, head=None):
    """What an agent sends."""
    bodies = [report if isinstance(report, bytes) else report_to_json(report) for report in reports]
    return compress_columns(encode_batch(bodies, head or UploadHead()))


def decoded(body, encoding):
    """What the collector makes of an upload's bytes."""
    if sys.version_info < (3, 11):
        pytest.skip("the collector needs Python 3.11")
    from collector.ingest import decode_body  # see above
    from collector.settings import Limits  # same

    return decode_body(body, encoding, Limits())


def taken(reports, head=None):
    """What the collector makes of it."""
    return decoded(body_of(reports, head), COLUMNS_ENCODING)


def stored(report):
    """A report's numbers as they are stored, and the rest of it, comparable whatever the order of its samples."""
    table = json.loads(json.dumps(asdict(report)))
    samples = sorted(
        (item["metric"], sorted(item["labels"].items()), round(item["value"] * METRICS[item["metric"]].scale))
        for item in table.pop("samples")
    )
    outcomes = sorted(
        (item["probe"], item["outcome"], item["message"], round(item["duration_seconds"] * 10))
        for item in table.pop("outcomes")
    )
    return {
        **table,
        "samples": samples,
        "outcomes": outcomes,
        "wall_time_seconds": round(table["wall_time_seconds"] * 1000),
        "monotonic_time_seconds": round(table["monotonic_time_seconds"] * 1000),
    }


@pytest.fixture
def wire():
    class Wire:
        pass

    made = Wire()
    made.body_of, made.decoded, made.taken, made.stored = body_of, decoded, taken, stored
    return made
