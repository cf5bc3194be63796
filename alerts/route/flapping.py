"""Alerts that come and go too often: told once, then only when they have settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from alerts.route.model import Flap
from alerts.route.rules import RoutingRules


def after_firing(
    rules: RoutingRules, flap: Flap | None, incident_id: int, fired_at: Sequence[float], at: float
) -> Flap | None:
    """The flap after one more firing; None: the alert does not flap.

    Args:
        rules: say how often is too often.
        flap: as it was.
        incident_id: of this firing.
        fired_at: of all the alert's firings within the window, this one included.
        at: of this firing, seconds since 1970-01-01 UTC.
    """
    if flap is not None and at < flap.stable_at:
        return after_change(rules, flap, at)
    recent = [moment for moment in fired_at if at - rules.flap_window_seconds < moment <= at]
    if len(recent) < rules.flap_firings:
        return None
    return Flap(incident_id, at, at + rules.flap_stable_seconds)


def after_change(rules: RoutingRules, flap: Flap, at: float) -> Flap:
    """The flap after any change of the alert: it must be stable anew."""
    return replace(flap, stable_at=max(flap.stable_at, at + rules.flap_stable_seconds))
