"""What the detector's rules may set; docs/congestion.md explains each figure, the rules' files give its source."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.parameters import number, whole, word


@dataclass(frozen=True, slots=True)
class CongestionParameters:
    """Parameters of the rule `congestion`. A step is one minute, or a coarser trace's own interval."""

    gateway_target: str = word("Name of the target that is the office's own router.")
    edge_target: str = word("Name of the target that is the first hop beyond the access line.")
    baseline_days: int = whole(1, 28, "days", "How far back the baseline looks.")
    learning_minutes: int = whole(10, 10_080, "minutes", "With less history nothing is judged.")
    on_base_us: int = whole(0, 1_000_000, "microseconds", "Added to the line's usual spread: the threshold.")
    on_min_us: int = whole(100, 1_000_000, "microseconds", "The threshold is never lower.")
    on_max_us: int = whole(100, 1_000_000, "microseconds", "The threshold is never higher.")
    evidence_steps: int = whole(2, 60, "steps", "Steps that are looked at for firing.")
    hot_steps: int = whole(1, 60, "steps", "So many of them must be raised.")
    hot_steps_alone: int = whole(1, 60, "steps", "So many where one terminal reports alone.")
    hot_steps_unconfirmed: int = whole(1, 60, "steps", "So many where neither gateway, edge nor neighbour confirms it.")
    span_steps: int = whole(1, 60, "steps", "First and last raised step must lie so far apart, both counted.")
    strength_min: float = number(0, 120, "", "Least sum over these steps of excess / threshold, each at most 2.")
    loss_alone_min_ratio: float = number(0, 1, "ratio", "Significant loss of this much counts as raised by itself.")
    loss_with_delay_min_ratio: float = number(0, 1, "ratio", "Significant loss of this much counts with added delay.")
    loss_delay_min_us: int = whole(0, 1_000_000, "microseconds", "The added delay that goes with it.")
    loss_steps: int = whole(1, 60, "steps", "So many of the looked-at steps must have loss.")
    usual_loss_max_ratio: float = number(0, 1, "ratio", "More loss than this is never taken as usual.")
    large_loss_min_ratio: float = number(
        0, 1, "ratio", "Loss of large probes, or slow connects, that counts as raised."
    )
    large_loss_min_count: int = whole(1, 100, "probes", "At least so many of them over the looked-at steps.")
    clear_window_steps: int = whole(1, 60, "steps", "Steps that are looked at for the end.")
    clear_steps: int = whole(1, 60, "steps", "So many of them must be quiet.")
    clear_threshold_ratio: float = number(0, 1, "ratio", "Quiet is below this share of the threshold.")
    unknown_minutes: int = whole(1, 1440, "minutes", "Without readings for so long the state is unknown.")
    no_data_minutes: int = whole(1, 1440, "minutes", "Without readings for so long a firing alarm is closed.")
    lan_on_us: int = whole(100, 1_000_000, "microseconds", "Excess of the gateway that counts as raised.")
    lan_hot_steps: int = whole(1, 60, "steps", "So many of the looked-at steps must be raised.")
    terminal_on_us: int = whole(100, 1_000_000, "microseconds", "Excess of one terminal over its site that counts.")
    terminal_window_steps: int = whole(1, 240, "steps", "Steps that are looked at for one terminal's own link.")
    terminal_hot_steps: int = whole(1, 240, "steps", "So many of them must be raised.")
    quorum_sites: int = whole(1, 1000, "sites", "So many sites raised in the same step speak for the core.")
    quorum_ratio: float = number(0, 1, "ratio", "And this share of the sites that report.")
    moderate_us: int = whole(0, 10_000_000, "microseconds", "Added delay from which the grade is moderate.")
    major_us: int = whole(0, 10_000_000, "microseconds", "Added delay from which the grade is major.")
    critical_us: int = whole(0, 10_000_000, "microseconds", "Added delay above which the grade is critical.")
    critical_loss_ratio: float = number(0, 1, "ratio", "Loss from which the grade is critical.")

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""
        pairs = (
            ("on_min_us", "on_max_us"),
            ("hot_steps", "evidence_steps"),
            ("hot_steps_alone", "evidence_steps"),
            ("hot_steps_unconfirmed", "evidence_steps"),
            ("span_steps", "evidence_steps"),
            ("loss_steps", "evidence_steps"),
            ("lan_hot_steps", "evidence_steps"),
            ("clear_steps", "clear_window_steps"),
            ("terminal_hot_steps", "terminal_window_steps"),
            ("unknown_minutes", "no_data_minutes"),
            ("moderate_us", "major_us"),
            ("major_us", "critical_us"),
        )
        return _first_inverted(self, pairs)


