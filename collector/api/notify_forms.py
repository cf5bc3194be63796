"""What forms and JSON bodies about notifications hold; `collector.notifying.entry` checks what was typed."""

# No postponed annotations here: FastAPI reads them.
from pydantic import BaseModel, ConfigDict

from collector.notifying.entry import MatcherEntry, ReceiverEntry, WindowEntry
from collector.notifying.rosters import DutyEntry


class _Form(BaseModel):
    model_config = ConfigDict(extra="ignore")


class ReceiverForm(_Form):
    """A receiver as it was typed."""

    name: str = ""
    channel: str = ""
    address: str = ""
    language: str = "vi"
    time_zone: str = "Asia/Ho_Chi_Minh"
    min_severity: str = "warning"
    rules: str = ""
    units: str = ""
    districts: str = ""
    step: int = 0
    duty_only: bool = False
    fallback: bool = False
    quiet: str = ""
    quiet_below: str = "critical"
    token: str = ""

    def entry(self) -> ReceiverEntry:
        """For `receiver_values`."""
        return ReceiverEntry(**self.model_dump(exclude={"token"}))


class MatcherForm(_Form):
    """What a silence or a window is about, as it was typed."""

    rules: str = ""
    units: str = ""
    districts: str = ""
    sites: str = ""
    devices: str = ""
    severities: str = ""
    reason: str = ""
    starts: str = ""
    ends: str = ""
    token: str = ""

    def matcher(self) -> MatcherEntry:
        """For `matcher_of`."""
        return MatcherEntry(self.rules, self.units, self.districts, self.sites, self.devices, self.severities)


class WindowForm(MatcherForm):
    """A maintenance window as it was typed."""

    weekdays: str = ""
    start_clock: str = ""
    duration_minutes: int = 0

    def entry(self) -> WindowEntry:
        """For `window_values`."""
        return WindowEntry(
            self.matcher(), self.starts, self.ends, self.weekdays, self.start_clock, self.duration_minutes
        )


class DutyForm(_Form):
    """One duty as it was typed."""

    receiver: str = ""
    place: str = ""
    first_day: str = ""
    last_day: str = ""
    every_weeks: str = ""
    token: str = ""

    def entry(self) -> DutyEntry:
        """For `add_duty`."""
        return DutyEntry(**self.model_dump(exclude={"token"}))


class AcknowledgementForm(_Form):
    """Who takes an alert on, and what they say."""

    note: str = ""
    assigned_to: str = ""
    token: str = ""
