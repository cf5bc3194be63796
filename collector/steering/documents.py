"""The document that tells one terminal what to do: pure. Its keys and bounds are those of `agent/configuration.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from collector.settings import COLLECTOR_TARGET, Settings, Target
from collector.steering.election import ORDINARY, PROBER

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of one terminal beside its role; moments are whole seconds since 1970-01-01 UTC.

    Args:
        deliver_until: deliver each minute until then.
        detail_until: measure in full until then.
        trace: number of the request, and the target's name.
    """

    deliver_until: int | None = None
    detail_until: int | None = None
    trace: tuple[int, str] | None = None


NOTHING = Wanted()


def document(settings: Settings, role: str, wanted: Wanted = NOTHING) -> dict[str, Any]:
    """What a terminal of that role is told, without its version; what is not asked for has no key."""
    agents, steering = settings.agents, settings.steering
    seconds = agents.upload_interval_seconds
    if role != ORDINARY:
        seconds = min(seconds, steering.upload_interval_seconds)
    told: dict[str, Any] = {
        "role": role,
        "interval_seconds": agents.interval_seconds,
        "upload_interval_seconds": seconds,
        "targets": [target_to_json(target) for target in steered_targets(settings)],
        "measure_gateway": agents.measure_gateway,
        "measure_collector": agents.measure_collector,
        "probe_budget_bytes_per_day": steering.probe_budget_bytes_per_day,
        "history_bytes_per_minute": steering.history_bytes_per_minute,
        "batch_reports": steering.batch_reports,
    }
    if wanted.deliver_until is not None and role == ORDINARY:
        told["deliver_until"] = wanted.deliver_until
    if wanted.detail_until is not None and role == PROBER:
        told["detail_until"] = wanted.detail_until
    if wanted.trace is not None:
        told["trace"] = {"id": wanted.trace[0], "target": wanted.trace[1]}
    return told


def steered_targets(settings: Settings) -> list[Target]:
    """The configured targets, and the collector by its public name; without one a terminal goes by its enrolment's."""
    targets = list(settings.agents.targets)
    public = urlsplit(settings.server.public_url)
    if settings.agents.measure_collector and public.hostname:
        port = public.port or _DEFAULT_PORTS.get(public.scheme)
        targets.append(Target(COLLECTOR_TARGET, public.hostname, port, role="service"))
    return targets


def target_names(settings: Settings) -> list[str]:
    """Names of what a way may be traced to."""
    names = [target.name for target in settings.agents.targets]
    return [*names, COLLECTOR_TARGET] if settings.agents.measure_collector else names


def target_to_json(target: Target) -> dict[str, Any]:
    """A target as agents read it; what is not set is left out."""
    return {name: value for name, value in msgspec.structs.asdict(target).items() if value not in (None, False)}