@dataclass(frozen=True, slots=True)
class PathChangeParameters:
    """Parameters of the rule `path_change`: the whole line is longer or shorter, and steadily so."""

    step_min_us: int = whole(100, 1_000_000, "microseconds", "A smaller change of the shortest round trip is none.")
    step_max_us: int = whole(1000, 10_000_000, "microseconds", "A longer path than this is not believed.")
    step_max_ratio: float = number(0, 10, "ratio", "Or this share of the baseline, if that is more.")
    steady_ratio: float = number(0, 20, "ratio", "Minima are steady within this multiple of their usual wobble.")
    steady_min_us: int = whole(10, 1_000_000, "microseconds", "They may always differ by this much.")
    steady_max_us: int = whole(10, 1_000_000, "microseconds", "They may never differ by more.")
    calm_steps: int = whole(0, 60, "steps", "So many of them must be calm: no queue to be seen within the step.")
    calm_us: int = whole(100, 1_000_000, "microseconds", "Calm: the median stands no further above the shortest.")
    calm_spread_ratio: float = number(0, 10, "ratio", "Or this share of the usual spread, if that is more.")
    steady_steps: int = whole(2, 60, "steps", "So many steady steps: the change is suspected and does not alarm.")
    accept_steps: int = whole(2, 240, "steps", "So many steady steps: it is taken as the new path.")

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""
        pairs = (
            ("step_min_us", "step_max_us"),
            ("steady_min_us", "steady_max_us"),
            ("steady_steps", "accept_steps"),
            ("calm_steps", "steady_steps"),
        )
        return _first_inverted(self, pairs)


@dataclass(frozen=True, slots=True)
class OutageParameters:
    """Parameters of the rule `outage`: nothing is answered any more."""

    dead_steps: int = whole(1, 60, "steps", "Nothing answered for so many steps in a row.")
    alive_steps: int = whole(1, 60, "steps", "Answers for so many steps in a row end it.")

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed: nothing can be."""
        return ""


@dataclass(frozen=True, slots=True)
class ServiceParameters:
    """Parameters of the rule `service_slow`: the network is well, the service behind it is not."""

    on_us: int = whole(1000, 60_000_000, "microseconds", "Time to the first byte beyond two round trips that counts.")
    slow_connects_ratio: float = number(0, 1, "ratio", "Or this share of connects slow or failed.")
    window_steps: int = whole(1, 60, "steps", "Steps that are looked at.")
    hot_steps: int = whole(1, 60, "steps", "So many of them must be raised.")
    clear_steps: int = whole(1, 60, "steps", "So many of them must be quiet for the end.")
    sites_ratio: float = number(0, 1, "ratio", "Share of the sites that must see it: else it is not the service.")

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""
        return _first_inverted(self, (("hot_steps", "window_steps"), ("clear_steps", "window_steps")))


@dataclass(frozen=True, slots=True)
class DetectorParameters:
    """Everything the detector is told, one part for each rule."""

    congestion: CongestionParameters
    path: PathChangeParameters
    outage: OutageParameters
    service: ServiceParameters


def _first_inverted(owner: object, pairs: tuple[tuple[str, str], ...]) -> str:
    for least, most in pairs:
        if getattr(owner, least) > getattr(owner, most):
            return f"{least} is {getattr(owner, least)}, expected at most {most} ({getattr(owner, most)})"
    return ""
