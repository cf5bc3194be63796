"""Takes up what the collector tells: checked, kept, announced, followed without a restart; never carried out as code.

A configuration is data within bounds. One that is refused leaves the last good one in force, is reported once, and is
not looked at again.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Set

from agent.config import Identity, keep_configuration
from agent.configuration import Configuration, configuration_from_json, configuration_hash
from agent.errors import ConfigurationError
from agent.host import Host
from agent.wire.document import MOST_DOCUMENT_BYTES, document_bytes, document_hash
from agent.wire.message import Message, mark
from agent.wire.record import replace
from agent.wire.report import FactValue

# While somebody waits for news.
DELIVERY_SECONDS = 60
# A wish that lies further ahead is a wrong clock's.
LONGEST_WISH_SECONDS = 7 * 86_400

REFUSED = "configuration_refused"

_WHERE = "collector"
_TOO_LARGE = mark("{where}: {key}: expected at most {most} bytes")
_FOLLOWED = mark("the collector's configuration {version} ({hash}) is followed now: {role}")
_NOT_FOLLOWED = mark("the collector's configuration {version} ({hash}) is refused, the last good one kept: {why}")
_NOT_KEPT = mark("the collector's configuration is followed, but cannot be kept ({why})")


def is_wished(until: Optional[int], now: float) -> bool:
    """Whether a wish that ends at `until` holds at `now`, both in seconds since 1970-01-01 UTC."""
    return until is not None and now < until <= now + LONGEST_WISH_SECONDS


def in_force(configuration: Configuration, now: float) -> Configuration:
    """The configuration with the wishes that hold at `now` carried out, and those that have passed left out."""
    seconds = configuration.upload_interval_seconds
    delivers = is_wished(configuration.deliver_until, now)
    return replace(
        configuration,
        upload_interval_seconds=min(seconds, DELIVERY_SECONDS) if delivers else seconds,
        deliver_until=configuration.deliver_until if delivers else None,
        detail_until=configuration.detail_until if is_wished(configuration.detail_until, now) else None,
    )


class Following:
    """The configuration in force; safe to be told by the uploading thread and asked by the measuring one.

    Args:
        identity: with the configuration to begin with.
        state_dir: where a new one is kept.
        host: for the clocks.
        announce: is told of every change.
        follow: is called with the configuration in force when it changes; from either thread.
    """

    def __init__(
        self,
        identity: Identity,
        state_dir: Path,
        host: Host,
        announce: Callable[[Message], None],
        follow: Callable[[Configuration], None] = lambda _configuration: None,
    ) -> None:
        self._device_id = identity.device_id
        self._told = identity.configuration
        self._state_dir = state_dir
        self._host = host
        self._announce = announce
        self._follow = follow
        self._lock = threading.Lock()
        self._in_force: Optional[Configuration] = None
        self._ahead_seconds: Optional[float] = None
        self._refused: Set[str] = set()
        self._refusal: Dict[str, Any] = {}

    @property
    def hash(self) -> str:
        """Of the configuration that is followed, for the collector."""
        return configuration_hash(self._told)

    @property
    def facts(self) -> Dict[str, FactValue]:
        """What the collector's people should know: the newest document that was refused; no row where none is."""
        return {REFUSED: [dict(self._refusal)] if self._refusal else []}

    def take(self, document: Optional[Mapping[str, Any]], server_time_seconds: float) -> None:
        """Takes what came with an answer.

        Args:
            document: another configuration, None where nothing has changed.
            server_time_seconds: the collector's clock; this machine's own may be wrong.
        """
        with self._lock:
            self._ahead_seconds = server_time_seconds - self._host.monotonic_time_seconds()
            if document is not None:
                self._take(document)
        self.now()

    def now(self) -> Configuration:
        """What holds now; tells whoever follows where that has changed by a document or by time."""
        with self._lock:
            current = in_force(self._told, self._now_seconds())
            changed = current != self._in_force
            self._in_force = current
        if changed:
            self._follow(current)
        return current

    def _now_seconds(self) -> float:
        if self._ahead_seconds is None:
            return self._host.wall_time_seconds()
        return self._host.monotonic_time_seconds() + self._ahead_seconds

    def _take(self, document: Mapping[str, Any]) -> None:
        digest = document_hash(document)
        if digest == self.hash or digest in self._refused:
            return
        told: Dict[str, Any] = {"hash": digest, "version": str(document.get("version"))[:32]}
        try:
            fresh = _checked(document)
        except ConfigurationError as error:
            self._refused.add(digest)
            self._refusal = {**told, "reason": error.message.render()}
            self._announce(Message(_NOT_FOLLOWED, {**told, "why": error.message}))
            return
        try:
            keep_configuration(self._state_dir, self._device_id, document)
        except OSError as error:
            self._announce(Message(_NOT_KEPT, {"why": error.strerror or type(error).__name__}))
        self._told = fresh
        self._refusal = {}
        self._announce(Message(_FOLLOWED, {**told, "role": fresh.role}))


def _checked(document: Mapping[str, Any]) -> Configuration:
    if len(document_bytes(document)) > MOST_DOCUMENT_BYTES:
        raise ConfigurationError(_TOO_LARGE, where=_WHERE, key="configuration", most=MOST_DOCUMENT_BYTES)
    return configuration_from_json(dict(document), _WHERE, strict=False)
