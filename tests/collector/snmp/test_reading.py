"""Two readings of a port make a sample, or say why they make none; never a giant one."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.snmp.reading import NoSampleError, PortReading, samples_of, traffic_between

MBIT = 1_000_000
BEFORE = PortReading(
    index=2,
    taken_at=1_800_000_000.0,
    uptime_ticks=5_000_000,
    discontinuity_ticks=0,
    wide=True,
    received_bytes=10_000_000_000,
    transmitted_bytes=5_000_000_000,
    received_packets=1_000_000,
    transmitted_packets=900_000,
    receive_errors=7,
    transmit_errors=0,
    receive_discards=2,
    transmit_discards=3,
    speed_bits_per_second=100 * MBIT,
    up=True,
    half_duplex=False,
)


def later(before=BEFORE, **changes):
    """The next reading, 300 s later, with 3 MB in and 1 MB out unless `changes` says otherwise."""
    plain = {
        "taken_at": before.taken_at + 300,
        "uptime_ticks": (before.uptime_ticks + 30_000) % 2**32,
        "received_bytes": before.received_bytes + 3_000_000,
        "transmitted_bytes": before.transmitted_bytes + 1_000_000,
    }
    return msgspec.structs.replace(before, **{**plain, **changes})


def why(before, after, elapsed=300.0):
    with pytest.raises(NoSampleError) as caught:
        traffic_between(before, after, elapsed)
    return str(caught.value)


def test_the_time_is_the_devices_own():
    traffic = traffic_between(BEFORE, later(uptime_ticks=5_030_120, receive_errors=9), 299.0)
    assert (traffic.interval_seconds, traffic.received_bytes, traffic.transmitted_bytes) == (
        301.2,
        3_000_000,
        1_000_000,
    )
    assert (traffic.receive_errors, traffic.transmit_errors, traffic.transmit_discards) == (2, 0, 0)


def test_sysuptime_starts_again_after_497_days_without_a_restart():
    before = msgspec.structs.replace(BEFORE, uptime_ticks=2**32 - 10_000)
    assert traffic_between(before, later(before), 300.0).interval_seconds == 300.0


@pytest.mark.parametrize("up_seconds", [0, 1, 100, 260])
def test_a_restart_gives_no_sample_even_if_the_counters_are_higher(up_seconds):
    text = why(BEFORE, later(uptime_ticks=up_seconds * 100))
    assert f"restarted {up_seconds} seconds before" in text


def test_a_restart_right_after_another_is_seen_although_the_uptime_went_on():
    before = msgspec.structs.replace(BEFORE, uptime_ticks=6_000)
    assert "restarted" in why(before, later(before, uptime_ticks=15_000))


def test_a_clock_of_the_collector_that_was_set_gives_no_sample():
    assert "By the device's clock 300 seconds" in why(BEFORE, later(), elapsed=3900.0)
    assert "By the device's clock 300 seconds" in why(BEFORE, later(), elapsed=-86_400.0)


def test_other_reasons_for_no_sample():
    assert "first answer" in why(None, BEFORE)
    assert "another number" in why(BEFORE, later(index=3))
    assert "another width" in why(BEFORE, later(wide=False))
    assert "counted anew since" in why(BEFORE, later(discontinuity_ticks=77))
    assert "went back" in why(BEFORE, later(received_bytes=9_999_999_999))
    assert "how many bytes" in why(BEFORE, later(received_bytes=None))
    # 125 MB/s for 300 s is what 1 Gbit/s carries; a 64-bit counter that rises by more has jumped.
    assert "can carry" in why(BEFORE, later(received_bytes=BEFORE.received_bytes + 42 * 10**9))


def narrow(**changes):
    return msgspec.structs.replace(
        BEFORE, wide=False, received_bytes=2**32 - 1_000_000, transmitted_bytes=2**31, **changes
    )


def test_a_32_bit_counter_that_starts_again_is_counted_on():
    before = narrow()
    after = later(before, received_bytes=2_000_000, transmitted_bytes=2**31 + 5)
    assert traffic_between(before, after, 300.0).received_bytes == 3_000_000


def test_a_32_bit_counter_that_was_set_to_0_is_not_taken_for_one_that_starts_again():
    # 10 Mbit/s carry 375 MB in 300 s: the counter would have had to rise by 2.1 GB.
    before = msgspec.structs.replace(narrow(speed_bits_per_second=10 * MBIT), received_bytes=2**31)
    assert "can carry" in why(before, later(before, received_bytes=0))
    # At 100 Mbit/s it could have, but the packets went back as well.
    before = narrow()
    assert "went back" in why(before, later(before, received_bytes=0, received_packets=0))


@pytest.mark.parametrize("speed", [None, 0, 115 * MBIT, 1000 * MBIT])
def test_32_bits_are_not_enough_for_a_fast_port_or_one_of_unknown_speed(speed):
    before = narrow(speed_bits_per_second=speed)
    assert "32-bit counters only" in why(before, later(before))


def test_an_error_counter_that_was_set_to_0_says_nothing():
    assert traffic_between(BEFORE, later(receive_errors=0), 300.0).receive_errors is None
    before = msgspec.structs.replace(BEFORE, receive_errors=2**32 - 1)
    assert traffic_between(before, later(before, receive_errors=1), 300.0).receive_errors == 2


def test_samples_leave_out_what_is_not_known():
    reading = later(half_duplex=None, up=False, receive_errors=None)
    values = {one.metric: one.value for one in samples_of(reading, traffic_between(BEFORE, reading, 300.0), "wan")}
    assert values["interface_up"] == 0.0
    assert values["interface_received_bytes"] == 3_000_000
    assert not values.keys() & {"interface_half_duplex", "interface_receive_errors"}
    alone = {one.metric for one in samples_of(reading, None, "wan")}
    assert alone == {"interface_up", "interface_speed_bits_per_second"}


counters = st.integers(0, 2**32 - 1)


@given(
    old=st.tuples(counters, counters),
    new=st.tuples(counters, counters),
    up=st.tuples(counters, counters),
    elapsed=st.floats(-1000, 100_000),
    speed=st.sampled_from([None, 0, 64_000, 10 * MBIT, 100 * MBIT, 1000 * MBIT]),
    wide=st.booleans(),
)
def test_whatever_a_device_says_no_sample_is_more_than_the_port_can_carry(old, new, up, elapsed, speed, wide):
    changes = {"wide": wide, "speed_bits_per_second": speed}
    before = msgspec.structs.replace(
        BEFORE, uptime_ticks=up[0], received_bytes=old[0], transmitted_bytes=old[1], **changes
    )
    after = msgspec.structs.replace(
        BEFORE, uptime_ticks=up[1], received_bytes=new[0], transmitted_bytes=new[1], **changes
    )
    try:
        traffic = traffic_between(before, after, elapsed)
    except NoSampleError:
        return
    most = max(speed or 0, 1000 * MBIT if wide else 0) * 1.1 * traffic.interval_seconds / 8
    assert 0 <= traffic.received_bytes <= most
    assert 0 <= traffic.transmitted_bytes <= most
    assert abs(traffic.interval_seconds - elapsed) <= max(30, 0.1 * elapsed)


@given(
    steps=st.lists(st.tuples(st.integers(0, 3_700_000_000), st.integers(0, 3_700_000_000)), min_size=1, max_size=20),
    start=st.tuples(counters, counters),
)
def test_32_bit_counters_add_up_to_what_was_carried_through_any_number_of_wraps(steps, start):
    """At 100 Mbit/s a slot carries up to 3.75 GB, so the counter starts again nearly every time."""
    before = msgspec.structs.replace(
        narrow(), received_bytes=start[0], transmitted_bytes=start[1], received_packets=None, transmitted_packets=None
    )
    total = 0
    for received, transmitted in steps:
        after = later(
            before,
            received_bytes=(before.received_bytes + received) % 2**32,
            transmitted_bytes=(before.transmitted_bytes + transmitted) % 2**32,
        )
        total += traffic_between(before, after, 300.0).received_bytes
        before = after
    assert total == sum(received for received, _ in steps)
