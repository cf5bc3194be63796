"""HTTP to one InfluxDB server through `influxdb-client`, with its errors told apart.

`/write` and `/query` with Basic authentication are what versions 1, 2 and 3 have in common. The client's own write API
is passed by: in batches it reports losses to a callback and drops them, and it posts to a path that 1.6 has not.
Importing this module costs about 31 MiB and half a second, so it is imported when an InfluxDB store is made.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService

from collector.metrics.line_protocol import RefusedLinesError
from collector.metrics.port import StoreMisconfiguredError, StoreUnavailableError

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_REFUSALS = (400, 413, 422)
_GZIP_LEVEL = 1
_STREAM_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer to InfluxQL: its tags, the names of its columns, its rows."""

    name: str
    tags: Mapping[str, str]
    columns: tuple[str, ...]
    rows: list[list[Any]]


class V1WriteService(WriteService):
    """The client's write service on the `/write` of every version; the client itself compresses for `/api/v2` only."""

    def __init__(self, api_client: Any) -> None:
        super().__init__(api_client)  # type: ignore[no-untyped-call]  # the client's

    def post_write(self, org: str, bucket: str, body: bytes, precision: str = "s", **options: Any) -> Any:  # noqa: ARG002 (the client's signature)
        """Posts lines, compressed, to database `bucket`."""
        return self.api_client.call_api(
            "/write",
            "POST",
            {},
            [("db", bucket), ("precision", precision)],
            {"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "gzip"},
            body=gzip.compress(body, _GZIP_LEVEL),
            response_type=None,
            auth_settings=[],
            _return_http_data_only=True,
        )


class InfluxConnection:
    """One server; safe for several threads. Nothing is sent before the first call.

    Args:
        url: where it listens, as http://127.0.0.1:8086.
        username: for version 1, and for 2 with v1 users; any name for 3.
        password: for version 2 and 3 an API token may stand here.
        timeout_seconds: for each request.
        ca_file: certificates (PEM) that the server's must come from, where it is not of a public authority.
    """

    def __init__(
        self, url: str, *, username: str | None, password: str | None, timeout_seconds: float, ca_file: str | None
    ) -> None:
        self._url = url
        credentials = None if username is None else f"{username}:{password or ''}"
        # Any: the client's own code is typed here and there only.
        self._client: Any = InfluxDBClient(
            url,
            token=credentials or "",
            auth_basic=credentials is not None,
            timeout=round(timeout_seconds * 1000),
            ssl_ca_cert=ca_file,
        )
        self._api: Any = self._client.api_client
        self._write_service = V1WriteService(self._api)

    def ping(self) -> str:
        """Version of the server, as 1.6.7 or v2.7.12.

        Raises:
            StoreUnavailableError, StoreMisconfiguredError.
        """
        with self._translated_errors("/ping"):
            _, _, headers = self._api.call_api("/ping", "GET", {}, [], {}, response_type=None, auth_settings=[])
        version = headers.get("X-Influxdb-Version")
        if not version:
            raise StoreMisconfiguredError(f"{self._url} answers, but it is not InfluxDB; check the address and port")
        return str(version)

    def write(self, database: str, lines: bytes) -> None:
        """Stores lines with times in seconds; they are durable when this returns.

        Raises:
            RefusedLinesError: some or all lines are refused for good; the others may be stored or not.
            StoreUnavailableError, StoreMisconfiguredError.
        """
        with self._translated_errors(f"/write?db={database}"):
            self._write_service.post_write("", database, lines)

    def query(
        self,
        statement: str,
        *,
        database: str | None = None,
        parameters: Mapping[str, str] | None = None,
        changes: bool = False,
    ) -> Iterator[Series]:
        """Series of the answer as they arrive; one series may come in several parts. Times are in seconds.

        Args:
            statement: one InfluxQL statement.
            database: what it reads.
            parameters: values of its `$name` places.
            changes: it changes something; version 1 wants POST for that.

        Raises:
            StoreUnavailableError, StoreMisconfiguredError.
        """
        # Without chunks, a server's max-row-limit cuts answers short and says so in a flag that is easily missed.
        asked = [("q", statement), ("epoch", "s"), ("chunked", "true")]
        if database is not None:
            asked.append(("db", database))
        if parameters:
            asked.append(("params", json.dumps(parameters)))
        with self._translated_errors(f"/query for `{statement}`"):
            response = self._api.call_api(
                "/query",
                "POST" if changes else "GET",
                {},
                asked,
                {},
                auth_settings=[],
                _preload_content=False,
                _return_http_data_only=True,
            )
        return self._series(response, statement)

    def _series(self, response: Any, statement: str) -> Iterator[Series]:
        finished = False
        try:
            with self._translated_errors(f"/query for `{statement}`"):
                for line in _lines(response.stream(_STREAM_BYTES)):
                    yield from self._parsed(line, statement)
                finished = True
        finally:
            # A connection with an answer half read must not go back to the pool.
            if not finished:
                response.close()
            response.release_conn()

    def _parsed(self, line: bytes, statement: str) -> Iterator[Series]:
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise StoreUnavailableError(f"{self._url} answered `{statement}` with something else than JSON") from error
        problem = answer.get("error")
        for result in answer.get("results", ()):
            problem = problem or result.get("error")
            for series in result.get("series", ()) if not problem else ():
                yield Series(
                    series.get("name", ""), series.get("tags", {}), tuple(series["columns"]), series.get("values", [])
                )
        if problem:
            raise self._statement_error(problem, statement)

    def _statement_error(self, problem: str, statement: str) -> Exception:
        # Version 1 answers 200 and tells the error inside.
        if any(word in problem for word in ("timeout", "interrupted", "closed", "shutdown", "max-concurrent-queries")):
            return StoreUnavailableError(f"{self._url}: {problem} (for `{statement}`)")
        return StoreMisconfiguredError(f"{self._url}: {problem} (for `{statement}`)")

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    @contextmanager
    def _translated_errors(self, request: str) -> Iterator[None]:
        try:
            yield
        except ApiException as error:
            raise self._http_error(error, request) from error
        except urllib3.exceptions.HTTPError as error:
            raise self._network_error(error, request) from error

    def _network_error(self, error: Exception, request: str) -> Exception:
        if isinstance(error, urllib3.exceptions.SSLError) or isinstance(
            getattr(error, "reason", None), urllib3.exceptions.SSLError
        ):
            return self._certificate_error(str(error))
        return StoreUnavailableError(f"no answer from InfluxDB at {self._url} ({request}): {error}")

    def _certificate_error(self, text: str) -> StoreMisconfiguredError:
        return StoreMisconfiguredError(
            f"no secure connection to {self._url}: {text}; check that the address is https and that ca_file holds the "
            "authority of its certificate"
        )

    def _http_error(self, error: ApiException, request: str) -> Exception:
        status = int(error.status or 0)
        text = _error_text(error)
        if not status:
            # The client packs TLS errors so.
            return self._certificate_error(str(error.reason))
        if status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR:
            return StoreUnavailableError(f"InfluxDB at {self._url} answers {status} ({request}): {text}")
        advice = {
            401: "user or password are wrong: change them in the collector's settings, or "
            "`SET PASSWORD FOR <user> = '...'` in InfluxDB",
            403: "the user lacks a right: `GRANT ALL ON <database> TO <user>` as an administrator",
            404: "the database is missing (`CREATE DATABASE`, a bucket in version 2), or the address is not InfluxDB's",
        }.get(status)
        if advice is None and status in _REFUSALS and request.startswith("/write"):
            # Something between us and InfluxDB may answer 400 too; that says nothing about the points.
            if status == 413 or _is_influxdb(error):  # noqa: PLR2004 (an HTTP status)
                return RefusedLinesError(text)
            advice = "this is not InfluxDB's own answer: check what stands between it and the collector"
        advice = advice or "check the address and the server's log"
        return StoreMisconfiguredError(f"InfluxDB at {self._url} answers {status} ({request}): {text}; {advice}")


def _lines(parts: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        yield from (line for line in whole if line.strip())
    if rest.strip():
        yield rest


def _error_json(error: ApiException) -> dict[str, Any]:
    try:
        found = json.loads(error.body or b"")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _error_text(error: ApiException) -> str:
    found = _error_json(error)
    text = found.get("error") or found.get("message") or error.body or error.reason or ""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return str(text).strip()


def _is_influxdb(error: ApiException) -> bool:
    headers: Mapping[str, str] = error.headers or {}
    return headers.get("X-Influxdb-Version") is not None or bool(_error_json(error).keys() & {"error", "message"})
