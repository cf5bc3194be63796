"""The list as JSON for programs: English keys, ISO dates, whole đồng; sentences in the reader's language."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

# The module, not its function: its room takes the wording of sentences from this one.
import inventory.plan.json as plan_json
from agent.wire.message import Translate
from inventory.assessment import Assessment
from inventory.equipment import equipment_kinds
from inventory.export.notes import other_proposals
from inventory.export.wording import sentence, unit_name
from inventory.identity import Doubt
from inventory.investment import InvestmentList, UnitSummary
from inventory.norms import Norm
from inventory.operating_systems import OperatingSystemSupport
from inventory.overrides import Override
from inventory.plan.model import InvestmentPlan
from inventory.shortage import Shortage


def write_json(
    whole: InvestmentList,
    translate: Translate,
    as_of: dt.date,
    *,
    plan: InvestmentPlan | None = None,
) -> bytes:
    """The whole list; `items` are those proposed, `to_verify` those whose age is uncertain.

    `other_proposals` are items not over the threshold that are not to be kept as they are; `shortages` the balances
    against headcount; `plan` is null where no ceiling was given.
    """
    told = investment_list_as_dict(whole, translate, as_of)
    told["plan"] = plan_json.plan_as_dict(plan, translate) if plan else None
    return json.dumps(told, ensure_ascii=False, indent=1).encode()


def investment_list_as_dict(whole: InvestmentList, translate: Translate, as_of: dt.date) -> dict[str, Any]:
    """The list as plain values, for those who put it into a larger answer."""
    return {
        "as_of": as_of.isoformat(),
        "threshold_years": whole.threshold_years,
        "currency": "VND",
        "draft": True,
        "block": whole.block,
        "counts": {
            "listed": len(whole.items),
            "to_verify": len(whole.to_verify),
            "not_listed": len(whole.not_listed),
            "units": len(whole.units),
        },
        "amount_vnd": whole.amount_vnd,
        "items": _items(whole.items, whole, translate),
        "to_verify": _items(whole.to_verify, whole, translate),
        "other_proposals": _items(other_proposals(whole), whole, translate),
        "shortages": [shortage_as_dict(one, translate) for one in whole.shortages],
        "units": [_unit(unit) for unit in whole.units],
        "doubts": [_doubt(doubt, translate) for doubt in whole.doubts],
        "norms": [_norm(norm) for norm in (whole.useful_life, whole.price_caps, whole.quantities) if norm is not None],
    }


def assessment_as_dict(one: Assessment, translate: Translate) -> dict[str, Any]:
    """One judged item as plain values."""
    item, asset = one.item, one.item.asset
    return {
        "reference": item.reference,
        "device_id": item.device.id if item.device else None,
        "asset_id": asset.id if asset else None,
        "matched_by": item.matched_by,
        "unit_code": item.unit_code,
        "site": item.site,
        "name": item.name,
        "kind": item.kind,
        "kind_label": translate(equipment_kinds()[item.kind].label),
        "manufacturer": item.manufacturer,
        "model": item.model,
        "serial": item.serial,
        "asset_code": asset.values.asset_code if asset else None,
        "block": asset.values.block if asset else None,
        "assigned_to": asset.values.assigned_to if asset else None,
        "condition": asset.values.condition if asset else None,
        "quantity": item.quantity,
        "year_put_into_use": item.year_put_into_use,
        "years_in_use": one.years_in_use,
        "years_estimated": one.years_estimated,
        "earliest": _iso(one.estimate.earliest),
        "latest": _iso(one.estimate.latest),
        "best": _iso(one.estimate.best),
        "confidence": one.estimate.confidence,
        "over_10_years": one.over_10_years,
        "over_10_years_by_evidence": one.estimate.over_10_years,
        "override": _override(one.override) if one.override else None,
        "expired": one.expired,
        "life_years": one.life_years,
        "original_cost_vnd": asset.values.original_cost_vnd if asset else None,
        "accumulated_depreciation_vnd": one.book.accumulated_vnd if one.book else None,
        "remaining_value_vnd": one.book.remaining_vnd if one.book else None,
        "price_cap_vnd": one.price_cap.price_vnd if one.price_cap else None,
        "amount_vnd": one.amount_vnd,
        "recommendation": one.recommendation,
        "reasons": [sentence(message, translate) for message in one.reasons],
        "legal_basis": [
            {
                "title": basis.title,
                "article": basis.article,
                "says": sentence(basis.says, translate),
                "confidence": basis.confidence,
            }
            for basis in one.legal_basis
        ],
        "operating_system": _support(one.support) if one.support else None,
        "windows_11": one.windows_11.answer if one.windows_11 else None,
        "evidence": [
            {
                "source": piece.source,
                "earliest": _iso(piece.earliest),
                "latest": _iso(piece.latest),
                "why": sentence(piece.why, translate),
            }
            for piece in one.estimate.evidence
        ],
        "remarks": [sentence(message, translate) for message in one.remarks],
    }


def shortage_as_dict(one: Shortage, translate: Translate) -> dict[str, Any]:
    """One balance against headcount as plain values; what is not known is null."""
    return {
        "unit_code": one.unit_code,
        "unit_name": unit_name(one.unit_code),
        "block": one.block or None,
        "kind": one.kind,
        "kind_label": translate(equipment_kinds()[one.kind].label),
        "norm_quantity": one.norm_quantity,
        "usable": one.usable,
        "to_replace": one.to_replace,
        "to_add": one.to_add,
        "surplus": one.surplus,
        "price_cap_vnd": one.price_cap_vnd,
        "amount_vnd": one.amount_vnd,
        "article": one.article,
        "confidence": one.confidence,
        "reasons": [sentence(message, translate) for message in one.reasons],
    }


def _support(support: OperatingSystemSupport) -> dict[str, Any]:
    return {"system": support.system, "state": support.state, "support_ends": _iso(support.ends)}


def _override(override: Override) -> dict[str, Any]:
    return {
        "decision": override.decision,
        "computed": override.computed,
        "reason": override.reason,
        "decided_by": override.decided_by,
        "decided_on": override.decided_on.isoformat(),
    }


def _items(ones: Sequence[Assessment], whole: InvestmentList, translate: Translate) -> list[dict[str, Any]]:
    return [assessment_as_dict(one, translate) | {"unit_name": whole.unit_name(one.item.unit_code)} for one in ones]


def _unit(unit: UnitSummary) -> dict[str, Any]:
    return {name: getattr(unit, name) for name in UnitSummary.__slots__}


def _doubt(doubt: Doubt, translate: Translate) -> dict[str, Any]:
    return {
        "asset_ids": list(doubt.asset_ids),
        "device_ids": list(doubt.device_ids),
        "by": doubt.by,
        "why": sentence(doubt.why, translate),
    }


def _norm(norm: Norm) -> dict[str, Any]:
    return {
        "kind": norm.kind,
        "title": norm.title,
        "effective_from": norm.effective_from.isoformat(),
        "article": norm.article,
        "confidence": norm.confidence,
        "note": norm.note,
    }


def _iso(day: dt.date | None) -> str | None:
    return day.isoformat() if day else None
