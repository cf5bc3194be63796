"""What the sentences of congestion say of others, and how they write numbers."""

from __future__ import annotations

import pytest

from alerts.conditions.detected import judge_detected
from alerts.congestion.detector import Judged
from alerts.congestion.events import ACCESS, CONGESTION, CORE, OUTAGE, SERVICE, SERVICE_SLOW, Event, reason_of
from alerts.congestion.layout import Site
from alerts.congestion.settings import detector_parameters
from alerts.ports import Inputs
from alerts.rules import SHIPPED_RULES, load_rules
from alerts.state import CLEAR
from collector.language import render_message

TERMS = detector_parameters(load_rules(SHIPPED_RULES).values()).congestion


def sentence(rule, place, *, site=None, sites=1, peak_us=50_000.0, loss_ratio=0.025):
    times = (1_795_399_200, 1_795_399_380, None)
    event = Event(rule, place, site, "", "", *times, peak_us, peak_us, loss_ratio, 0.0, 8_000.0, 4, 2, sites)
    return render_message(reason_of(event, TERMS), "vi")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (1, "không điểm nào khác bị ảnh hưởng"),
        (3, "cùng lúc đường truyền của 2 điểm khác cũng bị nghẽn"),
    ],
)
def test_a_line_is_told_with_the_others_that_are_congested_too(lines, expected):
    assert expected in sentence(CONGESTION, ACCESS, site=Site("16681", "main"), sites=lines)


@pytest.mark.parametrize("sites", [1, 7])
def test_the_core_always_has_sites_that_suffer(sites):
    text = sentence(CONGESTION, CORE, sites=sites)
    assert f"{sites} điểm bị ảnh hưởng" in text
    assert "không điểm nào" not in text


@pytest.mark.parametrize(("loss_ratio", "told"), [(0.0, False), (0.01, False), (0.02, True)])
def test_loss_is_evidence_only_where_it_counts_as_such(loss_ratio, told):
    text = sentence(CONGESTION, ACCESS, site=Site("16681", "main"), loss_ratio=loss_ratio)
    assert ("mất gói vượt mức ngẫu nhiên" in text) is told
    assert "8 ms trở lên" in text or told


def test_numbers_are_written_as_people_write_them():
    assert "1.662 ms" in sentence(SERVICE_SLOW, SERVICE, sites=8, peak_us=1_662_264.0)
    assert "13 ms, mất 2,5% gói" in sentence(CONGESTION, ACCESS, site=Site("16681", "main"), peak_us=12_705.0)


@pytest.mark.parametrize(
    ("rule", "key", "place"),
    [
        (OUTAGE, "service/mail", ("", "", "")),
        (CONGESTION, "core", ("", "", "")),
        (CONGESTION, "access/16681/main", ("", "16681", "main")),
        (CONGESTION, "terminal/16681/main/pc/1", ("pc/1", "16681", "main")),
    ],
)
def test_what_is_open_without_any_evidence_ends_where_it_was(rule, key, place):
    found = list(judge_detected(rule, Inputs(detected=Judged(60, 0, (), TERMS, None)), {key}))
    assert [(one.device_id, one.unit_code, one.site) for one, _ in found] == [place]
    assert [(seen.level, seen.quiet) for _, seen in found] == [(CLEAR, True)]
