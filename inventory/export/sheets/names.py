"""Names of the sheets, which formulas of one sheet need to point at another."""

from __future__ import annotations

from agent.wire.message import mark

OVERVIEW_SHEET = mark("Totals")
UNITS_SHEET = mark("By unit")
LIST_SHEET = mark("Details")
VERIFY_SHEET = mark("To be verified")
OTHERS_SHEET = mark("Other proposals")
ADDITIONS_SHEET = mark("Additions")
PLAN_SHEET = mark("Plan by year")
EVIDENCE_SHEET = mark("Bases and evidence")
