"""By what a configuration is known to both sides: a digest of the document that carries it."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Mapping

MOST_DOCUMENT_BYTES = 16 * 1024

_HASH_LETTERS = 16


def document_bytes(document: Mapping[str, Any]) -> bytes:
    """The document in its one canonical form of JSON, without its version: what was sent twice is the same."""
    table = {name: value for name, value in document.items() if name != "version"}
    return json.dumps(table, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass")


def document_hash(document: Mapping[str, Any]) -> str:
    """The first sixteen hexadecimal digits of the SHA-256 of `document_bytes`."""
    return hashlib.sha256(document_bytes(document)).hexdigest()[:_HASH_LETTERS]
