"""The test that a date written by a vendor must pass before it is believed."""

from __future__ import annotations

from datetime import date

from agent.wire.message import Message
from inventory.age.constants import constant
from inventory.age.dates import add_months, as_month, month_end
from inventory.age.machine import Machine


def refusal(machine: Machine, day: date) -> Message | None:
    """Why a vendor's date is not believed, None where it is."""
    if day > machine.as_of:
        return Message("The vendor's date {day} lies in the future; it was not used.", {"day": day.isoformat()})
    processor = machine.processor
    if processor is None or processor.first_launch is None:
        return None
    parameters = {"day": day.isoformat(), "processor": processor.brand, "launch": as_month(processor.first_launch)}
    if day < add_months(processor.first_launch, -constant("vendor_date_before_processor_launch")):
        return Message(
            "The vendor's date {day} is earlier than the first sale of {processor} in {launch} (processor or "
            "system board replaced?); it was not used.",
            parameters,
        )
    if day > month_end(add_months(processor.first_launch, constant("vendor_date_after_processor_launch"))):
        return Message(
            "The vendor's date {day} is years after {processor}, first sold in {launch}, went out of sale; "
            "it was not used.",
            parameters,
        )
    return None
