"""Which incidents a receiver, a silence, a maintenance window or an inhibition rule is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from alerts.route.model import SEVERITIES, Incident, Receiver, rank

SCOPES = ("terminal", "site", "unit", "province")
PLACES = ("lan", "access", "core", "service", "terminal")
_LISTS = ("rules", "units", "districts", "sites", "devices", "severities", "scopes", "places")


class MatcherError(ValueError):
    """Matchers that cannot be used; the text says what was expected."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """A choice of incidents: each list that is not empty must hold the incident's own word.

    Args:
        rules: patterns of rule names, with `*` and `?`.
        units: unit codes.
        districts: former districts.
        sites: names of sites within their unit.
        devices: identities of terminals.
        severities: of `SEVERITIES`.
        scopes: of `SCOPES`.
        places: of `PLACES`.
        unless: patterns of rule names that it is not about.
    """

    rules: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    districts: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    def matches(self, incident: Incident) -> bool:
        """Whether the incident is one of those."""
        chosen = (
            (self.units, incident.unit_code),
            (self.districts, incident.district),
            (self.sites, incident.site),
            (self.devices, incident.device_id),
            (self.severities, incident.severity),
            (self.scopes, incident.scope),
            (self.places, incident.place),
        )
        return (
            all(not words or word in words for words, word in chosen)
            and (not self.rules or fits(self.rules, incident.rule))
            and not fits(self.unless, incident.rule)
        )

    def is_empty(self) -> bool:
        """Whether it would match everything."""
        return self == Matcher(unless=self.unless)

    def as_dict(self) -> dict[str, list[str]]:
        """The lists that are not empty, as JSON keeps them."""
        return {name: list(getattr(self, name)) for name in (*_LISTS, "unless") if getattr(self, name)}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Matcher:
        """What `as_dict` made, or a table of a TOML file.

        Raises:
            MatcherError: an unknown key, something else than lists of texts, or a word that is not allowed.
        """
        lists: dict[str, tuple[str, ...]] = {}
        for name, words in kept.items():
            if name not in (*_LISTS, "unless"):
                raise MatcherError(f"unknown key {name!r}, expected one of {', '.join((*_LISTS, 'unless'))}")
            if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) and word for word in words):
                raise MatcherError(f"{name} is {words!r}, expected a list of texts")
            lists[name] = tuple(words)
        for name, allowed in (("severities", SEVERITIES), ("scopes", SCOPES), ("places", PLACES)):
            for word in lists.get(name, ()):
                if word not in allowed:
                    raise MatcherError(f"{name}: {word!r}, expected one of {', '.join(allowed)}")
        return cls(**lists)


@lru_cache(maxsize=4096)
def fits(patterns: tuple[str, ...], name: str) -> bool:
    """Whether one of the patterns (`*`, `?`) is the name's."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def wants(receiver: Receiver, incident: Incident) -> bool:
    """Whether the incident is this receiver's business at all.

    What is about the whole province is none of a receiver's who looks after some units only.
    """
    if rank(incident.severity) < rank(receiver.min_severity):
        return False
    if receiver.rules and not fits(receiver.rules, incident.rule):
        return False
    if not receiver.units and not receiver.districts:
        return True
    return incident.unit_code in receiver.units or (incident.district != "" and incident.district in receiver.districts)
