"""How people can talk over every office's way to a conference, as the rules on speech rate it at this minute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from alerts.conditions.voice_quality import SPEECH_FIELDS, SiteSpeech, VoiceQuality
from alerts.congestion.layout import Site
from alerts.rules import Rule
from collector.settings import Target
from collector.watching import LinkWatch

# Role of a target, as the settings and `agent.configuration` name it.
CONFERENCE = "conference"


def speech_of_sites(
    watch: LinkWatch, rules: Mapping[str, Rule], targets: Iterable[Target], now: float
) -> dict[Site, list[SiteSpeech]]:
    """Site -> its ways to conferences; sites that measure none lately are missing.

    Rated is every target with the role `conference`, and the one that the rule names.

    Args:
        watch: holds the newest minutes.
        rules: the first of kind `voice_quality` gives the codec and the ends; without one nothing is rated.
        targets: those configured.
        now: seconds since 1970-01-01 UTC.

    Raises:
        MetricStoreError: the newest minutes cannot be read yet.
    """
    condition = next((rule.condition for rule in rules.values() if isinstance(rule.condition, VoiceQuality)), None)
    found: dict[Site, list[SiteSpeech]] = {}
    if condition is None:
        return found
    names = {condition.target, *(target.name for target in targets if target.role == CONFERENCE)}
    window = watch.window(now, condition.window_minutes, SPEECH_FIELDS)
    for name in sorted(names):
        for speech in condition.of_sites(window, name):
            found.setdefault(Site(speech.unit_code, speech.site), []).append(speech)
    return found
